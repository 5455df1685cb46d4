"""Where the bytes of a GGUF are read from: a file here, or anything else that can be read at an offset."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Protocol

from orchestrator.errors import ModelError
from orchestrator.progress import Progress

_HASHED_BYTES = 4 * 1024 * 1024


class ByteSource(Protocol):
    """Bytes that can be read at an offset, such as a file or a file on a server that answers range requests."""

    @property
    def name(self) -> str:
        """What a message calls it."""

    @property
    def size_bytes(self) -> int:
        """Its whole size."""

    def read_at(self, offset: int, n_bytes: int) -> bytes:
        """Up to `n_bytes` from `offset`; fewer only where the source ends."""


class FileSource:
    """A local file as a `ByteSource`; a context manager that closes it.

    It is read, not mapped: a mapped file that another program cuts short kills the reader with SIGBUS.

    Raises:
        ModelError: it is missing, is no regular file, or may not be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            # O_NONBLOCK: opening a named pipe must not wait for a writer.
            self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise unreadable(path, error) from error
        info = os.fstat(self._handle)
        if not stat.S_ISREG(info.st_mode):
            os.close(self._handle)
            raise ModelError("the model is not a regular file", where=str(path), hint="name the .gguf file itself")
        self._size_bytes = info.st_size

    def __enter__(self) -> FileSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._handle)

    @property
    def name(self) -> str:
        return str(self._path)

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    def read_at(self, offset: int, n_bytes: int) -> bytes:
        pieces = []
        while n_bytes > 0:
            try:
                piece = os.pread(self._handle, n_bytes, offset)
            except OSError as error:
                raise unreadable(self._path, error) from error
            if not piece:
                break
            pieces.append(piece)
            offset += len(piece)
            n_bytes -= len(piece)
        return b"".join(pieces)


def unreadable(path: Path, error: OSError) -> ModelError:
    """The operating system's refusal to read a model file, as our own error."""
    reason = os.strerror(error.errno).lower() if error.errno else str(error)
    hints = {
        PermissionError: "make it readable for you (`ls -l` shows its owner and mode)",
        FileNotFoundError: "check the path",
    }
    hint = hints.get(type(error), "check the disk and the path")
    return ModelError(f"the model file cannot be read: {reason}", where=str(path), hint=hint)


def hash_file(path: Path, progress: Progress) -> str:
    """The SHA-256 of a file in hex, telling `progress` the bytes as they are read."""
    digest, n_bytes = hashlib.sha256(), 0
    try:
        total = path.stat().st_size
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(_HASHED_BYTES):
                digest.update(chunk)
                n_bytes += len(chunk)
                progress.advance(n_bytes, total, "SHA-256")
    except OSError as error:
        raise unreadable(path, error) from error
    return digest.hexdigest()
