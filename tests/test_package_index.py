"""Downloading from a package index: real pip, an index that is a folder on this disk."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from orchestrator import package_index
from orchestrator.errors import PackageIndexError
from orchestrator.progress import Silent
from tests.engine.fake_upstream import sdist


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def _wheel(folder: Path) -> None:
    info = "tiny-1.0.dist-info"
    with zipfile.ZipFile(folder / "tiny-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny/data.txt", "data")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\nRequires-Dist: nowhere\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def test_a_wheel_without_what_it_depends_on(index: Path, tmp_path: Path) -> None:
    _wheel(index)
    sdist(index, "tiny", "1.0", {})
    got = package_index.download("tiny==1.0", wheel=True, into=tmp_path / "into", progress=Silent())
    assert got == tmp_path / "into/tiny-1.0-py3-none-any.whl"
    assert [path.name for path in (tmp_path / "into").iterdir()] == [got.name]


def test_a_source_distribution(index: Path, tmp_path: Path) -> None:
    _wheel(index)
    sdist(index, "tiny", "1.0", {})
    got = package_index.download("tiny==1.0", wheel=False, into=tmp_path / "into", progress=Silent())
    assert got.name == "tiny-1.0.tar.gz"


def test_a_version_that_the_index_does_not_have(index: Path, tmp_path: Path) -> None:
    _wheel(index)
    with pytest.raises(PackageIndexError, match=r"no wheel of tiny==2.0") as error:
        package_index.download("tiny==2.0", wheel=True, into=tmp_path / "into", progress=Silent())
    assert "1.0" in error.value.what, "pip says which versions there are"
    assert list((tmp_path / "into").iterdir()) == []


def test_an_index_that_cannot_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(PackageIndexError, match="cannot be reached") as error:
        package_index.download("tiny==1.0", wheel=True, into=tmp_path, progress=Silent())
    assert error.value.hint is not None
    assert "pip config list" in error.value.hint


def test_an_index_that_knows_nothing_of_it(index: Path, tmp_path: Path) -> None:
    with pytest.raises(PackageIndexError, match="knows no version of tiny at all, or could not be reached"):
        package_index.download("tiny==1.0", wheel=False, into=tmp_path / "into", progress=Silent())


def test_a_python_without_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\necho "{sys.executable}: No module named pip" >&2\nexit 1\n')
    bare.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(bare))
    with pytest.raises(PackageIndexError, match="has no pip"):
        package_index.download("tiny==1.0", wheel=True, into=tmp_path / "into", progress=Silent())


def test_a_requirement_is_never_an_option(index: Path, tmp_path: Path) -> None:
    with pytest.raises(PackageIndexError):
        package_index.download("--version", wheel=True, into=tmp_path / "into", progress=Silent())
