"""`lcpp model verify`: are the models at rest still what they were?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.call import Call
from orchestrator.cli.options import json_option
from orchestrator.cli.output.output import Output
from orchestrator.errors import ModelError

if TYPE_CHECKING:
    from orchestrator.model.verify.verify import Verification

_MARKS = {"sound": ("✓", "green"), "damaged": ("✗", "bold red"), "missing": ("✗", "bold red"), "other": ("≠", "yellow")}


@click.command()
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option("--repair", is_flag=True, help="Fetch broken files again, those and no others.")
@json_option()
@click.pass_obj
def verify(call: Call, models: tuple[str, ...], repair: bool) -> None:
    """Read cached models whole, and say which are damaged and how to mend them.

    Without MODEL: every GGUF in the hub's cache and in lcpp's own. With it: its files (hub:…, package:…, a path or a
    recipe). Each file is compared with what the hub promised, or with what it was when lcpp first checked it. Exit code
    1: something is broken still.
    """
    from orchestrator.model.source.reference import parse_reference
    from orchestrator.model.verify.verify import Verification, all_targets, targets_of, unfinished, verify

    workspace = call.workspace
    if models:
        references = [parse_reference(model, base=Path.cwd()) for model in models]
        targets = [target for named in references for target in targets_of(named.spec, workspace, base=named.base)]
        left: tuple[str, ...] = ()
    else:
        from huggingface_hub import constants  # slow to import

        cache = Path(constants.HF_HUB_CACHE).expanduser()
        targets, left = all_targets(workspace, cache), unfinished(workspace, cache)
    files = verify(targets, workspace, call.progress, repair=repair)
    verification = Verification(files=files, unfinished=left)
    call.output.document(verification, json=lambda verification: verification.model_dump_json(indent=1), people=_show)
    broken = [file for file in files if file.status != "sound"]
    if broken:
        raise ModelError(
            f"{len(broken)} of {len(files)} files {'is' if len(broken) == 1 else 'are'} not in order",
            where=broken[0].path,
            hint=broken[0].mend,
        )


def _show(verification: Verification, output: Output) -> None:
    for file in verification.files:
        mark, style = _MARKS[file.status]
        how = f", as by {file.compared}" if file.compared else ", whole (there is no hash to compare with)"
        state = file.problem or ("repaired" if file.repaired else f"sound{how}")
        output.text((f"{mark} ", style), f"{file.path}: {state}")
        if file.mend:
            output.text(f"  next: {file.mend}", style="dim")
    for path in verification.unfinished:
        output.text(f"… {path}: a download that was not finished", style="dim")
    if not verification.files:
        output.line("no models are cached")
