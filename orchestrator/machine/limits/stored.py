"""What was measured of this machine's limits: once, and kept in the workspace."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from orchestrator.machine.facts import Machine
from orchestrator.machine.fingerprint import fingerprint
from orchestrator.piece import Piece
from orchestrator.workspace import Workspace, write_atomic

LimitName = Literal["memory", "f32", "int8"]

_MAX_FILE_BYTES = 4 * 2**20


class Rate(Piece):
    """A rate over several passes. What disturbs a pass only slows it, so the best is nearest to the limit."""

    best: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    median: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    lowest: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    n_passes: Annotated[int, Field(ge=1, description="That count: nothing else took CPU time from them.")]
    kernel: Annotated[str, Field(description="The way of doing it that was best.")]


class ThreadLimits(Piece):
    """With so many threads: bytes read from memory a second, multiply-adds a second."""

    n_threads: Annotated[int, Field(ge=1)]
    memory: Rate | None
    f32: Rate | None
    int8: Rate | None

    def rate(self, name: LimitName) -> Rate | None:
        """One of the three by its name."""
        return {"memory": self.memory, "f32": self.f32, "int8": self.int8}[name]


class MachineLimits(Piece):
    """What this machine can do at most."""

    lcpp_limits: Literal[1] = 1
    cpu_model: str
    architecture: str
    n_cpu: Annotated[int, Field(ge=1, description="CPUs that lcpp may use.")]
    memory_bytes: int
    cache_bytes: Annotated[int | None, Field(description="The last level of the CPU's cache, all of it together.")]
    array_bytes: Annotated[int, Field(description="How much memory was read, again and again.")]
    compiler: str
    flags: tuple[str, ...]
    int8_kind: Annotated[str | None, Field(description="The instructions of the products of 8-bit integers.")]
    f32_kind: Annotated[str | None, Field(description="The width of the registers.")]
    measured_at: Annotated[str, Field(description="UTC, ISO 8601.")]
    threads: Annotated[tuple[ThreadLimits, ...], Field(min_length=1)]
    missing: Annotated[dict[str, str], Field(description="For `memory`, `f32`, `int8`, where None: why.")] = {}
    disturbed: Annotated[
        tuple[str, ...], Field(description="Why the figures may be too low; empty when it was quiet.")
    ] = ()

    def best(self, name: LimitName) -> ThreadLimits | None:
        """The number of threads that was best at `name`; None: not known of any."""
        rates = [(rate.best, limits) for limits in self.threads if (rate := limits.rate(name)) is not None]
        return max(rates, key=lambda pair: pair[0])[1] if rates else None

    def with_threads(self, n_threads: int) -> ThreadLimits | None:
        """What was measured with just so many threads."""
        return next((limits for limits in self.threads if limits.n_threads == n_threads), None)


def limits_path(workspace: Workspace, machine: Machine) -> Path:
    """Where the limits of a machine are kept: a container that allows fewer cores has limits of its own."""
    return workspace.limits / f"machine-{fingerprint(machine).digest}-{machine.n_at_once}.json"


def stored_limits(workspace: Workspace, machine: Machine) -> MachineLimits | None:
    """The limits of a machine, if they were measured; None also when the file cannot be read."""
    path = limits_path(workspace, machine)
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            return None
        return MachineLimits.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def store_limits(limits: MachineLimits, workspace: Workspace, machine: Machine) -> bool:
    """Store what was measured on a machine. False: an earlier measurement was not disturbed, this one was, and the
    earlier one stays.

    Raises:
        WorkspaceError: the disk refuses.
    """
    earlier = stored_limits(workspace, machine)
    if limits.disturbed and earlier is not None and not earlier.disturbed:
        return False
    write_atomic(limits_path(workspace, machine), limits.model_dump_json(indent=1) + "\n")
    return True
