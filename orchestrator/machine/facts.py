"""What machine a run ran on."""

import os
import platform
from pathlib import Path
from typing import Annotated

import psutil
from pydantic import Field

from orchestrator.piece import Piece


class Machine(Piece):
    """Facts about the machine that bear on speed."""

    cpu_model: str | None
    n_cpu: Annotated[int, Field(description="CPUs that the process may use.")]
    n_cpu_online: int
    memory_bytes: int
    memory_available_bytes: Annotated[int, Field(description="Before the run.")]
    swap_bytes: int
    load_average_1min: Annotated[float, Field(description="Before the run.")]
    os: str
    kernel: str
    architecture: str
    libc: str


def observe() -> Machine:
    """Look at this machine, now."""
    memory = psutil.virtual_memory()
    return Machine(
        cpu_model=_cpu_model(),
        n_cpu=len(os.sched_getaffinity(0)),
        n_cpu_online=os.cpu_count() or 1,
        memory_bytes=memory.total,
        memory_available_bytes=memory.available,
        swap_bytes=psutil.swap_memory().total,
        load_average_1min=os.getloadavg()[0],
        os=_os_name(),
        kernel=platform.release(),
        architecture=platform.machine(),
        libc=" ".join(part for part in platform.libc_ver() if part),
    )


def _cpu_model() -> str | None:
    return _field(Path("/proc/cpuinfo"), "model name", ":")


def _os_name() -> str:
    return _field(Path("/etc/os-release"), "PRETTY_NAME", "=") or platform.system()


def _field(path: Path, name: str, separator: str) -> str | None:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    for line in text.splitlines():
        key, found, value = line.partition(separator)
        if found and key.strip() == name:
            return value.strip().strip('"')
    return None
