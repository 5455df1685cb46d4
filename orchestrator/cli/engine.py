"""`lcpp engine`: what is built, what it can do, and freeing it."""

from __future__ import annotations

import click

from orchestrator.cli.settings import Settings
from orchestrator.errors import UsageError


@click.group()
def engine() -> None:
    """List, show and remove builds of llama.cpp."""


@engine.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_obj
def list_(settings: Settings, as_json: bool) -> None:
    """Show the builds and checkouts that are there, and what they take on the disk."""
    settings.json = as_json
    from orchestrator.engine.build.inventory import list_builds, list_checkouts

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
@click.argument("key")
@click.argument("program", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_obj
def show(settings: Settings, key: str, program: str | None, as_json: bool) -> None:
    """Show what the programs of a build can do: KEY or the first characters of it; with PROGRAM, all its options."""
    settings.json = as_json
    from orchestrator.drive.command import child_environment
    from orchestrator.engine.build import capabilities
    from orchestrator.engine.build.build import dialect_of_build
    from orchestrator.engine.build.inventory import find_build
    from orchestrator.programs.all_programs import PROGRAMS, settings_of

    directory, made = find_build(settings.workspace, key)
    dialect, environment = dialect_of_build(directory, made), child_environment(settings.environment)
    chosen = {name: file for name, file in made.programs.items() if program in (None, name)}
    if not chosen:
        hint = f"it has {', '.join(sorted(made.programs))}"
        raise UsageError(f"{program} is not among the programs of this build", where=str(directory), hint=hint)
    can = {
        name: capabilities.of(directory, name, file, environment, has_help=PROGRAMS[name].has_help(dialect.build))
        for name, file in sorted(chosen.items())
    }
    if as_json:
        import json

        document = {
            "key": directory.name,
            "build": dialect.name,
            "commit": made.commit,
            "programs": {
                name: {
                    "file": str(directory / made.programs[name].file),
                    "purposes": PROGRAMS[name].PURPOSES.at(dialect.build),
                    "settings": settings_of(PROGRAMS[name], dialect),
                    "version": known.version,
                    "options": None if known.options is None else sorted(known.options),
                }
                for name, known in can.items()
            },
        }
        click.echo(json.dumps(document, indent=1))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    day, system = (made.commit_date or "")[:10], made.build_system
    title = f"{directory.name}: llama.cpp {dialect.name} {day}, built by {system}"
    table = Table(title=title, title_justify="left", show_lines=True)
    for column in ("program", "for", "settings of a recipe", "options", "says of itself"):
        table.add_column(column, overflow="fold")
    for name, known in can.items():
        options = "no list" if known.options is None else str(len(known.options))
        version = escape(settings.safe(known.version or "").partition("\n")[0])
        does = ", ".join(PROGRAMS[name].PURPOSES.at(dialect.build))
        takes = ", ".join(settings_of(PROGRAMS[name], dialect)) or "none"
        table.add_row(name, does, takes, options, version)
    console = Console()
    console.print(table)
    if program is not None and can[next(iter(can))].options is not None:
        names = sorted(can[next(iter(can))].options or (), key=lambda name: name.lstrip("-").lower())
        console.print(escape(settings.safe("  ".join(names))), highlight=False)


@engine.command()
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@click.option("--all", "everything", is_flag=True, help="All builds and checkouts.")
@click.pass_obj
def remove(settings: Settings, keys: tuple[str, ...], everything: bool) -> None:
    """Remove builds by their keys, or the first characters of them. What git has fetched stays."""
    from orchestrator.engine.build.inventory import list_builds, list_checkouts, remove_builds, remove_checkouts

    if bool(keys) == everything:
        raise UsageError("name the builds to remove, or --all", hint="`lcpp engine list` shows them")
    workspace, progress = settings.workspace, settings.progress
    if everything:
        freed = remove_builds(workspace, [build.key for build in list_builds(workspace)], progress)
        freed += remove_checkouts(workspace, [one.name for one in list_checkouts(workspace)], progress)
    else:
        freed = remove_builds(workspace, keys, progress)
    click.echo(f"freed {freed / 2**20:,.0f} MiB")
