"""Measure what this machine can do at most: memory read, multiply-adds, by number of threads."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from orchestrator.machine import build_host as machine
from orchestrator.machine import readings
from orchestrator.machine.cpu_load import Load, Wanted
from orchestrator.machine.limits import probe
from orchestrator.machine.limits.cache import last_level_bytes
from orchestrator.machine.limits.known import MachineLimits, Rate, ThreadLimits, usable_cpus
from orchestrator.machine.limits.probe import Pass, Readings
from orchestrator.machine.memory import available
from orchestrator.machine.readings import Readings as MachineReadings
from orchestrator.noise.disturbance import Thresholds, busy
from orchestrator.noise.guard import Guard
from orchestrator.progress import Progress
from orchestrator.text.numbers import MIB, mib
from orchestrator.workspace import Workspace

# What is read must be far larger than the cache, and may take only so much of the memory that is free.
_LEAST_ARRAY_BYTES = 256 * MIB
_TIMES_CACHE = 8
_LEAST_TIMES_CACHE = 3
_OF_FREE_MEMORY = 4
# A pass counts when its threads ran for so much of it, and a figure stands on so many passes.
_RAN = 0.97
_LEAST_PASSES = 3


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How long to measure: for each number of threads, five kernels times `n_passes` times `pass_ms`; again up to
    `n_tries` times when something disturbed it."""

    pass_ms: float = 80.0
    n_passes: int = 7
    n_tries: int = 3
    guard: Guard = field(default_factory=lambda: Guard(max_wait_s=10.0))
    array_bytes: int | None = None


def measure(
    workspace: Workspace,
    progress: Progress,
    *,
    environment: Mapping[str, str] | None = None,
    effort: Effort | None = None,
) -> MachineLimits:
    """Measure this machine with 1, 2, 4, … threads up to one a CPU; some seconds for each.

    What disturbs it makes it wait and try again; what still does is in `disturbed`.

    Raises:
        ToolchainError: there is no C compiler, or what it made does not run.
        WorkspaceError: the disk refuses.
    """
    effort = effort or Effort()
    made = probe.build(workspace, progress, environment)
    n_cpu, cache = usable_cpus(), last_level_bytes()
    array, too_small = (effort.array_bytes, None) if effort.array_bytes else _array(cache, n_cpu)
    disturbed: list[str] = []
    found: list[ThreadLimits] = []
    said = Readings(passes={})
    for n_threads in thread_counts(n_cpu):
        effort.guard.wait_for_quiet(progress, n_threads=n_threads)
        progress.stage(f"measure memory and arithmetic, {_threads(n_threads)}")
        passes: dict[str, list[Pass]] = {}
        reason: str | None = None
        for attempt in range(effort.n_tries):
            progress.advance(attempt, effort.n_tries)
            before = readings.read(heat=False)
            said = probe.run(
                made, n_threads=n_threads, array_bytes=array, pass_ms=effort.pass_ms, n_passes=effort.n_passes
            )
            reason = _disturbed(before, n_threads)
            for name, each in said.passes.items():
                passes.setdefault(name, []).extend(each)
            if reason is None and all(_count(each) >= min(_LEAST_PASSES, effort.n_passes) for each in passes.values()):
                break
        else:
            told = reason or "something took CPU time from it"
            disturbed.append(f"{_threads(n_threads)}: {told}")
        found.append(limits_of(n_threads, passes, memory_counts=too_small is None))
    return MachineLimits(
        cpu_model=machine.cpu().model,
        architecture=platform.machine(),
        n_cpu=n_cpu,
        memory_bytes=available().total_bytes,
        cache_bytes=cache,
        array_bytes=array,
        compiler=made.compiler,
        flags=made.flags,
        int8_kind=said.kinds.get("int8"),
        f32_kind=said.kinds.get("f32"),
        measured_at=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        threads=tuple(found),
        missing=_missing(said, too_small),
        disturbed=tuple(disturbed),
    )


def thread_counts(n_cpu: int) -> tuple[int, ...]:
    """Powers of two up to the number of CPUs, and that number."""
    return tuple(sorted({*(2**power for power in range(n_cpu.bit_length())), n_cpu}))


def limits_of(n_threads: int, passes: Mapping[str, Sequence[Pass]], *, memory_counts: bool = True) -> ThreadLimits:
    """The rates of one number of threads. Of several kernels that do the same the one with the best pass. Pure."""
    reads = {kernel: each for kernel, each in passes.items() if kernel.startswith("read.")}
    return ThreadLimits(
        n_threads=n_threads,
        memory=_best(reads) if memory_counts else None,
        f32=_best({kernel: each for kernel, each in passes.items() if kernel == "f32"}),
        int8=_best({kernel: each for kernel, each in passes.items() if kernel == "int8"}),
    )


def _best(passes: Mapping[str, Sequence[Pass]]) -> Rate | None:
    rates = []
    for kernel, each in passes.items():
        # What disturbs a pass only slows it: where none counts, the best of all is a lower bound still.
        good = sorted(one.rate for one in each if one.cpu_share >= _RAN) or sorted(one.rate for one in each)
        rates.append(Rate(best=good[-1], median=median(good), lowest=good[0], n_passes=len(good), kernel=kernel))
    return max(rates, key=lambda rate: rate.best, default=None)


def _threads(n: int) -> str:
    return f"{n} thread" if n == 1 else f"{n} threads"


def _count(passes: Sequence[Pass]) -> int:
    return sum(one.cpu_share >= _RAN for one in passes)


def _disturbed(before: MachineReadings, n_threads: int) -> str | None:
    after = readings.read(heat=False)
    load = Load.between(before, after, Wanted.of(None, n_threads))
    wall_s = max(1e-3, after.at_s - before.at_s)
    return busy(load.others_cpus, load.contended_cpus, wall_s=wall_s, n_cpus=load.n_cpus, limits=Thresholds())


def _array(cache: int | None, n_cpu: int) -> tuple[int, str | None]:
    """How much memory to read, and why that says nothing of memory, if it does not."""
    free = available().usable_bytes
    # A CPU that does not tell may have a large cache.
    wanted = max(_LEAST_ARRAY_BYTES, _TIMES_CACHE * (cache or 0))
    array = min(wanted, max(free // _OF_FREE_MEMORY, n_cpu * MIB))
    if cache is not None and array < _LEAST_TIMES_CACHE * cache:
        return array, (
            f"a measurement needs {mib(_LEAST_TIMES_CACHE * cache)} MiB, a quarter of what must be free, "
            f"as the CPU's cache has {mib(cache)} MiB; {mib(free)} MiB are free"
        )
    return array, None


def _missing(said: Readings, too_small: str | None) -> dict[str, str]:
    missing = {} if too_small is None else {"memory": too_small}
    if "int8" not in said.passes:
        missing["int8"] = (
            f"this CPU multiplies with {said.unmeasured}, which lcpp does not measure"
            if said.unmeasured
            else "lcpp has no kernel of 8-bit integers for this CPU's instructions"
        )
    return missing
