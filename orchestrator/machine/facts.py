"""What machine a run ran on."""

import platform
from pathlib import Path
from typing import Annotated

from pydantic import Field

from orchestrator.machine import counters, cpu
from orchestrator.machine.cores import cores, n_at_once
from orchestrator.machine.cpu import CoreKind
from orchestrator.machine.kernel_files import ROOT, field, text
from orchestrator.machine.memory import available
from orchestrator.piece import Piece


class Machine(Piece):
    """Facts about the machine that bear on speed."""

    cpu_model: str | None
    core_kinds: Annotated[tuple[CoreKind, ...], Field(description="On ARM, each kind of core.")] = ()
    board: Annotated[str | None, Field(description="The computer's model, on ARM and RISC-V.")] = None
    n_cpu: Annotated[int, Field(description="CPUs that the process may use.")]
    n_cpu_online: int
    cores_limit: Annotated[
        float | None, Field(description="Processor time that a control group (a container) allows, in cores.")
    ] = None
    memory_bytes: int
    memory_limit_bytes: Annotated[int | None, Field(description="Memory that a control group allows.")] = None
    memory_available_bytes: Annotated[int, Field(description="Before the run.")]
    swap_bytes: int
    load_average_1min: Annotated[float, Field(description="Before the run.")]
    os: str
    kernel: str
    architecture: str
    libc: str

    @property
    def n_at_once(self) -> int:
        """So many threads can compute all the time."""
        return n_at_once(self.n_cpu, self.cores_limit)


def observe(root: Path = ROOT) -> Machine:
    """Look at this machine, now."""
    processor, can_compute, memory = cpu.read(root), cores(root), available(root)
    load_average, _ = counters.load(root)
    return Machine(
        cpu_model=processor.name,
        core_kinds=processor.kinds,
        board=processor.board,
        n_cpu=can_compute.n_usable,
        n_cpu_online=can_compute.n_online,
        cores_limit=None if can_compute.limit is None else can_compute.limit.n_cores,
        memory_bytes=memory.total_bytes,
        memory_limit_bytes=None if memory.cgroup is None else memory.cgroup.limit_bytes,
        memory_available_bytes=memory.free_bytes,
        swap_bytes=memory.swap_total_bytes,
        load_average_1min=load_average or 0.0,
        os=_os_name(root),
        kernel=platform.release(),
        architecture=platform.machine(),
        libc=" ".join(part for part in platform.libc_ver() if part),
    )


def _os_name(root: Path) -> str:
    name = field(text(root / "etc/os-release"), "PRETTY_NAME", separator="=")
    return (name or "").strip('"') or platform.system()
