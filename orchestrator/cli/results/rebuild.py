"""`lcpp results rebuild`: the store again from the results' files."""

from __future__ import annotations

import click

from orchestrator.cli.call import Call
from orchestrator.cli.results.selections import opened_store


@click.command()
@click.pass_obj
def rebuild(call: Call) -> None:
    """Make the store again from the results' files, which are the truth."""
    with opened_store(call) as database:
        database.rebuild()
        count = database.count()
        n_unreadable, unreadable = database.unreadable()
    call.output.line(f"{count:,} results in the store")
    if n_unreadable:
        call.output.line(f"{n_unreadable:,} files are not used:")
        for file in unreadable:
            call.output.line(f"  {file.name}: {file.problem}")
