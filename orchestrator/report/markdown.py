"""The report as Markdown, for an issue or a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.report import words
from orchestrator.report.content import RATES, Report
from orchestrator.result.compare.statistics import Summary
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
        head: tuple[str, ...] = (
            "recipe",
            "what",
            "llama.cpp",
            "generation",
            "interval",
            "prompt",
            "against the one before",
            "runs",
        )
        yield from _table(
            head,
            [
                (
                    one.name,
                    one.label,
                    one.build,
                    words.rate(one.generation.median if one.generation else None),
                    words.interval(one.generation),
                    words.rate(one.prompt.median if one.prompt else None),
                    one.change.words if one.change else words.NOTHING,
                    str(one.n_runs),
                )
                for one in report.latest
            ],
        )
    for matrix in report.matrices:
        yield from ("", f"## {escape(matrix.title)}", "")
        rates = [rate for rate in RATES if any(rate in case.spreads for case in matrix.cases)]
        head = ("case", *(name for rate in rates for name in (RATES[rate], "interval")), "against the first", "runs")
        yield from _table(
            head,
            [
                (
                    case.label,
                    *(told for rate in rates for told in _spread(case.spreads.get(rate))),
                    f"failed: {case.failure}" if case.failure else case.change.words if case.change else words.NOTHING,
                    str(len(case.runs) - case.n_left_out),
                )
                for case in matrix.cases
            ],
        )
    if report.memory:
        yield from ("", "## Memory", "", "Peak in MiB, estimated before the run and measured.", "")
        rows = []
        for row in report.memory:
            peak = row.fit.part("peak")
            sizes = (words.mib(peak.estimated_bytes), words.mib(peak.measured_bytes))
            rows.append((row.label, *sizes, words.percent(peak.error_percent)))
        yield from _table(("run", "estimated", "measured", "error"), rows)
    if report.reasons:
        yield from ("", "## Noise", "")
        yield from (f"- {escape(reason)}: {words.many(n, 'run')}" for reason, n in report.reasons[:20])


def _spread(one: Summary | None) -> tuple[str, str]:
    return words.rate(one.median if one else None), words.interval(one)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(escape(cell) for cell in row) + " |"
