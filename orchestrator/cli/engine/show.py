"""`lcpp engine show`: what the programs of a build can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

from orchestrator.cli.call import Call
from orchestrator.cli.options import json_option
from orchestrator.cli.output.output import Output, json_text
from orchestrator.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from orchestrator.engine.build.capabilities import Capabilities
    from orchestrator.engine.build.manifest import Manifest
    from orchestrator.eras.dialect import Dialect
    from orchestrator.recipe.schema.recipe import ProgramName


class Shown(NamedTuple):
    """A build, and what is known of its programs, or of the one that was named."""

    directory: Path
    manifest: Manifest
    dialect: Dialect
    programs: Mapping[ProgramName, Capabilities]
    program: ProgramName | None


@click.command()
@click.argument("key")
@click.argument("program", required=False)
@json_option()
@click.pass_obj
def show(call: Call, key: str, program: str | None) -> None:
    """Show what the programs of a build can do: KEY or the first characters of it; with PROGRAM, all its options."""
    from orchestrator.drive.command import child_environment
    from orchestrator.engine.build import capabilities
    from orchestrator.engine.build.build import dialect_of_build
    from orchestrator.engine.build.inventory import find_build
    from orchestrator.programs.all_programs import PROGRAMS

    directory, manifest = find_build(call.workspace, key)
    dialect, environment = dialect_of_build(directory, manifest), child_environment(call.environment)
    chosen = {name: file for name, file in manifest.programs.items() if program in (None, name)}
    if not chosen:
        hint = f"it has {', '.join(sorted(manifest.programs))}"
        raise UsageError(f"{program} is not among the programs of this build", where=str(directory), hint=hint)
    programs = {
        name: capabilities.of_program(
            directory, name, file, environment, has_help=PROGRAMS[name].has_help(dialect.build)
        )
        for name, file in sorted(chosen.items())
    }
    only = None if program is None else next(iter(programs))
    call.output.document(Shown(directory, manifest, dialect, programs, only), json=_json, people=_show)


def _json(shown: Shown) -> str:
    from orchestrator.programs.all_programs import PROGRAMS, settings_of

    directory, manifest, dialect, programs, _ = shown
    described = {
        name: {
            "file": str(directory / manifest.programs[name].file),
            "purposes": PROGRAMS[name].PURPOSES.at(dialect.build),
            "settings": settings_of(PROGRAMS[name], dialect),
            "version": known.version,
            "options": None if known.options is None else sorted(known.options),
        }
        for name, known in programs.items()
    }
    return json_text({"key": directory.name, "build": dialect.name, "commit": manifest.commit, "programs": described})


def _show(shown: Shown, output: Output) -> None:
    from orchestrator.cli.output.table import TextTable
    from orchestrator.programs.all_programs import PROGRAMS, settings_of

    directory, manifest, dialect, programs, program = shown
    day, system = (manifest.commit_date or "")[:10], manifest.build_system
    title = f"{directory.name}: llama.cpp {dialect.name} {day}, built by {system}"
    table = TextTable(title, show_lines=True)
    for column in ("program", "for", "settings of a recipe", "options", "says of itself"):
        table.add_column(column, overflow="fold")
    for name, known in programs.items():
        options = "no list" if known.options is None else str(len(known.options))
        version = (known.version or "").partition("\n")[0]
        purposes = ", ".join(PROGRAMS[name].PURPOSES.at(dialect.build))
        settings = ", ".join(settings_of(PROGRAMS[name], dialect)) or "none"
        table.add_row(name, purposes, settings, options, version)
    output.draw(table)
    if program is not None and (options_of_one := programs[program].options) is not None:
        output.text("  ".join(sorted(options_of_one, key=lambda name: name.lstrip("-").lower())), wrap=True)
