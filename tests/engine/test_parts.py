"""The small pure parts: table, diagnosis, tools, machine."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from orchestrator.engine.build import diagnosis, toolchain
from orchestrator.engine.source import upstream
from orchestrator.machine import build_host as machine
from orchestrator.recipe.schema.recipe import DEFAULT_REF


@pytest.mark.parametrize("ref", [DEFAULT_REF, DEFAULT_REF[:7], "b3642"])
def test_the_table_knows_the_default_commit(ref: str) -> None:
    row = upstream.find(ref)
    assert row is not None
    assert (row.commit, row.build_number, row.requirement) == (DEFAULT_REF, 3642, "llama-cpp-python==0.2.90")


@pytest.mark.parametrize("ref", ["b3643", "master", "1d1c", "f" * 40, ""])
def test_the_table_does_not_guess(ref: str) -> None:
    assert upstream.find(ref) is None


def test_the_newest_sdist_has_no_build_number() -> None:
    assert upstream.table()[0].build_number is None
    assert [row.build_number for row in upstream.nearest(3643)] == [3642, 3605]


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("/tmp/x.s: No space left on device", "disk is full"),
        ("c++: fatal error: Killed signal terminated program cc1plus", "out of memory"),
        ("x.cpp:1:10: fatal error: curl/curl.h: No such file or directory", "libcurl"),
        ("Makefile:2: *** The Makefile build is deprecated. Use the CMake build instead.  Stop.", "build: cmake"),
        ("cc1plus: error: bad value ('znver9') for '-march=' switch", "newer compiler"),
        ("x.cpp:3:5: error: 'string_view' in namespace 'std' does not name a type", "C++17"),
        (
            "CMake Error at CMakeLists.txt:1 (cmake_minimum_required):\n  CMake 3.28 or higher is required.",
            "pip install",
        ),
        ("x.c:1:10: fatal error: stdio.h: No such file or directory", "libc6-dev"),
        ("make: *** No rule to make target 'llama-nope'.  Stop.", "no such program"),
        ("/usr/bin/ld: x.o: in function `main': undefined reference to `y'", "build: cmake"),
    ],
)
def test_a_likely_remedy(line: str, hint: str) -> None:
    lines = ["cc -c x.c -o x.o", *line.split("\n"), "ninja: build stopped"]
    error = diagnosis.explain(["/usr/bin/make", "x"], 2, lines, Path("/log"))
    assert line.split("\n")[0] in error.what
    assert error.hint is not None
    assert hint in error.hint
    assert error.where == "/log"


def test_a_build_that_was_killed() -> None:
    error = diagnosis.explain(["make"], -signal.SIGKILL, ["c++ -c x.cpp -o x.o"], Path("/log"))
    assert "SIGKILL" in error.what
    assert error.hint is not None
    assert "memory" in error.hint


@pytest.mark.parametrize(
    ("release", "command"),
    [
        ("ID=ubuntu\nID_LIKE=debian\n", "apt-get install -y build-essential ninja-build"),
        ("ID=fedora\n", "dnf install -y gcc gcc-c++ ninja-build"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "dnf install -y gcc gcc-c++ ninja-build"),
        ("ID=arch\n", "pacman -S --needed base-devel ninja"),
        ("ID=alpine\n", "apk add build-base samurai"),
        ('ID="opensuse-leap"\n', "zypper install gcc gcc-c++ ninja"),
        ("ID=other\n", "your package manager, to install cc c++ ninja"),
    ],
)
def test_the_command_that_installs(tmp_path: Path, release: str, command: str) -> None:
    (tmp_path / "os-release").write_text(release)
    assert toolchain.remedy(["cc", "c++", "ninja"], tmp_path / "os-release").removeprefix("sudo ") == command


def test_cmake_can_also_come_from_pip() -> None:
    assert 'pip install "lcpp[cmake]"' in toolchain.remedy(["cmake"])


def test_the_probe_tells_of_every_tool(tmp_path: Path) -> None:
    here = {tool.name: tool for tool in toolchain.probe()}
    assert here["cc"].path is not None
    assert here["cc"].version
    bare = {tool.name: tool for tool in toolchain.probe({"PATH": str(tmp_path)})}
    assert bare["git"].path is None
    assert "git" in bare["git"].remedy


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
