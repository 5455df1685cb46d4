"""The plots, by matplotlib, whose one user this module is: a figure in, SVG or PNG out.

matplotlib takes half a second to import: import this module where a plot is made. It comes with the extra `report`;
where it is missing, importing this module is a `UsageError` that says so.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np

from orchestrator.errors import UsageError
from orchestrator.report.content import Matrix, MatrixCase, MemoryRow, Point, RecipeHistory, Series, ends, name_of
from orchestrator.report.palette import LIGHT, MARKS, Palette
from orchestrator.result.registry import FIGURES, Figure, shown_in
from orchestrator.text.numbers import MIB
from orchestrator.text.visible import label, visible
from orchestrator.values import Value

try:
    import matplotlib
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
    from matplotlib.figure import Figure as Drawing
    from matplotlib.ticker import MaxNLocator
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "matplotlib":
        raise
    raise UsageError(
        "a page and plots need matplotlib, which is not installed",
        hint="pip install 'lcpp[report]'; tables, --markdown and --junit work without it",
    ) from None

View = Literal["date", "commit"]
MAX_SERIES = 6
MAX_ROWS = 24
MAX_COMMITS = 40
_MANY = 40
_MAX_CHANGES = 8
# Of one series: more cannot be told apart, and make a page large.
_MAX_POINTS = 400
_MAX_DOTS = 60
# In days, as matplotlib counts.
_HOUR = 1 / 24
# Narrow, with large letters, so that it can be read on a phone; wide screens show two side by side.
_WIDTH_INCH = 5.2
_FONT_POINTS = 9.5
_LABEL_CHARACTERS = 56


class Plot(Value):
    """A plot, and what it says in words.

    Args:
        title: one line.
        description: what a person who does not see it should know.
    """

    figure: Drawing
    title: str
    description: str


@contextlib.contextmanager
def _settings(palette: Palette) -> Iterator[None]:
    """matplotlib as it comes, whatever the user's own file says, with our letters and colours."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        # A letter that the font lacks is a box in a PNG.
        warnings.simplefilter("ignore")
        matplotlib.rcdefaults()
        set_group: Callable[..., None] = matplotlib.rc
        for group, values in _rc(palette).items():
            set_group(group, **values)
        yield


def _rc(palette: Palette) -> dict[str, dict[str, Any]]:
    small = _FONT_POINTS - 1
    return {
        "text": {"parse_math": False, "color": palette.text},
        "font": {"size": _FONT_POINTS},
        "figure": {"dpi": 72, "facecolor": palette.background},
        "savefig": {"facecolor": palette.background},
        "svg": {"fonttype": "none", "hashsalt": "lcpp"},
        "axes": {
            "titlesize": _FONT_POINTS,
            "titlelocation": "left",
            "titlecolor": palette.text,
            "labelsize": _FONT_POINTS,
            "labelcolor": palette.text,
            "edgecolor": palette.muted,
            "facecolor": "none",
            "grid": True,
            "axisbelow": True,
        },
        "axes.spines": {"top": False, "right": False, "left": False},
        "grid": {"color": palette.grid, "linewidth": 0.8},
        "xtick": {"labelsize": small, "labelcolor": palette.text, "color": palette.muted},
        "ytick": {"labelsize": small, "labelcolor": palette.text, "color": palette.muted},
        "ytick.major": {"size": 0},
        "legend": {"fontsize": _FONT_POINTS - 0.5, "frameon": False},
    }


