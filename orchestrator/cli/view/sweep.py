"""A sweep as people read it in a terminal: a row a case."""

from __future__ import annotations

from orchestrator.cli.output.output import Output
from orchestrator.cli.output.table import TextTable, visible_text
from orchestrator.experiment.document import SweepDocument
from orchestrator.result.compare.statistics import Summary
from orchestrator.result.registry import Figure, shown_in
from orchestrator.text.numbers import NOTHING


def show(sweep: SweepDocument, output: Output) -> None:
    """Print the table of cases, and what to know of them."""
    table = TextTable(f"{sweep.recipe} — {_extent(sweep)}")
    keys = list(dict.fromkeys(key for case in sweep.cases for key in case.settings))
    for key in keys:
        table.add_column(key, overflow="fold")
    figures = shown_in("cases")
    table.add_column("runs", justify="right")
    for figure in figures:
        table.add_column(f"{figure.column}, {figure.unit}" if figure.kind == "rate" else figure.column, justify="right")
    for case in sweep.cases:
        cells = [case.settings.get(key, "") for key in keys]
        if case.state == "failed" and not case.figures:
            failure = "failed" if case.failure is None else f"failed: {case.failure.what.splitlines()[0]}"
            table.add_row(*cells, "0", visible_text(failure, style="red"), *("" for _ in figures[1:]))
            continue
        table.add_row(
            *cells,
            str(len(case.runs)),
            *(_spread(figure, case.figures.get(figure.name)) for figure in figures),
            style="yellow" if case.state in ("noisy", "failed") else "",
        )
    output.draw(table)
    for line in (*_notes(sweep), f"experiment: {sweep.experiment}"):
        output.text(line, style="dim")


def _extent(sweep: SweepDocument) -> str:
    warmup = f" after {sweep.warmup} to warm up" if sweep.warmup else ""
    n_cases = "1 case" if len(sweep.cases) == 1 else f"{len(sweep.cases)} cases"
    return f"{n_cases}, {sweep.repeat} run{'' if sweep.repeat == 1 else 's'} each{warmup}"


def _notes(sweep: SweepDocument) -> list[str]:
    notes = []
    if any(spread.n >= 3 for case in sweep.cases for spread in case.figures.values()):
        notes.append("medians, and the 95 % interval in brackets")
    for case in sweep.cases:
        if case.disturbed_by:
            label = ", ".join(f"{key}={value}" for key, value in case.settings.items())
            why = "; ".join(case.disturbed_by[:3])
            notes.append(f"note: {f'{label}: ' if label else ''}disturbed runs do not count ({why})")
    return notes


def _spread(figure: Figure, spread: Summary | None) -> str:
    """Of a rate the median and its interval; of all others the median with its unit."""
    if spread is None:
        return NOTHING
    if figure.kind != "rate":
        return f"{spread.median / figure.divisor:,.0f} {figure.shown_unit}"
    # Of two runs the interval says nothing.
    if spread.low is None or spread.high is None or spread.n < 3:
        return f"{spread.median:.2f}"
    return f"{spread.median:.2f} [{spread.low:.2f}, {spread.high:.2f}]"
