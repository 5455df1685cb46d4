"""`source: path`: a llama.cpp directory that the user has. It is read and never written to."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from orchestrator.engine.source import upstream
from orchestrator.engine.source.git import Git, GitFailed
from orchestrator.errors import SourceError
from orchestrator.progress import Progress
from orchestrator.workspace import Workspace, disk_errors, lock, staged


def find(text: str, base: Path) -> Path:
    """The directory that a recipe's `path` names.

    Raises:
        SourceError: it is not there, or is not a llama.cpp.
    """
    path = (base / Path(text).expanduser()).resolve()
    if not path.is_dir():
        raise SourceError(
            f"there is no directory {path}",
            where=f"engine.path: {text}",
            hint="correct the path; a relative one starts at the recipe's folder",
        )
    has_build = (path / "CMakeLists.txt").is_file() or (path / "Makefile").is_file()
    if not has_build or not any((path / name).exists() for name in ("ggml", "ggml.c", "ggml.h")):
        raise SourceError(
            f"{path} is not a llama.cpp directory: no CMakeLists.txt or Makefile beside ggml",
            where=f"engine.path: {text}",
            hint="give the folder that holds llama.cpp's own CMakeLists.txt",
        )
    return path


class WorkTree:
    """The git side of the user's directory, when it has one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # A `.git` file (a submodule, a linked work tree) leads elsewhere; a folder holds its objects and index.
        self._git = Git(path / ".git", work_tree=path, own=(path / ".git").is_dir())
        self.commit = self._head()

    def _head(self) -> str | None:
        if not (self.path / ".git").exists():
            return None
        try:
            return self._git.run("rev-parse", "--verify", "--quiet", "HEAD^{commit}").strip() or None
        except GitFailed:
            return None

    def changed(self) -> bool:
        """Whether a tracked file differs from the commit."""
        arguments = ("status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all")
        return bool(self._git.run(*arguments).strip())

    def commit_date(self) -> str:
        """The date of the commit, ISO 8601."""
        return self._git.run("show", "--no-patch", "--no-show-signature", "--format=%cI", "HEAD", "--").strip()

    def build_number(self) -> int | None:
        """The number of the commit, when the table or the whole history tells it."""
        if self.commit is None:
            return None
        if (number := upstream.build_number(self.commit)) is not None:
            return number
        if self._git.run("rev-parse", "--is-shallow-repository").strip() != "false":
            return None
        return upstream.counted(int(self._git.run("rev-list", "--count", "HEAD", "--")))

    def files(self) -> list[str]:
        """The tracked files, and those that git would let you add."""
        listed = self._git.run("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        return [name for name in listed.split("\0") if name]


def _walk(top: Path) -> Iterator[str]:
    """The files of a directory without git, but for what a build or a user of models leaves there."""
    for folder, folders, names in os.walk(top):
        inside = Path(folder).relative_to(top)
        folders[:] = sorted(
            name for name in folders if name != ".git" and not (folder == str(top) and name.startswith("build"))
        )
        for name in names:
            left = name.endswith(".o") or (name.endswith(".gguf") and inside.parts[:1] != ("models",))
            if not left:
                yield str(inside / name)


def _digest(top: Path, names: list[str]) -> str:
    """One hash over names, kinds, modes and contents."""
    whole = hashlib.sha256()
    for name in names:
        path = top / name
        if path.is_symlink():
            kind, content = "link", str(path.readlink()).encode()
        else:
            kind = "exec" if path.stat().st_mode & 0o100 else "file"
            content = hashlib.sha256(path.read_bytes()).digest()
        whole.update(f"{kind} {len(content)} {name}\0".encode(errors="surrogateescape") + content)
    return whole.hexdigest()[:40]


def copy(path: Path, tree: WorkTree, workspace: Workspace, progress: Progress) -> tuple[Path, str]:
    """Copy the directory's sources to `checkouts/<digest>`, once. Returns that folder and the digest."""
    vendor = workspace.vendor.resolve()
    listed = tree.files() if tree.commit is not None else list(_walk(path))
    names = sorted(
        name
        for name in set(listed)
        if ((path / name).is_symlink() or (path / name).is_file()) and not (path / name).is_relative_to(vendor)
    )
    with disk_errors("read", path):
        digest = _digest(path, names)
    goal = workspace.checkouts / digest
    with lock(goal, progress, f"a copy of {path}"):
        if goal.is_dir():
            return goal, digest
        progress.stage(f"copy {path}")
        with staged(goal) as stage:
            for name in names:
                (stage / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path / name, stage / name, follow_symlinks=False)
            if _digest(stage, names) != digest:
                raise SourceError(
                    f"{path} changed while it was copied",
                    where="engine.path",
                    hint="run the same command again when nothing writes there any more",
                )
    return goal, digest