def draw_history(history: RecipeHistory, view: View, palette: Palette = LIGHT) -> Plot:
    """Each rate of a recipe over time, or by llama.cpp: the median of each group with its interval, and each run."""
    shown = [series for series in history.series if _points(series, view)][:MAX_SERIES]
    rates = [rate for rate in shown_in("histories") if any(_side(series, view).get(rate.name) for series in shown)]
    commits = _commits(shown)
    with _settings(palette):
        legend = 0.22 * len(shown) if len(shown) > 1 else 0.0
        figure = Drawing(figsize=(_WIDTH_INCH, 0.5 + 2.0 * len(rates) + legend), layout="constrained")
        for number, rate in enumerate(rates):
            axes = figure.add_subplot(len(rates), 1, number + 1)
            for place, series in enumerate(shown):
                points = _side(series, view).get(rate.name, ())[-_MAX_POINTS:]
                if view == "date":
                    where = [float(date2num(point.at)) for point in points]
                else:
                    # Beside each other, so that intervals do not cover each other.
                    aside = (place - (len(shown) - 1) / 2) * min(0.14, 0.6 / len(shown))
                    shown_points = [point for point in points if point.commit in commits]
                    points, where = tuple(shown_points), [commits.index(point.commit) + aside for point in shown_points]
                _series(axes, where, points, place, palette, label=_short(series.label), joined=view == "date")
            axes.set_title(f"{rate.label}, {rate.unit}")
            axes.yaxis.set_major_locator(MaxNLocator(5))
            axes.margins(y=0.15)
            if view == "date":
                _dates(axes)
                _changes(axes, shown[0].by_date.get(rate.name, ()), palette, named=number == 0)
            else:
                _names(axes, commits)
            if number == 0 and len(shown) > 1:
                handles, labels = axes.get_legend_handles_labels()
                figure.legend(handles, labels, loc="outside lower left", ncols=1)
    by = "over time" if view == "date" else "by llama.cpp"
    return Plot(
        figure=figure,
        title=visible(f"{history.title}: speed {by}"),
        description=visible(_told(history, shown, view)),
    )


def draw_matrix(matrix: Matrix, rate: Figure, palette: Palette = LIGHT) -> Plot:
    """The cases of an experiment below each other: each run a dot, the median with its interval."""
    cases = [case for case in matrix.cases if rate.name in case.spreads][:MAX_ROWS]
    with _settings(palette):
        figure = Drawing(figsize=(_WIDTH_INCH, 0.75 + 0.46 * max(1, len(cases))), layout="constrained")
        axes = figure.add_subplot()
        for row, case in enumerate(cases):
            _row(axes, row, case, rate.name, palette)
        _rows(axes, len(cases))
        axes.set_title(f"{rate.label}, {rate.unit}")
    medians = "; ".join(f"{case.label}: {case.spreads[rate.name].median:.2f}" for case in cases[:8])
    return Plot(
        figure=figure,
        title=visible(f"{matrix.title}: {rate.label}"),
        description=visible(
            f"Median tokens per second: {medians}." + (" More in the table." if len(cases) > 8 else "")
        ),
    )


def draw_memory(rows: Sequence[MemoryRow], palette: Palette = LIGHT) -> Plot:
    """What memory was measured, as a bar, and what was estimated before, as a mark on it."""
    shown = rows[:MAX_ROWS]
    with _settings(palette):
        figure = Drawing(figsize=(_WIDTH_INCH, 1.1 + 0.5 * max(1, len(shown))), layout="constrained")
        axes = figure.add_subplot()
        for row, memory in enumerate(shown):
            peak = memory.fit.part("peak")
            first = row == 0
            if peak.measured_bytes is not None:
                axes.barh(
                    row,
                    peak.measured_bytes / MIB,
                    height=0.36,
                    color=palette.series[0],
                    label="peak, measured" if first else None,
                )
            axes.plot(
                [peak.estimated_bytes / MIB],
                [row],
                linestyle="none",
                marker="|",
                markersize=15,
                markeredgewidth=2.5,
                color=palette.series[1],
                label="peak, estimated before" if first else None,
            )
            _above(axes, row, f"{memory.label} ({name_of(memory.run)})")
        _rows(axes, len(shown))
        axes.set_xlim(left=0)
        axes.set_title("peak memory, MiB")
        handles, labels = axes.get_legend_handles_labels()
        if handles:
            figure.legend(handles, labels, loc="outside lower left", ncols=2)
    errors = [abs(error) for memory in rows if (error := memory.fit.part("peak").error_percent) is not None]
    description = (
        f"The estimate of the peak was off by at most {max(errors):.1f} %." if errors else "No peak was measured."
    )
    return Plot(figure=figure, title="memory: estimated and measured", description=description)


