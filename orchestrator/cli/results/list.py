"""`lcpp results list`: the results that meet what is asked for, the newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

from orchestrator.cli.call import Call
from orchestrator.cli.options import json_option
from orchestrator.cli.output.output import Output, json_text
from orchestrator.cli.results.selections import HELP, conditions, filtered, opened_store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from orchestrator.result.measurement import Measurement
    from orchestrator.result.store.database import Unreadable

_LIMIT = 40
_MOST_UNREADABLE = 3


class StoredResults(NamedTuple):
    """The first of the results that meet it, how many there are in all, and what could not be read."""

    runs: Path
    measurements: Sequence[Measurement]
    n_in_all: int
    is_filtered: bool
    n_unreadable: int
    unreadable: Sequence[Unreadable]


@click.command("list", epilog=HELP)
@filtered
@click.option("--limit", type=click.IntRange(0), default=_LIMIT, show_default=True, help="So many at most; 0: all.")
@json_option()
@click.pass_obj
def list_(call: Call, /, selections: tuple[str, ...], limit: int, **options: str | None) -> None:
    """Show the results that meet all SELECTIONs, the newest first."""
    with opened_store(call) as database:
        chosen = conditions(database, selections, options)
        measurements = database.find(chosen, limit=limit or None)
        is_all = not limit or len(measurements) < limit
        count = len(measurements) if is_all else database.count(chosen)
        stored = StoredResults(call.workspace.runs, measurements, count, bool(chosen), *database.unreadable())
    call.output.document(stored, json=_json, people=_show)


def _json(stored: StoredResults) -> str:
    from orchestrator.result.store.documents import as_document

    document = {
        "runs": str(stored.runs),
        "count": stored.n_in_all,
        "results": [{**as_document(measurement), "path": measurement.path} for measurement in stored.measurements],
        "n_unreadable": stored.n_unreadable,
        "unreadable": [{"file": file.name, "problem": file.problem} for file in stored.unreadable],
    }
    return json_text(document)


def _show(stored: StoredResults, output: Output) -> None:
    n_shown = len(stored.measurements)
    if not n_shown:
        output.line(f"no results in {stored.runs}" + (" meet that" if stored.is_filtered else ""))
    else:
        from orchestrator.cli.view.measurements import show_table

        show_table(stored.measurements, output)
    if stored.n_in_all > n_shown:
        n_more = stored.n_in_all - n_shown
        output.line(f"{n_more:,} more: --limit 0 shows all, a filter fewer (`lcpp results list --help`)")
    for file in stored.unreadable[:_MOST_UNREADABLE]:
        output.message(f"note: {file.name} is not used: {file.problem}")
    n_more_files = stored.n_unreadable - _MOST_UNREADABLE
    if n_more_files > 0:
        output.message(f"note: {n_more_files} more files are not used: `lcpp results list --json` names them")
