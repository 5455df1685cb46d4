"""Measure what this machine can do at most: memory read, multiply-adds, by number of threads."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Protocol

from orchestrator.machine import counters, cpu
from orchestrator.machine.cores import cores
from orchestrator.machine.counters import Counters
from orchestrator.machine.cpu_cache import last_level_bytes
from orchestrator.machine.limits import probe
from orchestrator.machine.limits.probe import Pass, Probe, ProbeOutput
from orchestrator.machine.limits.stored import MachineLimits, Rate, ThreadLimits
from orchestrator.machine.memory import available
from orchestrator.progress import Progress
from orchestrator.text.numbers import MIB, mib
from orchestrator.values import Value
from orchestrator.workspace import Workspace

# What is read must be far larger than the cache, and may take only so much of the memory that is free.
_LEAST_ARRAY_BYTES = 256 * MIB
_TIMES_CACHE = 8
_LEAST_TIMES_CACHE = 3
_OF_FREE_MEMORY = 4
# A pass counts when its threads ran for so much of it, and a figure stands on so many passes.
_RAN = 0.97
_LEAST_PASSES = 3


class Watch(Protocol):
    """Who sees what else the machine does: the noise guard, which stands in a room above."""

    def wait_for_quiet(self, progress: Progress, *, n_threads: int | None = None) -> object:
        """Return once other processes leave the CPUs alone that so many threads need, or after a while."""

    def disturbance(self, before: Counters, after: Counters, *, n_threads: int) -> str | None:
        """What other processes did between two readings that disturbs so many threads; None: nothing."""


class ProbeEffort(Value):
    """How long to measure: for each number of threads, five kernels times `n_passes` times `pass_ms`; again up to
    `n_tries` times when something disturbed it."""

    pass_ms: float = 80.0
    n_passes: int = 7
    n_tries: int = 3
    array_bytes: int | None = None


def measure(
    workspace: Workspace,
    progress: Progress,
    *,
    watch: Watch,
    environment: Mapping[str, str] | None = None,
    effort: ProbeEffort | None = None,
) -> MachineLimits:
    """Measure this machine with 1, 2, 4, … threads up to one a CPU; some seconds for each.

    What disturbs it makes it wait and try again; what still does is in `disturbed`.

    Raises:
        ToolchainError: there is no C compiler, or what it made does not run.
        WorkspaceError: the disk refuses.
    """
    effort = effort or ProbeEffort()
    processor = cpu.read()
    program = probe.build(workspace, progress, environment)
    n_cpu, cache_bytes, memory = cores().n_at_once, last_level_bytes(), available()
    array_bytes, too_small = effort.array_bytes, None
    if array_bytes is None:
        array_bytes, too_small = array_size(cache_bytes, n_cpu, memory.usable_bytes)
    disturbed: list[str] = []
    threads: list[ThreadLimits] = []
    output = ProbeOutput(passes={})
    for n_threads in thread_counts(n_cpu):
        watch.wait_for_quiet(progress, n_threads=n_threads)
        progress.stage(f"measure memory and arithmetic, {_threads(n_threads)}")
        passes, output, reason = _tries(program, progress, watch, effort, n_threads=n_threads, array_bytes=array_bytes)
        if reason is not None:
            disturbed.append(f"{_threads(n_threads)}: {reason}")
        threads.append(limits_of(n_threads, passes, memory_counts=too_small is None))
    return MachineLimits(
        cpu_model=processor.name or processor.model,
        architecture=platform.machine(),
        n_cpu=n_cpu,
        memory_bytes=memory.total_bytes,
        cache_bytes=cache_bytes,
        array_bytes=array_bytes,
        compiler=program.compiler,
        flags=program.flags,
        int8_kind=output.kinds.get("int8"),
        f32_kind=output.kinds.get("f32"),
        measured_at=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        threads=tuple(threads),
        missing=_missing(output, too_small),
        disturbed=tuple(disturbed),
    )


def _tries(
    program: Probe, progress: Progress, watch: Watch, effort: ProbeEffort, *, n_threads: int, array_bytes: int
) -> tuple[dict[str, list[Pass]], ProbeOutput, str | None]:
    """The passes of all tries by kernel, what the last one printed, and what disturbed that; None: nothing."""
    passes: dict[str, list[Pass]] = {}
    output = ProbeOutput(passes={})
    reason: str | None = None
    for attempt in range(effort.n_tries):
        progress.advance(attempt, effort.n_tries)
        before = counters.read(heat=False)
        output = probe.run(
            program, n_threads=n_threads, array_bytes=array_bytes, pass_ms=effort.pass_ms, n_passes=effort.n_passes
        )
        reason = watch.disturbance(before, counters.read(heat=False), n_threads=n_threads)
        for kernel, measured in output.passes.items():
            passes.setdefault(kernel, []).extend(measured)
        enough = all(_count(measured) >= min(_LEAST_PASSES, effort.n_passes) for measured in passes.values())
        if reason is None and enough:
            return passes, output, None
    return passes, output, reason or "something took CPU time from it"


def thread_counts(n_cpu: int) -> tuple[int, ...]:
    """Powers of two up to the number of CPUs, and that number."""
    return tuple(sorted({*(2**power for power in range(n_cpu.bit_length())), n_cpu}))


def limits_of(n_threads: int, passes: Mapping[str, Sequence[Pass]], *, memory_counts: bool = True) -> ThreadLimits:
    """The rates of one number of threads. Of several kernels that do the same the one with the best pass. Pure."""
    reads = {kernel: measured for kernel, measured in passes.items() if kernel.startswith("read.")}
    return ThreadLimits(
        n_threads=n_threads,
        memory=_best(reads) if memory_counts else None,
        f32=_best({kernel: passes[kernel] for kernel in passes if kernel == "f32"}),
        int8=_best({kernel: passes[kernel] for kernel in passes if kernel == "int8"}),
    )


def _best(passes: Mapping[str, Sequence[Pass]]) -> Rate | None:
    rates = []
    for kernel, measured in passes.items():
        # What disturbs a pass only slows it: where none counts, the best of all is a lower bound still.
        good = sorted(
            [single.rate for single in measured if single.cpu_share >= _RAN] or [single.rate for single in measured]
        )
        rates.append(Rate(best=good[-1], median=median(good), lowest=good[0], n_passes=len(good), kernel=kernel))
    return max(rates, key=lambda rate: rate.best, default=None)


def _threads(n: int) -> str:
    return f"{n} thread" if n == 1 else f"{n} threads"


def _count(passes: Sequence[Pass]) -> int:
    return sum(single.cpu_share >= _RAN for single in passes)


def array_size(cache_bytes: int | None, n_cpu: int, free_bytes: int) -> tuple[int, str | None]:
    """How many bytes to read, and why that says nothing of memory, if it does not. Pure."""
    # A CPU that does not tell may have a large cache.
    wanted_bytes = max(_LEAST_ARRAY_BYTES, _TIMES_CACHE * (cache_bytes or 0))
    array_bytes = min(wanted_bytes, max(free_bytes // _OF_FREE_MEMORY, n_cpu * MIB))
    if cache_bytes is not None and array_bytes < _LEAST_TIMES_CACHE * cache_bytes:
        return array_bytes, (
            f"a measurement needs {mib(_LEAST_TIMES_CACHE * cache_bytes)} MiB, a quarter of what must be free, "
            f"as the CPU's cache has {mib(cache_bytes)} MiB; {mib(free_bytes)} MiB are free"
        )
    return array_bytes, None


def _missing(output: ProbeOutput, too_small: str | None) -> dict[str, str]:
    missing = {} if too_small is None else {"memory": too_small}
    if "int8" not in output.passes:
        missing["int8"] = (
            f"this CPU multiplies with {output.unmeasured}, which lcpp does not measure"
            if output.unmeasured
            else "lcpp has no kernel of 8-bit integers for this CPU's instructions"
        )
    return missing
