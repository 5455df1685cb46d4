"""How much memory a program started now could really have: the machine's, or what a container is allowed of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from orchestrator.text.numbers import mib

# A cgroup without a limit says `max`, or (version 1) the largest number of pages there is.
_NO_LIMIT = 1 << 60
_MEMINFO = re.compile(r"(\w+):\s+(\d+) kB")


@dataclass(frozen=True, kw_only=True)
class CgroupLimit:
    """A limit that a control group (a container, a service) sets. `used_bytes` is without files that can be dropped."""

    path: str
    limit_bytes: int
    used_bytes: int

    @property
    def left_bytes(self) -> int:
        return max(0, self.limit_bytes - self.used_bytes)


@dataclass(frozen=True, kw_only=True)
class Available:
    """Memory of this machine, now.

    total_bytes: physical memory.
    free_bytes: what the kernel can give without swapping (MemAvailable); cached files can be dropped for it.
    swap_free_bytes: swap that is free; it is not counted on, as a model that is swapped takes minutes for a word.
    cgroup: the control group that leaves least, if any has a limit.
    """

    total_bytes: int
    free_bytes: int
    swap_free_bytes: int
    cgroup: CgroupLimit | None

    @property
    def usable_bytes(self) -> int:
        """What a program can have now, without swap."""
        return self.free_bytes if self.cgroup is None else min(self.free_bytes, self.cgroup.left_bytes)

    @property
    def why(self) -> str:
        """Where `usable_bytes` comes from, for people."""
        if self.cgroup is not None and self.cgroup.left_bytes < self.free_bytes:
            limit, used = mib(self.cgroup.limit_bytes), mib(self.cgroup.used_bytes)
            return f"the control group {self.cgroup.path} allows {limit} MiB, of which {used} MiB are in use"
        swap = "no swap" if not self.swap_free_bytes else "swap is not counted"
        return f"of {mib(self.total_bytes)} MiB in the machine; {swap}"


def available(root: Path = Path("/")) -> Available:
    """Look at this machine, now.

    Args:
        root: where `proc` and `sys` are.
    """
    facts = {name: int(kib) * 1024 for name, kib in _MEMINFO.findall(_read(root / "proc/meminfo"))}
    total = facts.get("MemTotal", 0)
    limits = [limit for limit in _cgroup_limits(root) if limit.limit_bytes < max(total, 1)]
    return Available(
        total_bytes=total,
        free_bytes=facts.get("MemAvailable", facts.get("MemFree", 0)),
        swap_free_bytes=facts.get("SwapFree", 0),
        cgroup=min(limits, key=lambda limit: limit.left_bytes, default=None),
    )


def cpu_features(root: Path = Path("/")) -> frozenset[str]:
    """What this CPU can do, by the names of /proc/cpuinfo."""
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", _read(root / "proc/cpuinfo"), re.MULTILINE)
    return frozenset(found[1].split()) if found else frozenset()


def _cgroup_limits(root: Path) -> Iterator[CgroupLimit]:
    """The limits of this process's control group and of all above it."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            names = ("memory.max", "memory.current", ("inactive_file", "active_file"))
            top = root / "sys/fs/cgroup"
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_inactive_file", "total_active_file"))
            top = root / "sys/fs/cgroup/memory"
        else:
            continue
        here = PurePosixPath(path)
        for group in (here, *here.parents):
            limit = _limit(top / str(group).lstrip("/"), str(group), *names)
            if limit is not None:
                yield limit


def _limit(folder: Path, name: str, limit_file: str, used_file: str, dropped: tuple[str, ...]) -> CgroupLimit | None:
    limit, used = _read(folder / limit_file).strip(), _read(folder / used_file).strip()
    if not limit.isdecimal() or int(limit) >= _NO_LIMIT:
        return None
    stat = dict(line.partition(" ")[::2] for line in _read(folder / "memory.stat").splitlines())
    files = sum(int(stat[key]) for key in dropped if stat.get(key, "").isdecimal())
    held = int(used) if used.isdecimal() else 0
    return CgroupLimit(path=name, limit_bytes=int(limit), used_bytes=max(0, held - files))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
