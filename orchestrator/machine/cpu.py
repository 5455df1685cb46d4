"""Which CPU this computer has: its model by name, or on ARM the kinds of its cores, and what instructions it knows."""

from __future__ import annotations

import hashlib
import platform
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from orchestrator.machine.kernel_files import ROOT, field, text
from orchestrator.piece import Piece
from orchestrator.values import Value

# What people call a core, by its numbers; one that is not here is shown by them. ARM's MIDR_EL1, as lscpu has it.
_CORE_NAMES: Mapping[tuple[str, str], str] = {
    ("0x41", "0xc07"): "Cortex-A7",
    ("0x41", "0xc08"): "Cortex-A8",
    ("0x41", "0xc09"): "Cortex-A9",
    ("0x41", "0xc0f"): "Cortex-A15",
    ("0x41", "0xd03"): "Cortex-A53",
    ("0x41", "0xd04"): "Cortex-A35",
    ("0x41", "0xd05"): "Cortex-A55",
    ("0x41", "0xd07"): "Cortex-A57",
    ("0x41", "0xd08"): "Cortex-A72",
    ("0x41", "0xd09"): "Cortex-A73",
    ("0x41", "0xd0a"): "Cortex-A75",
    ("0x41", "0xd0b"): "Cortex-A76",
    ("0x41", "0xd0c"): "Neoverse-N1",
    ("0x41", "0xd0d"): "Cortex-A77",
    ("0x41", "0xd40"): "Neoverse-V1",
    ("0x41", "0xd41"): "Cortex-A78",
    ("0x41", "0xd44"): "Cortex-X1",
    ("0x41", "0xd46"): "Cortex-A510",
    ("0x41", "0xd47"): "Cortex-A710",
    ("0x41", "0xd48"): "Cortex-X2",
    ("0x41", "0xd49"): "Neoverse-N2",
    ("0x41", "0xd4f"): "Neoverse-V2",
    ("0x41", "0xd80"): "Cortex-A520",
    ("0x41", "0xd81"): "Cortex-A720",
    ("0x61", "0x022"): "Apple M1 Icestorm",
    ("0x61", "0x023"): "Apple M1 Firestorm",
    ("0xc0", "0xac3"): "Ampere-1",
}
# Of a CPU that has a name: x86, MIPS, RISC-V, LoongArch, POWER.
_NAMES = ("model name", "cpu model", "uarch", "Model Name", "cpu")
_CODE = re.compile(r"(?:0x)?[0-9a-f]{1,8}", re.ASCII)
_MAX_NAME = 200
_BOARDS = ("proc/device-tree/model", "sys/firmware/devicetree/base/model")


class CoreKind(Piece):
    """ARM cores of one kind, by the numbers that the kernel gives it."""

    implementer: str
    part: str
    variant: str
    revision: str
    n_cores: Annotated[int, Field(description="Cores of this kind that are online.")]

    @property
    def name(self) -> str:
        """What people call it, such as `Cortex-A72`."""
        return _CORE_NAMES.get((self.implementer, self.part), f"{self.implementer} {self.part}")


class Cpu(Value):
    """The CPU of this computer.

    name: for people; None: the kernel does not tell.
    kinds: on ARM, of each kind of core (big.LITTLE has several); empty elsewhere.
    board: on ARM and RISC-V, the computer's model as its device tree names it; None: not told, and on x86.
    features: its instruction sets by the names of /proc/cpuinfo.
    """

    name: str | None
    kinds: tuple[CoreKind, ...]
    board: str | None
    features: frozenset[str]

    @property
    def model(self) -> str:
        """What a native build is for: the name or, on ARM, implementer and part of each kind of core."""
        parts = dict.fromkeys(f"{kind.implementer} {kind.part}" for kind in self.kinds)
        return " + ".join(parts) or self.name or platform.processor() or platform.machine()

    @property
    def features_digest(self) -> str:
        """A short hash of the instruction sets."""
        features = " ".join(sorted(self.features or {platform.machine()}))
        return hashlib.sha256(features.encode()).hexdigest()[:16]


def read(root: Path = ROOT) -> Cpu:
    """Look at this computer's CPU."""
    cpuinfo = text(root / "proc/cpuinfo")
    kinds = _kinds(cpuinfo)
    return Cpu(
        # As the kernel writes it, with all its spaces: builds and results are found again by it.
        name=_name_of(kinds) if kinds else field(cpuinfo, *_NAMES),
        kinds=kinds,
        # The name of an x86 CPU is one of its own; boards tell apart computers with the same cores from a licence.
        board=_board(root, cpuinfo) if kinds or field(cpuinfo, "model name") is None else None,
        features=frozenset((field(cpuinfo, "flags", "Features", "isa") or "").split()),
    )


def _kinds(cpuinfo: str) -> tuple[CoreKind, ...]:
    counts = Counter(_core_codes(cpuinfo))
    return tuple(
        CoreKind(implementer=implementer, part=part, variant=variant, revision=revision, n_cores=n_cores)
        for (implementer, part, variant, revision), n_cores in sorted(counts.items())
    )


def _core_codes(cpuinfo: str) -> Iterator[tuple[str, str, str, str]]:
    """Implementer, part, variant and revision of each core."""
    if "CPU implementer" not in cpuinfo:
        return
    for block in re.split(r"^processor\s*:", cpuinfo, flags=re.MULTILINE):
        codes = [(field(block, f"CPU {name}") or "").lower() for name in ("implementer", "part", "variant", "revision")]
        if all(map(_CODE.fullmatch, codes[:2])):
            implementer, part, variant, revision = (code if _CODE.fullmatch(code) else "?" for code in codes)
            yield implementer, part, variant, revision


def _name_of(kinds: tuple[CoreKind, ...]) -> str:
    counts: Counter[str] = Counter()
    for kind in kinds:
        counts[kind.name] += kind.n_cores
    return " + ".join(f"{n_cores} × {name}" for name, n_cores in counts.items())[:_MAX_NAME]


def _board(root: Path, cpuinfo: str) -> str | None:
    # A container may hide the device tree; a Raspberry Pi names its board in cpuinfo as well.
    names = (*(text(root / path) for path in _BOARDS), field(cpuinfo, "Model") or "")
    return next(filter(None, (" ".join(name.replace("\0", " ").split())[:_MAX_NAME] for name in names)), None)
