"""What a program printed, when, and how it ended: kept whole and raw, on disk before anything is parsed."""

from __future__ import annotations

from io import FileIO
from pathlib import Path
from typing import Literal

from orchestrator.values import Value
from orchestrator.workspace import disk_errors

Stream = Literal["stdout", "stderr", "stdin"]
_OUTPUTS: tuple[Stream, ...] = ("stdout", "stderr")
StoppedBy = Literal["timeout", "idle_timeout", "output_limit", "interrupt"]


class Chunk(Value):
    """Some bytes that came from a stream (or were sent to stdin), `at_s` seconds after the start."""

    at_s: float
    stream: Stream
    n_bytes: int


class Transcript(Value):
    """One run of one program. Times in seconds, memory in bytes; None where it could not be measured.

    exit_code, signal: exactly one of them is set.
    stopped_by: why lcpp stopped the program; None when it ended by itself.
    peak_memory_bytes: the child's VmHWM, read while it ran.
    run_delay_s: how long the child's main thread was ready to run and had no CPU.
    involuntary_switches, major_faults, read_bytes: of all its threads; read_bytes is what came from a disk.
    folder: where stdout.log, stderr.log and timeline.tsv lie, and stdin.log where something was typed.
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
    run_delay_s: float | None = None
    involuntary_switches: int | None = None
    major_faults: int | None = None
    read_bytes: int | None = None


class Tape:
    """Writes what arrives to the run's folder at once, and remembers it. Use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.timeline: list[Chunk] = []
        self._raw: dict[Stream, bytearray] = {"stdout": bytearray(), "stderr": bytearray(), "stdin": bytearray()}
        # Unbuffered: what has arrived survives even a kill -9 of lcpp.
        self._files: dict[Stream, FileIO] = {}
        for stream in _OUTPUTS:
            self._files[stream] = (folder / f"{stream}.log").open("wb", buffering=0)
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
            if stream not in self._files:
                # Most programs are not typed to.
                self._files[stream] = (self.folder / f"{stream}.log").open("wb", buffering=0)
            _write(self._files[stream], data)
            _write(self._times, f"{at_s:.6f}\t{stream}\t{len(data)}\n".encode())

    def read(self, stream: Stream, begin: int = 0) -> bytes:
        """All that has come from `stream`, behind its first `begin` bytes."""
        return bytes(memoryview(self._raw[stream])[begin:])

    def size(self, stream: Stream) -> int:
        """Bytes that have come from `stream`."""
        return len(self._raw[stream])

    def first_after(self, stream: Stream, begin: int) -> float | None:
        """When the byte behind the first `begin` bytes of `stream` came; None: it did not."""
        end = len(self._raw[stream])
        at_s: float | None = None
        for chunk in reversed(self.timeline):
            if end <= begin:
                break
            if chunk.stream == stream:
                at_s, end = chunk.at_s, end - chunk.n_bytes
        return at_s

    def ends_with(self, stream: Stream, mark: bytes) -> bool:
        """Whether the last that came from `stream` is `mark`."""
        return self._raw[stream].endswith(mark)


def _write(file: FileIO, data: bytes) -> None:
    """Write all of it: an unbuffered file may take a part only, as when the disk is nearly full."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) or 0 :]
