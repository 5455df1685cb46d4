"""`lcpp results show`: a result whole, or several in a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.call import Call
from orchestrator.cli.options import json_option
from orchestrator.cli.output.output import Output, json_text
from orchestrator.cli.results.selections import HELP, any_of, opened_store
from orchestrator.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.result.measurement import Measurement


@click.command(epilog=HELP)
@click.argument("selections", nargs=-1, required=True, metavar="SELECTION...")
@json_option('One JSON document on standard output: {"results": [...]}.')
@click.pass_obj
def show(call: Call, selections: tuple[str, ...]) -> None:
    """Show a result whole, or several in a table. As JSON each is whole."""
    with opened_store(call) as database:
        measurements = any_of(database, selections)
    call.output.document(measurements, json=_json, people=_show)


def _json(measurements: Sequence[Measurement]) -> str:
    import json

    from orchestrator.result.store.documents import as_document

    documents: list[Any] = [
        as_document(measurement) if measurement.path is None else json.loads(_read(measurement.path))
        for measurement in measurements
    ]
    return json_text({"results": documents})


def _show(measurements: Sequence[Measurement], output: Output) -> None:
    from orchestrator.cli.view.measurements import show_measurement, show_table

    if len(measurements) > 1:
        show_table(measurements, output)
    elif measurements[0].path is None:
        show_measurement(measurements[0], output)
    else:
        _show_result(measurements[0].path, output)


def _show_result(path: str, output: Output) -> None:
    from orchestrator.cli.view.result import show as show_result
    from orchestrator.result.reading import UnreadableResult, parse_result

    try:
        result = parse_result(_read(path))
    except UnreadableResult:
        raise UsageError(
            "its file is no longer a result of lcpp", where=path, hint="`lcpp results rebuild` looks again"
        ) from None
    show_result(result, Path(path), output)


def _read(path: str) -> bytes:
    from orchestrator.result.reading import UnreadableResult, read_bytes

    try:
        return read_bytes(Path(path))
    except UnreadableResult as error:
        raise UsageError(f"cannot read the result: {error.what.lower()}", where=error.where) from None
