"""When a run is disturbed: limits for the readings of `Noise`, and the sentence for each that is beyond its limit.

A quiet machine must never be marked: a limit stands well above what an idle system does, or the statistics would have
nothing to work with. What stays below the limits shows as spread.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.noise.document import Noise
from orchestrator.text.numbers import MIB, mib
from orchestrator.values import Value


class Thresholds(Value):
    """From where on a reading disturbs a run.

    contended_cpus: CPUs that others kept busy and the program had threads for.
    counting_s: so much CPU time more of others, of the host or of waiting, as the kernel counts in hundredths of a
        second: matters for short runs alone.
    beside_cpus, beside_share: CPUs that others kept busy while the program left them free: so many, or that share of
        the machine's where it is more. They still take memory bandwidth and clock frequency.
    steal_share: of the CPU time that the machine wanted.
    run_delay_share: of the run, the main thread waiting for a CPU; where it is not known what others did, and the
        program has no more threads than CPUs.
    memory_pressure_share, throttled_share: of the run.
    swapped_in_bytes_per_s: and at least a second's worth.
    cached_share: a model of which less is in the page cache, and more after the run, was read from the disk by it.
    settled_share: how much more.
    major_faults: waits for the disk in a run whose model was in the page cache.
    read_share: of the model's size, read from the disk, where the page cache cannot be looked at.
    """

    contended_cpus: float = 0.1
    counting_s: float = 0.03
    beside_cpus: float = 0.3
    beside_share: float = 0.03
    steal_share: float = 0.02
    run_delay_share: float = 0.1
    memory_pressure_share: float = 0.02
    throttled_share: float = 0.01
    swapped_in_bytes_per_s: float = 4 * MIB
    cached_share: float = 0.95
    settled_share: float = 0.02
    major_faults: int = 1000
    read_share: float = 0.05

    def beside(self, n_cpus: int) -> float:
        """The limit for others beside the program on a machine with `n_cpus`."""
        return max(self.beside_cpus, self.beside_share * n_cpus)


class RunFacts(Value):
    """What a judge must know of a run besides its readings.

    n_cpus: of the machine. crowded: the program had more threads than CPUs, so that they wait for each other.
    """

    wall_s: float
    n_cpus: int
    crowded: bool
    model_bytes: int | None


def reasons(noise: Noise, run: RunFacts, limits: Thresholds) -> tuple[str, ...]:
    """Why the run does not count, one sentence each; none for a quiet one."""
    return (*_cpus(noise, run, limits), *_machine(noise, run, limits), *_disk(noise, run, limits))


def busy(
    others: float | None, contended: float | None, *, wall_s: float, n_cpus: int, limits: Thresholds
) -> str | None:
    """What to say when other processes keep more CPUs busy than a run can bear; None when they do not."""
    if contended is not None and contended > limits.contended_cpus + limits.counting_s / wall_s:
        most = max(contended, others or 0.0)
        return f"other processes kept {most:.1f} CPUs busy, and the program needed {contended:.1f} of them"
    if others is not None and others > limits.beside(n_cpus) + limits.counting_s / wall_s:
        return f"other processes kept {others:.1f} CPUs busy beside the program"
    return None


def _cpus(noise: Noise, run: RunFacts, limits: Thresholds) -> Iterator[str]:
    counting = limits.counting_s / run.wall_s
    others = busy(noise.others_cpus, noise.contended_cpus, wall_s=run.wall_s, n_cpus=run.n_cpus, limits=limits)
    if others is not None:
        yield others
    if _above(noise.steal_share, limits.steal_share + counting / max(1, run.n_cpus)):
        yield f"the host gave {noise.steal_share:.0%} of this virtual machine's CPU time to somebody else"
    # Where it is known that nobody else computed, it waited for threads of its own: llama-simple starts four.
    unknown = noise.others_cpus is None
    if unknown and not run.crowded and _above(noise.run_delay_share, limits.run_delay_share + counting):
        yield f"the program's main thread waited {noise.run_delay_share:.0%} of the time for a CPU"


def _machine(noise: Noise, run: RunFacts, limits: Thresholds) -> Iterator[str]:
    if noise.throttled_share is None:
        if noise.n_throttled:
            yield f"heat slowed a CPU {_times(noise.n_throttled)}"
    elif noise.throttled_share > limits.throttled_share:
        yield f"heat slowed a CPU for {noise.throttled_share:.0%} of the time"
    if _above(noise.memory_pressure_share, limits.memory_pressure_share):
        yield f"memory was short: some task waited for it {noise.memory_pressure_share:.0%} of the time"
    swapped = noise.swapped_in_bytes
    if swapped is not None and swapped > limits.swapped_in_bytes_per_s * max(1.0, run.wall_s):
        yield f"{mib(swapped)} MiB came back from swap"


def _disk(noise: Noise, run: RunFacts, limits: Thresholds) -> Iterator[str]:
    before, after = noise.model_cached_share, noise.model_cached_share_after
    if before is None:
        if run.model_bytes and _above(noise.read_bytes, limits.read_share * run.model_bytes):
            yield f"the program read {mib(noise.read_bytes or 0)} MiB from the disk"
    elif before < limits.cached_share:
        # A model larger than memory, or one that is read past the page cache, is as cold after the run as before: so
        # reading it is part of every run.
        if after is None or after > before + limits.settled_share:
            yield f"the model was read from the disk while it ran: {before:.0%} of it was in memory before"
    elif _above(noise.major_faults, limits.major_faults):
        yield f"the program had to wait for the disk {_times(noise.major_faults or 0)}, though its model was in memory"


def _above(value: float | None, limit: float) -> bool:
    return value is not None and value > limit


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"
