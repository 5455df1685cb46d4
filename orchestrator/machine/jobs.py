"""How many compilers to run at once."""

from __future__ import annotations

from pathlib import Path

from orchestrator.machine.cores import cores
from orchestrator.machine.kernel_files import ROOT
from orchestrator.machine.memory import available
from orchestrator.text.numbers import size
from orchestrator.values import Value

_BYTES_PER_JOB = 1_500_000_000


class Jobs(Value):
    """So many compilers, and for people why not more."""

    n: int
    why: str


def compile_jobs(root: Path = ROOT) -> Jobs:
    """As many as can compute at once, and as memory holds at 1.5 GB each; one at least."""
    can_compute, memory = cores(root), available(root)
    by_cores = Jobs(n=can_compute.n_at_once, why=can_compute.why)
    if not memory.total_bytes:
        # It is not known.
        return by_cores
    by_memory = Jobs(
        n=max(1, memory.usable_bytes // _BYTES_PER_JOB),
        why=f"each takes 1.5 GB, and {size(memory.usable_bytes)} are available ({memory.why})",
    )
    return min(by_cores, by_memory, key=lambda jobs: jobs.n)


def jobs(root: Path = ROOT) -> int:
    """The number alone."""
    return compile_jobs(root).n
