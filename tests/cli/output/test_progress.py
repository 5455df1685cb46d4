"""Progress on standard error: a line a stage in a pipe, a bar in a terminal that leaves a line with its time."""

from __future__ import annotations

import io
import re

from orchestrator.cli.output.progress import TerminalProgress


class Screen(io.StringIO):
    """A stream that says of itself that it is a terminal."""

    def isatty(self) -> bool:
        return True


def work(progress: TerminalProgress) -> None:
    progress.stage("fetch")
    progress.advance(1, 2, "half")
    progress.note("slow")
    progress.stage("build [bold]")
    progress.close()
    progress.close()


def test_a_line_a_stage_in_a_pipe() -> None:
    stream = io.StringIO()
    work(TerminalProgress(stream))
    assert stream.getvalue() == "fetch …\nnote: slow\nbuild [bold] …\n"


def test_a_bar_in_a_terminal_leaves_a_line_a_stage() -> None:
    stream = Screen()
    work(TerminalProgress(stream))
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    lines = [line.strip() for line in re.split(r"[\r\n]+", shown)]
    # However long it took.
    stages = [re.sub(r" \(\d+\.\d s\)$", "", line) for line in lines if line.endswith("s)")]
    assert stages == ["fetch", "build [bold]"]
    assert "note: slow" in lines
