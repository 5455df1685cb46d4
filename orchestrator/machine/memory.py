"""How much memory a program started now could really have: the machine's, or what a container is allowed of it."""

from __future__ import annotations

import re
from pathlib import Path

from orchestrator.machine.cgroup import MemoryLimit, memory_limits
from orchestrator.machine.kernel_files import ROOT, text
from orchestrator.text.numbers import mib
from orchestrator.values import Value

# `MemTotal:       25000000 kB`
_MEMINFO = re.compile(r"^(\w+):[ \t]+(\d{1,15}) kB$", re.MULTILINE | re.ASCII)


class Available(Value):
    """Memory of this machine, now.

    total_bytes: physical memory.
    free_bytes: what the kernel can give without swapping (MemAvailable); cached files can be dropped for it.
    swap_total_bytes: all of the swap.
    swap_free_bytes: swap that is free; it is not counted on, as a model that is swapped takes minutes for a word.
    cgroup: the control group that leaves least, if any has a limit.
    """

    total_bytes: int
    free_bytes: int
    swap_total_bytes: int = 0
    swap_free_bytes: int
    cgroup: MemoryLimit | None

    @property
    def usable_bytes(self) -> int:
        """What a program can have now, without swap."""
        return self.free_bytes if self.cgroup is None else min(self.free_bytes, self.cgroup.left_bytes)

    @property
    def why(self) -> str:
        """Where `usable_bytes` comes from, for people."""
        if self.cgroup is not None and self.cgroup.left_bytes < self.free_bytes:
            return self.cgroup.why
        swap = "no swap" if not self.swap_free_bytes else "swap is not counted"
        return f"of {mib(self.total_bytes)} MiB in the machine; {swap}"


def available(root: Path = ROOT) -> Available:
    """Look at this machine, now."""
    facts = {name: int(kib) * 1024 for name, kib in _MEMINFO.findall(text(root / "proc/meminfo"))}
    total = facts.get("MemTotal", 0)
    # A limit above what the machine has is none.
    limits = [limit for limit in memory_limits(root) if limit.limit_bytes < max(total, 1)]
    return Available(
        total_bytes=total,
        free_bytes=facts.get("MemAvailable", facts.get("MemFree", 0)),
        swap_total_bytes=facts.get("SwapTotal", 0),
        swap_free_bytes=facts.get("SwapFree", 0),
        cgroup=limits[0] if limits else None,
    )
