"""The dummies on the disk: one folder each, up to a limit; the ones not used for longest go first."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from orchestrator.errors import ModelError, UsageError
from orchestrator.model.dummy.plan import DummyPlan
from orchestrator.model.dummy.write import write
from orchestrator.progress import Progress
from orchestrator.text.numbers import GIB, gib
from orchestrator.values import Value
from orchestrator.workspace import Workspace, disk_errors, lock, staged

DEFAULT_LIMIT_BYTES = 16 * GIB
SUFFIX = "-dummy.gguf"
_SPARE_BYTES = GIB // 4
_KEY_CHARS = 16


class CachedDummy(Value):
    """A dummy in the cache; `used_at` is when it was last asked for, in seconds since 1970."""

    path: Path
    size_bytes: int
    used_at: float


class Written(Value):
    """A dummy on the disk. `sha256` is known when it was written just now."""

    path: Path
    sha256: str | None


def folder(workspace: Workspace) -> Path:
    """Where dummies lie."""
    return workspace.vendor / "dummies"


def ensure(
    plan: DummyPlan, workspace: Workspace, progress: Progress, *, limit_bytes: int = DEFAULT_LIMIT_BYTES
) -> Written:
    """The dummy of `plan`: the one that is there, or a new one, for which others may have to go.

    Raises:
        ModelError: it is larger than the limit or the disk, or too much of the cache is in use.
        WorkspaceError: the disk refuses.
    """
    goal = folder(workspace) / plan.digest[:_KEY_CHARS]
    path = goal / f"{plan.name}{SUFFIX}"
    if _touch(path, plan):
        return Written(path=path, sha256=None)
    # One at a time: two would only slow each other down, and both think that there is room.
    with lock(folder(workspace) / "making", progress, "making a dummy"):
        if _touch(path, plan):
            return Written(path=path, sha256=None)
        _sweep(workspace)
        if goal.exists():
            _remove(goal)
        _make_room(plan, workspace, progress, limit_bytes)
        progress.stage(f"make {path.name} ({gib(plan.size_bytes)} GiB)")
        with staged(goal) as stage:
            sha256 = write(plan, stage / path.name, progress)
    return Written(path=path, sha256=sha256)


def write_to(plan: DummyPlan, path: Path, progress: Progress) -> None:
    """Write the dummy to a place of the user's choice; it appears there when it is whole.

    Raises:
        UsageError: the name does not say what it is, or is taken.
        ModelError: the disk is too full.
        WorkspaceError: the disk refuses.
    """
    if "dummy" not in path.name or path.suffix != ".gguf":
        raise UsageError(
            f"{path.name} is no name for a dummy", hint=f"a name such as {plan.name}{SUFFIX} tells what it is"
        )
    if path.exists():
        raise UsageError(f"{path} exists", hint="remove it, or choose another name")
    with disk_errors("write the dummy", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _check_free(shutil.disk_usage(path.parent).free, plan, str(path))
        progress.stage(f"make {path.name} ({gib(plan.size_bytes)} GiB)")
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.part-", dir=path.parent) as stage:
            written = Path(stage, path.name)
            write(plan, written, progress)
            written.rename(path)


def list_dummies(workspace: Workspace) -> list[CachedDummy]:
    """The dummies that are there, the one that was used last first."""
    dummies = []
    for path in folder(workspace).glob(f"[!.]*/*{SUFFIX}"):
        with contextlib.suppress(OSError):
            dummies.append(CachedDummy(path=path, size_bytes=path.stat().st_size, used_at=path.parent.stat().st_mtime))
    return sorted(dummies, key=lambda dummy: dummy.used_at, reverse=True)


def clear(workspace: Workspace, progress: Progress) -> int:
    """Remove all dummies that are not in use; returns the bytes that are free again."""
    with lock(folder(workspace) / "making", progress, "making a dummy"):
        _sweep(workspace)
        return sum(dummy.size_bytes for dummy in list_dummies(workspace) if _evict(dummy))


@contextlib.contextmanager
def in_use(path: Path) -> Iterator[None]:
    """Keep a dummy from being removed while the block runs: other processes, and this one, pass it over.

    Raises:
        ModelError: it has been removed before.
    """
    try:
        handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _gone(path) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        if not path.exists():
            raise _gone(path)
        yield
    finally:
        os.close(handle)


def _gone(path: Path) -> ModelError:
    return ModelError(
        "another lcpp has removed this dummy to make room for its own",
        where=str(path),
        hint="run the same command again; a greater limit (LCPP_DUMMIES_GIB) keeps both",
    )


def _touch(path: Path, plan: DummyPlan) -> bool:
    """Whether the dummy is there, whole; it counts as used now."""
    try:
        whole = path.stat().st_size == plan.size_bytes
        if whole:
            os.utime(path.parent)
    except OSError:
        return False
    return whole


def _make_room(plan: DummyPlan, workspace: Workspace, progress: Progress, limit_bytes: int) -> None:
    needed = plan.size_bytes
    where = str(folder(workspace))
    if needed > limit_bytes:
        raise ModelError(
            f"the dummy has {gib(needed)} GiB, the cache for dummies may have {gib(limit_bytes)} GiB",
            where=where,
            hint="raise the limit with LCPP_DUMMIES_GIB",
        )
    dummies = list_dummies(workspace)
    total = sum(dummy.size_bytes for dummy in dummies)
    while dummies and (total + needed > limit_bytes or _free(workspace) < needed + _SPARE_BYTES):
        oldest = dummies.pop()
        if _evict(oldest):
            total -= oldest.size_bytes
            progress.note(f"removed {oldest.path.name} from the cache of dummies")
    if total + needed > limit_bytes:
        raise ModelError(
            f"the dummy has {gib(needed)} GiB, and {gib(total)} GiB of dummies are in use just now; "
            f"the limit is {gib(limit_bytes)} GiB",
            where=where,
            hint="wait until the other runs have finished, or raise the limit with LCPP_DUMMIES_GIB",
        )
    _check_free(_free(workspace), plan, where)


def _check_free(free: int, plan: DummyPlan, where: str) -> None:
    if free < plan.size_bytes + _SPARE_BYTES:
        raise ModelError(
            f"the disk is too full: the dummy has {plan.size_bytes} bytes, {free} are free",
            where=where,
            hint="free some space, then run the same command again",
        )


def _free(workspace: Workspace) -> int:
    with disk_errors("look at the disk", folder(workspace)):
        return shutil.disk_usage(folder(workspace)).free


def _evict(dummy: CachedDummy) -> bool:
    """Remove a dummy unless it is in use."""
    try:
        handle = os.open(dummy.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(dummy.path.parent)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def _remove(goal: Path) -> None:
    """Take a folder away in one step, then its content."""
    gone = goal.with_name(f".{goal.name}.part-gone")
    with disk_errors("remove a dummy", goal):
        shutil.rmtree(gone, ignore_errors=True)
        goal.rename(gone)
        shutil.rmtree(gone)


def _sweep(workspace: Workspace) -> None:
    """What killed processes left behind. Call it with the lock held: nobody else is making anything."""
    for left in folder(workspace).glob(".*.part-*"):
        shutil.rmtree(left, ignore_errors=True)
