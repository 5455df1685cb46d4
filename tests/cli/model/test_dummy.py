"""`lcpp model dummy` on the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.cli.model.dummy import limit_bytes
from orchestrator.errors import UsageError
from tests.model.gguf_files import tiny_model
from tests.model.hub_place import Place
from tests.model.hub_server import COMMIT, HubServer, Repo

ROOT = Path(__file__).parents[3]


def call(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LCPP_VENDOR": str(folder / "vendor"), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "orchestrator", "model", "dummy", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_make_list_and_clear(tmp_path: Path) -> None:
    (tmp_path / "real.gguf").write_bytes(tiny_model())
    made = call(tmp_path, "real.gguf", "--json")
    assert made.returncode == 0, made.stderr
    document = json.loads(made.stdout)
    assert document["types"] == {"F32": 1}
    assert Path(document["path"]).name == "real-dummy.gguf"
    assert Path(document["path"]).stat().st_size == document["size_bytes"]
    shown = call(tmp_path, "real.gguf").stdout
    assert "random weights in the shape of" in shown
    assert document["path"] in call(tmp_path, "--list").stdout
    assert "freed" in call(tmp_path, "--clear").stdout
    assert not Path(document["path"]).exists()


@pytest.mark.parametrize(
    "words",
    [(), ("a.gguf", "--preset", "x"), ("--preset", "nothing"), ("a.gguf", "--type", "Q8_0"), ("--list", "--clear")],
)
def test_misuse_is_told(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = call(tmp_path, *words)
    assert done.returncode == 2
    assert "error:" in done.stderr


def test_presets_are_listed(tmp_path: Path) -> None:
    found = json.loads(call(tmp_path, "--presets", "--json").stdout)
    assert {"name": "llama-3.1-8b", "title": "Meta Llama 3.1 8B Instruct", "type": "Q3_K_L"} in found["presets"]


def test_the_limit_is_the_option_the_environment_or_the_default() -> None:
    assert limit_bytes({}) == 16 * 2**30
    assert limit_bytes({"LCPP_DUMMIES_GIB": "0.5"}) == 2**29
    assert limit_bytes({"LCPP_DUMMIES_GIB": "0.5"}, 2) == 2**31
    for bad in ("many", "0", "-1", "nan", "inf"):
        with pytest.raises(UsageError, match="LCPP_DUMMIES_GIB"):
            limit_bytes({"LCPP_DUMMIES_GIB": bad})


def test_of_a_file_on_the_hub_only_the_header_is_fetched(tmp_path: Path) -> None:
    content = tiny_model(n_bytes=4_000_000)
    with HubServer({"someone/Tiny-GGUF": Repo(commits={COMMIT: {"tiny-F32.gguf": content}})}) as server:
        place = Place(folder=tmp_path / "home", endpoint=server.endpoint)
        named = "hub:someone/Tiny-GGUF/tiny-F32.gguf"
        made = place.lcpp("model", "dummy", named, "--json")
        assert made.code == 0, made.stderr
        assert not place.blobs("someone/Tiny-GGUF").exists()
        assert made.document["origin"] == f"{named}@{COMMIT}"
        assert made.document["tensor_bytes"] == 4_000_000
        # A file that the hub does not have is no reason to make something up.
        missing = place.lcpp("model", "dummy", "hub:someone/Tiny-GGUF/SmolLM2-135M-Instruct-Q4_1.gguf")
        assert missing.code == 1
        assert "has no file" in missing.stderr
