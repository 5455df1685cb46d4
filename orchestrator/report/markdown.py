"""The report as Markdown, for an issue or a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.report import words
from orchestrator.report.content import Latest, Matrix, MemoryRow, Report
from orchestrator.result.compare.statistics import Summary
from orchestrator.result.registry import shown_in
from orchestrator.text.markdown import escape


def render(report: Report) -> str:
    """A document that ends with a line end. What strangers wrote is escaped."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"# {escape(report.title)}"
    yield ""
    counts = ", ".join(f"{report.count(status)} {status}" for status in ("ok", "unexpected", "failed"))
    yield f"{words.many(len(report.runs), 'run')}: {counts}; {len(report.disturbed)} disturbed."
    if report.n_older:
        yield f"{words.many(report.n_older, 'older run is', 'older runs are')} left out."
    for machine in report.machines:
        yield f"Machine: {escape(machine)}."
    if report.latest:
        yield from ("", "## Newest figures", "", "Speeds are tokens per second; intervals hold the median at 95 %.", "")
        yield from _newest(report.latest)
    for matrix in report.matrices:
        yield from ("", f"## {escape(matrix.title)}", "")
        yield from _matrix(matrix)
    if report.memory:
        yield from ("", "## Memory", "", "Peak in MiB, estimated before the run and measured.", "")
        yield from _memory(report.memory)
    if report.reasons:
        yield from ("", "## Noise", "")
        yield from (f"- {escape(reason)}: {words.many(n, 'run')}" for reason, n in report.reasons[:20])


def _newest(latest: Sequence[Latest]) -> Iterator[str]:
    """The interval is of the first rate alone: the table is wide enough."""
    first, *others = shown_in("histories")
    rates = (first.column, "interval", *(rate.column for rate in others))
    rows = [
        (
            series.name,
            series.label,
            series.build,
            *_spread(series.spreads.get(first.name)),
            *(_spread(series.spreads.get(rate.name))[0] for rate in others),
            series.change.words if series.change else words.NOTHING,
            str(series.n_runs),
        )
        for series in latest
    ]
    return _table(("recipe", "what", "llama.cpp", *rates, "against the one before", "runs"), rows)


def _matrix(matrix: Matrix) -> Iterator[str]:
    rates = [rate for rate in shown_in("histories") if any(rate.name in case.spreads for case in matrix.cases)]
    head = ("case", *(name for rate in rates for name in (rate.label, "interval")), "against the first", "runs")
    rows = [
        (
            case.label,
            *(cell for rate in rates for cell in _spread(case.spreads.get(rate.name))),
            f"failed: {case.failure}" if case.failure else case.change.words if case.change else words.NOTHING,
            str(len(case.runs) - case.n_left_out),
        )
        for case in matrix.cases
    ]
    return _table(head, rows)


def _memory(memory: Sequence[MemoryRow]) -> Iterator[str]:
    rows = []
    for row in memory:
        peak = row.fit.part("peak")
        sizes = (words.mib(peak.estimated_bytes), words.mib(peak.measured_bytes))
        rows.append((row.label, *sizes, words.percent(peak.error_percent)))
    return _table(("run", "estimated", "measured", "error"), rows)


def _spread(spread: Summary | None) -> tuple[str, str]:
    return words.rate(spread.median if spread else None), words.interval(spread)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(escape(cell) for cell in row) + " |"
