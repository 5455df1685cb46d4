"""Keeping the store's rows in step with the files, which are the truth.

A folder's time of change says whether files came or went; only then its names are compared with those in the store,
and only files that the store does not know are read.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import apsw

from orchestrator.progress import Progress
from orchestrator.result.reading import UnreadableResult
from orchestrator.result.store import rows
from orchestrator.result.store.connection import migrate, transaction
from orchestrator.result.store.documents import IMPORTED, SUFFIXES, Document, read

_BATCH = 200
# Two changes within a tick of the file system's clock leave the same time.
_SETTLED_NS = 2_000_000_000
_FOLDERS = ("", IMPORTED)


def put(connection: apsw.Connection, name: str, document: Document | None, problem: str | None = None) -> None:
    """Record a file in the place of what was known of it. Call it in a transaction.

    Args:
        found: what it holds; None with a `problem` when it is none of ours.
    """
    forget(connection, [name])
    connection.execute("SAVEPOINT file")
    try:
        _insert(connection, name, document, problem)
    except apsw.ConstraintError:
        connection.execute("ROLLBACK TO file")
        _insert(connection, name, None, "another file holds a result of the same id")
    connection.execute("RELEASE file")


def _insert(connection: apsw.Connection, name: str, document: Document | None, problem: str | None) -> None:
    is_result = document is not None and document.is_result
    connection.execute("INSERT INTO files (name, is_result, problem) VALUES (?, ?, ?)", (name, int(is_result), problem))
    file = int(connection.last_insert_rowid())
    for measurement in () if document is None else document.measurements:
        rows.insert(connection, measurement, file)


def forget(connection: apsw.Connection, names: Iterable[str]) -> None:
    """Take files and the rows that came from them out of the store. Call it in a transaction."""
    for name in names:
        connection.execute("DELETE FROM results WHERE file = (SELECT id FROM files WHERE name = ?)", (name,))
        connection.execute("DELETE FROM files WHERE name = ?", (name,))


def update(connection: apsw.Connection, runs: Path, progress: Progress) -> None:
    """Read the files that the store does not know, and forget those that are gone."""
    known: set[str] | None = None
    for folder in _FOLDERS:
        place = runs / folder
        try:
            changed_ns = place.stat().st_mtime_ns
        except OSError:
            changed_ns = -1
        seen = connection.execute("SELECT mtime_ns FROM folders WHERE name = ?", (folder,)).fetchone()
        if seen is not None and seen[0] == changed_ns:
            continue
        settled = time.time_ns() - changed_ns > _SETTLED_NS
        if known is None:
            known = {name for (name,) in connection.execute("SELECT name FROM files")}
        mine = {name for name in known if name.startswith(f"{IMPORTED}/") == bool(folder)}
        there = set(names(runs, folder))
        new, gone = sorted(there - mine), sorted(mine - there)
        if gone:
            with transaction(connection):
                forget(connection, gone)
        read_all(connection, runs, new, progress)
        if settled:
            with transaction(connection):
                connection.execute("INSERT OR REPLACE INTO folders VALUES (?, ?)", (folder, changed_ns))


def names(runs: Path, folder: str) -> list[str]:
    """The files of a folder that may be ours, as the store names them; none when there is no such folder."""
    suffixes = SUFFIXES if folder else SUFFIXES[:1]
    prefix = f"{folder}/" if folder else ""
    try:
        with os.scandir(runs / folder) as entries:
            return [
                prefix + entry.name
                for entry in entries
                if entry.name.endswith(suffixes) and not entry.name.startswith(".") and entry.is_file()
            ]
    except (FileNotFoundError, NotADirectoryError):
        return []


def read_all(connection: apsw.Connection, runs: Path, new: Sequence[str], progress: Progress) -> None:
    """Read files and record them, some at a time, so that a crash loses little and others may write."""
    is_shown = len(new) > _BATCH
    if is_shown:
        progress.stage(f"reading {len(new):,} results into the store")
    waiting, done = iter(new), 0
    while batch := list(islice(waiting, _BATCH)):
        documents = [(name, *_read(runs, name)) for name in batch]
        with transaction(connection):
            for name, document, problem in documents:
                if document is not None or problem is not None:
                    put(connection, name, document, problem)
        done += len(batch)
        if is_shown:
            progress.advance(done, len(new))


def _read(runs: Path, name: str) -> tuple[Document | None, str | None]:
    """What a file holds, or why it is not used; neither when it is gone."""
    try:
        name.encode()
        return read(runs, name), None
    except UnicodeEncodeError:
        # A name that is no text cannot stand in the store.
        return None, None
    except UnreadableResult as error:
        return None, None if error.is_gone else error.what[:1000].encode(errors="replace").decode()


def rebuild(connection: apsw.Connection, runs: Path, progress: Progress) -> None:
    """Make the whole store again from the files: beside the old one, which it replaces in one step."""
    handle, name = tempfile.mkstemp(prefix=".results-", suffix=".sqlite", dir=runs)
    os.close(handle)
    try:
        fresh = apsw.Connection(name)
        try:
            migrate(fresh)
            fresh.execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA foreign_keys = ON")
            for folder in _FOLDERS:
                read_all(fresh, runs, sorted(names(runs, folder)), progress)
            with connection.backup("main", fresh, "main") as copy:
                copy.step()
        finally:
            fresh.close()
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            Path(name + suffix).unlink(missing_ok=True)
