"""What a result says of its machine."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from orchestrator.machine.facts import observe
from tests.machine.computers import TREES, changed


def test_a_board() -> None:
    machine = observe(TREES / "raspberry_pi_4")
    assert (machine.cpu_model, machine.board) == ("4 × Cortex-A72", "Raspberry Pi 4 Model B Rev 1.4")
    assert [(kind.part, kind.n_cores) for kind in machine.core_kinds] == [("0xd08", 4)]
    assert (machine.n_cpu, machine.n_cpu_online) == (4, 4)
    assert (machine.memory_bytes, machine.memory_available_bytes) == (7999708 * 1024, 7241120 * 1024)
    assert machine.swap_bytes == 102396 * 1024
    assert (machine.cores_limit, machine.memory_limit_bytes) == (None, None)
    assert machine.load_average_1min == 0.08
    assert machine.os == "Debian GNU/Linux 12 (bookworm)"


def test_fewer_cpus_than_there_are(tmp_path: Path) -> None:
    machine = observe(changed("xeon", tmp_path, {"proc/self/status": "Cpus_allowed_list:\t0,4\n"}))
    assert (machine.n_cpu, machine.n_cpu_online) == (2, 16)


def test_a_machine_that_says_nothing(tmp_path: Path) -> None:
    machine = observe(tmp_path)
    assert (machine.cpu_model, machine.board, machine.core_kinds) == (None, None, ())
    assert machine.os == platform.system()
    assert machine.load_average_1min == 0
    assert machine.n_at_once == machine.n_cpu == 1


def test_a_container_has_the_cores_that_it_is_allowed() -> None:
    machine = observe(TREES / "cgroup_v2")
    assert (machine.n_cpu, machine.n_at_once) == (16, 1)


def test_this_machine() -> None:
    machine = observe()
    assert machine.n_cpu == len(os.sched_getaffinity(0))
    assert machine.memory_bytes == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < machine.memory_available_bytes < machine.memory_bytes
    assert machine.kernel == platform.release()
    assert machine.libc
