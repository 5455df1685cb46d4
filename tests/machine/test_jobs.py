"""How many compilers at once; and that all who ask for limits get the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli.doctor import Finding, machine_findings
from orchestrator.machine.cores import cores
from orchestrator.machine.facts import observe
from orchestrator.machine.jobs import compile_jobs, jobs
from orchestrator.machine.memory import available
from orchestrator.model.memory.settings import MemorySettings, memory_settings
from orchestrator.model.memory.shape import shape_of
from orchestrator.model.memory.verdict import fit
from tests.machine.computers import CONTAINERS, TREES, changed
from tests.model.model_shapes import SHAPES, header_of
from tests.plans import planned

GIB = 2**30


@pytest.mark.parametrize(
    ("tree", "n_jobs", "why"),
    [
        *((tree, 1, "allows the time of 1 core") for tree in CONTAINERS),
        ("xeon", 16, "all CPUs of the machine"),
        ("raspberry_pi_4", 4, "all CPUs of the machine"),
        (
            "rock_5b",
            4,
            "each takes 1.5 GB, and 6.91 GiB are available (of 7,812 MiB in the machine; swap is not counted)",
        ),
    ],
)
def test_jobs(tree: str, n_jobs: int, why: str) -> None:
    assert jobs(TREES / tree) == n_jobs
    assert compile_jobs(TREES / tree).why.endswith(why)


@pytest.mark.parametrize("tree", CONTAINERS)
def test_memory_alone_limits_jobs(tmp_path: Path, tree: str) -> None:
    """1 GiB and all cores: one compiler; 5 GiB, of which 4.75 are left: three."""
    quotas = {
        "cgroup_v1": {f"sys/fs/cgroup/cpu,cpuacct/docker{end}/cpu.cfs_quota_us": "-1\n" for end in ("", "/abc")},
        "cgroup_hybrid": {f"sys/fs/cgroup/cpu/docker{end}/cpu.cfs_quota_us": "-1\n" for end in ("", "/abc")},
        "cgroup_v2": {
            f"sys/fs/cgroup/kubepods.slice/kubepods-pod1.slice{end}/cpu.max": "max 100000\n"
            for end in ("", "/cri-abc.scope")
        },
    }[tree]
    limit_file = {
        "cgroup_v1": "sys/fs/cgroup/memory/docker/memory.limit_in_bytes",
        "cgroup_hybrid": "sys/fs/cgroup/memory/docker/memory.limit_in_bytes",
        "cgroup_v2": "sys/fs/cgroup/kubepods.slice/kubepods-pod1.slice/memory.max",
    }[tree]
    root = changed(tree, tmp_path, quotas)
    assert cores(root).n_at_once == 16
    assert jobs(root) == 1
    assert "the control group /" in compile_jobs(root).why
    assert jobs(changed(tree, tmp_path, {**quotas, limit_file: f"{5 * GIB}\n"})) == 3


@pytest.mark.parametrize(("n_bytes", "n_jobs"), [(4_500_000_000, 3), (4_499_999_999, 2), (1, 1), (0, 1)])
def test_each_job_has_its_memory(tmp_path: Path, n_bytes: int, n_jobs: int) -> None:
    files = {"proc/self/cgroup": "0::/box\n", "sys/fs/cgroup/box/memory.max": f"{n_bytes}\n"}
    assert jobs(changed("xeon", tmp_path, files)) == n_jobs


def test_a_machine_that_does_not_tell_its_memory(tmp_path: Path) -> None:
    assert jobs(changed("xeon", tmp_path, {"proc/meminfo": ""})) == 16


def test_this_machine() -> None:
    assert 1 <= jobs() <= cores().n_at_once


@pytest.mark.parametrize("tree", CONTAINERS)
def test_jobs_doctor_fit_and_results_have_the_same_limits(tree: str) -> None:
    root = TREES / tree
    left = GIB * 3 // 4
    assert jobs(root) == 1
    verdict = fit(shape_of([header_of(SHAPES["llama-3.1-8b"])]), _settings(), available(root))
    assert (verdict.available.usable_bytes, verdict.state) == (left, "does not fit")
    machine = observe(root)
    assert (machine.cores_limit, machine.memory_limit_bytes) == (1, GIB)
    shown = {finding.name: finding for finding in machine_findings(root)}
    assert ", 1 usable: the control group /" in shown["CPU"].found
    assert "62.8 GiB, 0.8 GiB available: the control group /" in shown["memory"].found
    assert "allows 1,024 MiB, of which 256 MiB are in use" in shown["memory"].found
    assert "allows 1,024 MiB, of which 256 MiB are in use" in verdict.reason
    assert shown["build jobs"].found.startswith("1 at once: the control group /")


def test_the_doctor_of_a_board() -> None:
    shown = machine_findings(TREES / "raspberry_pi_5")
    assert shown == [
        Finding("ok", "CPU", "Raspberry Pi 5 Model B Rev 1.0, 4 × Cortex-A76, 4 usable", ""),
        Finding("ok", "memory", "7.6 GiB, 6.9 GiB available", ""),
        Finding("ok", "build jobs", "4 at once: all CPUs of the machine", ""),
        Finding("ok", "quiet", "load average 0.08", "other programs compute: speeds measured now will be too low"),
    ]


def test_the_doctor_says_when_the_machine_is_busy_and_when_it_does_not_know(tmp_path: Path) -> None:
    assert machine_findings(TREES / "xeon")[-1][:3] == ("note", "quiet", "load average 1.50")
    root = changed("xeon", tmp_path, {"proc/loadavg": None, "proc/cpuinfo": None})
    shown = machine_findings(root)
    assert shown[0].found == "unknown, 16 usable"
    assert shown[-1][:3] == ("ok", "quiet", "load average unknown")


def _settings() -> MemorySettings:
    return memory_settings(planned(3642, program="llama-simple", n_predict=30))
