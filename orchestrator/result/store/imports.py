"""Results of other machines, and the output of somebody's own llama-bench, into the runs folder and so into the store.

What is imported is a file of its own under `runs/imported/`, so that the store can be made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from orchestrator.errors import LcppError, UsageError
from orchestrator.programs import bench
from orchestrator.progress import Progress
from orchestrator.result.reading import MAX_BYTES, TOO_LARGE, UnreadableResult
from orchestrator.result.store.database import Database
from orchestrator.result.store.documents import HEAD_BYTES, IMPORTED, Document, is_ours, parse, parse_llama_bench
from orchestrator.values import Value
from orchestrator.workspace import disk_errors

# All lines of a file together; one line is one result.
MAX_LINES_BYTES = 16 * 2**30


class ImportFailed(LcppError):
    """A file holds nothing that lcpp can import."""


class Imported(Value):
    """What came of a file: how many results are new, and how many the store had already."""

    n_new: int
    n_known: int


def import_file(database: Database, path: Path, progress: Progress) -> Imported:
    """Import a result's JSON file, JSON lines of results or measurements, or what llama-bench printed as JSON.

    Nothing of a file is imported when any of it is wrong.

    Raises:
        UsageError: there is no such file.
        ImportFailed: it is none of these, or too large; with the place in it.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise UsageError(f"cannot read {str(path)!r}: {(error.strerror or str(error)).lower()}") from None
    if size > MAX_LINES_BYTES:
        raise ImportFailed(f"larger than {MAX_LINES_BYTES // 2**30} GiB", where=str(path), hint="import it in parts")
    if is_ours(head):
        return _results(database, path, size, progress)
    return _llama_bench(database, path, size)


def _results(database: Database, path: Path, size: int, progress: Progress) -> Imported:
    progress.stage(f"importing {path.name}")
    with _staged(database.runs) as stage:
        n_new = n_known = done = 0
        for number, raw in _documents(path, size):
            done += len(raw)
            document = _parsed(raw, path, number)
            ident = document.measurements[0].id
            if (stage / f"{ident}.json").exists() or _has(database, ident):
                n_known += 1
            else:
                (stage / f"{ident}.json").write_bytes(raw)
                n_new += 1
            progress.advance(done, size)
        _keep(stage, database)
    return Imported(n_new=n_new, n_known=n_known)


def _documents(path: Path, size: int) -> Iterator[tuple[int, bytes]]:
    """The documents in a file with the line of each: one in all, or one a line."""
    with path.open("rb") as file:
        first = file.readline(MAX_BYTES + 1)
        # lcpp writes a result over many lines; a line of its own is a whole object.
        if not first.rstrip().endswith(b"}"):
            if size > MAX_BYTES:
                raise _too_large(path, 1)
            yield 1, first + file.read(MAX_BYTES)
            return
        number, line = 1, first
        while line:
            if len(line) > MAX_BYTES:
                raise _too_large(path, number)
            if line.strip():
                yield number, line
            number, line = number + 1, file.readline(MAX_BYTES + 1)


def _too_large(path: Path, number: int) -> ImportFailed:
    return ImportFailed(TOO_LARGE, where=f"{path}:{number}")


def _parsed(raw: bytes, path: Path, number: int) -> Document:
    try:
        return parse(raw, None)
    except UnreadableResult as error:
        hint = "`lcpp recipe schema --result` prints what a result is; nothing of this file was imported"
        raise ImportFailed(error.what, where=f"{path}:{number}", hint=hint) from None


def _llama_bench(database: Database, path: Path, size: int) -> Imported:
    hint = "lcpp reads its own results (JSON, JSON lines), and what llama-bench prints with `-o json` or `-o jsonl`"
    if size > MAX_BYTES:
        raise ImportFailed("too large for an output of llama-bench", where=str(path), hint=hint)
    raw = path.read_bytes()
    try:
        measurements = parse_llama_bench(raw).measurements
    except UnreadableResult as error:
        raise ImportFailed(f"nothing to import: {error.what}", where=str(path), hint=hint) from None
    if not measurements:
        raise ImportFailed("its tests have no speeds", where=str(path), hint=hint)
    if _has(database, measurements[0].id):
        return Imported(n_new=0, n_known=len(measurements))
    name = f"{bench.NAME}-{hashlib.sha256(raw).hexdigest()[:12]}.json"
    with _staged(database.runs) as stage:
        (stage / name).write_bytes(raw)
        _keep(stage, database)
    return Imported(n_new=len(measurements), n_known=0)


def _has(database: Database, ident: str) -> bool:
    return bool(database.values("SELECT 1 FROM results WHERE id = ?", (ident,)))


@contextlib.contextmanager
def _staged(runs: Path) -> Iterator[Path]:
    """A folder for files that are checked and not yet imported, on the same disk."""
    with disk_errors("import results", runs):
        (runs / IMPORTED).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".part-", dir=runs / IMPORTED) as name:
            yield Path(name)


def _keep(stage: Path, database: Database) -> None:
    """Have the files on the disk, give them their names, and read them into the store."""
    os.sync()
    for file in stage.iterdir():
        file.rename(stage.parent / file.name)
    database.update()