def svg(drawn: Plot, palette: Palette = LIGHT) -> str:
    """The figure as matplotlib's own SVG document."""
    out = io.StringIO()
    with _settings(palette):
        FigureCanvasSVG(drawn.figure).print_svg(out, metadata={"Date": None, "Title": drawn.title})
    return out.getvalue()


def png(drawn: Plot, palette: Palette = LIGHT) -> bytes:
    """The figure as PNG, large enough for a page."""
    out = io.BytesIO()
    with _settings(palette):
        drawn.figure.set_dpi(200)
        FigureCanvasAgg(drawn.figure).print_png(out)
    return out.getvalue()


def _side(series: Series, view: View) -> dict[str, tuple[Point, ...]]:
    return dict(series.by_date if view == "date" else series.by_commit)


def _points(series: Series, view: View) -> int:
    return sum(len(points) for points in _side(series, view).values())


def _series(
    axes: Axes,
    where: Sequence[float],
    points: Sequence[Point],
    place: int,
    palette: Palette,
    *,
    label: str,
    joined: bool,
) -> None:
    colour, mark = palette.series[place % len(palette.series)], MARKS[place % len(MARKS)]
    single = [(x, value) for x, point in zip(where, points, strict=True) for value in _some(point.values)]
    if len(single) > len([point for point in points if point.spread]):
        # Beside the median, which would hide them.
        aside = 0.0 if joined else -0.09
        single = [(x + aside, value) for x, value in single]
        axes.plot(*_columns(single), linestyle="none", marker="o", markersize=2.2, color=colour, alpha=0.5)
    noisy = [(x, value) for x, point in zip(where, points, strict=True) for value in _some(point.disturbed)]
    if noisy:
        axes.plot(*_columns(noisy), linestyle="none", marker="x", markersize=4, color=palette.muted)
    spreads = [(x, point.spread) for x, point in zip(where, points, strict=True) if point.spread]
    if not spreads:
        return
    places = [x for x, _ in spreads]
    medians = [spread.median for _, spread in spreads]
    intervals = [ends(spread) or (spread.median, spread.median) for _, spread in spreads]
    below = [middle - low for middle, (low, _) in zip(medians, intervals, strict=True)]
    above = [high - middle for middle, (_, high) in zip(medians, intervals, strict=True)]
    many = len(spreads) > _MANY
    axes.errorbar(
        places,
        medians,
        yerr=(_positive(below), _positive(above)),
        label=label,
        color=colour,
        marker=mark,
        markersize=2.8 if many else 5 if joined else 3.5,
        linestyle="-" if joined else "none",
        linewidth=1.0 if many else 1.3,
        elinewidth=1.3,
        capsize=2.5 if joined else 4,
    )


def _row(axes: Axes, row: int, case: MatrixCase, rate: str, palette: Palette) -> None:
    values = [
        run.measurement.figures[rate] for run in case.runs if run.measurement.counts and rate in run.measurement.figures
    ]
    values = _some(values)
    spread = case.spreads[rate]
    if len(values) > 1:
        axes.plot(
            values, [row] * len(values), linestyle="none", marker="o", markersize=3, color=palette.series[0], alpha=0.4
        )
    low, high = ends(spread) or (spread.median, spread.median)
    axes.errorbar(
        [spread.median],
        [row],
        xerr=(_positive([spread.median - low]), _positive([high - spread.median])),
        color=palette.series[0],
        marker="D",
        markersize=5.5,
        elinewidth=1.6,
        capsize=3.5,
    )
    _above(axes, row, f"{case.label}: {spread.median:.2f}")


