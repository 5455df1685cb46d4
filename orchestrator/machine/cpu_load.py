"""Who used the CPUs between two readings: the program and lcpp, other processes, the host of a virtual machine."""

from __future__ import annotations

import math

from orchestrator.machine import affinity
from orchestrator.machine.counters import Counters
from orchestrator.values import Value


class Wanted(Value):
    """What a program wants of the machine.

    cpus: where it may run; empty: unknown. n_threads: how many CPUs it would use at once; None: all of `cpus`.
    """

    cpus: frozenset[int]
    n_threads: int | None

    @classmethod
    def of(cls, cpus: tuple[int, ...] | None, n_threads: int | None) -> Wanted:
        """Args: cpus: what it is pinned to, if it is."""
        return cls(cpus=affinity.usable() if cpus is None else frozenset(cpus), n_threads=n_threads)


class Load(Value):
    """Means over the time between two readings; None: the kernel does not tell.

    n_cpus: of the machine. others_cpus: kept busy by processes other than lcpp and its children.
    contended_cpus: the part of it for which no CPU was left beside the program.
    steal_cpus: what the host gave to somebody else; steal_share: of the time that this machine wanted.
    """

    n_cpus: int = 0
    others_cpus: float | None = None
    contended_cpus: float | None = None
    steal_cpus: float | None = None
    steal_share: float | None = None

    @classmethod
    def between(cls, before: Counters, after: Counters, wanted: Wanted) -> Load:
        """The children of lcpp that ran must have ended and been waited for."""
        wall_s = after.at_s - before.at_s
        both = before.cpus.keys() & after.cpus.keys()
        if not both or wall_s <= 0:
            return cls()
        busy = {cpu: max(0.0, after.cpus[cpu].busy_s - before.cpus[cpu].busy_s) for cpu in both}
        steal_s = sum(max(0.0, after.cpus[cpu].steal_s - before.cpus[cpu].steal_s) for cpu in both)
        own_s = after.own_cpu_s - before.own_cpu_s
        busy_s = math.fsum(busy.values())
        if not busy_s and not any(after.cpus[cpu].idle_s > before.cpus[cpu].idle_s for cpu in both):
            # Figures that stand still are none.
            return cls()
        own_cpus = (wanted.cpus & both) or both
        # lcpp's own part is small, wherever it ran.
        on_them_s = math.fsum(busy[cpu] for cpu in own_cpus) - own_s
        n_used = len(own_cpus) if wanted.n_threads is None else min(max(1, wanted.n_threads), len(own_cpus))
        return cls(
            n_cpus=len(both),
            others_cpus=max(0.0, busy_s - own_s) / wall_s,
            contended_cpus=max(0.0, on_them_s / wall_s - (len(own_cpus) - n_used)),
            steal_cpus=steal_s / wall_s,
            steal_share=steal_s / (steal_s + busy_s) if steal_s else 0.0,
        )
