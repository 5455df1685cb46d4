"""Shows the answer as it comes, with a live rate. Draws a few times a second at most: the run shares the CPU."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from orchestrator.drive.command import Command
from orchestrator.drive.transcript import Stream
from orchestrator.parse import answer, lines
from orchestrator.text.visible import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live

_EVERY_S = 0.25
# Beyond this nobody reads along, and looking for the answer in it again and again would cost.
_MOST_BYTES = 256 * 1024


class Watcher(Protocol):
    """What `LiveAnswer` and a silent run have in common."""

    def __call__(self, stream: Stream, data: bytes, at_s: float) -> None: ...


def silent(command: Command) -> Watcher:
    """Watch nothing."""
    return lambda stream, data, at_s: None


class FirstRate:
    """Tells the rate once, when the first tokens have come: a run on dummy weights is made for that figure."""

    _N_ARRIVALS = 40
    _N_COUNTED = 16

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._answer = "stdout"
        self._arrivals: list[float] = []

    def watch(self, command: Command) -> Watcher:
        """Begin with a run."""
        self._answer = "stderr" if command.layout.shape == "between_marks" else "stdout"
        self._arrivals.clear()
        return self._on_output

    def _on_output(self, stream: Stream, data: bytes, at_s: float) -> None:
        if stream != self._answer or len(self._arrivals) == self._N_ARRIVALS:
            return
        self._arrivals.append(at_s)
        if len(self._arrivals) == self._N_ARRIVALS:
            # The last ones: before them stands the loader's own output. The median: a pause is no slow token.
            late = self._arrivals[-self._N_COUNTED - 1 :]
            typical_s = statistics.median(after - before for before, after in itertools.pairwise(late))
            self._tell(f"≈ {1 / max(typical_s, 1e-6):.1f} tokens/s so far")


class LiveAnswer:
    """Redraws the answer so far and its rate at the foot of the terminal; call `close` at the end.

    Args:
        rate_only: what is written is no answer, and is not shown.
    """

    def __init__(self, console: Console, *, rate_only: bool = False) -> None:
        self._console = console
        self._rate_only = rate_only
        self._live: Live | None = None
        self._command: Command | None = None
        self._raw: dict[Stream, bytearray] = {"stdout": bytearray(), "stderr": bytearray(), "stdin": bytearray()}
        self._drawn_at = 0.0
        self._arrivals: list[float] = []
        self._turn = ""

    def turn(self, number: int, n_prompts: int, prompt: str) -> None:
        """Begin with a prompt of a session."""
        self._turn = f"prompt {number} of {n_prompts}"
        self._forget()

    def watch(self, command: Command) -> Watcher:
        """Begin with a run."""
        self._command = command
        self._forget()
        return self._on_output

    def _forget(self) -> None:
        for raw in self._raw.values():
            raw.clear()
        self._arrivals.clear()
        self._drawn_at = 0.0

    def close(self) -> None:
        """Take the live view off the screen; the answer is printed whole by whoever called."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _on_output(self, stream: Stream, data: bytes, at_s: float) -> None:
        command = self._command
        if command is None or len(self._raw[stream]) > _MOST_BYTES:
            return
        self._raw[stream] += data
        if stream == ("stderr" if command.layout.shape == "between_marks" else "stdout"):
            self._arrivals.append(at_s)
        now = time.monotonic()
        if now - self._drawn_at >= _EVERY_S:
            self._drawn_at = now
            self._draw(command)

    def _draw(self, command: Command) -> None:
        stdout, stderr = (
            lines.clean(bytes(self._raw[stream]).decode(errors="replace").rstrip("\ufffd"))
            for stream in ("stdout", "stderr")
        )
        if self._turn:
            text: str | None = stdout
        elif not command.prompt:
            text = None
        else:
            text = answer.separate(stdout, stderr, command.layout, command.prompt).text
        if text is None:
            # Not there yet: what has come so far was the loader's.
            self._arrivals.clear()
            return
        from rich.live import Live

        from orchestrator.cli.output.table import visible_text

        height = max(3, self._console.height - 4)
        if self._rate_only:
            text = "random weights: what they write is not shown"
        shown = "\n".join(visible(text).splitlines()[-height:])
        foot = f"{self._turn}  {self._rate()}".strip()
        view = visible_text(shown, "\n", (foot, "dim"))
        if self._live is None:
            self._live = Live(view, console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(view, refresh=True)

    def _rate(self) -> str:
        # The programs flush each token, so one arrival is about one token.
        if len(self._arrivals) < 2 or self._arrivals[-1] == self._arrivals[0]:
            return "…"
        return f"≈ {(len(self._arrivals) - 1) / (self._arrivals[-1] - self._arrivals[0]):.1f} tokens/s"
