"""Opening the store's database: made and brought up to date when needed, set aside when damaged or not ours."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator
from pathlib import Path

import apsw

from orchestrator.errors import WorkspaceError
from orchestrator.progress import Silent
from orchestrator.result.store.migrations import APPLICATION_ID, MIGRATIONS
from orchestrator.workspace import lock

FILE_NAME = "results.sqlite"
_BUSY_MS = 10_000
# Whoever opens a longer log takes it for not yet copied, and copies it at each write.
_LONG_LOG_BYTES = 2 * 2**20
_SIDE_FILES = ("", "-wal", "-shm")

# What says that the bytes in the file are no database, or no longer one.
Damaged = (apsw.NotADBError, apsw.CorruptError, apsw.FormatError)
# What says that we may not write where the database is, or that there is no room.
Unwritable = (apsw.ReadOnlyError, apsw.CantOpenError, apsw.PermissionsError, apsw.FullError, apsw.IOError)


class ForeignError(Exception):
    """The file is a database, but not of lcpp."""


def connect(path: Path) -> apsw.Connection:
    """Open the database at `path` for reading and writing; make it, or take the migrations that it lacks.

    Raises:
        ForeignError: it is not ours.
        WorkspaceError: a newer lcpp made it.
        apsw.Error: SQLite refuses.
    """
    connection = _open(path)
    try:
        if _is_new(connection, path):
            # One process makes it; the others wait, then find it made.
            with lock(path, Silent(), "the store of results"):
                migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _open(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(_BUSY_MS)
    # The last to close would else remove the log, and so change the folder's time: see `indexing`.
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    # The files are the truth: after a power cut the last rows may be missing, and are found again.
    connection.execute("PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON")
    return connection


def _is_new(connection: apsw.Connection, path: Path) -> bool:
    """Whether it lacks migrations."""
    version, owner = connection.pragma("user_version"), connection.pragma("application_id")
    if owner != APPLICATION_ID and (owner or version or connection.execute("SELECT 1 FROM sqlite_master").fetchone()):
        raise ForeignError
    if version > len(MIGRATIONS):
        raise WorkspaceError(
            "a newer lcpp made this store of results",
            where=str(path),
            hint="update lcpp; or move the file away: it is made again from the results' files",
        )
    return int(version) < len(MIGRATIONS)


def migrate(connection: apsw.Connection) -> None:
    """Take the migrations that a database lacks, all or none."""
    connection.pragma("journal_mode", "wal")
    with transaction(connection):
        for number in range(connection.pragma("user_version"), len(MIGRATIONS)):
            connection.execute(MIGRATIONS[number])
        connection.pragma("application_id", APPLICATION_ID)
        connection.pragma("user_version", len(MIGRATIONS))


@contextlib.contextmanager
def transaction(connection: apsw.Connection) -> Iterator[None]:
    """Write all or nothing. The right to write is taken at the beginning, so that two processes wait for each other."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        # SQLite may have rolled back already, as when the disk is full.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def close(connection: apsw.Connection) -> None:
    """Let go of a database; a log that has grown is taken into it first, when nobody else is using it."""
    with contextlib.suppress(apsw.Error, OSError):
        if connection.filename and Path(f"{connection.filename}-wal").stat().st_size > _LONG_LOG_BYTES:
            connection.set_busy_timeout(0)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()


def set_aside(path: Path) -> Path:
    """Move a database that cannot be used out of the way, and return where it went."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%S%fZ")
    aside = path.with_name(f"{path.name}.aside-{now}")
    with lock(path, Silent(), "the store of results"):
        for suffix in _SIDE_FILES:
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    return aside


def in_memory(path: Path | None) -> apsw.Connection:
    """A copy of the database at `path` that lives in memory; an empty one when there is none that can be read."""
    memory = apsw.Connection(":memory:")
    for mode in ("mode=ro", "immutable=1") if path is not None else ():
        try:
            flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
            source = apsw.Connection(f"{Path(str(path)).absolute().as_uri()}?{mode}", flags=flags)
        except apsw.Error:
            continue
        try:
            if _is_new(source, Path(str(path))):
                break
            with memory.backup("main", source, "main") as copy:
                copy.step()
            break
        except (apsw.Error, ForeignError):
            memory.close()
            memory = apsw.Connection(":memory:")
        finally:
            source.close()
    memory.execute("PRAGMA foreign_keys = ON")
    migrate(memory)
    return memory


def explain(error: apsw.Error, path: Path) -> WorkspaceError:
    """What SQLite's refusal means for people."""
    if isinstance(error, apsw.BusyError):
        what, hint = "another process is writing to the store of results", "try again when it has finished"
    elif isinstance(error, apsw.FullError):
        what, hint = "the disk is full: the store of results cannot be written", "free some space"
    elif isinstance(error, Damaged):
        what, hint = "the store of results is damaged", "`lcpp results rebuild` makes it again from the results' files"
    elif isinstance(error, Unwritable):
        what, hint = "the store of results cannot be written", "choose another place with LCPP_RUNS"
    else:
        what, hint = f"the store of results cannot be used: {error}", "`lcpp results rebuild` makes it again"
    return WorkspaceError(what, where=str(path), hint=hint)
