"""A comparison as people read it in a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.result.compare.comparison import Comparison, FigureComparison, Side, TextComparison
from orchestrator.result.compare.markdown import change, headline
from orchestrator.result.compare.statistics import Summary
from orchestrator.text.visible import visible

_COLOURS = {"faster": "green", "less": "green", "slower": "bold red", "more": "red", "same": "", "undecided": "yellow"}


def show(comparison: Comparison, console: Console) -> None:
    """Print the sides, the table of figures, the text's verdict and the notes."""
    for line in _sides(comparison):
        console.print(Text(visible(line)), soft_wrap=True)
    table = Table()
    for name in ("", "A", "B", "change", "verdict on B"):
        table.add_column(name, justify="right" if name in ("A", "B", "change") else "left")
    for one in comparison.figures:
        style = "bold" if one.name == comparison.decides else ""
        verdict = Text(one.verdict, style=_COLOURS[one.verdict])
        table.add_row(Text(one.label, style=style), _value(one, one.a), _value(one, one.b), change(one), verdict)
    if comparison.figures:
        console.print(table)
    for line in _said(comparison):
        console.print(Text(visible(line)), soft_wrap=True)
    for note in (*_left_out(comparison), *comparison.notes):
        console.print(Text(f"note: {visible(note)}", style="dim"), soft_wrap=True)


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
    for one in comparison.differing:
        yield f"differs by intent: {one.key}: {', '.join(one.a)} against {', '.join(one.b)}"


def _when(side: Side) -> str:
    return "" if side.first_at is None else f"from {side.first_at[:16].replace('T', ' ')} UTC"


def _counted(side: Side) -> str:
    return f"{side.n_counted} of {side.n_runs} runs count"


def _value(one: FigureComparison, summary: Summary | None) -> str:
    if summary is None:
        return "–"
    unit, scale = (" MiB", 2**20) if one.unit == "bytes" else (f" {one.unit}" if one.unit else "", 1)
    return f"{_number(summary.median / scale)}{unit}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 100 else f"{value:.2f}"


def _said(comparison: Comparison) -> Iterator[str]:
    yield f"{headline(comparison)}; a change within {comparison.margin:.3g} is none"
    told = resolution(comparison)
    if told is not None:
        yield told
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
    for one in comparison.environment:
        yield f"differs besides: {one.key}: {', '.join(one.a)} against {', '.join(one.b)}"
