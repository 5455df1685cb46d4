"""The machine that a build is for."""

from __future__ import annotations

from pathlib import Path

from orchestrator.machine import build_host as machine


def test_the_cpu_is_told_apart_by_its_instructions(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nflags\t\t: sse avx\n")
    one = machine.cpu(info)
    info.write_text("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nflags\t\t: avx sse\n")
    assert machine.cpu(info) == one
    info.write_text("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nflags\t\t: avx avx2 sse\n")
    assert machine.cpu(info).model == one.model == "Some CPU @ 2 GHz"
    assert machine.cpu(info).flags_digest != one.flags_digest
    info.write_text("processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n")
    assert machine.cpu(info).model == "0x41 0xd0c"
    assert machine.jobs() >= 1
