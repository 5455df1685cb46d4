"""What of this machine a build depends on: the CPU's model and instructions; and how many jobs it can bear."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

_BYTES_PER_JOB = 1_500_000_000


@dataclass(frozen=True, kw_only=True)
class Cpu:
    """`flags_digest`: a short hash of the instruction sets that the kernel reports."""

    model: str
    flags_digest: str


def cpu(cpuinfo: Path = Path("/proc/cpuinfo")) -> Cpu:
    """The CPU that a native build is for."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""

    def first(*keys: str) -> str | None:
        found = re.search(rf"^(?:{'|'.join(keys)})[ \t]*:[ \t]*(.+)$", text, re.MULTILINE)
        return found[1].strip() if found else None

    parts = [first(key) for key in ("CPU implementer", "CPU part")]
    arm = " ".join(part for part in parts if part)
    model = first("model name", "Model", "cpu model", "uarch") or arm or platform.processor() or platform.machine()
    flags = " ".join(sorted((first("flags", "Features", "isa") or platform.machine()).split()))
    return Cpu(model=model, flags_digest=hashlib.sha256(flags.encode()).hexdigest()[:16])


def jobs() -> int:
    """Compilers to run at once: as many as the process may use cores, and memory holds at 1.5 GB each."""
    available = min((value for value in (_mem_available(), _cgroup_memory()) if value is not None), default=None)
    return max(1, cores() if available is None else min(cores(), available // _BYTES_PER_JOB))


def cores() -> int:
    """CPUs that this process and its children may use at once: those it is allowed to, or a container's share."""
    return min(len(os.sched_getaffinity(0)), _cgroup_cores() or 1_000_000)


def _mem_available() -> int | None:
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def _cgroup_memory(group: Path = Path("/sys/fs/cgroup")) -> int | None:
    """What a container's own limit leaves, in bytes."""
    try:
        limit = (group / "memory.max").read_text().strip()
        used = int((group / "memory.current").read_text())
        # Cached files count as used, and are given up when memory is needed.
        cached = re.search(r"^inactive_file (\d+)", (group / "memory.stat").read_text(), re.MULTILINE)
    except (OSError, ValueError):
        return None
    if not limit.isdigit():
        return None
    return max(0, int(limit) - used + (int(cached[1]) if cached else 0))


def _cgroup_cores(group: Path = Path("/sys/fs/cgroup")) -> int | None:
    """A container's share of processor time, in whole cores."""
    try:
        quota, period = (group / "cpu.max").read_text().split()
        return max(1, -(-int(quota) // int(period)))
    except (OSError, ValueError):
        return None
