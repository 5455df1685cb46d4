"""`lcpp model fit`: whether a recipe's run fits the memory of this machine, before anything is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.settings import Settings
from orchestrator.errors import UsageError

if TYPE_CHECKING:
    from orchestrator.eras.dialect import Dialect
    from orchestrator.model.memory.check import MemoryCheck
    from orchestrator.result.memory_history import PartHistory, PastRun

_COLOURS = {"fits": "green", "tight": "yellow", "does not fit": "red"}


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path), required=False)
@click.option("-s", "--set", "overrides", multiple=True, metavar="KEY.PATH=VALUE", help="Override a key of the recipe.")
@click.option("--history", is_flag=True, help="Show how good the estimates of past runs have been.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_obj
def fit(settings: Settings, recipe: Path | None, overrides: tuple[str, ...], history: bool, as_json: bool) -> None:
    """Estimate the memory that a run of RECIPE takes, by part, and say whether it fits this machine.

    Nothing is built or downloaded but the model's header. Exit code 0 also when it does not fit: the verdict is the
    answer.
    """
    settings.json = as_json
    if history:
        if recipe is not None or overrides:
            raise UsageError("`--history` is about all past runs: leave the recipe out", where="lcpp model fit")
        _history(settings, as_json)
        return
    if recipe is None:
        raise UsageError("name a recipe, or `--history`", where="lcpp model fit", hint="lcpp model fit RECIPE")
    from orchestrator.engine.known import known_dialect
    from orchestrator.model.memory.check import check_memory, read_shape
    from orchestrator.programs.plan.make import outline
    from orchestrator.recipe.load import load

    loaded = load(recipe, overrides)
    asked = loaded.recipe
    dialect, note = known_dialect(asked.engine, settings.workspace, base=loaded.base)
    plan = outline(asked.run, dialect, prompt=loaded.prompt, prompts=loaded.prompts)
    shape = read_shape(asked.model, settings.workspace, settings.progress, base=loaded.base)
    check = check_memory(plan, shape, options=asked.engine.options)
    settings.close()
    if as_json:
        _print_json(check, dialect, note)
    else:
        _show(check, dialect, note)


def _rows(check: MemoryCheck) -> list[tuple[str, int, str]]:
    one, shape, asked = check.fit.estimate, check.shape, check.settings
    attending = [layer for layer in shape.layers if not layer.recurrent]
    windows = sum(layer.window is not None for layer in attending)
    kv = f"{one.n_ctx} tokens, {len(attending)} layers, {asked.type_k}/{asked.type_v}"
    if windows and asked.era.window_cache and not asked.full_window:
        kv += f"; {windows} with a window of {max(layer.window or 0 for layer in attending)}"
    rows = [
        ("weights", one.weights_bytes, "mapped from the file" if asked.mmap else "read into memory"),
        ("rearranged copies", one.repacked_bytes, "weights in the order that this CPU wants"),
        ("KV cache", one.kv_cache_bytes, kv),
        ("recurrent state", one.state_bytes, ""),
        ("compute buffer", one.compute_bytes, "with flash attention" if asked.flash_attn else "no flash attention"),
        ("output", one.output_bytes, "logits"),
        ("program", one.program_bytes, "itself, vocabulary, scratch"),
    ]
    return [(name, size, about) for name, size, about in rows if size]


def _print_json(check: MemoryCheck, dialect: Dialect, note: str | None) -> None:
    import dataclasses
    import json

    verdict, there = check.fit, check.fit.available
    document = {
        "lcpp_model_fit": 1,
        "verdict": verdict.state,
        "build": dialect.name,
        "note": note,
        "needed_bytes": verdict.estimate.needed_bytes,
        "usable_bytes": there.usable_bytes,
        "estimate": dataclasses.asdict(verdict.estimate) | {"loader_bytes": verdict.estimate.loader_bytes},
        "available": dataclasses.asdict(there),
        "options": [dataclasses.asdict(option) for option in verdict.options],
    }
    click.echo(json.dumps(document, indent=1))


def _show(check: MemoryCheck, dialect: Dialect, note: str | None) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console, verdict = Console(soft_wrap=False), check.fit
    table = Table(title=f"memory of the run, llama.cpp {dialect.name}", title_justify="left")
    table.add_column("part")
    table.add_column("MiB", justify="right")
    table.add_column("", overflow="fold")
    for name, size, about in _rows(check):
        table.add_row(name, f"{size / 2**20:,.1f}", Text(about))
    table.add_section()
    table.add_row("needed", f"{verdict.estimate.needed_bytes / 2**20:,.1f}", "")
    table.add_row(
        "in use at the peak", f"{verdict.estimate.peak_bytes / 2**20:,.1f}", "what is reserved is not all used"
    )
    table.add_row("available", f"{verdict.available.usable_bytes / 2**20:,.1f}", Text(verdict.available.why))
    console.print(table)
    console.print(Text(verdict.state, style=_COLOURS[verdict.state]))
    for option in verdict.options:
        console.print(Text(f"would fit: {option.text}"), soft_wrap=True)
    if note is not None:
        console.print(Text(f"note: {Settings.safe(note)}", style="yellow"), soft_wrap=True)


def _history(settings: Settings, as_json: bool) -> None:
    from orchestrator.result.memory_history import past_runs, summarise

    runs = list(past_runs(settings.workspace.runs))
    summary = summarise(runs)
    if as_json:
        import dataclasses
        import json

        document = {
            "lcpp_model_fit_history": 1,
            "parts": [dataclasses.asdict(part) for part in summary],
            "runs": [
                {"id": run.id, "model": run.model, "build": run.build, "program": run.program}
                | {"memory": run.memory.model_dump(mode="json")}
                for run in runs
            ],
        }
        click.echo(json.dumps(document, indent=1))
        return
    if not runs:
        click.echo(f"no run in {settings.workspace.runs} has an estimate of its memory yet")
        return
    _show_history(runs, summary)


def _show_history(runs: list[PastRun], summary: list[PartHistory]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(soft_wrap=False)
    table = Table(title="estimated against measured, error in per cent", title_justify="left")
    for column in ("run", "llama.cpp", "n_ctx", "loader MiB", "error", "peak MiB", "error"):
        table.add_column(column, overflow="fold", justify="left" if column in ("run", "llama.cpp") else "right")
    for run in runs:
        cells = []
        for part in (run.memory.part("loader"), run.memory.part("peak")):
            size, error = part.measured_bytes, part.error_percent
            cells += ["" if size is None else f"{size / 2**20:,.0f}", "" if error is None else f"{error:+.1f}"]
        table.add_row(Text(Settings.safe(run.id)), run.build, str(run.memory.n_ctx), *cells)
    console.print(table)
    parts = Table(title="by part", title_justify="left")
    for column in ("part", "runs", "median", "worst"):
        parts.add_column(column, justify="left" if column == "part" else "right")
    for each in summary:
        parts.add_row(each.name, str(each.n_runs), f"{each.median_percent:.1f}", f"{each.worst_percent:.1f}")
    console.print(parts)
