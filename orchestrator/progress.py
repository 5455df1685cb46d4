"""How long work tells of itself, without knowing who listens."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives what a stage says while it works; the command line draws it."""

    def stage(self, title: str) -> None:
        """A new stage begins; the one before it is done."""

    def advance(self, done: float, total: float | None, detail: str = "") -> None:
        """The current stage has done `done` of `total` (any unit; None: unknown)."""

    def note(self, text: str) -> None:
        """A line worth keeping on the screen, such as a fall-back that was taken."""


class Silent:
    """A `Progress` that nobody watches."""

    def stage(self, title: str) -> None: ...

    def advance(self, done: float, total: float | None, detail: str = "") -> None: ...

    def note(self, text: str) -> None: ...
