"""What a program's threads do: the kernel knows it, and asking it does not disturb the program."""

from __future__ import annotations

import contextlib
import itertools
import platform
from pathlib import Path

from orchestrator.machine.kernel_files import ROOT

# The number of the system call `read`.
_READ = {"x86_64": 0, "aarch64": 63, "riscv64": 63, "loongarch64": 63, "ppc64le": 3, "s390x": 3}.get(platform.machine())
_ASLEEP, _RUNNING = b"S", b"R"
# Of the fields behind the name in /proc/PID/task/TID/stat: the CPU that the thread was on last.
_PROCESSOR = 36


def wait_for_input(pid: int, root: Path = ROOT) -> bool | None:
    """Whether a thread of `pid` is blocked in a read of its standard input, and all its other threads sleep.

    That all sleep matters where the program prints from another thread than the one that reads. None: this kernel or
    machine does not tell; then that all sleep is all that is known, and False is sure still.
    """
    reads = syscall_known = False
    try:
        for task in (root / f"proc/{pid}/task").iterdir():
            # The name in parentheses may hold anything; behind the last one stands the state.
            if (task / "stat").read_bytes().rpartition(b")")[2].split()[:1] != [_ASLEEP]:
                return False
            try:
                call = (task / "syscall").read_bytes().split()
            except OSError:
                continue
            syscall_known = syscall_known or _READ is not None
            reads = reads or (_READ is not None and call[:2] == [str(_READ).encode(), b"0x0"])
    except OSError:
        return False
    return reads if syscall_known else None


def run_delay_s(pid: int, root: Path = ROOT) -> float | None:
    """How long the main thread of `pid` was ready to run and had no CPU; None: this kernel does not tell."""
    try:
        ran, waited, _ = (root / f"proc/{pid}/schedstat").read_bytes().split()
        # A kernel that does not count says 0 for all.
        return int(waited) / 1e9 if int(ran) else None
    except (OSError, ValueError):
        return None


def cpus_of(pid: int, at_most: int, root: Path = ROOT) -> frozenset[int]:
    """The CPUs on which up to `at_most` threads of `pid` that are running now run."""
    cpus = set[int]()
    with contextlib.suppress(OSError, ValueError, IndexError):
        for task in itertools.islice((root / f"proc/{pid}/task").iterdir(), at_most):
            fields = (task / "stat").read_bytes().rpartition(b")")[2].split()
            if fields[0] == _RUNNING:
                cpus.add(int(fields[_PROCESSOR]))
    return frozenset(cpus)
