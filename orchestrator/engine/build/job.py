"""What a build system is given, and what it gives back."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from orchestrator import process
from orchestrator.progress import Progress
from orchestrator.recipe.schema.recipe import OptionValue
from orchestrator.toolchain import Compilers
from orchestrator.values import Struct, Value, field

_ERROR = re.compile(r"(?i)\berror\b|undefined reference|No rule to make|\*\*\*|Killed|No space left|FAILED:")
_KEPT_LINES = 400


class Job(Value):
    """One build: `targets` (upstream's file names) of the sources in `tree`, where building may write."""

    tree: Path
    targets: tuple[str, ...]
    options: Mapping[str, OptionValue]
    compilers: Compilers
    tools: Mapping[str, Path]
    needs_server: bool
    build_number: int | None
    jobs: int
    environment: Mapping[str, str]
    log: Path
    progress: Progress

    def run(self, argv: Sequence[str], on_line: Callable[[str], None], *, cwd: Path) -> None:
        """Run one command of the build, all it prints into the log.

        Raises:
            BuildError: it failed; with the compiler's own first errors and what can be done.
        """
        seen = Seen()

        def both(line: str) -> None:
            seen.line(line)
            on_line(line)

        returncode = process.stream(argv, log=self.log, on_line=both, cwd=cwd, env=self.environment)
        if returncode != 0:
            # Imported here: its patterns are for builds that fail, and start-up time counts.
            from orchestrator.engine.build.diagnosis import explain

            raise explain(argv, returncode, seen.lines(), self.log)


class Seen(Struct, kw_only=True):
    """The part of a build's output that tells why it failed: the first error-like lines, and the last lines."""

    first: list[str] = field(default_factory=list)
    last: deque[str] = field(default_factory=lambda: deque(maxlen=_KEPT_LINES))

    def line(self, line: str) -> None:
        """Take one line of output."""
        self.last.append(line)
        if len(self.first) < _KEPT_LINES and _ERROR.search(line):
            self.first.append(line)

    def lines(self) -> list[str]:
        """The lines in their order, the early errors first."""
        return [*self.first, *(line for line in self.last if line not in self.first)]


class Built(Value):
    """What came of a job: the commands that ran, the file of each target, shared libraries, and what to tell."""

    commands: tuple[tuple[str, ...], ...]
    files: Mapping[str, Path]
    libraries: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
