"""The store of results: a SQLite database beside the runs that answers quickly what would take reading every file.

The JSON files stay the truth. A result's row is added after its file is safe on the disk; a row that is missing for
whatever reason is found again when the store is opened, and the whole can be made again from the files. Several
processes may read and write at once. Its tables (`migrations`) are there for other programs too.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import apsw

from orchestrator.errors import UsageError, WorkspaceError
from orchestrator.progress import Progress
from orchestrator.result.measurement import Measurement, measurement_of
from orchestrator.result.store import indexing, rows
from orchestrator.result.store.connection import (
    FILE_NAME,
    Damaged,
    ForeignError,
    Unwritable,
    close,
    connect,
    explain,
    in_memory,
    set_aside,
    transaction,
)
from orchestrator.result.store.documents import IMPORTED, Document
from orchestrator.values import Value
from orchestrator.workspace import disk_errors

if TYPE_CHECKING:
    from orchestrator.result.schema import Result

_T = TypeVar("_T")
_NEWEST_FIRST = " ORDER BY results.started_at DESC, results.id DESC"
_OLDEST_FIRST = " ORDER BY results.started_at, results.id"


class Condition(Value):
    """A part of a WHERE over `results`, and the values of its question marks."""

    sql: str
    values: tuple[apsw.SQLiteValue, ...] = ()


class Unreadable(Value):
    """A file beside the results that the store could not use."""

    name: str
    problem: str


def add(result: Result, path: Path) -> None:
    """Add a result whose file is already written. No connection stays open.

    Raises:
        WorkspaceError: the store refuses; the file is found again when the store is opened next.
    """
    store = path.parent / FILE_NAME
    try:
        measurement = measurement_of(result, path=str(path))
        rows.check(measurement)
        connection, _ = _connect(store)
        try:
            with transaction(connection):
                indexing.put(connection, path.name, Document(is_result=True, measurements=(measurement,)))
        finally:
            close(connection)
    except apsw.Error as error:
        raise explain(error, store) from error
    except ValueError as error:
        raise WorkspaceError(f"the store cannot hold this result: {error}", where=str(path)) from error


def _connect(store: Path) -> tuple[apsw.Connection, Path | None]:
    """A connection, and where a database went that could not be used."""
    with disk_errors("open the store of results", store):
        try:
            return connect(store), None
        except (*Damaged, ForeignError):
            aside = set_aside(store)
        try:
            return connect(store), aside
        except ForeignError as error:
            raise WorkspaceError("a foreign database is in the way of the store", where=str(store)) from error


@contextlib.contextmanager
def opened(runs: Path, progress: Progress) -> Iterator[Database]:
    """The store of the runs in that folder, in step with its files.

    Where the folder cannot be written, a copy in memory is used. A database that is damaged or not ours is set aside
    and made again; `progress` is told.

    Raises:
        WorkspaceError: the store cannot be used.
    """
    store = runs / FILE_NAME
    database = Database(runs, _ready(runs, progress), progress)
    try:
        yield database
    except apsw.Error as error:
        raise explain(error, store) from error
    finally:
        database.close()


def _ready(runs: Path, progress: Progress) -> apsw.Connection:
    store = runs / FILE_NAME
    if not runs.is_dir():
        return in_memory(None)
    try:
        try:
            connection, aside = _connect(store)
        except WorkspaceError as error:
            if not isinstance(error.__cause__, OSError):
                raise
            return _copy(runs, progress)
        if aside is not None:
            _tell_aside(store, aside, progress)
        try:
            indexing.update(connection, runs, progress)
        except Damaged:
            connection.close()
            connection = _replace(runs, progress)
        except BaseException:
            connection.close()
            raise
        return connection
    except Unwritable:
        return _copy(runs, progress)
    except apsw.Error as error:
        raise explain(error, store) from error


def _copy(runs: Path, progress: Progress) -> apsw.Connection:
    """For a folder that cannot be written."""
    progress.note(f"{runs} cannot be written: the store of results is read into memory")
    store = runs / FILE_NAME
    try:
        memory = in_memory(store if store.is_file() else None)
        indexing.update(memory, runs, progress)
    except apsw.Error as error:
        raise explain(error, store) from error
    return memory


def _replace(runs: Path, progress: Progress) -> apsw.Connection:
    """A new database in the place of a damaged one."""
    store = runs / FILE_NAME
    _tell_aside(store, set_aside(store), progress)
    connection = connect(store)
    indexing.update(connection, runs, progress)
    return connection


def _tell_aside(store: Path, aside: Path, progress: Progress) -> None:
    progress.note(
        f"{store.name} was damaged, or not made by lcpp: it is now {aside.name}, and the store is made again from the "
        "results' files"
    )


class Database:
    """An open store; `opened` gives one."""

    def __init__(self, runs: Path, connection: apsw.Connection, progress: Progress) -> None:
        self._runs, self._connection, self._progress = runs, connection, progress

    def close(self) -> None:
        """Let go of the database."""
        close(self._connection)

    @property
    def runs(self) -> Path:
        """The folder of the runs."""
        return self._runs

    def find(self, conditions: Sequence[Condition] = (), *, limit: int | None = None) -> tuple[Measurement, ...]:
        """What meets all conditions, the newest first; at most `limit`."""
        clauses, values = _clauses(conditions, _NEWEST_FIRST, limit)
        return self._sound(lambda connection: tuple(rows.select(connection, self._runs, clauses, values)))

    def stream(self, conditions: Sequence[Condition] = ()) -> Iterator[Measurement]:
        """What meets all conditions, the oldest first, one after the other: for more than memory should hold."""
        clauses, values = _clauses(conditions, _OLDEST_FIRST, None)
        return rows.select(self._connection, self._runs, clauses, values)

    def count(self, conditions: Sequence[Condition] = ()) -> int:
        """How many meet all conditions."""
        clauses, values = _clauses(conditions, "", None)
        return int(self.values("SELECT count(*) FROM results" + clauses, values)[0][0])

    def values(self, query: str, values: tuple[apsw.SQLiteValue, ...] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query of lcpp's own."""
        return self._sound(lambda connection: connection.execute(query, values).fetchall())

    def unreadable(self, limit: int = 20) -> tuple[int, tuple[Unreadable, ...]]:
        """How many files beside the results could not be used, and the first of them."""
        count = int(self.values("SELECT count(*) FROM files WHERE problem IS NOT NULL")[0][0])
        files = self.values("SELECT name, problem FROM files WHERE problem IS NOT NULL ORDER BY name LIMIT ?", (limit,))
        return count, tuple(Unreadable(name=str(name), problem=str(problem)) for name, problem in files)

    def update(self) -> None:
        """Look again which files came and went."""
        self._sound(lambda connection: indexing.update(connection, self._runs, self._progress))

    def rebuild(self) -> None:
        """Make the store again from the files."""
        if self._runs.is_dir():
            with disk_errors("make the store again", self._runs):
                indexing.rebuild(self._connection, self._runs, self._progress)

    def remove(self, chosen: Sequence[Measurement]) -> int:
        """Remove results: the files, the raw transcripts, the rows. Returns how many files went.

        Raises:
            UsageError: a file holds more than what is chosen; nothing was removed.
        """
        files: dict[str, int] = {}
        for run in chosen:
            query = "SELECT files.name FROM results JOIN files ON files.id = results.file WHERE results.id = ?"
            for (name,) in self.values(query, (run.id,)):
                files[str(name)] = files.get(str(name), 0) + 1
        for name, n_chosen in files.items():
            query = "SELECT count(*) FROM results JOIN files ON files.id = results.file WHERE files.name = ?"
            n_held = int(self.values(query, (name,))[0][0])
            if n_held != n_chosen:
                raise UsageError(
                    f"{name} holds {n_held} measurements, of which {n_chosen} are chosen: all go or none",
                    hint=f"choose `file={name}`",
                )
        for name in files:
            path = self._runs / name
            if path.name != name.removeprefix(f"{IMPORTED}/"):
                raise WorkspaceError("the store names a file that is none of its own", where=name)
            with disk_errors("remove a result", path):
                path.unlink(missing_ok=True)
                if path.parent == self._runs:
                    shutil.rmtree(path.with_suffix(""), ignore_errors=True)
        with transaction(self._connection):
            indexing.forget(self._connection, files)
        return len(files)

    def _sound(self, work: Callable[[apsw.Connection], _T]) -> _T:
        """Do `work`; once more on a store made again when this one is damaged."""
        try:
            return work(self._connection)
        except Damaged:
            if not self._connection.filename:
                raise
        self._connection.close()
        self._connection = _replace(self._runs, self._progress)
        return work(self._connection)


def _clauses(
    conditions: Sequence[Condition], order: str, limit: int | None
) -> tuple[str, tuple[apsw.SQLiteValue, ...]]:
    where = " AND ".join(f"({condition.sql})" for condition in conditions)
    values = tuple(value for condition in conditions for value in condition.values)
    clauses = (f" WHERE {where}" if where else "") + order
    return (f"{clauses} LIMIT ?", (*values, limit)) if limit is not None else (clauses, values)
