"""The report as one HTML file that needs nothing else: no script, no network, plots inside."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from orchestrator.report import excerpt, plots, svg, words
from orchestrator.report.content import Report, Run, name_of
from orchestrator.report.palette import DARK, LIGHT
from orchestrator.result.registry import CPU, PEAK_MEMORY, WALL, shown_in
from orchestrator.text.visible import shortened, visible
from orchestrator.values import Struct, Value

MAX_BYTES = 2_000_000
# Characters of each run's texts; the first with which the page is small enough is taken.
_BUDGETS = (24_000, 12_000, 6_000, 3_000, 1_500, 700, 300)
_MAX_HISTORIES = 8
_MAX_MATRICES = 8
_MAX_FOLDS = 1000
_MAX_ROWS = 60
_MAX_SERIES = 12
_MAX_TABLES = 20
_MAX_SETTING = 400
_MAX_SETTINGS = 80
_PLACE = Path(__file__).parent


class _InlinePlot(Value):
    """A plot in the page."""

    name: str
    title: str
    markup: Markup


class _Plots(Struct):
    """Makes the plots of a page, each with a name of its own."""

    n_made: int = 0

    def make(self, drawn: plots.Plot) -> _InlinePlot:
        """An `<svg>` for the page."""
        self.n_made += 1
        name = f"plot-{self.n_made}"
        markup = svg.inline(plots.svg(drawn), name, drawn.title, drawn.description)
        return _InlinePlot(name=name, title=drawn.title, markup=Markup(markup))


class _Fold(Value):
    """What stands behind one run's fold."""

    run: Run
    texts: tuple[tuple[str, excerpt.Excerpt], ...]
    settings: tuple[tuple[str, str], ...]
    noise: tuple[tuple[str, str], ...]

    @staticmethod
    def short(text: str) -> str:
        """At most a few lines."""
        return shortened(text, _MAX_SETTING)


def render(report: Report) -> str:
    """The page, at most `MAX_BYTES` long in UTF-8.

    Transcripts and texts are cut in their middle to fit, and say so; when even that is too much, the oldest runs have
    no fold.
    """
    drawn = _plots(report)
    template = _environment().get_template("page.html.j2")
    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

    def page(folds: Sequence[_Fold]) -> str:
        return template.render(
            report=report,
            plots=drawn,
            folds=folds,
            style=Markup(style),
            style_digest=digest,
            anchors={id(run): f"run-{number}" for number, run in enumerate(report.runs[: len(folds)], 1)},
            rates=shown_in("histories"),
            peak_memory=PEAK_MEMORY.name,
            wall=WALL.name,
            cpu=CPU.name,
            max_rows=_MAX_ROWS,
            max_series=_MAX_SERIES,
            max_histories=_MAX_TABLES,
        )

    with_fold = report.runs[:_MAX_FOLDS]
    for budget in _BUDGETS:
        # Not worth trying where the texts alone would be too long.
        if budget * len(with_fold) > 3 * MAX_BYTES and budget != _BUDGETS[-1]:
            continue
        whole = page([_fold(run, budget) for run in with_fold])
        if len(whole.encode()) <= MAX_BYTES:
            return whole
    folds = [_fold(run, _BUDGETS[-1]) for run in with_fold]
    while len(whole.encode()) > MAX_BYTES and folds:
        folds = folds[: len(folds) * 3 // 4]
        whole = page(folds)
    return whole


def _plots(report: Report) -> dict[str, list[_InlinePlot]]:
    """By the heading under which they stand."""
    page, by_heading = _Plots(), dict[str, list[_InlinePlot]]()
    worth = [history for history in report.histories if any(series.n_points > 1 for series in history.series)]
    for history in worth[:_MAX_HISTORIES]:
        of_history = by_heading.setdefault(f"history {id(history)}", [])
        of_history.append(page.make(plots.draw_history(history, "date")))
        if any(len(points) > 1 for series in history.series for points in series.by_commit.values()):
            of_history.append(page.make(plots.draw_history(history, "commit")))
    for matrix in report.matrices[:_MAX_MATRICES]:
        rates = [rate for rate in shown_in("histories") if any(rate.name in case.spreads for case in matrix.cases)]
        by_heading[f"matrix {id(matrix)}"] = [page.make(plots.draw_matrix(matrix, rate)) for rate in rates]
    if report.memory:
        by_heading["memory"] = [page.make(plots.draw_memory(report.memory))]
    return by_heading


def _fold(run: Run, budget: int) -> _Fold:
    """A run's texts, within `budget` characters in all."""
    result = run.result
    named: list[tuple[str, excerpt.Excerpt]] = []
    share = max(100, budget // 4)
    if result is not None:
        if result.text is not None:
            named.append(("Generated text", excerpt.of_text(result.text, share)))
        of_answer = max(60, share // max(1, 2 * len(result.answers)))
        for number, answer in enumerate(result.answers[:50], 1):
            named.append((f"Prompt {number}", excerpt.of_text(answer.prompt, of_answer)))
            text = answer.text if answer.error is None else answer.error
            named.append((f"Answer {number}", excerpt.of_text(text, of_answer)))
        if result.asked.prompt:
            named.insert(0, ("Prompt", excerpt.of_text(result.asked.prompt, share)))
        named.append(("Command", excerpt.of_text(_command(result.ran.process.argv), share)))
    if run.folder is not None:
        for stream in ("stdout", "stderr"):
            transcript = excerpt.of_file(run.folder / f"{stream}.log", share)
            if transcript is not None:
                named.append((f"Transcript: {stream}", transcript))
    settings = list(run.measurement.settings.items())[:_MAX_SETTINGS]
    return _Fold(
        run=run,
        texts=tuple((name, text) for name, text in named if text),
        settings=tuple((key, _Fold.short(value)) for key, value in settings if value),
        noise=() if result is None or result.noise is None else tuple(words.noise(result.noise)),
    )


def _command(argv: Sequence[str]) -> str:
    import shlex  # for this alone

    return shlex.join(argv)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_PLACE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=_safe,
    )
    named = (words.rate, words.interval, words.mib, words.seconds, words.percent, words.when, words.many)
    environment.filters.update({filter_.__name__: filter_ for filter_ in named})
    environment.filters.update({"build": name_of, "left_out": words.why_left_out, "key": id})
    return environment


def _safe(value: object) -> object:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _style() -> str:
    own = (_PLACE / "page.css").read_text(encoding="utf-8")
    dark = f"@media (prefers-color-scheme:dark){{{svg.colours(DARK)}}}"
    return f"{svg.colours(LIGHT)}{dark}\n{own}\n{svg.RULES}\n"
