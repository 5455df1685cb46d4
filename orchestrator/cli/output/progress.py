"""Draws progress on standard error: a bar in a terminal, a line a stage elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TextIO

import click

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

_REFRESH_PER_SECOND = 5


class TerminalProgress:
    """A `Progress` for people. Rich is imported when the first stage begins: most calls have none."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None
        self._title = ""
        self._since = 0.0

    def stage(self, title: str) -> None:
        """A new stage begins; the one before it is done and stays as a line with its time."""
        self._finish()
        self._title, self._since = title, time.monotonic()
        if not self._stream.isatty():
            click.echo(f"{title} …", file=self._stream)
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        if self._bar is None:
            self._bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                TextColumn("{task.percentage:>3.0f}%"),
                TimeElapsedColumn(),
                TextColumn("{task.fields[detail]}", markup=False, style="dim"),
                console=Console(file=self._stream),
                refresh_per_second=_REFRESH_PER_SECOND,
                transient=True,
            )
            self._bar.start()
        self._task = self._bar.add_task(title, total=None, detail="")

    def advance(self, done: float, total: float | None, detail: str = "") -> None:
        """The current stage has come so far."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total, detail=detail)

    def note(self, text: str) -> None:
        """A line that stays."""
        if self._bar is None:
            click.echo(f"note: {text}", file=self._stream)
        else:
            self._bar.console.print(f"note: {text}", markup=False, highlight=False)

    def close(self) -> None:
        """The last stage is over."""
        self._finish()
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _finish(self) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None
            took = time.monotonic() - self._since
            self._bar.console.print(f"{self._title} ({took:.1f} s)", markup=False, highlight=False, style="dim")
