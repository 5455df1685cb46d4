"""What was measured is kept, read back, and not believed when it is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli.view.limits import told
from orchestrator.machine.limits.known import MachineLimits, keep, known, known_at
from orchestrator.workspace import Workspace
from tests.machine.limits.machines import machine


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(vendor=tmp_path / "vendor", runs=tmp_path / "runs")


def test_what_was_kept_is_known(workspace: Workspace) -> None:
    assert known(workspace) is None
    assert keep(machine(), workspace)
    assert known(workspace) == machine()


def test_a_disturbed_measurement_does_not_replace_a_quiet_one(workspace: Workspace) -> None:
    noisy = machine(disturbed=("2 threads: other processes kept 1.0 CPUs busy",))
    assert keep(noisy, workspace)
    assert keep(machine(), workspace)
    assert not keep(noisy, workspace)
    assert known(workspace) == machine()


@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff\xfe", b'{"lcpp_limits": 1, "threads": []}'])
def test_a_damaged_file_is_not_known(workspace: Workspace, damage: bytes) -> None:
    path = known_at(workspace)
    path.parent.mkdir(parents=True)
    path.write_bytes(damage)
    assert known(workspace) is None


def test_rates_must_be_rates() -> None:
    text = machine().model_dump_json().replace('"best":4e10', '"best":0')
    text = text if '"best":0,' in text else machine().model_dump_json().replace("40000000000.0", "0")
    with pytest.raises(ValueError, match="greater than 0"):
        MachineLimits.model_validate_json(text)


def test_the_doctor_tells_it_in_lines(workspace: Workspace) -> None:
    assert told(workspace)[0] == "not measured"
    assert "lcpp doctor --limits" in told(workspace)[1]
    keep(machine(), workspace)
    found, remedy = told(workspace)
    assert remedy == ""
    assert "reads 40.0 GB/s (2 threads, median 40.0, 1 thread 25.0)" in found
    assert "int8 800.0 Gop/s (2 threads, median 800.0, 1 thread 400.0, AVX2)" in found
    keep(
        machine(disturbed=("1 thread: noise",)).model_copy(update={"int8_kind": None}),
        Workspace(vendor=workspace.vendor / "other", runs=workspace.runs),
    )
    assert "disturbed: 1 thread: noise" in told(Workspace(vendor=workspace.vendor / "other", runs=workspace.runs))[0]
