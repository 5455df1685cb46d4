"""Whether a program waits for what somebody types. The kernel knows it, and asking it does not disturb the program."""

from __future__ import annotations

import platform
from pathlib import Path

# The number of the system call `read`.
_READ = {"x86_64": 0, "aarch64": 63, "riscv64": 63, "loongarch64": 63, "ppc64le": 3, "s390x": 3}.get(platform.machine())
_ASLEEP = b"S"


def wait_for_input(pid: int) -> bool | None:
    """Whether a thread of `pid` is blocked in a read of its standard input, and all its other threads sleep.

    That all sleep matters where the program prints from another thread than the one that reads. None: this kernel or
    machine does not tell; then that all sleep is all that is known, and False is sure still.
    """
    reads = told = False
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            # The name in parentheses may hold anything; behind the last one stands the state.
            if (task / "stat").read_bytes().rpartition(b")")[2].split()[:1] != [_ASLEEP]:
                return False
            try:
                call = (task / "syscall").read_bytes().split()
            except OSError:
                continue
            told = told or _READ is not None
            reads = reads or (_READ is not None and call[:2] == [str(_READ).encode(), b"0x0"])
    except OSError:
        return False
    return reads if told else None
