"""`lcpp model list`: the GGUF files of a repository, and which of them this machine can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestrator.cli.call import Call
from orchestrator.cli.options import json_option
from orchestrator.cli.output.output import Output
from orchestrator.text.numbers import gib

if TYPE_CHECKING:
    from orchestrator.model.source.hub.listing import Listing

_COLOURS = {"fits": "green", "tight": "yellow", "does not fit": "red"}


@click.command("list")
@click.argument("repository", metavar="hub:OWNER/NAME[@REVISION]")
@json_option()
@click.pass_obj
def list_(call: Call, repository: str) -> None:
    """Show the GGUF files of a repository: size, quantization, and whether the weights fit this machine's memory.

    Files of a split model are shown as one. How much a run of a recipe needs in all, `lcpp model fit` says.
    """
    from orchestrator.machine.memory import available
    from orchestrator.model.source.hub.listing import list_repository
    from orchestrator.model.source.reference import parse_repo

    reference = parse_repo(repository)
    usable = available().usable_bytes
    listing = list_repository(reference.repo, reference.revision, call.progress, available_bytes=usable)
    call.output.document(listing, json=lambda listing: listing.model_dump_json(indent=1), people=_show)


def _show(listing: Listing, output: Output) -> None:
    where = f"hub:{listing.repo}@{listing.revision}"
    if not listing.models:
        output.line(f"{where} has no .gguf file")
        return
    from orchestrator.cli.output.table import TextTable, visible_text

    table = TextTable(where, title_style="")
    for column in ("file", "quantization", "GiB", "memory"):
        table.add_column(column, overflow="fold", justify="right" if column == "GiB" else "left")
    for model in listing.models:
        name = model.file + (f" … {len(model.files)} files" if len(model.files) > 1 else "")
        verdict: str = "projector" if model.projector else (model.fits or "")
        if not model.complete:
            verdict = "files are missing"
        size = "" if model.size_bytes is None else gib(model.size_bytes)
        table.add_row(name, model.quantization or "", size, visible_text(verdict, style=_COLOURS.get(verdict, "")))
    output.draw(table)
    if listing.available_bytes is not None:
        output.line(f"{gib(listing.available_bytes, 1)} GiB of memory are available now")
