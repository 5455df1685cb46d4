"""Which machine it is: results of before are found again, and boards are told apart."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from orchestrator.machine.facts import Machine, observe
from orchestrator.machine.fingerprint import fingerprint
from orchestrator.result.measurement import measurement_of
from orchestrator.result.schema import Result
from tests.machine.computers import CONTAINERS, TREES, changed

STORED = Path(__file__).parent.parent / "result/data/result.json"


def digest(tree: Path) -> str:
    return fingerprint(observe(tree)).digest


def test_a_result_of_before_is_of_the_same_machine_as_a_new_one() -> None:
    """The document has none of the fields that came later."""
    result = Result.model_validate_json(STORED.read_bytes())
    stored = json.loads(STORED.read_bytes())["ran"]["machine"]
    assert not {"core_kinds", "board", "cores_limit", "memory_limit_bytes"} & stored.keys()
    # The formula of the first versions.
    facts = [stored["architecture"], stored["cpu_model"], stored["n_cpu"], stored["n_cpu_online"], GIB_OF_STORED]
    old = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
    assert fingerprint(result.ran.machine).digest == old == measurement_of(result).machine
    assert measurement_of(result).machine_name == fingerprint(result.ran.machine).name


GIB_OF_STORED = -(-json.loads(STORED.read_bytes())["ran"]["machine"]["memory_bytes"] // 2**30)


def test_the_fingerprint_of_an_x86_machine_is_what_it_always_was() -> None:
    machine = observe(TREES / "xeon").model_copy(update={"architecture": "x86_64"})
    facts = ["x86_64", "Intel(R) Xeon(R) Gold 6248   CPU @ 2.50GHz", 16, 16, 63]
    assert fingerprint(machine).digest == hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
    assert fingerprint(machine).name == "Intel(R) Xeon(R) Gold 6248   CPU @ 2.50GHz, 16 CPUs, 63 GiB"


def test_letters_of_any_script_are_written_as_they_always_were() -> None:
    """The digest is of JSON in ASCII."""
    machine = observe(TREES / "xeon").model_copy(update={"architecture": "x86_64", "cpu_model": "Процессор"})
    facts = ["x86_64", "Процессор", 16, 16, 63]
    assert fingerprint(machine).digest == hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def test_the_name_of_a_machine_of_which_little_is_known() -> None:
    update = {"architecture": "s390x", "cpu_model": None, "n_cpu": 1}
    assert fingerprint(observe(TREES / "xeon").model_copy(update=update)).name == "s390x, 1 CPU, 63 GiB"


def test_two_boards_with_the_same_number_of_cpus_and_memory_are_two_machines() -> None:
    trees = ("raspberry_pi_4", "raspberry_pi_5", "rock_5b", "xeon")
    assert len({digest(TREES / tree) for tree in trees}) == len(trees)
    pi_4, pi_5 = (observe(TREES / tree) for tree in trees[:2])
    assert (pi_4.n_cpu, pi_4.memory_bytes, pi_4.architecture) == (pi_5.n_cpu, pi_5.memory_bytes, pi_5.architecture)
    assert fingerprint(pi_4).name == "Raspberry Pi 4 Model B Rev 1.4, 4 × Cortex-A72, 4 CPUs, 8 GiB"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("CPU implementer\t: 0x41", "CPU implementer\t: 0x42"),
        ("CPU part\t: 0xd08", "CPU part\t: 0xd07"),
        ("CPU variant\t: 0x0", "CPU variant\t: 0x1"),
        ("CPU revision\t: 3", "CPU revision\t: 2"),
        ("processor\t: 3\nBogoMIPS\t: 108.00\n", "\n"),
    ],
)
def test_each_number_of_a_core_tells_machines_apart(tmp_path: Path, old: str, new: str) -> None:
    cpuinfo = (TREES / "raspberry_pi_4/proc/cpuinfo").read_text()
    assert old in cpuinfo
    root = changed("raspberry_pi_4", tmp_path, {"proc/cpuinfo": cpuinfo.replace(old, new)})
    assert digest(root) != digest(TREES / "raspberry_pi_4")


@pytest.mark.parametrize(
    ("files", "same"),
    [
        ({"proc/device-tree/model": "Some other board\0"}, False),
        ({"proc/meminfo": "MemTotal: 3884096 kB\nMemAvailable: 3000000 kB\n"}, False),
        ({"proc/meminfo": "MemTotal: 7999000 kB\nMemAvailable: 3 kB\n"}, True),
        ({"sys/devices/system/cpu/online": "0-2\n"}, False),
        ({"proc/self/status": "Cpus_allowed_list:\t0\n"}, False),
        ({"proc/loadavg": "9.99 1 1 9/163 1201\n"}, True),
        ({"etc/os-release": "PRETTY_NAME=Other\n"}, True),
    ],
)
def test_what_tells_machines_apart(tmp_path: Path, files: dict[str, str | None], same: bool) -> None:
    root = changed("raspberry_pi_4", tmp_path, files)
    assert (digest(root) == digest(TREES / "raspberry_pi_4")) == same


def test_a_container_is_the_machine_that_it_runs_on() -> None:
    assert {digest(TREES / tree) for tree in CONTAINERS} == {digest(TREES / "xeon")}


def test_a_comparison_names_what_a_container_allowed() -> None:
    result = Result.model_validate_json(STORED.read_bytes())
    machine = observe(TREES / "cgroup_v1")
    ran = result.ran.model_copy(update={"machine": machine})
    assert measurement_of(result.model_copy(update={"ran": ran})).environment["cores_limit"] == "1"
    # Nothing is said where nothing limits: results of before are the same.
    assert "cores_limit" not in measurement_of(result).environment
    assert (result.ran.machine.n_at_once, machine.n_at_once) == (result.ran.machine.n_cpu, 1)


def test_a_name_that_is_learned_later_changes_nothing() -> None:
    machine = observe(TREES / "raspberry_pi_4")
    renamed = machine.model_copy(update={"cpu_model": "4 × what it is called by then"})
    assert fingerprint(renamed).digest == fingerprint(machine).digest


def test_this_machine_is_written_and_read_back() -> None:
    machine = observe()
    again = Machine.model_validate_json(machine.model_dump_json())
    assert fingerprint(again) == fingerprint(machine)