def _above(axes: Axes, row: int, text: str) -> None:
    """A label above its row: beside it there is no room on a phone."""
    axes.text(0.0, row - 0.3, _short(text), transform=axes.get_yaxis_transform(), ha="left", va="bottom", clip_on=False)


def _rows(axes: Axes, n_rows: int) -> None:
    axes.set_yticks([])
    axes.set_ylim(max(1, n_rows) - 0.5, -0.85)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.margins(x=0.06)


def _dates(axes: Axes) -> None:
    times = [float(where) for line in axes.get_lines() for where in np.asarray(line.get_xdata(), dtype=float)]
    if times and min(times) == max(times):
        # matplotlib would show years around one moment.
        axes.set_xlim(times[0] - _HOUR, times[0] + _HOUR)
    locator = AutoDateLocator(minticks=2, maxticks=6)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.margins(x=0.05)


def _changes(axes: Axes, points: Sequence[Point], palette: Palette, *, named: bool) -> None:
    """A line where another llama.cpp begins, unless they are too many to be told apart."""
    changes = [new for old, new in itertools.pairwise(points) if old.commit != new.commit]
    if len(changes) > _MAX_CHANGES:
        return
    for point in changes:
        where = float(date2num(point.at))
        axes.axvline(where, color=palette.muted, linestyle=(0, (2, 3)), linewidth=0.9)
        if named:
            axes.annotate(
                _short(point.commit),
                (where, 0.02),
                xycoords=axes.get_xaxis_transform(),
                xytext=(3, 0),
                textcoords="offset points",
                fontsize=_FONT_POINTS - 1.5,
                color=palette.muted,
            )


def _names(axes: Axes, commits: Sequence[str]) -> None:
    step = math.ceil(len(commits) / 12)
    places = range(0, len(commits), step)
    many = len(commits) > 4
    axes.set_xticks(
        list(places),
        [_short(commits[place]) for place in places],
        rotation=35 if many else 0,
        ha="right" if many else "center",
    )
    axes.set_xlim(-0.5, len(commits) - 0.5)


def _commits(shown: Sequence[Series]) -> list[str]:
    """All that the series have, in their order, the newest of them."""
    names: dict[str, None] = {}
    for series in sorted(shown, key=lambda of_series: -_points(of_series, "commit")):
        for points in series.by_commit.values():
            names.update(dict.fromkeys(point.commit for point in points))
    return list(names)[-MAX_COMMITS:]


def _told(history: RecipeHistory, shown: Sequence[Series], view: View) -> str:
    sentences = []
    for series in shown:
        for rate, points in _side(series, view).items():
            known = [point for point in points if point.spread is not None]
            if known and known[0].spread and known[-1].spread:
                ends = f"{known[0].spread.median:.1f} ({known[0].commit})"
                if len(known) > 1:
                    ends = f"from {ends} to {known[-1].spread.median:.1f} ({known[-1].commit})"
                sentences.append(f"{series.label}, {FIGURES[rate].label}: {ends} tokens per second")
    left = len(history.series) - len(shown)
    more = f" {left} more series are in the table." if left else ""
    return f"{'; '.join(sentences)}.{more} Crosses are disturbed runs, which do not count."


def _some(values: Sequence[float]) -> list[float]:
    """All, or so many of them, from the least to the greatest, as can be told apart."""
    if len(values) <= _MAX_DOTS:
        return list(values)
    ordered = sorted(values)
    return [ordered[round(place * (len(ordered) - 1) / (_MAX_DOTS - 1))] for place in range(_MAX_DOTS)]


def _columns(pairs: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in pairs], [y for _, y in pairs]


def _positive(values: Sequence[float]) -> list[float]:
    """An interval of medians need not hold the median to the last digit."""
    return [max(0.0, value) for value in values]


def _short(text: str) -> str:
    return label(text, _LABEL_CHARACTERS)
