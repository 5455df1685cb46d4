"""`lcpp run` of a recipe with `matrix`, `repeat` or `warmup`: all its cases, then a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestrator.cli.settings import Settings
from orchestrator.errors import DriveError, ExpectationError
from orchestrator.experiment.document import SweepDocument, document
from orchestrator.experiment.prepare import Preparing
from orchestrator.experiment.runner import Surroundings
from orchestrator.experiment.sweep import sweep
from orchestrator.noise.guard import Guard
from orchestrator.recipe.matrix import Cases
from orchestrator.result.compare.statistics import Summary
from orchestrator.result.registry import Figure, shown_in

if TYPE_CHECKING:
    from rich.console import Console


def run_cases(
    settings: Settings,
    cases: Cases,
    *,
    guard: Guard | None,
    dummy_limit_bytes: int | None,
    force: bool,
    fresh: bool,
    as_json: bool,
) -> None:
    """Run all cases, then print a table, or one JSON document.

    Raises:
        DriveError: a case failed; the others have run.
        ExpectationError: all ran, and what the recipe expects does not hold in some.
        Interrupted: Ctrl-C; the same command goes on.
    """
    surroundings = Surroundings(
        workspace=settings.workspace, environment=settings.environment, progress=settings.progress, guard=guard
    )
    made = sweep(cases, surroundings, Preparing(dummy_limit_bytes=dummy_limit_bytes, force=force), fresh=fresh)
    settings.close()
    told = document(made)
    if as_json:
        click.echo(told.model_dump_json(indent=1))
        # The document has the failures; standard output gets nothing else.
        settings.json = False
    else:
        from rich.console import Console

        _show(told, Console(soft_wrap=False))
    _raise(told, settings)


def _raise(told: SweepDocument, settings: Settings) -> None:
    failed = [case for case in told.cases if case.state == "failed"]
    if failed:
        first = failed[0].failure
        raise DriveError(
            f"{len(failed)} of {len(told.cases)} cases failed" + (f"; the first: {first.what}" if first else ""),
            where=first.where if first else None,
            hint=first.hint if first else None,
        )
    unexpected = [case for case in told.cases if case.state == "unexpected"]
    if unexpected:
        raise ExpectationError(
            f"all ran, but what the recipe expects does not hold in {len(unexpected)} of {len(told.cases)} cases",
            where=str(settings.workspace.runs / f"{(*unexpected[0].runs, *unexpected[0].left_out)[0]}.json"),
            hint="the results' `checks` say what was found",
        )


def _show(told: SweepDocument, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    safe = Settings.safe
    table = Table(title=safe(f"{told.recipe} — {_runs(told)}"), title_justify="left")
    keys = list(dict.fromkeys(key for case in told.cases for key in case.settings))
    for key in keys:
        table.add_column(safe(key), overflow="fold")
    shown = shown_in("cases")
    table.add_column("runs", justify="right")
    for figure in shown:
        table.add_column(f"{figure.column}, {figure.unit}" if figure.kind == "rate" else figure.column, justify="right")
    for case in told.cases:
        cells = [safe(case.settings.get(key, "")) for key in keys]
        if case.state == "failed" and not case.figures:
            told_failure = "failed" if case.failure is None else f"failed: {case.failure.what.splitlines()[0]}"
            table.add_row(*cells, "0", Text(safe(told_failure), style="red"), *("" for _ in shown[1:]))
            continue
        table.add_row(
            *cells,
            str(len(case.runs)),
            *(_spread(figure, case.figures.get(figure.name)) for figure in shown),
            style="yellow" if case.state in ("noisy", "failed") else "",
        )
    console.print(table)
    for line in _notes(told):
        console.print(Text(safe(line), style="dim"), soft_wrap=True)
    console.print(Text(safe(f"experiment: {told.experiment}"), style="dim"), soft_wrap=True)


def _runs(told: SweepDocument) -> str:
    warmup = f" after {told.warmup} to warm up" if told.warmup else ""
    n_cases = "1 case" if len(told.cases) == 1 else f"{len(told.cases)} cases"
    return f"{n_cases}, {told.repeat} run{'' if told.repeat == 1 else 's'} each{warmup}"


def _notes(told: SweepDocument) -> list[str]:
    notes = []
    if any(spread.n >= 3 for case in told.cases for spread in case.figures.values()):
        notes.append("medians, and the 95 % interval in brackets")
    for case in told.cases:
        if case.disturbed_by:
            label = ", ".join(f"{key}={value}" for key, value in case.settings.items())
            why = "; ".join(case.disturbed_by[:3])
            notes.append(f"note: {f'{label}: ' if label else ''}disturbed runs do not count ({why})")
    return notes


def _spread(figure: Figure, spread: Summary | None) -> str:
    """Of a rate the median and its interval; of all others the median with its unit."""
    if spread is None:
        return "–"
    if figure.kind != "rate":
        return f"{spread.median / figure.divisor:,.0f} {figure.shown_unit}"
    # Of two runs the interval says nothing.
    if spread.low is None or spread.high is None or spread.n < 3:
        return f"{spread.median:.2f}"
    return f"{spread.median:.2f} [{spread.low:.2f}, {spread.high:.2f}]"
