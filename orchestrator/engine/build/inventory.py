"""What lies under vendor, what it takes, and freeing it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from pathlib import Path

from orchestrator.engine.build import manifest
from orchestrator.engine.build.manifest import Manifest
from orchestrator.engine.build.tree import discard
from orchestrator.engine.source import checkout as checkouts
from orchestrator.errors import UsageError, WorkspaceError
from orchestrator.progress import Progress
from orchestrator.values import Value
from orchestrator.workspace import Workspace, disk_errors, lock


class BuildEntry(Value):
    """One folder under `builds`. `manifest` is None when the build is not finished."""

    key: str
    directory: Path
    manifest: Manifest | None
    size_bytes: int


class CheckoutEntry(Value):
    """One folder under `checkouts`; commit and number are None for a copied directory."""

    name: str
    directory: Path
    commit: str | None
    build_number: int | None
    size_bytes: int


def list_builds(workspace: Workspace) -> list[BuildEntry]:
    """All builds, finished or not, by their keys."""
    return [
        BuildEntry(key=path.name, directory=path, manifest=manifest.read(path), size_bytes=size_bytes(path))
        for path in _folders(workspace.builds)
    ]


def find_build(workspace: Workspace, key: str) -> tuple[Path, Manifest]:
    """The folder and manifest of a finished build, by its key or the first characters of it.

    Raises:
        UsageError: it fits no build, or several, or one that is not finished.
    """
    (name,) = _matched([key], [path.name for path in _folders(workspace.builds)], "build", "show")
    directory = workspace.builds / name
    finished = manifest.read(directory)
    if finished is None:
        raise UsageError(f"{name} is not a finished build", where=str(directory), hint="`lcpp setup` finishes it")
    return directory, finished


def list_checkouts(workspace: Workspace) -> list[CheckoutEntry]:
    """All checkouts, by their names."""
    entries = []
    for path in _folders(workspace.checkouts):
        facts = checkouts.read_facts(path)
        entries.append(
            CheckoutEntry(
                name=path.name,
                directory=path,
                commit=None if facts is None else facts.commit,
                build_number=None if facts is None else facts.build_number,
                size_bytes=size_bytes(path),
            )
        )
    return entries


def remove_builds(workspace: Workspace, keys: Collection[str], progress: Progress) -> int:
    """Remove these builds and return the bytes freed. A key may be shortened as long as it fits just one.

    Raises:
        UsageError: a key fits no build, or several.
        WorkspaceError: a build is being made, or one of its programs is running; those before it are gone.
    """
    keys_there = [path.name for path in _folders(workspace.builds)]
    return sum(_remove(workspace.builds / name, progress) for name in _matched(keys, keys_there, "build"))


def remove_checkouts(workspace: Workspace, names: Collection[str], progress: Progress) -> int:
    """Remove these checkouts and return the bytes freed; what git has fetched stays, so they come back quickly.

    Raises:
        UsageError: a name fits no checkout, or several.
        WorkspaceError: one is being made.
    """
    names_there = [path.name for path in _folders(workspace.checkouts)]
    return sum(_remove(workspace.checkouts / name, progress) for name in _matched(names, names_there, "checkout"))


def size_bytes(path: Path) -> int:
    """What the files below `path` take on the disk."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(folder) / name).lstat().st_blocks * 512
    return total


def _folders(path: Path) -> list[Path]:
    try:
        with disk_errors("list what is there", path):
            return sorted(child for child in path.iterdir() if child.is_dir() and not child.name.startswith("."))
    except FileNotFoundError:
        return []


def _matched(prefixes: Collection[str], names_there: list[str], kind: str, command: str = "remove") -> list[str]:
    """The full names; every one is checked before anything is removed."""
    names = []
    for name in dict.fromkeys(prefixes):
        fitting = [full for full in names_there if full == name] or [
            full for full in names_there if name and full.startswith(name)
        ]
        if len(fitting) != 1:
            what = f"no {kind} is called {name}" if not fitting else f"{name} fits {len(fitting)} {kind}s"
            raise UsageError(what, where=f"lcpp engine {command}", hint="`lcpp engine list` shows what is there")
        names.append(fitting[0])
    return names


def _remove(path: Path, progress: Progress) -> int:
    with lock(path, progress, path.name, wait=False), disk_errors("remove", path):
        if (user := _running_from(path)) is not None:
            raise WorkspaceError(
                f"{path.name} is in use by process {user}",
                where=str(path),
                hint="wait for that run to end, or stop it, then remove it again",
            )
        freed = size_bytes(path)
        discard(path)
    return freed


def _running_from(path: Path) -> int | None:
    """A process whose program lies below `path`."""
    top = str(path.resolve()) + os.sep
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if str((process / "exe").readlink()).startswith(top):
                return int(process.name)
    return None
