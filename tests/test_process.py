"""Starting and stopping programs: Ctrl-C counts at any moment, and nothing that was started stays."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator import process

ROOT = Path(__file__).parents[1]
PATIENCE_S = 60.0
# Python runs such hooks around a fork, and drops what they raise.
DURING_FORK = """\
import os, signal, sys
from pathlib import Path
import orchestrator.drive.session
from orchestrator import process
from orchestrator.engine.source import git
os.register_at_fork(before=lambda: os.kill(os.getpid(), signal.SIGINT))
here = Path(sys.argv[1])
try:
    {start}
except KeyboardInterrupt:
    try:
        os.waitpid(-1, os.WNOHANG)
        print("a child is left")
    except ChildProcessError:
        print("interrupted, and no child is left")
"""
STARTS = {
    "stream": 'process.stream(["sleep", "60"], log=here / "log", on_line=print)',
    "session": 'orchestrator.drive.session.Session(["sleep", "60"], environment={}, folder=here)',
    "git": 'git.Git(here).run("hash-object", "--stdin-paths")',
}
STRAGGLER = """\
import os, signal, sys, time
if os.fork():
    time.sleep(60)
signal.signal(signal.SIGINT, signal.SIG_IGN)
print(os.getpid(), flush=True)
time.sleep(60)
"""
STUBBORN = """\
import signal, time
for each in (signal.SIGINT, signal.SIGTERM):
    signal.signal(each, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(60)
"""
STREAM = """\
import sys
from pathlib import Path
from orchestrator import process
argv = [sys.executable, "-c", sys.argv[2]]
process.stream(argv, log=Path(sys.argv[1]) / "log", on_line=lambda line: print(line, flush=True))
"""
# Of the same ladder, for a test that waits for its end.
LESS_PATIENCE = "process._LADDER = tuple((sig, patience_s / 10) for sig, patience_s in process._LADDER)"


def start(script: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(child: subprocess.Popen[str]) -> str:
    try:
        return child.communicate(timeout=PATIENCE_S)[0]
    except subprocess.TimeoutExpired:
        child.kill()
        raise AssertionError(f"it hangs: {child.communicate()[1]}") from None


def first_line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def lives(pid: int) -> bool:
    """Whether the process is there and not just waiting to be forgotten."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.mark.parametrize("way", STARTS)
def test_ctrl_c_while_a_program_is_being_started(way: str, tmp_path: Path) -> None:
    child = start(DURING_FORK.format(start=STARTS[way]), str(tmp_path))
    assert said(child) == "interrupted, and no child is left\n"


def test_what_outlives_the_program_itself_is_stopped_too(tmp_path: Path) -> None:
    child = start(STREAM.replace("argv =", f"{LESS_PATIENCE}\nargv ="), str(tmp_path), STRAGGLER)
    straggler = int(first_line(child))
    child.send_signal(signal.SIGINT)
    said(child)
    assert child.returncode == -signal.SIGINT
    assert not lives(straggler)


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    child = start(STREAM, str(tmp_path), STUBBORN)
    assert first_line(child) == "deaf"
    deaf = int(Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text())
    child.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert lives(deaf)
    child.send_signal(signal.SIGINT)
    begun = time.monotonic()
    said(child)
    assert time.monotonic() - begun < 1.9, "the ladder takes 4 s"
    assert not lives(deaf)


def test_held_interrupts_come_at_the_end_of_the_block() -> None:
    steps = []
    with contextlib.suppress(KeyboardInterrupt):
        with process.interrupts_held():
            os.kill(os.getpid(), signal.SIGINT)
            steps.append("went on")
        steps.append("lost")
    assert steps == ["went on"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_child_asks_too_late_to_die_with_its_parent() -> None:
    """The kernel tells of a death only those who have asked before."""
    late = process.die_with_parent()
    middle = os.fork()
    if middle == 0:
        # Not the child of the process that made `late`, as if that one were gone.
        lost = os.fork()
        if lost == 0:
            late()
            os._exit(0)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(lost, 0)[1]))
    assert os.waitstatus_to_exitcode(os.waitpid(middle, 0)[1]) == 1
