"""Models at rest: what is broken is found, and that file alone is fetched again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import ModelError
from orchestrator.model.check import verdict
from orchestrator.model.source.fetch import fetch
from orchestrator.model.verify.verify import all_targets, targets_of, verify
from orchestrator.recipe.schema.recipe import PackageModel, PathModel
from orchestrator.workspace import Workspace
from tests.model.gguf_files import tiny_model
from tests.model.hub_place import Place
from tests.model.hub_server import COMMIT, HubServer, Repo
from tests.model.sources import Recorder

REPO = "someone/Split-GGUF"
PARTS = {f"m-0000{each + 1}-of-00002.gguf": tiny_model(n_bytes=200_000, split=(each, 2)) for each in range(2)}
FIRST, SECOND = PARTS
NAMED = f"hub:{REPO}/{FIRST}"


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer({REPO: Repo(commits={COMMIT: dict(PARTS)})}) as server:
        yield server


def _downloaded(hub: HubServer, folder: Path) -> Place:
    """A place with both parts in the hub's cache, as the hub's library lays them there."""
    place = Place(folder, hub.endpoint)
    blobs = place.blobs(REPO)
    snapshot = blobs.parent / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    (blobs.parent / "refs").mkdir()
    (blobs.parent / "refs" / "main").write_text(COMMIT)
    for name, content in PARTS.items():
        blob = blobs / hashlib.sha256(content).hexdigest()
        blob.write_bytes(content)
        (snapshot / name).symlink_to(Path("../../blobs") / blob.name)
    return place


def _blob(place: Place, name: str) -> Path:
    return place.blobs(REPO) / hashlib.sha256(PARTS[name]).hexdigest()


def _told(document: Any) -> dict[str, str]:
    return {Path(one["path"]).name: one["status"] for one in document["files"]}


@pytest.mark.parametrize("damage", ["a bit", "cut", "gone", "header"])
def test_the_broken_part_alone_is_fetched_again(hub: HubServer, tmp_path: Path, damage: str) -> None:
    place = _downloaded(hub, tmp_path / "place")
    blob = _blob(place, SECOND)
    raw = bytearray(PARTS[SECOND])
    if damage == "gone":
        blob.unlink()
    else:
        if damage == "cut":
            del raw[100_000:]
        else:
            raw[20 if damage == "header" else -1] ^= 1
        blob.write_bytes(raw)
    named = () if damage in ("a bit", "gone") else (NAMED,)
    done = place.lcpp("model", "verify", "--json", *named)
    assert done.code == 1
    assert _told(done.document) == {FIRST: "sound", SECOND: "missing" if damage == "gone" else "damaged"}
    assert hub.requests == []
    assert "--repair" in done.stderr
    done = place.lcpp("model", "verify", "--repair", "--json", *named)
    assert done.code == 0, done.stderr
    assert _told(done.document) == {FIRST: "sound", SECOND: "sound"}
    assert [one["repaired"] for one in done.document["files"]] == [False, True]
    assert {each.path.partition("?")[0] for each in hub.content_requests()} == {f"/cdn/{REPO}/{COMMIT}/{SECOND}"}
    assert blob.read_bytes() == PARTS[SECOND]
    assert not list(place.blobs(REPO).glob("*.damaged"))


def test_what_cannot_be_fetched_stays(hub: HubServer, tmp_path: Path) -> None:
    place = _downloaded(hub, tmp_path / "place")
    blob = _blob(place, FIRST)
    blob.write_bytes(PARTS[FIRST][:-1] + b"?")
    (place.blobs(REPO) / "abc.lcpp.incomplete").write_bytes(b"begun")
    hub.status = 500
    done = place.lcpp("model", "verify", "--repair", "--json")
    assert done.code == 1
    assert "could not be fetched again" in done.document["files"][0]["problem"]
    assert blob.read_bytes().endswith(b"?")
    assert [Path(path).name for path in done.document["unfinished"]] == ["abc.lcpp.incomplete"]


def test_recipes_of_other_bytes(hub: HubServer, tmp_path: Path) -> None:
    place = _downloaded(hub, tmp_path / "place")
    (place.folder / "r.yaml").write_text(
        f"lcpp: 1\nmodel: {{source: hub, repo: {REPO}, file: {FIRST}, sha256: {'0' * 64}}}\nrun: {{prompt: Hello}}\n"
    )
    done = place.lcpp("model", "verify", "r.yaml", "--repair")
    assert done.code == 1
    assert "the recipe says 000" in done.stdout.replace("\n", "")
    assert hub.requests == []


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(vendor=tmp_path / "vendor", runs=tmp_path / "runs")


def test_bits_that_rot_are_found_by_the_first_check(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(tiny_model(n_bytes=4096))
    spec = PathModel(source="path", path="m.gguf")

    def look() -> tuple[str, str | None]:
        (report,) = verify(targets_of(spec, workspace, base=tmp_path), workspace, Recorder())
        return report.status, report.compared

    assert look() == ("sound", None)
    assert look() == ("sound", "first check")
    info = path.stat()
    with path.open("r+b") as file:
        file.seek(-5, 2)
        file.write(b"!")
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    kept = verdict.recall(path, workspace)
    assert kept is not None, "by size and time it is the same file"
    assert look() == ("damaged", "first check")
    assert verdict.recall(path, workspace) is None, "a run must not believe the old verdict"
    # A file that was replaced on purpose is another file.
    path.write_bytes(tiny_model(n_bytes=4096, fill=3))
    assert look() == ("sound", None)
    path.unlink()
    assert look() == ("missing", None)


def test_package_models_and_targets(workspace: Workspace, tmp_path: Path) -> None:
    goal = workspace.models / "some-model==1.0" / "m.gguf"
    goal.parent.mkdir(parents=True)
    goal.write_bytes(tiny_model())
    (workspace.models / "verdicts").mkdir()
    targets = all_targets(workspace, tmp_path / "nothing")
    assert [target.path for target in targets] == [goal]
    spec = PackageModel(source="package", package="some-model==1.0", file="m.gguf", size_bytes=7)
    (report,) = verify(targets_of(spec, workspace, base=tmp_path), workspace, Recorder())
    assert (report.status, report.problem) == ("other", f"its size is {goal.stat().st_size}, the recipe says 7")
    with pytest.raises(ModelError):
        fetch(spec, workspace, Recorder(), base=tmp_path)
