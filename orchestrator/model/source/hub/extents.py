"""A file of which only parts are there, and which knows which ones."""

from __future__ import annotations

import json
import os
import struct
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from orchestrator.workspace import disk_errors

_TAIL = struct.Struct("<Q8s")
_MAGIC = b"lcppHdr1"
_MAX_INDEX_BYTES = 1024 * 1024
_CHUNK_BYTES = 1024 * 1024


class Extents:
    """Which bytes are there: half-open ranges in rising order that do not touch."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self._ranges)

    @property
    def total(self) -> int:
        """How many bytes are there."""
        return sum(stop - start for start, stop in self._ranges)

    def add(self, start: int, stop: int) -> None:
        """The bytes from `start` to before `stop` have come."""
        apart = [(a, b) for a, b in self._ranges if b < start or stop < a]
        joined = [(a, b) for a, b in self._ranges if not (b < start or stop < a)]
        whole = min([start, *(a for a, _ in joined)]), max([stop, *(b for _, b in joined)])
        self._ranges = sorted([*apart, whole])

    def missing(self, start: int, stop: int) -> list[tuple[int, int]]:
        """The holes between `start` and `stop`."""
        holes = []
        for a, b in self._ranges:
            if b <= start:
                continue
            if a >= stop:
                break
            if a > start:
                holes.append((start, a))
            start = b
        if start < stop:
            holes.append((start, stop))
        return holes


class SparseFile:
    """A local copy of parts of a file. What is added is kept when `save` is called, whole or not at all.

    The parts lie at their own offsets, with holes between them; at the end of the file stands which ones there are,
    with a checksum each. A copy that is damaged counts as empty.

    Raises:
        WorkspaceError: the disk refuses (from all methods).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.extents = Extents()
        self._handle: int | None = None
        self._stage: Path | None = None
        self._load()

    def read(self, offset: int, n_bytes: int) -> bytes:
        """Bytes that are there."""
        if self._handle is None:
            return b""
        with disk_errors("read", self._path):
            return _read(self._handle, offset, n_bytes)

    def write(self, offset: int, data: bytes) -> None:
        """Add bytes."""
        with disk_errors("keep a model's header", self._path):
            handle = self._own()
            n_written = 0
            while n_written < len(data):
                n_written += os.pwrite(handle, memoryview(data)[n_written:], offset + n_written)
        self.extents.add(offset, offset + len(data))

    def save(self) -> None:
        """Keep what was added."""
        if self._stage is None or self._handle is None:
            return
        with disk_errors("keep a model's header", self._path):
            index = json.dumps([[a, b, self._checksum(a, b)] for a, b in self.extents]).encode()
            end = max((stop for _, stop in self.extents), default=0)
            os.pwrite(self._handle, index + _TAIL.pack(len(index), _MAGIC), end)
            self._stage.rename(self._path)
        self._stage = None

    def close(self) -> None:
        """Forget what was not saved."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
        if self._stage is not None:
            self._stage.unlink(missing_ok=True)
            self._stage = None

    def _load(self) -> None:
        try:
            self._handle = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            size = os.fstat(self._handle).st_size
            length, magic = _TAIL.unpack(_read(self._handle, size - _TAIL.size, _TAIL.size))
            if magic != _MAGIC or not 0 < length <= _MAX_INDEX_BYTES:
                raise ValueError
            for start, stop, checksum in json.loads(_read(self._handle, size - _TAIL.size - length, length)):
                if not 0 <= start < stop <= size or self._checksum(start, stop) != checksum:
                    raise ValueError
                self.extents.add(start, stop)
        except (OSError, ValueError, TypeError, struct.error):
            self.extents = Extents()
            if self._handle is not None:
                os.close(self._handle)
                self._handle = None

    def _own(self) -> int:
        """A handle of a file that only we write to, with all that was there before."""
        if self._stage is not None and self._handle is not None:
            return self._handle
        before = self._handle
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)
        self._handle, self._stage = handle, Path(name)
        if before is not None:
            for start, stop in self.extents:
                for at in range(start, stop, _CHUNK_BYTES):
                    os.pwrite(handle, _read(before, at, min(_CHUNK_BYTES, stop - at)), at)
            os.close(before)
        return handle

    def _checksum(self, start: int, stop: int) -> int:
        assert self._handle is not None
        value = 0
        for at in range(start, stop, _CHUNK_BYTES):
            value = zlib.crc32(_read(self._handle, at, min(_CHUNK_BYTES, stop - at)), value)
        return value


def _read(handle: int, offset: int, n_bytes: int) -> bytes:
    pieces = []
    while n_bytes > 0:
        piece = os.pread(handle, n_bytes, offset)
        if not piece:
            break
        pieces.append(piece)
        offset += len(piece)
        n_bytes -= len(piece)
    return b"".join(pieces)
