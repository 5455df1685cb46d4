"""Measurements of the store as people read them: several in a table, or all that is known of one."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.cli.output.output import Output
from orchestrator.cli.output.table import TextTable, visible_text
from orchestrator.result.measurement import Measurement
from orchestrator.result.registry import FIGURES


def show_table(measurements: Sequence[Measurement], output: Output) -> None:
    """Print a row a run."""
    table = TextTable(box=None, pad_edge=False)
    table.add_column("id", overflow="fold")
    table.add_column("llama.cpp", overflow="fold")
    table.add_column("model", overflow="fold")
    # As they happen: the prompt first.
    shown = [figure for figure in FIGURES.values() if figure.shown == "histories"]
    for figure in shown:
        table.add_column(f"{figure.column}\n{figure.unit}", justify="right")
    table.add_column("", overflow="fold")
    for run in measurements:
        build = f"b{run.build_number}" if run.build_number is not None else (run.commit or "")[:8]
        rates = [run.figures.get(figure.name) for figure in shown]
        table.add_row(
            run.id,
            build,
            run.model_name,
            *("" if rate is None else f"{rate:.2f}" for rate in rates),
            visible_text(_marks(run), style="" if run.counts else "dim"),
        )
    output.draw(table)


def show_measurement(run: Measurement, output: Output) -> None:
    """Print all that is known of a run that has no result of lcpp."""
    table = TextTable(run.id, title_style="", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    pairs = [
        ("started", run.started_at),
        ("program", run.program),
        ("model", run.model_name),
        ("machine", run.machine_name),
        *((name, f"{value:g}") for name, value in run.figures.items()),
        *run.settings.items(),
        *run.environment.items(),
    ]
    for name, value in pairs:
        if value:
            table.add_row(name, value)
    output.draw(table)


def _marks(run: Measurement) -> str:
    marks = [f"{key}={value}" for key, value in run.case_settings.items()]
    marks += [run.status] if run.status != "ok" else []
    marks += ["warm-up"] if run.warmup else []
    marks += ["disturbed: " + "; ".join(run.disturbed)] if run.disturbed else []
    marks += ["dummy weights"] if run.dummy else []
    return ", ".join(marks)
