"""The noise guard: wait for a quiet machine, watch it from before a run to after it, say what disturbed the run.

It reads counters before and after and takes their difference; while the program runs, nothing is read but the clock
frequency, once a second, where the machine tells it.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from types import TracebackType

from orchestrator.drive.transcript import Transcript
from orchestrator.errors import ModelError
from orchestrator.machine import counters, page_cache, threads
from orchestrator.machine.counters import Counters
from orchestrator.machine.cpu_load import Load, Wanted
from orchestrator.machine.kernel_files import ROOT
from orchestrator.model.source.split import part_names
from orchestrator.noise.disturbance import RunFacts, Thresholds, busy, reasons
from orchestrator.noise.document import Noise
from orchestrator.progress import Progress
from orchestrator.values import Value, field

_WINDOW_S = 0.25
# After a disturbance one quiet window may be a gap in it.
_QUIET_WINDOWS = 2
# Of the host, in a window: shares of so short a time say nothing, as the kernel counts in hundredths of a second.
_WINDOW_STEAL_CPUS = 0.1
_FREQUENCY_EVERY_S = 1.0
_MOST_THREADS = 32
_MOST_CPUS = 16


class Waited(Value):
    """How the wait for a quiet machine went. others_cpus: kept busy in its last quarter of a second; None: unknown."""

    seconds: float = 0.0
    others_cpus: float | None = None


class Guard(Value):
    """Settings of the noise guard.

    max_wait_s: how long to wait for quiet at most; with 0 it does not look before the run.
    enabled: without it nothing is read, and no run is disturbed.
    root: where `proc` and `sys` are.
    """

    max_wait_s: float = 30.0
    thresholds: Thresholds = field(default_factory=Thresholds)
    enabled: bool = True
    root: Path = ROOT

    def wait_for_quiet(
        self, progress: Progress, *, cpus: tuple[int, ...] | None = None, n_threads: int | None = None
    ) -> Waited:
        """Return once other processes leave the CPUs alone that the run needs, or when `max_wait_s` are over.

        On a quiet machine that takes a quarter of a second, and none where the kernel does not tell.

        Args:
            progress: is told once, when there is something to wait for.
            cpus: what the program is going to be pinned to.
            n_threads: how many threads it is going to have; None: as many as CPUs.
        """
        if not self.enabled or self.max_wait_s <= 0:
            return Waited()
        wanted = Wanted.of(cpus, n_threads)
        begun = time.monotonic()
        announced = False
        quiet = 0
        last = self._read()
        while last.cpus:
            time.sleep(_WINDOW_S)
            now = self._read()
            load = Load.between(last, now, wanted)
            last = now
            waited_s = now.at_s - begun
            reason = self._noisy(load)
            quiet = 0 if reason else quiet + 1
            if quiet == (_QUIET_WINDOWS if announced else 1) or waited_s >= self.max_wait_s:
                return Waited(seconds=waited_s, others_cpus=load.others_cpus)
            if reason and not announced:
                progress.note(f"waiting up to {self.max_wait_s:.0f} s for a quiet machine: {reason}")
                announced = True
        return Waited()

    def disturbance(self, before: Counters, after: Counters, *, n_threads: int) -> str | None:
        """What other processes did between two readings that disturbs so many threads of ours; None: nothing."""
        load = Load.between(before, after, Wanted.of(None, n_threads))
        wall_s = max(1e-3, after.at_s - before.at_s)
        return busy(load.others_cpus, load.contended_cpus, wall_s=wall_s, n_cpus=load.n_cpus, limits=self.thresholds)

    def watch(
        self,
        *,
        model_path: Path | None = None,
        cpus: tuple[int, ...] | None = None,
        n_threads: int | None = None,
        waited: Waited | None = None,
    ) -> Watched:
        """Watch the machine during one run: enter before the program starts, leave when it has ended.

        Args:
            model_path: the model's first file; the other parts of a split model are found by their names.
            cpus: what the program is pinned to.
            n_threads: how many threads the recipe asks for, if it does.
            waited: what `wait_for_quiet` returned.
        """
        return Watched(self, _parts(model_path), cpus, n_threads, waited or Waited())

    def _noisy(self, load: Load) -> str | None:
        if load.steal_cpus is not None and load.steal_cpus > _WINDOW_STEAL_CPUS:
            return f"the host takes {load.steal_cpus:.1f} CPUs from this virtual machine"
        return busy(load.others_cpus, load.contended_cpus, wall_s=_WINDOW_S, n_cpus=load.n_cpus, limits=self.thresholds)

    def _read(self) -> Counters:
        return counters.read(self.root, heat=False)


class Watched:
    """One run under the guard. A context manager around the program's whole life."""

    def __init__(
        self,
        guard: Guard,
        model: tuple[Path, ...],
        cpus: tuple[int, ...] | None,
        n_threads: int | None,
        waited: Waited,
    ) -> None:
        self._guard = guard
        self._model = model
        self._cpus = cpus
        self._n_threads = n_threads
        self._waited = waited
        self._load: tuple[float | None, int | None] = (None, None)
        self._cached: tuple[float | None, float | None] = (None, None)
        self._before: Counters | None = None
        self._after: Counters | None = None
        self._frequencies: list[float] = []
        self._next_sample = math.inf

    def __enter__(self) -> Watched:
        if not self._guard.enabled:
            return self
        self._load = counters.load(self._guard.root)
        self._cached = (page_cache.cached_share(self._model), None)
        if counters.frequency_mhz(self._guard.root, (0,)) is not None:
            # A program that has just started is not at full speed yet.
            self._next_sample = time.monotonic() + _FREQUENCY_EVERY_S / 2
        self._before = counters.read(self._guard.root)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None and error is None:
            self._after = counters.read(self._guard.root)
            self._cached = (self._cached[0], page_cache.cached_share(self._model))

    def sample(self, pid: int) -> None:
        """Read the clock frequency of the CPUs that `pid` runs on, if it is time to: give this to `Session`."""
        now = time.monotonic()
        if now < self._next_sample:
            return
        self._next_sample = now + _FREQUENCY_EVERY_S
        cpus = threads.cpus_of(pid, _MOST_THREADS)
        frequency = counters.frequency_mhz(self._guard.root, tuple(sorted(cpus))[:_MOST_CPUS])
        if frequency is not None:
            self._frequencies.append(frequency)

    def noise(self, transcript: Transcript, *, n_threads: int | None = None) -> Noise:
        """What the machine did beside the run that `transcript` tells of, and what of it disturbed the run.

        Args:
            n_threads: how many the program itself says it had.
        """
        before, after, waited = self._before, self._after, self._waited
        if before is None or after is None:
            return Noise(waited_s=round(waited.seconds, 3), cpus=self._cpus)
        wall_s = max(1e-3, after.at_s - before.at_s)
        wanted = Wanted.of(self._cpus, self._n_wanted(before, after, transcript, n_threads))
        load = Load.between(before, after, wanted)
        noise = Noise(
            waited_s=round(waited.seconds, 3),
            load_average_1min=self._load[0],
            runnable_before=self._load[1],
            others_cpus_before=_rounded(waited.others_cpus),
            others_cpus=_rounded(load.others_cpus),
            contended_cpus=_rounded(load.contended_cpus),
            steal_share=_rounded(load.steal_share),
            cpu_pressure_share=_pressure("cpu", before, after, wall_s),
            memory_pressure_share=_pressure("memory", before, after, wall_s),
            io_pressure_share=_pressure("io", before, after, wall_s),
            run_delay_share=_share(transcript.run_delay_s, transcript.wall_s),
            involuntary_switches=transcript.involuntary_switches,
            major_faults=transcript.major_faults,
            read_bytes=transcript.read_bytes,
            swapped_in_bytes=_grown(before.swapped_in_bytes, after.swapped_in_bytes),
            frequency_mhz=_mean(self._frequencies),
            n_throttled=_grown(before.n_throttled, after.n_throttled),
            throttled_share=_throttled(before, after, wall_s),
            model_cached_share=_rounded(self._cached[0]),
            model_cached_share_after=_rounded(self._cached[1]),
            cpus=self._cpus,
        )
        run = RunFacts(
            wall_s=wall_s,
            n_cpus=load.n_cpus,
            # Without a number in the recipe a program has as many threads as the machine has CPUs, at most.
            crowded=len(wanted.cpus) < (self._n_threads or load.n_cpus),
            model_bytes=_size(self._model),
        )
        return noise.model_copy(update={"disturbed": reasons(noise, run, self._guard.thresholds)})

    def _n_wanted(self, before: Counters, after: Counters, transcript: Transcript, reported: int | None) -> int | None:
        """How many CPUs the program wanted at once; None: unknown."""
        named = max(self._n_threads or 0, reported or 0)
        if transcript.cpu_s is None or transcript.wall_s <= 0:
            return named or None
        used = transcript.cpu_s / transcript.wall_s
        if not named:
            # What others took it did not get, and would perhaps have used.
            used += Load.between(before, after, Wanted.of(self._cpus, None)).others_cpus or 0.0
        # A prompt may be processed with more threads than were named. What the program used while it loaded the model,
        # with one thread, pulls the mean down.
        return max(1, named, math.ceil(used - 0.1))


