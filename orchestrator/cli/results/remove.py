"""`lcpp results remove`: results, their transcripts and their rows."""

from __future__ import annotations

import sys

import click

from orchestrator.cli.call import Call
from orchestrator.cli.results.selections import HELP, any_of, opened_store
from orchestrator.errors import Interrupted, UsageError

_MOST_SHOWN = 40


@click.command(epilog=HELP)
@click.argument("selections", nargs=-1, required=True, metavar="SELECTION...")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def remove(call: Call, selections: tuple[str, ...], yes: bool) -> None:
    """Remove results: their files, raw transcripts and rows in the store."""
    with opened_store(call) as database:
        measurements = any_of(database, selections)
        if not yes:
            from orchestrator.cli.view.measurements import show_table

            show_table(measurements[:_MOST_SHOWN], call.output)
            if not sys.stdin.isatty():
                raise UsageError(f"{len(measurements):,} results would be removed", hint="give --yes to remove them")
            if not click.confirm(f"remove {len(measurements):,} results with their transcripts?"):
                raise Interrupted("nothing was removed")
        n_files = database.remove(measurements)
    call.output.line(f"removed {len(measurements):,} results ({n_files:,} files)")
