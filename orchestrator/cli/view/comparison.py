"""A comparison as people read it in a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.cli.output.output import Output
from orchestrator.cli.output.table import TextTable, visible_text
from orchestrator.result.compare.comparison import Comparison, FigureComparison, Side, TextComparison
from orchestrator.result.compare.markdown import change, headline
from orchestrator.result.compare.statistics import Summary
from orchestrator.text.numbers import MIB, NOTHING, three_digits

_COLOURS = {"faster": "green", "less": "green", "slower": "bold red", "more": "red", "same": "", "undecided": "yellow"}


def show(comparison: Comparison, output: Output) -> None:
    """Print the sides, the table of figures, the text's verdict and the notes."""
    for line in _sides(comparison):
        output.text(line)
    table = TextTable()
    for name in ("", "A", "B", "change", "verdict on B"):
        table.add_column(name, justify="right" if name in ("A", "B", "change") else "left")
    for figure in comparison.figures:
        label = visible_text(figure.label, style="bold" if figure.name == comparison.decides else "")
        verdict = visible_text(figure.verdict, style=_COLOURS[figure.verdict])
        table.add_row(label, _value(figure, figure.a), _value(figure, figure.b), change(figure), verdict)
    if comparison.figures:
        output.draw(table)
    for line in _verdict(comparison):
        output.text(line)
    for note in (*_left_out(comparison), *comparison.notes):
        output.text(f"note: {note}", style="dim")


def resolution(comparison: Comparison) -> str | None:
    """What these runs could have seen, in words."""
    main = comparison.main
    if main is None or main.resolution is None:
        return None
    least = f"{main.resolution:.1%}" if main.resolution < 1 else f"×{1 + main.resolution:.2g}"
    return f"{main.label}: a change of {least} or more is found in 9 of 10 comparisons of so many runs"


def _sides(comparison: Comparison) -> Iterator[str]:
    for name, side in (("A", comparison.a), ("B", comparison.b)):
        settings = ", ".join(f"{key}={value}" for key, value in side.settings.items())
        which = "/".join(
            f"b{number}" if number else commit[:12]
            for number, commit in zip(side.build_numbers or (0,) * len(side.commits), side.commits, strict=False)
        )
        parts = ("/".join(side.names), settings, f"llama.cpp {which}" if which else "", _when(side), _counted(side))
        yield f"{name}: {'; '.join(part for part in parts if part)}"
    for fact in comparison.differing:
        yield f"differs by intent: {fact.key}: {', '.join(fact.a)} against {', '.join(fact.b)}"


def _when(side: Side) -> str:
    return "" if side.first_at is None else f"from {side.first_at[:16].replace('T', ' ')} UTC"


def _counted(side: Side) -> str:
    return f"{side.n_counted} of {side.n_runs} runs count"


def _value(figure: FigureComparison, summary: Summary | None) -> str:
    if summary is None:
        return NOTHING
    unit, scale = (" MiB", MIB) if figure.unit == "bytes" else (f" {figure.unit}" if figure.unit else "", 1)
    return f"{three_digits(summary.median / scale)}{unit}"


def _verdict(comparison: Comparison) -> Iterator[str]:
    yield f"{headline(comparison)}; a change within {comparison.margin:.3g} is none"
    least = resolution(comparison)
    if least is not None:
        yield least
    yield from _text(comparison.text)


def _text(text: TextComparison) -> Iterator[str]:
    if text.state == "unknown":
        return
    if text.state == "same":
        yield "text: the same"
        return
    yield (
        "text: DIFFERENT"
        if text.state == "different"
        else f"text: not steady, A wrote {text.n_a} and B {text.n_b} different ones"
    )
    parted = text.difference
    if parted is not None:
        yield f"  from line {parted.line}, column {parted.column} on (character {parted.position + 1})"
        for name, rest in (("A", parted.a), ("B", parted.b)):
            shown = f"{parted.before}▸{rest}".replace("\n", "↵")
            yield f"  {name}: …{shown}{'' if rest else '(ends)'}"


def _left_out(comparison: Comparison) -> Iterator[str]:
    for name, side in (("A", comparison.a), ("B", comparison.b)):
        left = ", ".join(f"{count} {why}" for why, count in side.left_out.items())
        because = f" ({'; '.join(side.disturbances[:2])})" if side.disturbances else ""
        if left and set(side.left_out) != {"warm-up"}:
            yield f"{name}: not counted: {left}{because}"
    for fact in comparison.environment:
        yield f"differs besides: {fact.key}: {', '.join(fact.a)} against {', '.join(fact.b)}"