def _parts(model_path: Path | None) -> tuple[Path, ...]:
    """All files of a model."""
    if model_path is None:
        return ()
    try:
        names = part_names(model_path.name)
    except ModelError:
        names = (model_path.name,)
    return tuple(model_path.with_name(name) for name in names)


def _size(paths: tuple[Path, ...]) -> int | None:
    try:
        return sum(path.stat().st_size for path in paths)
    except OSError:
        return None


def _pressure(name: str, before: Counters, after: Counters, wall_s: float) -> float | None:
    if name not in before.pressure_s or name not in after.pressure_s:
        return None
    return _share(max(0.0, after.pressure_s[name] - before.pressure_s[name]), wall_s)


def _throttled(before: Counters, after: Counters, wall_s: float) -> float | None:
    grown = [after.throttled_s[cpu] - before.throttled_s[cpu] for cpu in before.throttled_s if cpu in after.throttled_s]
    return _share(max(0.0, *grown), wall_s) if grown else None


def _grown(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else max(0, after - before)


def _share(part_s: float | None, wall_s: float) -> float | None:
    return None if part_s is None or wall_s <= 0 else round(min(1.0, part_s / wall_s), 4)


def _mean(values: list[float]) -> float | None:
    return round(math.fsum(values) / len(values), 1) if values else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
