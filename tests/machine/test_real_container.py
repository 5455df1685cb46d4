"""A real control group around a real process; where this user may make none, the tests are skipped."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path("/sys/fs/cgroup")
NAME = f"lcpp-test-{os.getpid()}"
GIB = 2**30
TELL = """
import json
from orchestrator.machine.facts import observe
from orchestrator.machine.jobs import jobs
from orchestrator.machine.memory import available
machine = observe()
print(json.dumps([jobs(), machine.cores_limit, machine.memory_limit_bytes, available().usable_bytes]))
"""


def _made(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_text(content)
    return folder


@pytest.fixture
def groups() -> Iterator[list[Path]]:
    """The folders that a process must be put in to have 1 GiB and the time of one core."""
    with contextlib.ExitStack() as stack:
        folders = []
        try:
            if (TOP / "cgroup.controllers").exists():
                limits = {"memory.max": str(GIB), "cpu.max": "100000 100000"}
                stack.callback(_removed, TOP / NAME)
                folders.append(_made(TOP / NAME, limits))
            else:
                for controller, limits in (
                    ("memory", {"memory.limit_in_bytes": str(GIB)}),
                    ("cpu", {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "100000"}),
                ):
                    stack.callback(_removed, TOP / controller / NAME)
                    folders.append(_made(TOP / controller / NAME, limits))
        except OSError as error:
            pytest.skip(f"no control group can be made here: {error}")
        yield folders


def _removed(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


def test_a_process_in_a_group_has_what_the_group_has(groups: list[Path]) -> None:
    enter = "; ".join(f"echo $$ > {folder}/cgroup.procs" for folder in groups)
    command = ["sh", "-ec", f'{enter}; exec "$0" -c "$1"', sys.executable, TELL]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if "cgroup.procs" in done.stderr:
        pytest.skip(f"no process can be put there: {done.stderr}")
    assert done.returncode == 0, done.stderr
    n_jobs, cores_limit, memory_limit_bytes, usable_bytes = json.loads(done.stdout)
    assert (n_jobs, memory_limit_bytes) == (1, GIB)
    # On one CPU the time of one core is no limit.
    assert cores_limit == (1 if len(os.sched_getaffinity(0)) > 1 else None)
    assert 0.8 * GIB < usable_bytes < GIB
