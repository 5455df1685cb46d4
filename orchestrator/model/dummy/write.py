"""Write a dummy as fast as the disk takes it, and know its SHA-256 when it is written."""

from __future__ import annotations

import hashlib
import os
import queue
import threading
from collections.abc import Iterator
from pathlib import Path

from orchestrator.model.dummy.blocks import Pools, zeros
from orchestrator.model.dummy.content import tensor_bytes
from orchestrator.model.dummy.plan import DummyPlan
from orchestrator.progress import Progress

# Pieces are parts of a few pools, so a longer queue takes no memory.
_QUEUE_LENGTH = 16
_STEP_BYTES = 64 * 1024 * 1024
# Small tensors and the paddings between them are written together.
_JOINED_BYTES = 1024 * 1024


def write(plan: DummyPlan, path: Path, progress: Progress) -> str:
    """Write the dummy to `path`, which must not exist, and have it on the disk; returns its SHA-256 in hex.

    Raises:
        OSError: the disk refuses.
    """
    hashing = _Hashing()
    n_bytes = n_reported = 0
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        for piece in _joined(_pieces(plan)):
            hashing.add(piece)
            _write_all(handle, piece)
            n_bytes += len(piece)
            if n_bytes - n_reported >= _STEP_BYTES:
                n_reported = n_bytes
                progress.advance(n_bytes, plan.size_bytes, "bytes of random weights")
        # What the kernel still has to write would disturb the run that is to be measured.
        os.fdatasync(handle)
    finally:
        os.close(handle)
        digest = hashing.end()
    return digest


def _pieces(plan: DummyPlan) -> Iterator[memoryview]:
    """The whole file."""
    yield memoryview(plan.head)
    pools, written = Pools(plan.digest), 0
    for tensor in plan.tensors:
        yield from zeros(tensor.offset - written)
        yield from tensor_bytes(tensor, plan, pools)
        written = tensor.offset + tensor.n_bytes
    yield from zeros(plan.size_bytes - len(plan.head) - written)


def _joined(pieces: Iterator[memoryview]) -> Iterator[memoryview]:
    """The same bytes, with short pieces put together."""
    waiting = bytearray()
    for piece in pieces:
        if len(piece) < _JOINED_BYTES and len(waiting) < _JOINED_BYTES:
            waiting += piece
            continue
        if waiting:
            yield memoryview(bytes(waiting))
            waiting.clear()
        yield piece
    if waiting:
        yield memoryview(bytes(waiting))


def _write_all(handle: int, piece: memoryview) -> None:
    while piece:
        piece = piece[os.write(handle, piece) :]


class _Hashing:
    """A SHA-256 that is computed beside the writing: both leave Python's lock to others."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._pieces: queue.Queue[memoryview | None] = queue.Queue(_QUEUE_LENGTH)
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def add(self, piece: memoryview) -> None:
        self._pieces.put(piece)

    def end(self) -> str:
        self._pieces.put(None)
        self._thread.join()
        return self._digest.hexdigest()

    def _work(self) -> None:
        while (piece := self._pieces.get()) is not None:
            self._digest.update(piece)
