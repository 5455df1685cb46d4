"""The sources that a build works on: a copy of the checkout, which is trusted as long as no build in it was cut off."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from orchestrator.engine.build.manifest import ProgramFile
from orchestrator.engine.source.checkout import Checkout
from orchestrator.progress import Progress
from orchestrator.workspace import staged

# There while a compiler may be writing to the tree: a tree with it cannot be trusted.
MARKER = "building"


def prepare(directory: Path, checkout: Checkout, progress: Progress) -> None:
    """A copy of the checkout to build in: the one that is there, unless a build in it did not end well."""
    tree = directory / "tree"
    directory.mkdir(parents=True, exist_ok=True)
    if (directory / MARKER).exists() and tree.exists():
        discard(tree)
    (directory / MARKER).unlink(missing_ok=True)
    if tree.exists():
        return
    progress.stage("copy the sources")
    with staged(tree) as stage:
        _copy(checkout.path, stage)
        alternates = stage / ".git/objects/info/alternates"
        if alternates.exists():
            # One folder deeper than the checkout.
            alternates.write_text(f"../{alternates.read_text()}")


@contextlib.contextmanager
def being_built(directory: Path) -> Iterator[Path]:
    """The tree, marked while the block works in it; the mark stays when the block does not end well."""
    (directory / MARKER).touch()
    yield directory / "tree"
    (directory / MARKER).unlink()


def install(directory: Path, file: Path) -> ProgramFile:
    """Copy a built file to `bin/`, where later builds in the tree do not change it."""
    goal = directory / "bin" / file.name
    goal.parent.mkdir(exist_ok=True)
    stage = goal.with_name(f".{goal.name}.part")
    try:
        shutil.copy2(file, stage)
        stage.replace(goal)
    finally:
        stage.unlink(missing_ok=True)
    with goal.open("rb") as content:
        whole = hashlib.sha256()
        while chunk := content.read(1024 * 1024):
            whole.update(chunk)
    return ProgramFile(file=str(goal.relative_to(directory)), sha256=whole.hexdigest(), size_bytes=goal.stat().st_size)


def discard(path: Path) -> None:
    """Remove a folder so that it is gone at once: what still writes by the old name does not write into a new one."""
    away = path.with_name(f".{path.name}.gone")
    shutil.rmtree(away, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        path.rename(away)
    shutil.rmtree(away, ignore_errors=True)


def _copy(source: Path, goal: Path) -> None:
    """Copy files, links and modes. Unlike `shutil.copytree`, a full disk stays the `OSError` that it is."""
    for folder, folders, names in os.walk(source):
        here = goal / Path(folder).relative_to(source)
        here.mkdir(exist_ok=True)
        # A link to a folder is listed among the folders.
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in (*names, *links):
            shutil.copy2(Path(folder) / name, here / name, follow_symlinks=False)
