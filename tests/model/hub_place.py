"""lcpp as a user calls it, with a hub on loopback: the hub's library reads its settings when it is imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Finished:
    """An lcpp that has ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        """The JSON document on standard output."""
        assert self.stdout, self.stderr
        return json.loads(self.stdout)


@dataclass(frozen=True)
class Place:
    """A user's machine: `folder` has the hub's cache (`hf`) and the workspace (`vendor`), and is where lcpp runs."""

    folder: Path
    endpoint: str

    def lcpp(self, *words: str, **environment: str) -> Finished:
        """Run lcpp to its end."""
        self.folder.mkdir(exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.upper().endswith("_PROXY")}
        kept = {name: value for name, value in kept.items() if not name.startswith(("HF_", "HUGGING", "LCPP_"))}
        settings = {
            "HF_ENDPOINT": self.endpoint,
            "HF_HOME": str(self.folder / "hf"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "LCPP_VENDOR": str(self.folder / "vendor"),
            "LCPP_RUNS": str(self.folder / "runs"),
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "150",
        }
        done = subprocess.run(
            [sys.executable, "-m", "orchestrator", *words],
            cwd=self.folder,
            env={**kept, **settings, **environment},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=120,
        )
        assert "Traceback" not in done.stderr
        assert "bug:" not in done.stderr, done.stderr
        return Finished(done.returncode, done.stdout, done.stderr)

    def blobs(self, repo: str) -> Path:
        """Where the hub's cache keeps the contents of a repository's files."""
        return self.folder / "hf" / "hub" / f"models--{repo.replace('/', '--')}" / "blobs"
