"""The last level of cache, as the kernel tells it of each CPU."""

from __future__ import annotations

from pathlib import Path

from orchestrator.machine.cpu_cache import last_level_bytes
from tests.machine.computers import plant

KIB, MIB = 2**10, 2**20


def test_caches_that_cpus_share_count_once(tmp_path: Path) -> None:
    for cpu, sharers in ((0, "0-1"), (1, "0-1"), (2, "2-3"), (3, "2-3")):
        for index, level, kind, size in ((0, 1, "Data", "32K"), (1, 1, "Instruction", "32K"), (2, 3, "Unified", "8M")):
            folder = tmp_path / f"sys/devices/system/cpu/cpu{cpu}/cache/index{index}"
            folder.mkdir(parents=True)
            listed = sharers if level == 3 else str(cpu)
            for name, value in (("level", level), ("type", kind), ("size", size), ("shared_cpu_list", listed)):
                (folder / name).write_text(f"{value}\n")
    assert last_level_bytes(tmp_path, frozenset({0, 1})) == 8 * MIB
    assert last_level_bytes(tmp_path, frozenset({0, 1, 2, 3})) == 16 * MIB
    assert last_level_bytes(tmp_path / "nothing") is None


def test_the_caches_of_the_cpus_that_may_be_used(tmp_path: Path) -> None:
    for cpu in range(3):
        folder = f"sys/devices/system/cpu/cpu{cpu}/cache/index3"
        plant(tmp_path, {f"{folder}/level": "2", f"{folder}/type": "Unified", f"{folder}/size": "512K"})
        plant(tmp_path, {f"{folder}/shared_cpu_list": f"{cpu}"})
    plant(tmp_path, {"sys/devices/system/cpu/online": "0-2", "proc/self/status": "Cpus_allowed_list:\t0-1\n"})
    assert last_level_bytes(tmp_path) == 1024 * KIB
    # Where it is not told who shares a cache, each CPU has one.
    for cpu in range(3):
        (tmp_path / f"sys/devices/system/cpu/cpu{cpu}/cache/index3/shared_cpu_list").unlink()
    assert last_level_bytes(tmp_path) == 1024 * KIB


def test_a_cache_of_instructions_alone_is_not_counted(tmp_path: Path) -> None:
    folder = "sys/devices/system/cpu/cpu0/cache"
    for index, level, kind, size in ((0, "3", "Instruction", "8M"), (1, "1", "Data", "32K"), (2, "x", "Unified", "9M")):
        plant(tmp_path, {f"{folder}/index{index}/level": level, f"{folder}/index{index}/type": f"{kind}\n"})
        plant(tmp_path, {f"{folder}/index{index}/size": size})
    assert last_level_bytes(tmp_path, frozenset({0})) == 32 * KIB


def test_a_size_that_is_none(tmp_path: Path) -> None:
    folder = "sys/devices/system/cpu/cpu0/cache/index0"
    plant(tmp_path, {f"{folder}/level": "1", f"{folder}/type": "Data"})
    for size, n_bytes in (("32K", 32 * KIB), ("2G", 2**31), ("64", 64), ("", None), ("K", None), ("9" * 99, None)):
        assert last_level_bytes(plant(tmp_path, {f"{folder}/size": size}), frozenset({0})) == n_bytes


def test_this_machine() -> None:
    n_bytes = last_level_bytes()
    assert n_bytes is None or n_bytes >= 64 * KIB
