"""From a record to the figures that people look for first."""

from __future__ import annotations

from orchestrator.parse.record import Record
from orchestrator.programs.protocol import Program
from orchestrator.result.registry import FIGURES
from orchestrator.result.schema import Measured


def measure(program: Program, record: Record, peak_memory_bytes: int | None) -> Measured:
    """The figures of one run of a program, each missing one with its reason."""
    figures = program.figures(record)
    values = {**figures.values, "peak_memory_bytes": peak_memory_bytes}
    names = [name for name in Measured.model_fields if name != "missing"]
    missing = {
        name: figures.missing.get(name) or _reason(record, name) or figures.absent
        for name in names
        if values.get(name) is None
    }
    return Measured.model_validate({**values, "missing": missing})


def _reason(record: Record, figure: str) -> str | None:
    if figure == "peak_memory_bytes":
        return "the program ended before its memory was read"
    place = FIGURES[figure].record_place
    return None if place is None else record.missing.get(place, record.missing.get("timings"))
