"""`lcpp model list`: the GGUF files of a repository, and which of them this machine can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestrator.cli.settings import Settings

if TYPE_CHECKING:
    from orchestrator.model.source.hub.listing import Listing

_COLOURS = {"fits": "green", "tight": "yellow", "does not fit": "red"}


@click.command("list")
@click.argument("repository", metavar="hub:OWNER/NAME[@REVISION]")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_obj
def list_(settings: Settings, repository: str, as_json: bool) -> None:
    """Show the GGUF files of a repository: size, quantization, and whether the weights fit this machine's memory.

    Files of a split model are shown as one. How much a run of a recipe needs in all, `lcpp model fit` says.
    """
    settings.json = as_json
    from orchestrator.machine.memory import available
    from orchestrator.model.source.hub.listing import list_repository
    from orchestrator.model.source.reference import parse_repo

    named = parse_repo(repository)
    usable = available().usable_bytes
    found = list_repository(named.repo, named.revision, settings.progress, available_bytes=usable)
    settings.close()
    if as_json:
        click.echo(found.model_dump_json(indent=1))
    else:
        _show(found)


def _show(found: Listing) -> None:
    where = Settings.safe(f"hub:{found.repo}@{found.revision}")
    if not found.models:
        click.echo(f"{where} has no .gguf file")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(where), title_justify="left")
    for column in ("file", "quantization", "GiB", "memory"):
        table.add_column(column, overflow="fold", justify="right" if column == "GiB" else "left")
    for one in found.models:
        name = one.file + (f" … {len(one.files)} files" if len(one.files) > 1 else "")
        verdict: str = "projector" if one.projector else (one.fits or "")
        if not one.complete:
            verdict = "files are missing"
        size = "" if one.size_bytes is None else f"{one.size_bytes / 2**30:.2f}"
        shown = Text(verdict, style=_COLOURS.get(verdict, ""))
        table.add_row(Text(Settings.safe(name)), one.quantization or "", size, shown)
    console = Console()
    console.print(table)
    if found.available_bytes is not None:
        console.print(f"{found.available_bytes / 2**30:.1f} GiB of memory are available now", highlight=False)
