"""A comparison as Markdown for an issue. What strangers wrote stands in code spans, where it links and does nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.result.compare.comparable import Differing
from orchestrator.result.compare.comparison import Comparison, FigureComparison, Side, TextComparison
from orchestrator.result.compare.statistics import Summary
from orchestrator.text.markdown import code, escape_sentence
from orchestrator.text.numbers import MIB, four_digits, share_or_factor, signed_percent

# Beyond these a factor is clearer than a change in percent.
_FACTOR = 3.0
_TEXTS = {
    "same": "A and B wrote the same text.",
    "unsteady": "The same settings gave several texts: A {n_a}, B {n_b}.",
    "different": "**A and B wrote different texts.**",
}


def markdown(comparison: Comparison) -> str:
    """The comparison as GitHub's Markdown, ending with a line end."""
    return "\n".join(_lines(comparison)) + "\n"


def headline(comparison: Comparison) -> str:
    """The verdict in one sentence of plain text without anything from strangers."""
    main = comparison.main
    if main is None:
        return "Undecided: no figure was measured on both sides"
    changed = f"{main.label} {change(main)}"
    if main.verdict == "undecided":
        return f"Undecided: {changed}; {main.why}"
    if main.verdict == "same":
        return f"B is the same as A within {share_or_factor(comparison.margin)}: {changed}"
    return f"B {'takes' if main.verdict in ('less', 'more') else 'is'} {main.verdict} than A: {changed}"


def change(figure: FigureComparison) -> str:
    """How B's figure differs from A's, with the interval: `-8.3 % (-9.9 % to -6.1 %)`; `?` where it is not known."""
    ratio = figure.ratio
    if ratio is None:
        return "?"
    ends = (ratio.ratio,) if ratio.low is None or ratio.high is None else (ratio.ratio, ratio.low, ratio.high)
    as_factor = not 1 / _FACTOR < ratio.ratio < _FACTOR or max(ends) > 10
    shown = [f"×{end:.3g}" if as_factor else signed_percent((end - 1) * 100) for end in ends]
    shown = ["0.0 %" if end in ("-0.0 %", "+0.0 %") else end for end in shown]
    return shown[0] if len(shown) == 1 else f"{shown[0]} ({shown[1]} to {shown[2]})"


def _lines(comparison: Comparison) -> Iterator[str]:
    yield f"### {headline(comparison)}"
    yield ""
    yield from _figures(comparison)
    yield ""
    yield from _method(comparison)
    yield ""
    yield from _sides(comparison)
    if comparison.environment:
        yield ""
        yield (
            "Besides, these differ: " + "; ".join(_differing(difference) for difference in comparison.environment) + "."
        )
    text = _text(comparison.text)
    if text:
        yield ""
        yield text
    for note in comparison.notes:
        yield ""
        yield f"Note: {escape_sentence(note)}."


def _figures(comparison: Comparison) -> Iterator[str]:
    yield "| | A | B | B against A | verdict on B |"
    yield "|---|--:|--:|--:|---|"
    for figure in comparison.figures:
        unit = "MiB" if figure.unit == "bytes" else figure.unit
        label = f"{figure.label}, {unit}" if unit else figure.label
        name = f"**{label}**" if figure.name == comparison.decides else label
        a, b = (_summary(side, figure.unit) for side in (figure.a, figure.b))
        yield f"| {name} | {a} | {b} | {change(figure)} | {figure.verdict} |"


def _summary(summary: Summary | None, unit: str) -> str:
    if summary is None:
        return "–"
    scale = MIB if unit == "bytes" else 1
    median = four_digits(summary.median / scale)
    return median if summary.spread is None else f"{median} ± {four_digits(summary.spread / scale)}"


def _method(comparison: Comparison) -> Iterator[str]:
    main = comparison.main
    confidence = share_or_factor(comparison.confidence)
    if main is not None and main.ratio is not None:
        ratio = main.ratio
        runs = f"{ratio.n} rounds of one run each" if ratio.paired else f"{ratio.n_a} runs of A, {ratio.n_b} of B"
        resolution = None if main.resolution is None else share_or_factor(main.resolution)
        seen = "" if resolution is None else f" Such runs would show a change of {resolution}."
        yield f"{runs}; {confidence} intervals; margin {share_or_factor(comparison.margin)}.{seen}"
    else:
        yield f"Margin {share_or_factor(comparison.margin)}."


def _sides(comparison: Comparison) -> Iterator[str]:
    yield "| | A | B |"
    yield "|---|---|---|"
    a, b = comparison.a, comparison.b
    rows = (
        ("recipe", a.names, b.names),
        ("model", a.models, b.models),
        ("machine", a.machines, b.machines),
        ("llama.cpp", _engines(a), _engines(b)),
        ("program", a.programs, b.programs),
    )
    named = {
        difference.key: difference
        for difference in comparison.differing
        if difference.key not in ("machine", "model", "engine.commit")
    }
    for label, of_a, of_b in rows:
        yield f"| {label} | {_codes(of_a)} | {_codes(of_b)} |"
    for key, difference in named.items():
        yield f"| {code(key)} | {_codes(difference.a)} | {_codes(difference.b)} |"
    yield f"| runs | {_counts(a)} | {_counts(b)} |"
    yield f"| from | {_codes(_when(a))} | {_codes(_when(b))} |"


def _engines(side: Side) -> tuple[str, ...]:
    commits = tuple(commit[:12] for commit in side.commits)
    return (*commits, *(f"b{number}" for number in side.build_numbers))


def _when(side: Side) -> tuple[str, ...]:
    return () if side.first_at is None else (side.first_at[:19],)


def _counts(side: Side) -> str:
    out = "".join(f", {n} {reason}" for reason, n in side.left_out.items())
    why = f" ({_codes(side.disturbances)})" if side.disturbances else ""
    return f"{side.n_counted} counted{out}{why}"


def _differing(difference: Differing) -> str:
    return f"{code(difference.key)}: A {_codes(difference.a)}, B {_codes(difference.b)}"


def _text(text: TextComparison) -> str:
    if text.state == "unknown":
        return f"The texts are not compared: {escape_sentence(text.why or '')}."
    sentence = _TEXTS[text.state].format(n_a=text.n_a, n_b=text.n_b)
    parts = text.difference
    if parts is None:
        return sentence
    where = f"They part after {parts.position} characters, in line {parts.line}, column {parts.column}"
    before = f", behind {code(parts.before)}" if parts.before else ""
    return f"{sentence} {where}{before}: A {_ending(parts.a)}, B {_ending(parts.b)}."


def _ending(text: str) -> str:
    return f"goes on {code(text)}" if text else "ends"


def _codes(values: Sequence[str]) -> str:
    return ", ".join(code(value) for value in values) if values else "–"
