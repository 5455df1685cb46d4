"""Files of the kernel: what they say, and nothing from what is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli.doctor import machine_findings
from orchestrator.machine import counters, cpu_cache, threads
from orchestrator.machine.cores import cores
from orchestrator.machine.facts import observe
from orchestrator.machine.fingerprint import fingerprint
from orchestrator.machine.jobs import jobs
from orchestrator.machine.kernel_files import as_number, cpu_list, field, number, text
from tests.machine.computers import CONTAINERS, GARBAGE, TREES, changed


def test_text(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"a\xffb")
    assert text(file) == "a\ufffdb"
    assert text(tmp_path / "absent") == text(tmp_path) == text(Path("/nul\0")) == ""
    with file.open("wb") as large:
        large.truncate(20 * 2**20)
    assert len(text(file)) == 16 * 2**20


@pytest.mark.parametrize(
    ("digits", "value"),
    [("42", 42), ("-1", -1), ("9223372036854771712", 9223372036854771712), ("9" * 5000, None), ("٣", None)]
    + [(digits, None) for digits in ("", "max", "1 2", "0x10", "1.5", "+1")],
)
def test_numbers(tmp_path: Path, digits: str, value: int | None) -> None:
    assert as_number(digits) == value
    (tmp_path / "file").write_text(f"{digits}\n")
    assert number(tmp_path / "file") == value


def test_fields() -> None:
    content = "model name\t: first\nmodel name\t: second\nempty\t:\nempty\t: later\nno separator\nMixed: a: b\n"
    assert field(content, "model name") == "first"
    assert field(content, "empty") == "later"
    assert field(content, "Mixed", "model name") == "a: b"
    assert field(content, "absent", "model name") == "first"
    assert field(content, "no separator") is None
    assert field("inactive_file 12\n", "inactive_file", separator=" ") == "12"


@pytest.mark.parametrize(
    ("listed", "cpus"),
    [("0-3,8\n", {0, 1, 2, 3, 8}), ("5", {5}), ("", set()), ("3-1", set()), ("0-99999999999", set()), ("x,1", {1})],
)
def test_lists_of_cpus(listed: str, cpus: set[int]) -> None:
    assert cpu_list(listed) == cpus


def _read_all(root: Path) -> None:
    # These ask all the others.
    fingerprint(observe(root))
    machine_findings(root)
    counters.read(root)
    counters.frequency_mhz(root, (0,))
    cpu_cache.last_level_bytes(root)
    threads.run_delay_s(1, root)
    threads.wait_for_input(1, root)
    threads.cpus_of(1, 3, root)


@pytest.mark.parametrize("garbage", GARBAGE)
def test_no_reader_stumbles_over_garbage_in_one_file(tmp_path: Path, garbage: bytes) -> None:
    root = changed("cgroup_hybrid", tmp_path, {})
    for path in [path for path in root.rglob("*") if path.is_file()]:
        before = path.read_bytes()
        path.write_bytes(garbage)
        _read_all(root)
        path.write_bytes(before)


@pytest.mark.parametrize("tree", [*CONTAINERS, "raspberry_pi_4"])
def test_no_reader_stumbles_over_garbage_everywhere(tmp_path: Path, tree: str) -> None:
    root = changed(tree, tmp_path, {})
    for garbage in GARBAGE:
        for path in [path for path in root.rglob("*") if path.is_file()]:
            path.write_bytes(garbage)
        _read_all(root)
        assert cores(root).n_at_once >= 1
        assert jobs(root) >= 1


def test_no_reader_stumbles_over_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    for path in [path for path in (TREES / "cgroup_v2").rglob("*") if path.is_file()]:
        (tmp_path / path.relative_to(TREES / "cgroup_v2")).mkdir(parents=True)
    _read_all(tmp_path)
    _read_all(tmp_path / "nothing")
