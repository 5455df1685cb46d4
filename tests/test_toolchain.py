"""The tools that building needs: where they are, and the command that installs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator import toolchain


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
