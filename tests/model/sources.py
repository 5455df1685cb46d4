"""Where tests read a GGUF from, and a `Progress` that keeps what it is told."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Bytes:
    """Bytes in memory as a source."""

    raw: bytes
    name: str = "memory.gguf"
    reads: list[tuple[int, int]] = field(default_factory=list)

    @property
    def size_bytes(self) -> int:
        return len(self.raw)

    def read_at(self, offset: int, n_bytes: int) -> bytes:
        self.reads.append((offset, n_bytes))
        return self.raw[offset : offset + n_bytes]


@dataclass
class Recorder:
    """A `Progress` that keeps what it is told."""

    stages: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def stage(self, title: str) -> None:
        self.stages.append(title)

    def advance(self, done: float, total: float | None, detail: str = "") -> None: ...

    def note(self, text: str) -> None:
        self.notes.append(text)
