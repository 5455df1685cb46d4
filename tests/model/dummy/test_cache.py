"""Dummies on the disk: whole or not there, within the limit, and never taken away from a run."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.errors import ModelError, UsageError, WorkspaceError
from orchestrator.model.dummy import cache
from orchestrator.model.dummy.make import make_dummy, plan_of
from orchestrator.model.dummy.mark import is_dummy
from orchestrator.model.dummy.plan import DummyPlan, plan_like
from orchestrator.model.gguf.byte_source import FileSource
from orchestrator.model.gguf.header import read_header
from orchestrator.recipe.schema.recipe import HubModel, PathModel
from orchestrator.workspace import Workspace, lock
from tests.model.gguf_files import tiny_model
from tests.model.sources import Bytes, Recorder

MIB = 2**20


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(vendor=tmp_path / "vendor", runs=tmp_path / "runs")


def plan(name: str = "tiny.gguf", n_bytes: int = 3 * MIB) -> DummyPlan:
    return plan_like(name, "memory", [Bytes(tiny_model(n_bytes=n_bytes))])


def names(workspace: Workspace) -> list[str]:
    return [each.path.name for each in cache.list_dummies(workspace)]


def age(path: Path, seconds: float) -> None:
    before = path.parent.stat().st_mtime
    os.utime(path.parent, (before - seconds, before - seconds))


def test_a_dummy_is_made_once_and_is_whole(workspace: Workspace) -> None:
    progress = Recorder()
    model = make_dummy(plan(), workspace, progress)
    raw = model.path.read_bytes()
    assert model.path.name == "tiny-dummy.gguf"
    assert model.source == "dummy"
    assert model.origin == "dummy of memory"
    assert is_dummy(model.header.metadata)
    assert len(raw) == model.size_bytes == plan().size_bytes
    assert hashlib.sha256(raw).hexdigest() == model.sha256
    with FileSource(model.path) as source:
        assert read_header(source).n_params == 3 * MIB // 4
    assert sum(title.startswith("make") for title in progress.stages) == 1
    again = Recorder()
    assert make_dummy(plan(), workspace, again) == model
    assert again.stages == []
    # The same plan gives the same bytes anywhere.
    elsewhere = Workspace(vendor=workspace.vendor.with_name("other"), runs=workspace.runs)
    assert make_dummy(plan(), elsewhere, Recorder()).sha256 == model.sha256


def test_the_ones_not_used_for_longest_go_first(workspace: Workspace) -> None:
    limit = 10 * MIB
    for back, name in ((300, "a"), (200, "b"), (100, "c")):
        age(cache.ensure(plan(f"{name}.gguf"), workspace, Recorder(), limit_bytes=limit).path, back)
    # "a" is asked for again, so "b" is the oldest.
    cache.ensure(plan("a.gguf"), workspace, Recorder(), limit_bytes=limit)
    progress = Recorder()
    cache.ensure(plan("d.gguf"), workspace, progress, limit_bytes=limit)
    assert sorted(names(workspace)) == ["a-dummy.gguf", "c-dummy.gguf", "d-dummy.gguf"]
    assert progress.notes == ["removed b-dummy.gguf from the cache of dummies"]


def test_a_dummy_in_use_is_passed_over(workspace: Workspace) -> None:
    limit = 7 * MIB
    kept = cache.ensure(plan("a.gguf"), workspace, Recorder(), limit_bytes=limit)
    age(kept.path, 100)
    with cache.in_use(kept.path):
        cache.ensure(plan("b.gguf"), workspace, Recorder(), limit_bytes=limit)
        cache.ensure(plan("c.gguf"), workspace, Recorder(), limit_bytes=limit)
        assert sorted(names(workspace)) == ["a-dummy.gguf", "c-dummy.gguf"]
        with cache.in_use(cache.list_dummies(workspace)[0].path), pytest.raises(ModelError, match="in use"):
            cache.ensure(plan("d.gguf"), workspace, Recorder(), limit_bytes=limit)
        assert cache.clear(workspace, Recorder()) > 3 * MIB
        assert names(workspace) == ["a-dummy.gguf"]
    assert cache.clear(workspace, Recorder()) > 3 * MIB
    assert names(workspace) == []
    with pytest.raises(ModelError, match="removed"), cache.in_use(kept.path):
        pass


def test_what_cannot_be_kept_is_refused_before_it_is_written(workspace: Workspace) -> None:
    with pytest.raises(ModelError) as caught:
        cache.ensure(plan(), workspace, Recorder(), limit_bytes=2 * MIB)
    assert caught.value.hint
    assert "LCPP_DUMMIES_GIB" in caught.value.hint
    assert names(workspace) == []


def test_a_killed_maker_leaves_nothing(workspace: Workspace, tmp_path: Path) -> None:
    script = f"""
