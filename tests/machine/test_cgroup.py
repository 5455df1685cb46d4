"""What control groups allow: version 1, version 2, both at once; nested, and seen from inside a container."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.machine.cgroup import allowed_cpus, cores_limit, memory_limits
from tests.machine.computers import CONTAINERS, TREES, changed, plant, this_machine

GIB = 2**30


@pytest.mark.parametrize("tree", CONTAINERS)
def test_the_tightest_of_nested_groups_holds(tree: str) -> None:
    limit = cores_limit(TREES / tree)
    assert limit is not None
    assert limit.n_cores == 1
    tightest, *others = memory_limits(TREES / tree)
    # Files that can be dropped do not count as used.
    assert (tightest.limit_bytes, tightest.used_bytes, tightest.left_bytes) == (GIB, GIB // 4, GIB * 3 // 4)
    assert [other.limit_bytes for other in others] == ([32 * GIB] if tree == "cgroup_v2" else [])


def test_who_says_so() -> None:
    cores, memory = cores_limit(TREES / "cgroup_v1"), memory_limits(TREES / "cgroup_v1")[0]
    assert cores is not None
    assert cores.why == "the control group /docker/abc allows the time of 1 core"
    assert memory.why == "the control group /docker allows 1,024 MiB, of which 256 MiB are in use"


@pytest.mark.parametrize(
    ("quota", "n_cores", "words"),
    [("50000 100000", 0.5, "0.5 cores"), ("250000 100000", 2.5, "2.5 cores"), ("20000 10000", 2, "2 cores")],
)
def test_parts_of_cores(tmp_path: Path, quota: str, n_cores: float, words: str) -> None:
    root = plant(tmp_path, {"proc/self/cgroup": "0::/box\n", "sys/fs/cgroup/box/cpu.max": quota + "\n"})
    limit = cores_limit(root)
    assert limit is not None
    assert limit.n_cores == n_cores
    assert limit.why.endswith(words)


@pytest.mark.parametrize(
    "cpu_max", ["max 100000\n", "0 100000\n", "100000 0\n", "100000\n", "-1 100000\n", "x y\n", ""]
)
def test_no_limit_of_cores(tmp_path: Path, cpu_max: str) -> None:
    root = plant(tmp_path, {"proc/self/cgroup": "0::/box\n", "sys/fs/cgroup/box/cpu.max": cpu_max})
    assert cores_limit(root) is None


def test_a_limit_of_nothing_is_a_limit(tmp_path: Path) -> None:
    root = plant(tmp_path, {"proc/self/cgroup": "0::/box\n", "sys/fs/cgroup/box/memory.max": "0\n"})
    assert (memory_limits(root)[0].used_bytes, memory_limits(root)[0].left_bytes) == (0, 0)


def test_more_in_use_than_allowed_leaves_nothing(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/box"
    root = plant(
        tmp_path,
        {
            "proc/self/cgroup": "0::/box\n",
            f"{group}/memory.max": "100",
            f"{group}/memory.current": "150",
            f"{group}/memory.stat": "anon 150\ninactive_file 0\n",
        },
    )
    assert memory_limits(root)[0].left_bytes == 0
    # Files are counted a moment later than all of it.
    plant(root, {f"{group}/memory.stat": "inactive_file 200\n"})
    assert memory_limits(root)[0].used_bytes == 0


def test_a_container_with_a_name_space_of_its_own_sees_itself_as_the_root(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/\n",
        "proc/self/mountinfo": "35 24 0:30 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n",
        "sys/fs/cgroup/memory.max": f"{GIB}\n",
        "sys/fs/cgroup/cpu.max": "100000 100000\n",
    }
    root = plant(tmp_path, files)
    limit = cores_limit(root)
    assert limit is not None
    assert (limit.path, limit.n_cores, memory_limits(root)[0].limit_bytes) == ("/", 1, GIB)
    # A process that was put above what the name space shows.
    plant(root, {"proc/self/cgroup": "0::/../other\n", "sys/fs/other/memory.max": "1\n", "sys/fs/memory.max": "1\n"})
    assert [(limit.path, limit.limit_bytes) for limit in memory_limits(root)] == [("/", GIB)]


@pytest.mark.parametrize("path", ["", "relative", "relative/path", "/" + "a/" * 3000])
def test_a_path_that_is_none(tmp_path: Path, path: str) -> None:
    root = plant(tmp_path, {"proc/self/cgroup": f"0::{path}\n", "sys/fs/cgroup/memory.max": "1\n"})
    assert memory_limits(root) == ()


def test_a_container_without_a_name_space_sees_its_part_of_the_hierarchy(tmp_path: Path) -> None:
    """Docker on version 1: the path is the host's, what is mounted begins at the container's group."""
    mount = "36 31 0:31 /docker/abc /sys/fs/cgroup/memory\\040here ro - cgroup cgroup rw,memory\n"
    group = "sys/fs/cgroup/memory here"
    root = plant(
        tmp_path,
        {
            "proc/self/cgroup": "12:memory:/docker/abc/inner\n",
            "proc/self/mountinfo": mount,
            f"{group}/memory.limit_in_bytes": f"{4 * GIB}\n",
            f"{group}/inner/memory.limit_in_bytes": f"{GIB}\n",
        },
    )
    assert [(limit.path, limit.limit_bytes) for limit in memory_limits(root)] == [
        ("/docker/abc/inner", GIB),
        ("/docker/abc", 4 * GIB),
    ]


def test_a_path_that_is_not_below_what_is_mounted(tmp_path: Path) -> None:
    """The process was moved: of its own group nothing is mounted, of the group at the top all is."""
    mount = "36 31 0:31 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
    files = {"proc/self/cgroup": "12:memory:/other/group\n", "proc/self/mountinfo": mount}
    root = plant(tmp_path, {**files, "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{GIB}\n"})
    assert [limit.limit_bytes for limit in memory_limits(root)] == [GIB]


@pytest.mark.parametrize("tree", CONTAINERS)
def test_where_the_mounts_are_not_told_they_are_where_they_always_are(tmp_path: Path, tree: str) -> None:
    root = changed(tree, tmp_path, {"proc/self/mountinfo": None})
    limit = cores_limit(root)
    assert limit is not None
    assert limit.n_cores == 1
    assert memory_limits(root)[0].left_bytes == GIB * 3 // 4


def test_a_group_of_the_unified_part_of_a_hybrid_system_counts_too(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/unified/system.slice/docker.service"
    root = changed("cgroup_hybrid", tmp_path, {f"{group}/memory.max": f"{GIB // 2}\n"})
    assert memory_limits(root)[0].limit_bytes == GIB // 2
    root = changed("cgroup_hybrid", tmp_path, {"proc/self/mountinfo": None})
    assert memory_limits(root)[0].limit_bytes == GIB // 2


@pytest.mark.parametrize(
    ("line", "files", "cpus"),
    [
        ("0::/a/b\n", {"a/cpuset.cpus.effective": "0-7", "a/b/cpuset.cpus.effective": "2-9"}, set(range(2, 8))),
        ("0::/a\n", {"a/cpuset.cpus.effective": "\n", "a/cpuset.cpus": "5"}, {5}),
        ("3:cpuset:/a\n", {"cpuset/cpuset.cpus": "0-3", "cpuset/a/cpuset.cpus": "1-2"}, {1, 2}),
        ("3:cpuset:/a\n", {"cpuset/a/cpuset.effective_cpus": "3", "cpuset/a/cpuset.cpus": "0-3"}, {3}),
        ("0::/a\n", {}, set()),
    ],
)
def test_cpusets(tmp_path: Path, line: str, files: dict[str, str], cpus: set[int]) -> None:
    plant(tmp_path, {"proc/self/cgroup": line, **{f"sys/fs/cgroup/{name}": text for name, text in files.items()}})
    assert allowed_cpus(tmp_path) == cpus


def test_this_machine(tmp_path: Path) -> None:
    assert memory_limits() == memory_limits(this_machine(tmp_path)) or memory_limits()
    limit = cores_limit()
    assert limit is None or limit.n_cores > 0
