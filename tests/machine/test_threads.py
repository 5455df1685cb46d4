"""What a program's threads do: by files as kernels write them, and of a real program."""

from __future__ import annotations

import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.machine import threads
from tests.machine.computers import plant

READ = {"x86_64": 0, "aarch64": 63}.get(platform.machine())
# The name of a thread is the program's to choose.
STAT = "{tid} (a) R (b) {state} 1 2 3 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 7 4096 1 18446744073709551615"
STAT += " 1 1 0 0 0 0 0 0 0 0 0 0 17 {cpu} 0 0 0 0 0\n"

needs_a_known_call = pytest.mark.skipif(READ is None, reason="the number of `read` is of another machine")


def program(root: Path, *tasks: tuple[str, int, str | None]) -> Path:
    """The files of process 7: of each thread its state, its CPU, and its system call, if the kernel tells."""
    for tid, (state, cpu, call) in enumerate(tasks, start=7):
        plant(root, {f"proc/7/task/{tid}/stat": STAT.format(tid=tid, state=state, cpu=cpu)})
        if call is not None:
            plant(root, {f"proc/7/task/{tid}/syscall": call})
    return root


@needs_a_known_call
@pytest.mark.parametrize(
    ("tasks", "waits"),
    [
        ([("S", 0, f"{READ} 0x0 0x7f 0x400")], True),
        ([("S", 0, "202 0x7f"), ("S", 1, f"{READ} 0x0 0x7f")], True),
        # Another file, another call.
        ([("S", 0, f"{READ} 0x3 0x7f")], False),
        ([("S", 0, "202 0x0 0x7f")], False),
        # Another thread still computes, or is in the disk.
        ([("S", 0, f"{READ} 0x0 0x7f"), ("R", 1, "running")], False),
        ([("S", 0, f"{READ} 0x0 0x7f"), ("D", 1, "0 0x4")], False),
        # The kernel does not tell the call: all sleep, and no more is known.
        ([("S", 0, None), ("S", 1, None)], None),
        ([("S", 0, None), ("R", 1, None)], False),
        ([("S", 0, None), ("S", 1, f"{READ} 0x0")], True),
    ],
)
def test_waiting_for_input(tmp_path: Path, tasks: list[tuple[str, int, str | None]], waits: bool | None) -> None:
    assert threads.wait_for_input(7, program(tmp_path, *tasks)) is waits


def test_a_program_that_has_ended(tmp_path: Path) -> None:
    assert threads.wait_for_input(7, tmp_path) is False
    assert threads.run_delay_s(7, tmp_path) is None
    assert threads.cpus_of(7, 9, tmp_path) == frozenset()


@pytest.mark.parametrize(
    ("schedstat", "delay_s"),
    [("200 1500000000 3\n", 1.5), ("0 0 0\n", None), ("200 5\n", None), ("a b c\n", None), ("", None)],
)
def test_run_delay(tmp_path: Path, schedstat: str, delay_s: float | None) -> None:
    assert threads.run_delay_s(7, plant(tmp_path, {"proc/7/schedstat": schedstat})) == delay_s


def test_the_cpus_of_threads_that_run(tmp_path: Path) -> None:
    root = program(tmp_path, ("R", 3, None), ("S", 4, None), ("R", 12, None))
    assert threads.cpus_of(7, 9, root) == {3, 12}
    assert len(threads.cpus_of(7, 1, root)) <= 1
    assert threads.cpus_of(7, 0, root) == frozenset()
    plant(root, {"proc/7/task/7/stat": "7 (short) R 1\n"})
    assert threads.cpus_of(7, 9, root) <= {12}


def _until(true: Callable[[], bool]) -> bool:
    ends = time.monotonic() + 20
    while not true() and time.monotonic() < ends:
        time.sleep(0.01)
    return true()


@needs_a_known_call
def test_a_real_program_that_waits_and_one_that_computes() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as waits:
        # Where the kernel does not tell the call, that it sleeps is all there is to see.
        assert _until(lambda: threads.wait_for_input(waits.pid) is not False)
        waits.communicate(b"\n")
    with subprocess.Popen([sys.executable, "-c", "while 1: pass"]) as computes:
        try:
            assert _until(lambda: bool(threads.cpus_of(computes.pid, 4)))
            assert threads.wait_for_input(computes.pid) is False
            delay_s = threads.run_delay_s(computes.pid)
            assert delay_s is None or delay_s >= 0
        finally:
            computes.kill()
