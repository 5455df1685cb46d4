"""lcpp as a user calls it, in a lab."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.experiment.lab import Lab

ROOT = Path(__file__).parents[2]
# For recipes that run often: nothing here waits for a quiet machine.
QUICK = ("--no-guard", "--wait", "0")
_OWN = ("LCPP_", "COLUMNS", "FORCE_COLOR", "NO_COLOR")


def start(lab: Lab, *words: str, python: tuple[str, ...] = ("-m", "orchestrator")) -> subprocess.Popen[str]:
    """Start lcpp."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OWN)}
    runs = {"LCPP_VENDOR": str(lab.vendor), "LCPP_RUNS": str(lab.workspace.runs), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, *python, *words],
        cwd=lab.folder,
        env={**inherited, **runs, "COLUMNS": "150", "TMPDIR": str(lab.folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def lcpp(lab: Lab, *words: str, code: int = 0) -> tuple[str, str]:
    """Run lcpp to its end; its standard output and error."""
    with start(lab, *words) as child:
        out, err = child.communicate(timeout=120)
    assert child.returncode == code, err
    assert "Traceback" not in err
    return out, err
