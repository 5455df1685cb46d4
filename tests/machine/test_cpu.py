"""Which CPU it is, by the cpuinfo of several computers."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

import pytest

from orchestrator.machine import cpu
from orchestrator.machine.cpu import CoreKind
from tests.machine.computers import TREES, changed, plant

A72 = CoreKind(implementer="0x41", part="0xd08", variant="0x0", revision="3", n_cores=4)
A55 = CoreKind(implementer="0x41", part="0xd05", variant="0x2", revision="0", n_cores=4)
A76 = CoreKind(implementer="0x41", part="0xd0b", variant="0x4", revision="0", n_cores=4)


@pytest.mark.parametrize(
    ("tree", "name", "kinds", "board", "model"),
    [
        ("raspberry_pi_4", "4 × Cortex-A72", (A72,), "Raspberry Pi 4 Model B Rev 1.4", "0x41 0xd08"),
        ("rock_5b", "4 × Cortex-A55 + 4 × Cortex-A76", (A55, A76), "Radxa ROCK 5 Model B", "0x41 0xd05 + 0x41 0xd0b"),
        # With all its spaces, as builds and results of before have it.
        *[("xeon", name, (), None, name) for name in ["Intel(R) Xeon(R) Gold 6248   CPU @ 2.50GHz"]],
    ],
)
def test_a_computers_cpu(tree: str, name: str, kinds: tuple[CoreKind, ...], board: str | None, model: str) -> None:
    computer = cpu.read(TREES / tree)
    assert (computer.name, computer.kinds, computer.board, computer.model) == (name, kinds, board, model)


def test_a_board_in_a_container_without_a_device_tree(tmp_path: Path) -> None:
    root = changed("raspberry_pi_5", tmp_path, {"proc/device-tree/model": None})
    assert cpu.read(root).board == "Raspberry Pi 5 Model B Rev 1.0"
    root = changed("rock_5b", tmp_path, {"proc/device-tree/model": None})
    assert cpu.read(root).board is None
    plant(root, {"sys/firmware/devicetree/base/model": "Radxa\tROCK 5\x00\x00"})
    assert cpu.read(root).board == "Radxa ROCK 5"


def test_the_device_tree_of_an_x86_machine_is_not_its_name(tmp_path: Path) -> None:
    assert cpu.read(changed("xeon", tmp_path, {"proc/device-tree/model": "virtual"})).board is None


def test_cores_that_differ_in_a_stepping_are_two_kinds_with_one_name(tmp_path: Path) -> None:
    block = "processor\t: {}\nCPU implementer\t: 0x41\nCPU variant\t: 0x0\nCPU part\t: 0xd03\nCPU revision\t: {}\n\n"
    computer = cpu.read(plant(tmp_path, {"proc/cpuinfo": block.format(0, 4) + block.format(1, 3)}))
    assert [(kind.revision, kind.n_cores) for kind in computer.kinds] == [("3", 1), ("4", 1)]
    assert (computer.name, computer.model) == ("2 × Cortex-A53", "0x41 0xd03")


def test_an_old_kernel_names_the_cores_once_below_all_of_them(tmp_path: Path) -> None:
    cpuinfo = (
        "Processor\t: ARMv7 Processor rev 5 (v7l)\nprocessor\t: 0\nBogoMIPS\t: 38.40\n\nprocessor\t: 1\n"
        "BogoMIPS\t: 38.40\n\nFeatures\t: half thumb neon vfpv4\nCPU implementer\t: 0x41\nCPU architecture: 7\n"
        "CPU variant\t: 0x0\nCPU part\t: 0xc07\nCPU revision\t: 5\n\nHardware\t: sun8i\n"
    )
    computer = cpu.read(plant(tmp_path, {"proc/cpuinfo": cpuinfo}))
    assert computer.name == "1 × Cortex-A7"
    assert computer.features == frozenset({"half", "thumb", "neon", "vfpv4"})


def test_a_core_without_a_name_is_shown_by_its_numbers(tmp_path: Path) -> None:
    cpuinfo = "processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x99\nCPU part\t: 0xD0C\n"
    computer = cpu.read(plant(tmp_path, {"proc/cpuinfo": cpuinfo}))
    assert (computer.name, computer.model) == ("1 × 0x99 0xd0c", "0x99 0xd0c")
    assert (computer.kinds[0].variant, computer.kinds[0].revision) == ("?", "?")


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        ("processor\t: 0\nisa\t\t: rv64imafdc\nuarch\t\t: sifive,u74-mc\n", "sifive,u74-mc"),
        ("processor\t: 0\ncpu\t\t: POWER9, altivec supported\nclock\t: 2.2GHz\n", "POWER9, altivec supported"),
        ("system type\t: x\nprocessor\t: 0\ncpu model\t: Loongson-3 V0.1\n", "Loongson-3 V0.1"),
    ],
)
def test_other_architectures(tmp_path: Path, cpuinfo: str, name: str) -> None:
    root = plant(tmp_path, {"proc/cpuinfo": cpuinfo, "proc/device-tree/model": "Board\0"})
    assert (cpu.read(root).name, cpu.read(root).model, cpu.read(root).board) == (name, name, "Board")


def test_a_build_is_for_the_instructions_in_any_order(tmp_path: Path) -> None:
    def digest(flags: str) -> str:
        return cpu.read(plant(tmp_path, {"proc/cpuinfo": f"model name\t: CPU\nflags\t\t: {flags}\n"})).features_digest

    # As it was when the first builds were made: they are found again.
    assert digest("sse avx") == digest("avx sse") == hashlib.sha256(b"avx sse").hexdigest()[:16]
    assert digest("avx avx2 sse") != digest("avx sse")


def test_a_core_of_which_only_one_number_is_known_is_none(tmp_path: Path) -> None:
    for cpuinfo in (
        "processor\t: 0\nCPU implementer\t: 0x41\n",
        "processor\t: 0\nCPU implementer\t: ?\nCPU part\t: 0xd0c\n",
    ):
        assert cpu.read(plant(tmp_path, {"proc/cpuinfo": cpuinfo})).kinds == ()


def test_a_32_bit_system_on_arm_has_a_board_too(tmp_path: Path) -> None:
    cpuinfo = "processor\t: 0\nmodel name\t: ARMv7 Processor rev 3 (v7l)\nCPU implementer\t: 0x41\nCPU part\t: 0xd08\n"
    computer = cpu.read(plant(tmp_path, {"proc/cpuinfo": cpuinfo, "proc/device-tree/model": "Board\0"}))
    assert (computer.name, computer.board) == ("1 × Cortex-A72", "Board")


def test_the_instructions_of_risc_v(tmp_path: Path) -> None:
    assert cpu.read(plant(tmp_path, {"proc/cpuinfo": "isa\t\t: rv64imafdc\n"})).features == frozenset({"rv64imafdc"})


def test_a_machine_that_says_nothing(tmp_path: Path) -> None:
    computer = cpu.read(tmp_path)
    assert (computer.name, computer.kinds, computer.board, computer.features) == (None, (), None, frozenset())
    assert computer.model == platform.processor() or platform.machine()
    assert computer.features_digest == hashlib.sha256(platform.machine().encode()).hexdigest()[:16]


def test_this_machine() -> None:
    computer = cpu.read()
    assert computer.model
    assert computer.features
    assert computer.name is not None
