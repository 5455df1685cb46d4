"""What control groups (a container, a service) allow this process: of memory and of processor time.

A process is in one group of each hierarchy, and all groups above it count too, up to the root that it can see: the
tightest holds. Version 1 has a hierarchy for each controller, version 2 one for all, and some systems have both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Literal

from orchestrator.machine.kernel_files import ROOT, as_number, cpu_list, field, number, text
from orchestrator.text.numbers import mib
from orchestrator.values import Value

# Version 1 says of a group without a limit the largest number of pages there is.
_NO_LIMIT_BYTES = 1 << 60
_MAX_PATH = 4096
_OCTAL = re.compile(r"\\([0-7]{3})")

Controller = Literal["memory", "cpu", "cpuset"]


class MemoryLimit(Value):
    """A limit of memory. `used_bytes` is without files that can be dropped."""

    path: str
    limit_bytes: int
    used_bytes: int

    @property
    def left_bytes(self) -> int:
        return max(0, self.limit_bytes - self.used_bytes)

    @property
    def why(self) -> str:
        """The limit in words."""
        limit, used = mib(self.limit_bytes), mib(self.used_bytes)
        return f"the control group {self.path} allows {limit} MiB, of which {used} MiB are in use"


class CoresLimit(Value):
    """A limit of processor time, as a number of cores that may compute all the time."""

    path: str
    n_cores: float

    @property
    def why(self) -> str:
        """The limit in words."""
        return f"the control group {self.path} allows the time of {self.n_cores:.4g} core" + "s" * (self.n_cores != 1)


class _Group(Value):
    """A control group: its path in its hierarchy, and its folder."""

    version: Literal[1, 2]
    path: str
    folder: Path


def memory_limits(root: Path = ROOT) -> tuple[MemoryLimit, ...]:
    """All limits of memory that hold for this process, the one that leaves least first."""
    limits = filter(None, map(_memory_limit, _groups("memory", root)))
    return tuple(sorted(limits, key=lambda limit: limit.left_bytes))


def cores_limit(root: Path = ROOT) -> CoresLimit | None:
    """The tightest limit of processor time that holds for this process; None: there is none."""
    limits = filter(None, map(_cores_limit, _groups("cpu", root)))
    return min(limits, key=lambda limit: limit.n_cores, default=None)


def allowed_cpus(root: Path = ROOT) -> frozenset[int]:
    """The CPUs to which control groups confine this process; empty: none of them does."""
    allowed: frozenset[int] = frozenset()
    for group in _groups("cpuset", root):
        names = {1: ("cpuset.effective_cpus", "cpuset.cpus"), 2: ("cpuset.cpus.effective", "cpuset.cpus")}
        cpus = next(filter(None, (cpu_list(text(group.folder / name)) for name in names[group.version])), None)
        if cpus:
            allowed = allowed & cpus if allowed else cpus
    return allowed


def _memory_limit(group: _Group) -> MemoryLimit | None:
    limit_file, used_file, droppable = {
        1: ("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_inactive_file", "total_active_file")),
        2: ("memory.max", "memory.current", ("inactive_file", "active_file")),
    }[group.version]
    limit_bytes = number(group.folder / limit_file)
    if limit_bytes is None or not 0 <= limit_bytes < _NO_LIMIT_BYTES:
        return None
    stat = text(group.folder / "memory.stat")
    file_bytes = sum(as_number(field(stat, name, separator=" ") or "") or 0 for name in droppable)
    used_bytes = number(group.folder / used_file) or 0
    return MemoryLimit(path=group.path, limit_bytes=limit_bytes, used_bytes=max(0, used_bytes - file_bytes))


def _cores_limit(group: _Group) -> CoresLimit | None:
    if group.version == 1:
        quota, period = number(group.folder / "cpu.cfs_quota_us"), number(group.folder / "cpu.cfs_period_us")
    else:
        # Without a quota it says `max 100000`.
        words = [*text(group.folder / "cpu.max").split(), "", ""]
        quota, period = as_number(words[0]), as_number(words[1])
    # Version 1 says -1 where there is no quota.
    if quota is None or period is None or quota <= 0 or period <= 0:
        return None
    return CoresLimit(path=group.path, n_cores=quota / period)


def _groups(controller: Controller, root: Path) -> Iterator[_Group]:
    """The group of this process and all above it, in each hierarchy that can have that controller."""
    for line in text(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            version: Literal[1, 2] = 2
        elif controller in controllers.split(","):
            version = 1
        else:
            continue
        if not path.startswith("/") or len(path) > _MAX_PATH:
            continue
        for top, mount_root in _mounts(version, controller, controllers, root):
            inside = _inside(PurePosixPath(path), mount_root)
            for group in (inside, *inside.parents):
                yield _Group(
                    version=version,
                    path=str(mount_root / group.relative_to("/")),
                    folder=top / group.relative_to("/"),
                )


def _inside(path: PurePosixPath, mount_root: PurePosixPath) -> PurePosixPath:
    """A group's path below what is mounted: a container without a name space of its own sees only its part."""
    if ".." in path.parts:
        # Above what this process can see.
        return PurePosixPath("/")
    if mount_root in (path, *path.parents):
        return PurePosixPath("/") / path.relative_to(mount_root)
    return path


def _mounts(
    version: Literal[1, 2], controller: Controller, controllers: str, root: Path
) -> list[tuple[Path, PurePosixPath]]:
    """Where a hierarchy is mounted, and which of its groups is at the top there."""
    mounts = []
    for line in text(root / "proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        words, kind = before.split(), after.split()
        if len(words) < 5 or len(kind) < 3 or kind[0] != {1: "cgroup", 2: "cgroup2"}[version]:
            continue
        if version == 2 or controller in kind[2].split(","):
            mount_root, top = (_OCTAL.sub(lambda code: chr(int(code[1], 8)), word) for word in words[3:5])
            mounts.append((root / top.lstrip("/"), PurePosixPath(mount_root if "/.." not in mount_root else "/")))
    if mounts:
        return mounts
    usual = {1: (controllers, controller), 2: ("", "unified")}[version]
    return [(root / "sys/fs/cgroup" / name, PurePosixPath("/")) for name in dict.fromkeys(usual)]
