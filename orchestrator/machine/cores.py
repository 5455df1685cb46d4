"""How many cores a program started now can have: those of the computer, of the process, of its control groups."""

from __future__ import annotations

import math
import os
from pathlib import Path

from orchestrator.machine import affinity
from orchestrator.machine.cgroup import CoresLimit, cores_limit
from orchestrator.machine.kernel_files import ROOT, cpu_list, text
from orchestrator.values import Value


class Cores(Value):
    """Cores (threads of the hardware count as such) of this computer.

    n_online: of the computer. n_usable: on which this process may run (affinity, cpuset).
    limit: the tightest limit of processor time of a control group, if one allows less than those.
    """

    n_online: int
    n_usable: int
    limit: CoresLimit | None

    @property
    def n_at_once(self) -> int:
        """So many threads can compute all the time: usable cores, or a control group's share rounded up."""
        return n_at_once(self.n_usable, None if self.limit is None else self.limit.n_cores)

    @property
    def why(self) -> str:
        """Where `n_at_once` comes from, for people."""
        if self.limit is not None:
            return self.limit.why
        if self.n_usable < self.n_online:
            return f"of {self.n_online} in the machine: the others are not for this process (affinity or cpuset)"
        return "all CPUs of the machine"


def cores(root: Path = ROOT) -> Cores:
    """Look at this machine, now."""
    n_online = _n_online(root)
    # A system that does not tell which CPUs a process may use lets it use them all.
    n_usable = len(affinity.usable(root)) or n_online
    limit = cores_limit(root)
    return Cores(
        n_online=n_online,
        n_usable=n_usable,
        limit=limit if limit is not None and limit.n_cores < n_usable else None,
    )


def n_at_once(n_usable: int, limit: float | None) -> int:
    """So many threads can compute all the time on `n_usable` CPUs with a limit of processor time, in cores. Pure."""
    return n_usable if limit is None else max(1, min(n_usable, math.ceil(limit)))


def _n_online(root: Path) -> int:
    here = os.cpu_count() if root == ROOT else len(cpu_list(text(root / "sys/devices/system/cpu/online")))
    return here or 1
