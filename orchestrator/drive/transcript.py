"""What a program printed, when, and how it ended: kept whole and raw, on disk before anything is parsed."""

from __future__ import annotations

from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import Literal

from orchestrator.workspace import disk_errors

Stream = Literal["stdout", "stderr", "stdin"]
StoppedBy = Literal["timeout", "idle_timeout", "output_limit", "interrupt"]


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Some bytes that came from a stream (or were sent to stdin), `at_s` seconds after the start."""

    at_s: float
    stream: Stream
    n_bytes: int


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """One run of one program. Times in seconds, memory in bytes; None where it could not be measured.

    exit_code, signal: exactly one of them is set.
    stopped_by: why lcpp stopped the program; None when it ended by itself.
    peak_memory_bytes: the child's VmHWM, read while it ran.
    folder: where stdout.log, stderr.log and timeline.tsv lie.
    """

    argv: tuple[str, ...]
    stdout: bytes
    stderr: bytes
    timeline: tuple[Chunk, ...]
    started_at: str
    wall_s: float
    cpu_s: float | None
    peak_memory_bytes: int | None
    exit_code: int | None
    signal: int | None
    stopped_by: StoppedBy | None
    folder: Path


class Tape:
    """Writes what arrives to the run's folder at once, and remembers it. Use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.timeline: list[Chunk] = []
        self._raw: dict[Stream, bytearray] = {"stdout": bytearray(), "stderr": bytearray(), "stdin": bytearray()}
        # Unbuffered: what has arrived survives even a kill -9 of lcpp.
        self._files = {stream: (folder / f"{stream}.log").open("wb", buffering=0) for stream in ("stdout", "stderr")}
        self._times = (folder / "timeline.tsv").open("wb", buffering=0)

    def __enter__(self) -> Tape:
        return self

    def __exit__(self, *exc: object) -> None:
        for file in (*self._files.values(), self._times):
            file.close()

    @property
    def n_bytes(self) -> int:
        """Bytes captured so far, both streams together."""
        return len(self._raw["stdout"]) + len(self._raw["stderr"])

    def add(self, stream: Stream, data: bytes, at_s: float) -> None:
        """Keep `data`.

        Raises:
            WorkspaceError: the disk refuses.
        """
        self._raw[stream] += data
        chunk = Chunk(at_s=at_s, stream=stream, n_bytes=len(data))
        self.timeline.append(chunk)
        with disk_errors("keep the transcript", self.folder):
            if stream in self._files:
                _write(self._files[stream], data)
            _write(self._times, f"{at_s:.6f}\t{stream}\t{len(data)}\n".encode())

    def read(self, stream: Stream) -> bytes:
        """All that has come from `stream`."""
        return bytes(self._raw[stream])


def _write(file: RawIOBase, data: bytes) -> None:
    """Write all of it: an unbuffered file may take a part only, as when the disk is nearly full."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) or 0 :]
