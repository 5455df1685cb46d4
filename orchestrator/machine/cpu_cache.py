"""The CPU's last level of cache: what fits it need not come from memory."""

from __future__ import annotations

import re
from pathlib import Path

from orchestrator.machine import affinity
from orchestrator.machine.kernel_files import ROOT, number, text

_SIZE = re.compile(r"(\d{1,9})([KMG]?)", re.ASCII)
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


def last_level_bytes(root: Path = ROOT, cpus: frozenset[int] | None = None) -> int | None:
    """The last level of cache of `cpus` (None: those that lcpp may use), all of it together; None: it is not told."""
    if cpus is None:
        cpus = affinity.usable(root)
    # Those that share one cache tell the same list of CPUs.
    by_sharers: dict[str, int] = {}
    for cpu in sorted(cpus):
        last = _last(root / f"sys/devices/system/cpu/cpu{cpu}/cache")
        if last is not None:
            by_sharers[last[0] or str(cpu)] = last[1]
    return sum(by_sharers.values()) or None


def _last(folder: Path) -> tuple[str, int] | None:
    """Who shares the cache of the highest level in `folder`, and its size."""
    caches = []
    for index in folder.glob("index*"):
        level, size = number(index / "level"), _SIZE.fullmatch(text(index / "size").strip())
        if level is not None and size is not None and text(index / "type").strip() != "Instruction":
            sharers = text(index / "shared_cpu_list").strip()
            caches.append((level, sharers, int(size[1]) * _UNITS[size[2]]))
    return max(caches)[1:] if caches else None
