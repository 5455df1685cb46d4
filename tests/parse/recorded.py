"""Transcripts of really built programs, and how they were asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from orchestrator.parse.layout import Layout
from orchestrator.parse.parser import parse_run
from orchestrator.parse.record import Record
from orchestrator.programs.all_programs import PROGRAMS

TRANSCRIPTS = Path(__file__).parents[1] / "data/transcripts"
RECORDED = sorted(path.parent for path in TRANSCRIPTS.glob("*/*/asked.json"))


class Recorded:
    """One transcript and how it was asked for."""

    def __init__(self, folder: Path) -> None:
        self.asked: dict[str, Any] = json.loads((folder / "asked.json").read_text())
        self.stdout = (folder / "stdout.log").read_bytes()
        self.stderr = (folder / "stderr.log").read_bytes()
        self.prompt: str = self.asked.get("prompt") or ""
        self.layout: Layout = PROGRAMS[self.asked["program"]].layout(self.asked["build"])

    def read(self, stdout: bytes | None = None, stderr: bytes | None = None) -> Record:
        """The record of it, or of what was made of its streams."""
        stdout, stderr = self.stdout if stdout is None else stdout, self.stderr if stderr is None else stderr
        return parse_run(stdout, stderr, self.layout, self.prompt)
