"""The CPU's last level of cache: what fits it need not come from memory."""

from __future__ import annotations

import os
import re
from pathlib import Path

_SIZE = re.compile(r"(\d{1,9})([KMG]?)")
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


def last_level_bytes(root: Path = Path("/"), cpus: frozenset[int] | None = None) -> int | None:
    """The last level of cache of `cpus` (those that lcpp may use), all of it together; None: the kernel does not tell.

    Args:
        root: where `sys` is.
    """
    if cpus is None:
        cpus = frozenset(os.sched_getaffinity(0))
    # Those that share one cache tell the same list of CPUs.
    by_sharers: dict[str, int] = {}
    for cpu in sorted(cpus):
        last = _last(root / f"sys/devices/system/cpu/cpu{cpu}/cache")
        if last is not None:
            by_sharers[last[0] or str(cpu)] = last[1]
    return sum(by_sharers.values()) or None


def _last(folder: Path) -> tuple[str, int] | None:
    """Who shares the cache of the highest level in `folder`, and its size."""
    found = []
    for index in folder.glob("index*"):
        level, kind, size = (_text(index / name) for name in ("level", "type", "size"))
        match = _SIZE.fullmatch(size)
        if level.isdecimal() and kind != "Instruction" and match is not None:
            found.append((int(level), _text(index / "shared_cpu_list"), int(match[1]) * _UNITS[match[2]]))
    return max(found)[1:] if found else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
