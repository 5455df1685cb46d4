"""The report in the terminal: tables, and small plots by plotext, whose one user this module is.

plotext comes with the extra `report`; without it there are the tables alone.
"""

from __future__ import annotations

from types import ModuleType
from typing import cast

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.report import words
from orchestrator.report.content import Matrix, RecipeHistory, Report, ends
from orchestrator.report.verdicts import WordedVerdict
from orchestrator.result.compare.statistics import Summary
from orchestrator.result.registry import GENERATION, shown_in
from orchestrator.text.visible import label as short_label
from orchestrator.text.visible import visible

_TONES = {"ok": "green", "bad": "bold red"}
_MAX_PLOTS = 4
_MAX_SERIES = 4
_PLOT_HEIGHT = 12
_PLOT_WIDTH = 78
_LABEL = 24
_MARKS = ("•", "×", "+", "o")
_PLAIN = ("*", "x", "+", "o")


def show(report: Report, console: Console) -> None:
    """Print it."""
    counts = ", ".join(f"{report.count(status)} {status}" for status in ("ok", "unexpected", "failed"))
    console.print(Text(f"{words.many(len(report.runs), 'run')}: {counts}; {len(report.disturbed)} disturbed"))
    for machine in report.machines:
        console.print(_text(f"machine: {machine}"), soft_wrap=True)
    if report.n_older:
        console.print(Text(f"{words.many(report.n_older, 'older run is', 'older runs are')} left out", style="dim"))
    if report.latest:
        console.print()
        console.print(_latest(report))
    worth = [history for history in report.histories if any(series.n_points > 1 for series in history.series)]
    plotext = _plotext() if worth else None
    if plotext is not None:
        for history in worth[:_MAX_PLOTS]:
            console.print()
            _plot(history, console, plotext)
    for matrix in report.matrices:
        console.print()
        console.print(_matrix(matrix))
    if report.memory:
        console.print()
        console.print(_memory(report))
    for reason, n in report.reasons[:10]:
        console.print(_text(f"disturbed: {reason} ({words.many(n, 'run')})", "yellow"), soft_wrap=True)
    if worth and plotext is None:
        console.print(Text("small plots need plotext: pip install 'lcpp[report]'", style="dim"), soft_wrap=True)


def _latest(report: Report) -> Table:
    table = _table("newest figures, tokens/s", "recipe", "llama.cpp")
    for rate in shown_in("histories"):
        table.add_column(rate.column, justify="right", no_wrap=True)
    table.add_column("against the one before", overflow="fold")
    table.add_column("runs", justify="right")
    for series in report.latest:
        table.add_row(
            _text(f"{series.name}\n{series.label}" if series.label else series.name),
            _text(series.build),
            *(_rate(series.spreads.get(rate.name)) for rate in shown_in("histories")),
            _change(series.change),
            str(series.n_runs),
        )
    return table


def _matrix(matrix: Matrix) -> Table:
    table = _table(f"{matrix.title}, tokens/s", "case")
    for rate in shown_in("histories"):
        table.add_column(rate.column, justify="right", no_wrap=True)
    table.add_column("against the first", overflow="fold")
    table.add_column("runs", justify="right")
    for case in matrix.cases:
        failed = _text(f"failed: {case.failure}", "red")
        table.add_row(
            _text(case.label),
            *(_rate(case.spreads.get(rate.name)) for rate in shown_in("histories")),
            failed if case.failure else _change(case.change),
            str(len(case.runs) - case.n_left_out),
        )
    return table


def _memory(report: Report) -> Table:
    table = _table("peak memory, MiB", "run")
    for name in ("estimated", "measured", "error"):
        table.add_column(name, justify="right")
    for row in report.memory:
        peak = row.fit.part("peak")
        sizes = (words.mib(peak.estimated_bytes), words.mib(peak.measured_bytes))
        table.add_row(_text(row.label), *sizes, words.percent(peak.error_percent))
    return table


def _plotext() -> ModuleType | None:
    try:
        import plotext
    except ModuleNotFoundError:
        return None
    return cast(ModuleType, plotext)


def _plot(history: RecipeHistory, console: Console, plotext: ModuleType) -> None:
    """The history of the main rate, a mark a median, with its interval; the groups in their order."""
    figure = plotext.figure
    figure.clear()
    figure.theme("default" if console.is_terminal else "colorless")
    figure.canvas("default")
    figure.plot_size(min(_PLOT_WIDTH, console.width), _PLOT_HEIGHT)
    known = {
        series.label: [(point.at, spread) for point in points if (spread := point.spread)]
        for series in history.series
        if (points := series.by_date.get(GENERATION.name))
    }
    shown = dict(list(known.items())[:_MAX_SERIES])
    times = sorted({at for groups in shown.values() for at, _ in groups})
    if len(times) < 2:
        return
    console.print(_text(f"{history.title}: {GENERATION.label}, {GENERATION.unit}"), soft_wrap=True)
    ascii_only = not (console.encoding or "").lower().startswith("utf")
    for number, (label, groups) in enumerate(shown.items()):
        where = [times.index(at) for at, _ in groups]
        for place, (_, spread) in zip(where, groups, strict=True):
            if (interval := ends(spread)) is not None:
                figure.draw(figure.signal([place, place], list(interval), marker="|").lines())
        mark = (_PLAIN if ascii_only else _MARKS)[number]
        signal = figure.signal(where, [spread.median for _, spread in groups], marker=mark)
        figure.draw(signal.label(short_label(label, _LABEL)) if len(shown) > 1 else signal)
    step = max(1, (len(times) - 1) // 4)
    places = list(range(0, len(times), step))
    figure.ruler("x").ticks(places, [f"{times[place]:%m-%d}" for place in places])
    console.print(Text.from_ansi(figure.build().string()), soft_wrap=True)


def _table(title: str, *names: str) -> Table:
    table = Table(title=_text(title), title_justify="left")
    for name in names:
        table.add_column(name, overflow="fold")
    return table


def _rate(spread: Summary | None) -> str:
    """The median, and below it the interval."""
    if spread is None:
        return words.NOTHING
    return words.rate(spread.median) + ("" if ends(spread) is None else f"\n{words.interval(spread)}")


def _change(change: WordedVerdict | None) -> Text:
    return Text(words.NOTHING) if change is None else _text(change.words, _TONES.get(change.tone, ""))


def _text(text: str, style: str = "") -> Text:
    """Never markup, whatever stands in it."""
    return Text(visible(text), style=style)
