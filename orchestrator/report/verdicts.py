"""What one group of runs is against another, in a few words."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.errors import IncomparableError
from orchestrator.result.compare.comparison import MARGIN, Comparison, FigureComparison, compare
from orchestrator.result.compare.statistics import MINIMUM_RUNS
from orchestrator.result.measurement import Measurement
from orchestrator.result.registry import FIGURES
from orchestrator.text.numbers import signed_percent
from orchestrator.values import Value

__all__ = ["MARGIN", "WordedVerdict", "change"]

_TONES = {"faster": "ok", "less": "ok", "slower": "bad", "more": "bad"}


class WordedVerdict(Value):
    """A verdict in words, and whether it is good news.

    tone: `ok`, `bad` or nothing.
    """

    words: str
    tone: str = ""


def change(before: Sequence[Measurement], after: Sequence[Measurement], allow: frozenset[str]) -> WordedVerdict:
    """How `after` is against `before`, by the figure that decides, with the usual margin.

    Args:
        allow: keys that differ on purpose.
    """
    try:
        comparison = compare(before, after, margin=MARGIN, allow=allow)
    except IncomparableError:
        return WordedVerdict(words="not comparable: more than that differs")
    main = comparison.main
    if main is None:
        return WordedVerdict(words="not measured on both sides")
    parts = [_words(main, comparison), *(_besides(figure) for figure in comparison.figures if figure.is_worse)]
    if comparison.text.state == "different":
        parts.append("another text")
    return WordedVerdict(words="; ".join(part for part in parts if part), tone=_TONES.get(main.verdict, ""))


def _words(main: FigureComparison, comparison: Comparison) -> str:
    ratio = main.ratio
    if ratio is None or ratio.low is None or ratio.high is None or ratio.n < MINIMUM_RUNS:
        return f"{main.verdict}: {main.why}" if main.why else main.verdict
    between = f"{_percent(ratio.low)} to {_percent(ratio.high)}"
    if main.verdict == "undecided":
        return f"undecided: {between}"
    if main.verdict == "same":
        return f"same within {100 * comparison.margin:g} %: {between}"
    return f"{main.verdict}: {_percent(ratio.ratio)} ({between})"


def _besides(worse: FigureComparison) -> str:
    """Besides the figure that decides: some that got worse are named as well."""
    label = FIGURES[worse.name].besides
    return f"{label} {_percent(worse.ratio.ratio)}" if label is not None and worse.ratio is not None else ""


def _percent(ratio: float) -> str:
    return signed_percent(100 * (ratio - 1))
