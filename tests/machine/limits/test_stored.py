"""What was measured is kept, read back, and not believed when it is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli.view.limits import in_words
from orchestrator.machine.facts import observe
from orchestrator.machine.limits.stored import MachineLimits, limits_path, store_limits, stored_limits
from orchestrator.workspace import Workspace
from tests.machine.computers import TREES
from tests.machine.limits.machines import machine

HERE = observe()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(vendor=tmp_path / "vendor", runs=tmp_path / "runs")


def test_what_was_kept_is_known(workspace: Workspace) -> None:
    assert stored_limits(workspace, HERE) is None
    assert store_limits(machine(), workspace, HERE)
    assert stored_limits(workspace, HERE) == machine()


def test_a_disturbed_measurement_does_not_replace_a_quiet_one(workspace: Workspace) -> None:
    noisy = machine(disturbed=("2 threads: other processes kept 1.0 CPUs busy",))
    assert store_limits(noisy, workspace, HERE)
    assert store_limits(machine(), workspace, HERE)
    assert store_limits(noisy, workspace, HERE) is False
    assert stored_limits(workspace, HERE) == machine()


@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff\xfe", b'{"lcpp_limits": 1, "threads": []}'])
def test_a_damaged_file_is_not_known(workspace: Workspace, damage: bytes) -> None:
    path = limits_path(workspace, HERE)
    path.parent.mkdir(parents=True)
    path.write_bytes(damage)
    assert stored_limits(workspace, HERE) is None


@pytest.mark.parametrize("tree", ["cgroup_v2", "raspberry_pi_4", "raspberry_pi_5"])
def test_limits_are_of_one_machine_and_of_what_it_may_use(workspace: Workspace, tree: str) -> None:
    assert store_limits(machine(), workspace, observe(TREES / "xeon"))
    assert stored_limits(workspace, observe(TREES / "xeon")) == machine()
    assert stored_limits(workspace, observe(TREES / tree)) is None
    # Each at a place of its own.
    assert store_limits(machine(int8=False), workspace, observe(TREES / tree))
    assert stored_limits(workspace, observe(TREES / "xeon")) == machine()


def test_a_file_that_is_too_large_is_not_read(workspace: Workspace) -> None:
    assert store_limits(machine(), workspace, HERE)
    path = limits_path(workspace, HERE)
    path.write_bytes(path.read_bytes() + b" " * 4 * 2**20)
    assert stored_limits(workspace, HERE) is None


def test_a_disturbed_measurement_is_replaced(workspace: Workspace) -> None:
    assert store_limits(machine(disturbed=("noise",)), workspace, HERE)
    assert store_limits(machine(disturbed=("less noise",)), workspace, HERE)
    assert stored_limits(workspace, HERE) == machine(disturbed=("less noise",))


def test_the_number_of_threads_that_was_best() -> None:
    best = machine().best("memory")
    assert best is not None
    assert best.n_threads == 2
    assert machine(int8=False).best("int8") is None
    assert machine().with_threads(1) == machine().threads[0]
    assert machine().with_threads(3) is None


def test_rates_must_be_rates() -> None:
    text = machine().model_dump_json().replace('"best":4e10', '"best":0')
    text = text if '"best":0,' in text else machine().model_dump_json().replace("40000000000.0", "0")
    with pytest.raises(ValueError, match="greater than 0"):
        MachineLimits.model_validate_json(text)


def test_the_doctor_tells_it_in_lines(workspace: Workspace) -> None:
    assert in_words(workspace)[0] == "not measured"
    assert "lcpp doctor --limits" in in_words(workspace)[1]
    store_limits(machine(), workspace, HERE)
    found, remedy = in_words(workspace)
    assert remedy == ""
    assert "reads 40.0 GB/s (2 threads, median 40.0, 1 thread 25.0)" in found
    assert "int8 800.0 Gop/s (2 threads, median 800.0, 1 thread 400.0, AVX2)" in found
    store_limits(
        machine(disturbed=("1 thread: noise",)).model_copy(update={"int8_kind": None}),
        Workspace(vendor=workspace.vendor / "other", runs=workspace.runs),
        HERE,
    )
    assert (
        "disturbed: 1 thread: noise" in in_words(Workspace(vendor=workspace.vendor / "other", runs=workspace.runs))[0]
    )
