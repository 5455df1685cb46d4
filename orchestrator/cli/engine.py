"""`lcpp engine`: what is built, and freeing it."""

from __future__ import annotations

import click

from orchestrator.cli.settings import Settings
from orchestrator.errors import UsageError


@click.group()
def engine() -> None:
    """List and remove builds of llama.cpp."""


@engine.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_obj
def list_(settings: Settings, as_json: bool) -> None:
    """Show the builds and checkouts that are there, and what they take on the disk."""
    settings.json = as_json
    from orchestrator.engine.inventory import list_builds, list_checkouts

    workspace = settings.workspace
    builds, checkouts = list_builds(workspace), list_checkouts(workspace)
    if as_json:
        import json

        document = {
            "vendor": str(workspace.vendor),
            "builds": [
                {
                    "key": build.key,
                    "size_bytes": build.size_bytes,
                    "manifest": build.manifest.model_dump(mode="json") if build.manifest else None,
                }
                for build in builds
            ],
            "checkouts": [
                {"name": one.name, "commit": one.commit, "build_number": one.build_number, "size_bytes": one.size_bytes}
                for one in checkouts
            ],
        }
        click.echo(json.dumps(document, indent=1))
        return
    if not builds and not checkouts:
        click.echo(f"nothing is built yet in {workspace.vendor}; `lcpp setup` builds the default llama.cpp")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"builds in {workspace.builds}", title_justify="left")
    for column in ("key", "llama.cpp", "programs", "built", "MiB"):
        table.add_column(column, overflow="fold", justify="right" if column == "MiB" else "left")
    for build in builds:
        size = f"{build.size_bytes / 2**20:,.0f}"
        made = build.manifest
        if made is None:
            table.add_row(build.key, "not finished", "", "", size)
            continue
        number = "" if made.build_number is None else f"b{made.build_number}"
        day = (made.commit_date or "")[:10]
        table.add_row(build.key, f"{number} {day}".strip(), "\n".join(sorted(made.programs)), made.built_at[:10], size)
    console = Console()
    console.print(table)
    total = sum(one.size_bytes for one in checkouts)
    console.print(f"{len(checkouts)} checkouts, {total / 2**20:,.0f} MiB", highlight=False)


@engine.command()
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@click.option("--all", "everything", is_flag=True, help="All builds and checkouts.")
@click.pass_obj
def remove(settings: Settings, keys: tuple[str, ...], everything: bool) -> None:
    """Remove builds by their keys, or the first characters of them. What git has fetched stays."""
    from orchestrator.engine.inventory import list_builds, list_checkouts, remove_builds, remove_checkouts

    if bool(keys) == everything:
        raise UsageError("name the builds to remove, or --all", hint="`lcpp engine list` shows them")
    workspace, progress = settings.workspace, settings.progress
    if everything:
        freed = remove_builds(workspace, [build.key for build in list_builds(workspace)], progress)
        freed += remove_checkouts(workspace, [one.name for one in list_checkouts(workspace)], progress)
    else:
        freed = remove_builds(workspace, keys, progress)
    click.echo(f"freed {freed / 2**20:,.0f} MiB")
