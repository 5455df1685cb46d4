"""On which CPUs a program may run."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path

from orchestrator.errors import DriveError
from orchestrator.machine.cgroup import allowed_cpus
from orchestrator.machine.kernel_files import ROOT, cpu_list, field, text

# More than any kernel has; a number far beyond it would cost memory.
_MOST_CPUS = 1 << 16


def usable(root: Path = ROOT) -> frozenset[int]:
    """The CPUs that lcpp, and what it starts, may use now; empty where the system does not tell."""
    if root == ROOT:
        # The kernel has put everything together already.
        return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset()
    online = cpu_list(text(root / "sys/devices/system/cpu/online"))
    own = cpu_list(field(text(root / "proc/self/status"), "Cpus_allowed_list") or "")
    # What is not told confines nothing.
    sets = [cpus for cpus in (online, own, allowed_cpus(root)) if cpus]
    return frozenset.intersection(*sets) if sets else frozenset()


def check(cpus: Collection[int]) -> None:
    """Find out whether a program can be pinned to all of `cpus`.

    Raises:
        DriveError: it cannot; says which of them are not there.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise DriveError("this system cannot pin a program to CPUs", where="run.cpus", hint="leave run.cpus out")
    if not cpus:
        raise DriveError("the program would have no CPU to run on", where="run.cpus", hint=_hint(usable()))
    before = usable()
    possible = [cpu for cpu in cpus if 0 <= cpu < _MOST_CPUS]
    # Only trying it tells: a container may allow fewer CPUs than are online, `taskset lcpp` may be undone.
    try:
        os.sched_setaffinity(0, possible)
        allowed = usable()
    except OSError:
        # None of them is there.
        allowed = frozenset()
    finally:
        os.sched_setaffinity(0, before)
    absent = sorted(set(cpus) - allowed)
    if absent:
        raise DriveError(f"there is no CPU {ranges(absent)} that lcpp may use", where="run.cpus", hint=_hint(before))


def ranges(cpus: Iterable[int]) -> str:
    """CPU numbers as the kernel writes them: `0-3,8`."""
    runs: list[list[int]] = []
    for cpu in sorted(cpus):
        if runs and cpu == runs[-1][1] + 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def _hint(cpus: frozenset[int]) -> str:
    return f"name some of the CPUs {ranges(cpus)}" if cpus else "leave run.cpus out"
