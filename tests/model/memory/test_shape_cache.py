"""A shape that was kept is the shape that was read, for as long as the file is the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.errors import ModelError
from orchestrator.model.check import facts_cache
from orchestrator.model.memory.check import read_shape
from orchestrator.model.memory.shape import Shape, shape_of
from orchestrator.model.memory.shape_cache import load_shape, save_shape
from orchestrator.recipe.schema.recipe import PathModel
from orchestrator.workspace import Workspace
from tests.model.model_shapes import SHAPES, header_of, write_shape
from tests.model.sources import Recorder


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(vendor=tmp_path / "vendor", runs=tmp_path / "runs")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_shape(next(iter(SHAPES.values())), tmp_path / "m.gguf")


def _read(model: Path, workspace: Workspace) -> Shape:
    return read_shape(PathModel(source="path", path=str(model)), workspace, Recorder(), base=model.parent)


@pytest.mark.parametrize("name", SHAPES)
def test_what_is_kept_comes_back_equal(name: str, workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "any"
    file.touch()
    shape, files = shape_of([header_of(SHAPES[name])]), [facts_cache.identity(file)]
    save_shape(shape, files, workspace)
    assert load_shape(files, workspace) == shape


def test_a_header_is_read_once(model: Path, workspace: Workspace) -> None:
    first = _read(model, workspace)
    info = model.stat()
    with model.open("r+b") as file:
        file.write(b"none")
    os.utime(model, ns=(info.st_atime_ns, info.st_mtime_ns))
    assert _read(model, workspace) == first, "by size, time and inode it is the same file"
    facts_cache.forget(model, workspace)
    with pytest.raises(ModelError):
        _read(model, workspace)


def test_a_changed_file_is_read_again(model: Path, workspace: Workspace) -> None:
    first = _read(model, workspace)
    write_shape(list(SHAPES.values())[1], model)
    second = _read(model, workspace)
    assert second != first
    assert _read(model, workspace) == second


@pytest.mark.parametrize("damage", ["", "[]", '{"format": 1}', '{"format": 1, "files": [], "found": {}}'])
def test_a_damaged_one_is_made_anew(model: Path, workspace: Workspace, damage: str) -> None:
    first = _read(model, workspace)
    (place,) = (workspace.models / "shapes").glob("*.json")
    whole = place.read_text()
    place.write_text(damage)
    assert _read(model, workspace) == first
    assert place.read_text() == whole


def test_a_disk_that_takes_nothing_does_no_harm(model: Path, workspace: Workspace) -> None:
    (workspace.vendor / "models").mkdir(parents=True)
    (workspace.vendor / "models" / "shapes").touch()
    first = _read(model, workspace)
    assert _read(model, workspace) == first
