"""Memory that a program could have, and in words where the figure comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.machine.memory import available
from tests.machine.computers import CONTAINERS, TREES, changed, plant, this_machine

GIB = 2**30


@pytest.mark.parametrize("tree", CONTAINERS)
def test_a_container(tree: str) -> None:
    there = available(TREES / tree)
    assert there.usable_bytes == GIB * 3 // 4
    assert there.why.endswith(" allows 1,024 MiB, of which 256 MiB are in use")


def test_a_machine() -> None:
    there = available(TREES / "raspberry_pi_4")
    assert (there.total_bytes, there.free_bytes) == (7999708 * 1024, 7241120 * 1024)
    assert there.swap_total_bytes == there.swap_free_bytes == 102396 * 1024
    assert there.why == "of 7,812 MiB in the machine; swap is not counted"
    assert available(TREES / "xeon").why == "of 64,299 MiB in the machine; no swap"


def test_a_group_that_leaves_more_than_there_is_does_not_hold(tmp_path: Path) -> None:
    """16 GiB are allowed, and of the machine's 62 only 8 are free."""
    meminfo = f"MemTotal: 65842016 kB\nMemAvailable: {8 * 2**20} kB\nSwapFree: 0 kB\n"
    files = {"proc/meminfo": meminfo, "proc/self/cgroup": "0::/box\n", "sys/fs/cgroup/box/memory.max": f"{16 * GIB}\n"}
    there = available(changed("xeon", tmp_path, files))
    assert there.cgroup is not None
    assert there.usable_bytes == 8 * GIB
    assert there.why == "of 64,299 MiB in the machine; no swap"


def test_a_limit_as_large_as_the_machine_is_none(tmp_path: Path) -> None:
    total = 65842016 * 1024
    files = {"proc/self/cgroup": "0::/box\n", "sys/fs/cgroup/box/memory.max": f"{total}\n"}
    assert available(changed("xeon", tmp_path, files)).cgroup is None
    files["sys/fs/cgroup/box/memory.max"] = f"{total - 4096}\n"
    assert available(changed("xeon", tmp_path, files)).cgroup is not None


def test_kernels_before_3_14_do_not_say_what_is_available(tmp_path: Path) -> None:
    there = available(plant(tmp_path, {"proc/meminfo": "MemTotal: 8000 kB\nMemFree: 5000 kB\n"}))
    assert there.free_bytes == 5000 * 1024
    assert (there.swap_total_bytes, there.swap_free_bytes) == (0, 0)


def test_a_machine_that_says_nothing(tmp_path: Path) -> None:
    there = available(tmp_path)
    assert (there.total_bytes, there.free_bytes, there.usable_bytes) == (0, 0, 0)


def test_this_machine(tmp_path: Path) -> None:
    there, again = available(), available(this_machine(tmp_path))
    assert there.total_bytes == again.total_bytes
    assert 0 < there.usable_bytes <= there.total_bytes
