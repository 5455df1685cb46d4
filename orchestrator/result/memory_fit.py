"""The estimate of a run's memory beside what the loader said and what was measured: one piece of the result."""

from typing import Annotated, Literal

from pydantic import Field

from orchestrator.machine.memory import Available
from orchestrator.model.memory.estimate import Estimate
from orchestrator.model.memory.verdict import State
from orchestrator.parse.record import Buffer, Record
from orchestrator.piece import Piece

PartName = Literal["weights", "repacked", "kv_cache", "compute", "output", "loader", "peak"]

_REPACKED_DEVICES = ("REPACK", "AARCH64")


class MemoryPart(Piece):
    """One part of a run's memory."""

    name: PartName
    estimated_bytes: int
    measured_bytes: Annotated[
        int | None, Field(description="As the loader printed it; for `peak`, the program's VmHWM. None: not printed.")
    ]
    error_percent: Annotated[
        float | None, Field(description="How far the estimate is above (below: minus) what was measured.")
    ]


class MemoryFit(Piece):
    """A run's memory: estimated before, measured after. `loader` is the sum of the parts that the loader prints."""

    verdict: Annotated[State, Field(description="Before the run.")]
    needed_bytes: Annotated[int, Field(description="What the run was thought to need.")]
    usable_bytes: Annotated[int, Field(description="What there was, before the run.")]
    n_ctx: Annotated[int, Field(description="Tokens of context, after rounding.")]
    parts: tuple[MemoryPart, ...]

    def part(self, name: PartName) -> MemoryPart:
        """The part of that name."""
        return next(part for part in self.parts if part.name == name)


def compare(
    estimate: Estimate, verdict: State, there: Available, record: Record, peak_memory_bytes: int | None
) -> MemoryFit:
    """Hold an estimate against the loader's figures and the measured peak. Pure.

    Args:
        verdict, there: as they were before the run.
        peak_memory_bytes: the program's VmHWM; None: it was not read.
    """
    measured = _measured(record)
    known = [size for size in measured.values() if size is not None]
    whole = None not in (measured["weights"], measured["kv_cache"], measured["compute"])
    parts: list[tuple[PartName, int, int | None]] = [
        ("weights", estimate.weights_bytes, measured["weights"]),
        ("repacked", estimate.repacked_bytes, measured["repacked"]),
        ("kv_cache", estimate.kv_cache_bytes + estimate.state_bytes, measured["kv_cache"]),
        ("compute", estimate.compute_bytes, measured["compute"]),
        ("output", estimate.output_bytes, measured["output"]),
        ("loader", estimate.loader_bytes, sum(known) if whole else None),
        ("peak", estimate.peak_bytes, peak_memory_bytes),
    ]
    return MemoryFit(
        verdict=verdict,
        needed_bytes=estimate.needed_bytes,
        usable_bytes=there.usable_bytes,
        n_ctx=estimate.n_ctx,
        parts=tuple(
            MemoryPart(name=name, estimated_bytes=guess, measured_bytes=found, error_percent=_percent(guess, found))
            for name, guess, found in parts
        ),
    )


def _measured(record: Record) -> dict[PartName, int | None]:
    """The loader's figures. Parts that it would print if they were there are 0, not unknown."""
    weights = record.weights.buffers
    copies = [buffer for buffer in weights if buffer.device.endswith(_REPACKED_DEVICES)]
    plain = [buffer for buffer in weights if buffer not in copies]
    context = record.context
    kv = None if context is None else context.kv_cache.size_mib
    if context is not None and kv is None:
        kv = sum(buffer.size_mib for buffer in context.kv_cache.buffers) or None
    return {
        "weights": _sum(plain),
        "repacked": _sum(copies) if copies else 0 if plain else None,
        "kv_cache": None if kv is None else round(kv * 2**20),
        "compute": None if context is None else _sum(context.compute_buffers),
        "output": None if context is None else _sum(context.output_buffers),
    }


def _sum(buffers: tuple[Buffer, ...] | list[Buffer]) -> int | None:
    return round(sum(buffer.size_mib for buffer in buffers) * 2**20) if buffers else None


def _percent(estimated: int, measured: int | None) -> float | None:
    if measured is None or (measured == 0 and estimated != 0):
        return None
    return 0.0 if measured == 0 else round(100 * (estimated - measured) / measured, 2)
