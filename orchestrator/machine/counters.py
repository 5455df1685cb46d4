"""What the kernel counts about the whole machine: CPU time, pressure, swap, heat. Whatever is not told is None.

The figures only grow, so two readings and their difference cost a run nothing while it lasts.
"""

from __future__ import annotations

import math
import os
import re
import resource
import time
from collections.abc import Mapping
from pathlib import Path

from orchestrator.machine.kernel_files import ROOT, number, text
from orchestrator.values import Value

_PRESSURES = ("cpu", "memory", "io")
_PRESSURE = re.compile(r"^some .*\btotal=(\d{1,20})\s*$", re.MULTILINE | re.ASCII)
_SWAPPED_IN = re.compile(r"^pswpin (\d{1,20})$", re.MULTILINE | re.ASCII)
_CPU = re.compile(r"^cpu(\d{1,6})((?: +\d{1,20}){4,})$", re.MULTILINE | re.ASCII)
_LOAD = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) \S+ \S+ (\d{1,9})/\d+ ", re.ASCII)
_THROTTLE = "devices/system/cpu/cpu{cpu}/thermal_throttle/core_throttle_{what}"
# Heat is read of so many CPUs at most, as each is a file or two.
_MOST_CPUS = 256


class CpuTimes(Value, kw_only=False):
    """How one CPU spent its seconds since the machine started; `steal_s`: the host gave them to somebody else."""

    busy_s: float
    idle_s: float
    steal_s: float


class Counters(Value):
    """The machine at one moment.

    at_s: of a clock that only goes forward. own_cpu_s: CPU time of lcpp and of those of its children that have ended.
    cpus: by the kernel's number, those that are online. pressure_s: PSI, how long some task waited, by resource.
    n_throttled: how often heat slowed a CPU; throttled_s: for how long, by CPU.
    """

    at_s: float
    own_cpu_s: float
    cpus: Mapping[int, CpuTimes]
    pressure_s: Mapping[str, float]
    swapped_in_bytes: int | None
    n_throttled: int | None
    throttled_s: Mapping[int, float]


def read(root: Path = ROOT, *, heat: bool = True) -> Counters:
    """Look at the machine, now.

    Args:
        heat: read the counters of each CPU too.
    """
    at_s = time.monotonic()
    cpus = cpu_times(text(root / "proc/stat"), os.sysconf("SC_CLK_TCK"))
    own_cpu_s = sum(
        used.ru_utime + used.ru_stime
        for used in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )
    pressures = {name: pressure_s(text(root / "proc/pressure" / name)) for name in _PRESSURES}
    counts, lasted = _throttling(root, sorted(cpus)[:_MOST_CPUS] if heat else [])
    return Counters(
        at_s=at_s,
        own_cpu_s=own_cpu_s,
        cpus=cpus,
        pressure_s={name: total for name, total in pressures.items() if total is not None},
        swapped_in_bytes=swapped_in_bytes(text(root / "proc/vmstat"), os.sysconf("SC_PAGE_SIZE")),
        n_throttled=sum(counts) if counts else None,
        throttled_s=lasted,
    )


def cpu_times(stat: str, ticks_per_s: int) -> dict[int, CpuTimes]:
    """/proc/stat by CPU. A kernel in a sandbox may say 0 for all; such a CPU is left out."""
    by_cpu: dict[int, CpuTimes] = {}
    for cpu, fields in _CPU.findall(stat):
        user, nice, system, idle, iowait, irq, softirq, steal, *_ = [*map(int, fields.split()), 0, 0, 0, 0]
        # Time of guests is counted in `user` already.
        times = CpuTimes(
            busy_s=(user + nice + system + irq + softirq) / ticks_per_s,
            idle_s=(idle + iowait) / ticks_per_s,
            steal_s=steal / ticks_per_s,
        )
        if times.busy_s or times.idle_s:
            by_cpu[int(cpu)] = times
    return by_cpu


def pressure_s(pressure: str) -> float | None:
    """The `some` line of a file in /proc/pressure."""
    some = _PRESSURE.search(pressure)
    return int(some[1]) / 1e6 if some else None


def swapped_in_bytes(vmstat: str, page_bytes: int) -> int | None:
    """What /proc/vmstat says came back from swap."""
    n_pages = _SWAPPED_IN.search(vmstat)
    return int(n_pages[1]) * page_bytes if n_pages else None


def load(root: Path = ROOT) -> tuple[float | None, int | None]:
    """The load average of a minute, and how many tasks run or want to, without the one that reads it."""
    figures = _LOAD.match(text(root / "proc/loadavg"))
    return (float(figures[1]), max(0, int(figures[2]) - 1)) if figures else (None, None)


def frequency_mhz(root: Path, cpus: tuple[int, ...]) -> float | None:
    """The mean frequency of `cpus` now; None: not told, as in most virtual machines."""
    folders = (root / f"sys/devices/system/cpu/cpu{cpu}/cpufreq" for cpu in cpus)
    frequencies = [khz / 1000 for khz in (number(folder / "scaling_cur_freq") for folder in folders) if khz]
    return math.fsum(frequencies) / len(frequencies) if frequencies else None


def _throttling(root: Path, cpus: list[int]) -> tuple[list[int], dict[int, float]]:
    counts: list[int] = []
    lasted: dict[int, float] = {}
    for cpu in cpus:
        count, total_ms = (
            number(root / "sys" / _THROTTLE.format(cpu=cpu, what=what)) for what in ("count", "total_time_ms")
        )
        if count is None:
            # None of them has it, then.
            break
        counts.append(count)
        if total_ms is not None:
            lasted[cpu] = total_ms / 1000
    return counts, lasted
