"""How many cores a program can have, and who says so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.machine import affinity
from orchestrator.machine.cores import cores
from tests.machine.computers import CONTAINERS, TREES, changed, plant, this_machine


@pytest.mark.parametrize("tree", CONTAINERS)
def test_a_container_with_the_time_of_one_core(tree: str) -> None:
    there = cores(TREES / tree)
    assert (there.n_online, there.n_usable, there.n_at_once) == (16, 16, 1)
    assert there.why.startswith("the control group /")
    assert there.why.endswith(" allows the time of 1 core")


@pytest.mark.parametrize(("quota", "n_at_once"), [("150000", 2), ("1000", 1), ("400000", 4), ("390000", 4)])
def test_a_part_of_a_core_is_a_core(tmp_path: Path, quota: str, n_at_once: int) -> None:
    group = "sys/fs/cgroup/kubepods.slice/kubepods-pod1.slice/cri-abc.scope"
    assert cores(changed("cgroup_v2", tmp_path, {f"{group}/cpu.max": f"{quota} 100000\n"})).n_at_once == n_at_once


def test_a_limit_above_what_is_usable_is_none(tmp_path: Path) -> None:
    there = cores(changed("cgroup_v1", tmp_path, {"proc/self/status": "Cpus_allowed_list:\t3\n"}))
    assert (there.n_usable, there.limit, there.n_at_once) == (1, None, 1)
    assert there.why == "of 16 in the machine: the others are not for this process (affinity or cpuset)"


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({}, set(range(16))),
        ({"proc/self/status": "Cpus_allowed:\tc\nCpus_allowed_list:\t2-3\n"}, {2, 3}),
        # A kernel that could have more CPUs than there are.
        ({"proc/self/status": "Cpus_allowed_list:\t0-127\n"}, set(range(16))),
        ({"sys/devices/system/cpu/online": "0-1,4\n"}, {0, 1, 4}),
        ({"sys/fs/cgroup/cpuset.cpus.effective": "7\n"}, {7}),
        ({"proc/self/status": ""}, set(range(16))),
    ],
)
def test_usable_cpus(tmp_path: Path, files: dict[str, str], cpus: set[int]) -> None:
    root = changed("xeon", tmp_path, files)
    assert affinity.usable(root) == cpus
    assert cores(root).n_usable == len(cpus)


def test_all_of_a_machine() -> None:
    there = cores(TREES / "rock_5b")
    assert (there.n_online, there.n_at_once, there.why) == (8, 8, "all CPUs of the machine")


def test_a_machine_that_says_nothing(tmp_path: Path) -> None:
    there = cores(tmp_path)
    assert (there.n_online, there.n_usable, there.n_at_once) == (1, 1, 1)
    assert affinity.usable(plant(tmp_path, {"sys/devices/system/cpu/online": "0-2\n"})) == {0, 1, 2}


def test_this_machine(tmp_path: Path) -> None:
    there = cores()
    assert there.n_usable == len(os.sched_getaffinity(0))
    assert there.n_online == os.cpu_count()
    # What the files say is what the system calls say.
    assert affinity.usable(this_machine(tmp_path)) == os.sched_getaffinity(0)
    assert cores(tmp_path / "root") == there