import os, pathlib
from orchestrator.model.dummy import cache, write
from orchestrator.progress import Silent
from orchestrator.workspace import Workspace
from tests.model.dummy.test_cache import plan
cache.write = lambda plan, path, progress: (path.write_bytes(b"part"), os._exit(9))
cache.ensure(plan(), Workspace(vendor=pathlib.Path({str(workspace.vendor)!r}), runs=pathlib.Path(".")), Silent())
"""
    done = subprocess.run([sys.executable, "-c", script], check=False, cwd=Path(__file__).parents[3])
    assert done.returncode == 9
    assert names(workspace) == []
    assert list(cache.folder(workspace).glob(".*.part-*"))
    cache.ensure(plan("other.gguf"), workspace, Recorder())
    assert not list(cache.folder(workspace).glob(".*.part-*"))
    assert names(workspace) == ["other-dummy.gguf"]


def test_a_dummy_that_was_cut_short_is_made_again(workspace: Workspace) -> None:
    kept = cache.ensure(plan(), workspace, Recorder())
    os.truncate(kept.path, 1000)
    assert cache.ensure(plan(), workspace, Recorder()).sha256 == kept.sha256
    assert kept.path.stat().st_size == plan().size_bytes


def test_only_one_at_a_time_makes_dummies(workspace: Workspace) -> None:
    cache.folder(workspace).mkdir(parents=True)
    with (
        lock(cache.folder(workspace) / "making", Recorder(), "a test"),
        pytest.raises(WorkspaceError),
        lock(cache.folder(workspace) / "making", Recorder(), "a test", wait=False),
    ):
        pass


def test_a_dummy_elsewhere_needs_a_name_that_tells(workspace: Workspace, tmp_path: Path) -> None:
    for bad in ("model.gguf", "dummy.bin"):
        with pytest.raises(UsageError):
            cache.write_to(plan(), tmp_path / bad, Recorder())
    goal = tmp_path / "new" / "my-dummy.gguf"
    cache.write_to(plan(), goal, Recorder())
    assert goal.stat().st_size == plan().size_bytes
    assert [each.name for each in goal.parent.iterdir()] == [goal.name]
    with pytest.raises(UsageError, match="exists"):
        cache.write_to(plan(), goal, Recorder())


def test_a_plan_comes_from_the_file_that_a_spec_names(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "real.gguf").write_bytes(tiny_model())
    made = plan_of(PathModel(source="path", path="real.gguf"), workspace, Recorder(), base=tmp_path)
    assert made.name == "real"
    assert made.origin == str(tmp_path / "real.gguf")


def test_without_the_hub_a_known_model_has_its_preset(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Nothing listens there.
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    spec = HubModel(source="hub", repo="a/b", file="SmolLM2-135M-Instruct-Q4_1.gguf")
    progress = Recorder()
    with pytest.raises(ModelError, match="tokenizer"):
        plan_of(spec, workspace, progress, base=tmp_path)
    assert any("the dummy is made from the preset smollm2-135m (Q4_1)" in note for note in progress.notes)
    unknown = HubModel(source="hub", repo="a/b", file="other-Q4_1.gguf")
    with pytest.raises(ModelError, match="cannot reach"):
        plan_of(unknown, workspace, progress, base=tmp_path)
