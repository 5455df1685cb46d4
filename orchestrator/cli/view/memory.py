"""A run's memory as people read it: estimated by part, and how good such estimates have been."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.cli.output.output import Output
from orchestrator.cli.output.table import TextTable
from orchestrator.model.memory.check import MemoryCheck
from orchestrator.result.memory_history import PartHistory, PastRun
from orchestrator.text.numbers import mib

_COLOURS = {"fits": "green", "tight": "yellow", "does not fit": "red"}


def show(check: MemoryCheck, llama_cpp: str, note: str | None, output: Output) -> None:
    """Print what the run takes by part, what there is, and the verdict.

    Args:
        llama_cpp: which one.
        note: how it is known which one.
    """
    verdict = check.fit
    table = TextTable(f"memory of the run, llama.cpp {llama_cpp}")
    table.add_column("part")
    table.add_column("MiB", justify="right")
    table.add_column("", overflow="fold")
    for name, size, about in _rows(check):
        table.add_row(name, mib(size, 1), about)
    table.add_section()
    table.add_row("needed", mib(verdict.estimate.needed_bytes, 1), "")
    table.add_row("in use at the peak", mib(verdict.estimate.peak_bytes, 1), "what is reserved is not all used")
    table.add_row("available", mib(verdict.available.usable_bytes, 1), verdict.available.why)
    output.draw(table)
    output.text(verdict.state, style=_COLOURS[verdict.state])
    for option in verdict.options:
        output.text(f"would fit: {option.text}")
    if note is not None:
        output.text(f"note: {note}", style="yellow")


def _rows(check: MemoryCheck) -> list[tuple[str, int, str]]:
    estimate, shape, settings = check.fit.estimate, check.shape, check.settings
    attending = [layer for layer in shape.layers if not layer.recurrent]
    windows = sum(layer.window is not None for layer in attending)
    kv = f"{estimate.n_ctx} tokens, {len(attending)} layers, {settings.type_k}/{settings.type_v}"
    if windows and settings.era.window_cache and not settings.full_window:
        kv += f"; {windows} with a window of {max(layer.window or 0 for layer in attending)}"
    attention = "with flash attention" if settings.flash_attn else "no flash attention"
    rows = [
        ("weights", estimate.weights_bytes, "mapped from the file" if settings.mmap else "read into memory"),
        ("rearranged copies", estimate.repacked_bytes, "weights in the order that this CPU wants"),
        ("KV cache", estimate.kv_cache_bytes, kv),
        ("recurrent state", estimate.state_bytes, ""),
        ("compute buffer", estimate.compute_bytes, attention),
        ("output", estimate.output_bytes, "logits"),
        ("program", estimate.program_bytes, "itself, vocabulary, scratch"),
    ]
    return [(name, size, about) for name, size, about in rows if size]


def show_history(runs: Sequence[PastRun], parts: Sequence[PartHistory], output: Output) -> None:
    """Print the error of each run's estimate, and of all by part."""
    table = TextTable("estimated against measured, error in per cent")
    for column in ("run", "llama.cpp", "n_ctx", "loader MiB", "error", "peak MiB", "error"):
        table.add_column(column, overflow="fold", justify="left" if column in ("run", "llama.cpp") else "right")
    for run in runs:
        cells = []
        for of_run in (run.memory.part("loader"), run.memory.part("peak")):
            size, error = of_run.measured_bytes, of_run.error_percent
            cells += ["" if size is None else mib(size), "" if error is None else f"{error:+.1f}"]
        table.add_row(run.id, run.build, str(run.memory.n_ctx), *cells)
    output.draw(table)
    by_part = TextTable("by part")
    for column in ("part", "runs", "median", "worst"):
        by_part.add_column(column, justify="left" if column == "part" else "right")
    for part in parts:
        by_part.add_row(part.name, str(part.n_runs), f"{part.median_percent:.1f}", f"{part.worst_percent:.1f}")
    output.draw(by_part)
