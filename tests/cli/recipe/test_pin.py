"""`lcpp recipe pin`: from what a recipe calls things to the bytes that they are today."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.errors import ModelError
from orchestrator.pinning import find_pins
from orchestrator.recipe.load import load
from orchestrator.recipe.matrix import load_cases
from orchestrator.recipe.pin import pin
from orchestrator.workspace import Workspace
from tests.engine.fake_upstream import FakeUpstream
from tests.model.gguf_files import tiny_model
from tests.model.hub_place import Place
from tests.model.hub_server import COMMIT, OTHER_COMMIT, HubServer, Repo
from tests.model.sources import Recorder

REPO, FILE = "someone/Tiny-GGUF", "tiny.gguf"
CONTENT = tiny_model(n_bytes=40_000)
RECIPE = f"""\
lcpp: 1
engine:
  source: path # mine
  path: llama.cpp
model:
  source: hub
  repo: {REPO} # theirs
  file: {FILE}
run:
  prompt: Hello
"""
PINNED = RECIPE.replace(
    f"  file: {FILE}\n",
    f"  file: {FILE}\n  revision: {COMMIT}\n  size_bytes: {len(CONTENT)}\n"
    f"  sha256: {hashlib.sha256(CONTENT).hexdigest()}\n",
)


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer({REPO: Repo(commits={COMMIT: {FILE: CONTENT}})}) as server:
        yield server


def test_a_model_of_the_hub_without_its_download(hub: HubServer, tmp_path: Path) -> None:
    place = Place(tmp_path / "place", hub.endpoint)
    place.folder.mkdir()
    recipe = place.folder / "r.yaml"
    recipe.write_text(RECIPE)
    done = place.lcpp("recipe", "pin", "r.yaml")
    assert done.code == 0, done.stderr
    assert recipe.read_text() == PINNED
    assert f"model.revision: {COMMIT} (was main)" in done.stdout
    assert "no commit to pin it to" in done.stderr
    assert hub.content_requests() == []
    assert "was pinned already" in place.lcpp("recipe", "pin", "r.yaml").stdout
    # Another file at the same commit: a hub that lies, or another hub. Nothing is downloaded, nothing written.
    hub.repos[REPO].commits[COMMIT] = {FILE: tiny_model(n_bytes=40_000, fill=1)}
    elsewhere = Place(tmp_path / "elsewhere", hub.endpoint)
    refused = elsewhere.lcpp("recipe", "pin", str(recipe))
    assert refused.code == 1
    assert "not the model that the recipe wants" in refused.stderr
    assert recipe.read_text() == PINNED
    assert elsewhere.lcpp("recipe", "pin", "--update", str(recipe)).code == 0
    assert recipe.read_text() != PINNED


def test_a_hub_that_answers_of_another_commit_is_not_believed(hub: HubServer, tmp_path: Path) -> None:
    hub.repos[REPO].branches[COMMIT] = OTHER_COMMIT
    hub.repos[REPO].commits[OTHER_COMMIT] = {FILE: CONTENT}
    done = Place(tmp_path / "place", hub.endpoint).lcpp("model", "inspect", f"hub:{REPO}/{FILE}@{COMMIT}")
    assert done.code == 1
    assert f"asked for commit {COMMIT}, it answers of {OTHER_COMMIT}" in done.stderr


def test_the_engine_and_a_file(tmp_path: Path) -> None:
    upstream = FakeUpstream.make(tmp_path / "upstream")
    (tmp_path / "tiny.gguf").write_bytes(CONTENT)
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        f"lcpp: 1\nengine: {{ref: master, source: git, remote: {upstream.path}}} # moves\n"
        "model: {source: path, path: tiny.gguf}\nrun: {prompt: Hello}\n"
    )
    workspace = Workspace(vendor=tmp_path / "vendor", runs=tmp_path / "runs")
    cases = load_cases(recipe)
    pin(cases, find_pins(cases, workspace, Recorder(), update=False))
    now = load(recipe).recipe
    assert now.engine.ref == upstream.head
    assert (now.model.size_bytes, now.model.sha256) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert "} # moves\n" in recipe.read_text()
    (tmp_path / "tiny.gguf").write_bytes(tiny_model(n_bytes=40_000, fill=1))
    with pytest.raises(ModelError, match="not the model that the recipe wants"):
        find_pins(load_cases(recipe), workspace, Recorder(), update=False)


def test_what_a_matrix_sets_is_left_to_its_author(tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").write_bytes(CONTENT)
    recipe = tmp_path / "r.yaml"
    text = "lcpp: 1\nmodel:\n  source: path\n  path: tiny.gguf\nrun: {prompt: Hello}\n"
    recipe.write_text(text + "matrix: {engine.ref: [b3642, master], run.n_threads: [1, 2]}\n")
    workspace = Workspace(vendor=tmp_path / "vendor", runs=tmp_path / "runs")
    recorder = Recorder()
    cases = load_cases(recipe)
    assert {change.key for change in pin(cases, find_pins(cases, workspace, recorder, update=False))} == {
        "model.size_bytes",
        "model.sha256",
    }
    assert recorder.notes == ["`engine.ref` is in the matrix: pin its values there yourself"]
    assert [case.loaded.recipe.model.size_bytes for case in load_cases(recipe).cases] == [len(CONTENT)] * 4
