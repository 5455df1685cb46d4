"""One map of the disk: where checkouts, builds, package models and runs lie, and how they come to lie there.

A costly thing is made under a lock that other processes respect, in a temporary place beside its goal, and moved
into place as the last act. A crash at any moment leaves either the old state or the new one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from orchestrator.errors import WorkspaceError
from orchestrator.progress import Progress
from orchestrator.values import Value


class Workspace(Value):
    """The two folders that lcpp writes to: `vendor` (made once, shared) and `runs` (one result a run)."""

    vendor: Path
    runs: Path

    @property
    def repository(self) -> Path:
        """The bare git repository that all fetched commits share, so that each object is fetched once."""
        return self.vendor / "llama.cpp.git"

    @property
    def checkouts(self) -> Path:
        """One folder a commit: `checkouts/<40 hex>`."""
        return self.vendor / "checkouts"

    @property
    def builds(self) -> Path:
        """One folder a build: `builds/<key>`; it is finished when it holds `manifest.json`."""
        return self.vendor / "builds"

    @property
    def models(self) -> Path:
        """GGUF files taken out of Python packages, and what is known of models that were checked."""
        return self.vendor / "models"

    @property
    def limits(self) -> Path:
        """What this machine can do at most, and the program that measures it."""
        return self.vendor / "limits"

    @property
    def prompts(self) -> Path:
        """Prompts that a model's chat template was rendered to."""
        return self.vendor / "prompts"


@contextlib.contextmanager
def disk_errors(doing: str, path: Path) -> Iterator[None]:
    """Turn the operating system's refusals about `path` into a `WorkspaceError` that says what to do."""
    try:
        yield
    except OSError as error:
        elsewhere = "choose another place with LCPP_VENDOR or LCPP_RUNS"
        in_the_way = f"a file is in the way of a folder: move it, or {elsewhere}"
        hints = {
            errno.ENOSPC: "free some space (`lcpp engine list` shows what builds take), then run the command again",
            errno.EDQUOT: "your disk quota is used up; free some space, then run the same command again",
            errno.EROFS: f"the file system is read-only; {elsewhere}",
            errno.EACCES: f"you may not write there; {elsewhere}",
            errno.EPERM: elsewhere,
            errno.ELOOP: elsewhere,
            errno.ENAMETOOLONG: elsewhere,
            errno.ENOTDIR: in_the_way,
            errno.EEXIST: in_the_way,
        }
        if error.errno not in hints:
            raise
        reason = os.strerror(error.errno).lower()
        raise WorkspaceError(f"cannot {doing}: {reason}", where=str(path), hint=hints[error.errno]) from error


@contextlib.contextmanager
def lock(path: Path, progress: Progress, waiting_for: str, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock of the thing at `path` (a file beside it); say so once when another process has it.

    The lock is the kernel's, so it goes with the process that held it, however that ended.

    Raises:
        WorkspaceError: the disk refuses; or another process has the lock, and `wait` is False.
    """
    # Imported here: a call that finds all there takes no lock, and start-up time counts.
    from filelock import FileLock, Timeout

    with disk_errors("make a lock", path):
        path.parent.mkdir(parents=True, exist_ok=True)
    file_lock = FileLock(path.with_name(f".{path.name}.lock"))
    with disk_errors("make a lock", path):
        try:
            file_lock.acquire(timeout=0)
        except Timeout:
            if not wait:
                raise WorkspaceError(
                    f"another lcpp is busy with {waiting_for}",
                    where=str(path),
                    hint="try again when it has finished",
                ) from None
            progress.note(f"another lcpp is busy with {waiting_for}; waiting for it to finish")
            file_lock.acquire()
    try:
        yield
    finally:
        file_lock.release()


@contextlib.contextmanager
def staged(goal: Path) -> Iterator[Path]:
    """A temporary folder beside `goal` that becomes `goal` when the block ends well, and is removed otherwise.

    Call it with the lock of `goal` held: what a killed process left behind is swept first.
    """
    prefix = f".{goal.name}.part-"
    with disk_errors("make a folder", goal):
        goal.parent.mkdir(parents=True, exist_ok=True)
        for left in goal.parent.glob(f"{prefix}*"):
            shutil.rmtree(left, ignore_errors=True)
        stage = Path(tempfile.mkdtemp(prefix=prefix, dir=goal.parent))
    try:
        with disk_errors("write", goal):
            yield stage
            stage.chmod(0o755)
            stage.rename(goal)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def write_atomic(path: Path, data: str | bytes) -> None:
    """Write `data` to `path` so that a reader, or a crash, sees the old file or the new one, never a part."""
    raw = data.encode() if isinstance(data, str) else data
    with disk_errors("write", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(raw)
                out.flush()
                os.fsync(out.fileno())
            Path(name).chmod(0o644)
            Path(name).rename(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
