"""`lcpp run` and `lcpp setup`: what cannot fit is refused before anything is fetched or built."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.model.hub_place import Place
from tests.model.hub_server import COMMIT, HubServer, Repo
from tests.model.model_shapes import SHAPES, write_shape

FILE = "tiny.gguf"
# No machine has that much: a KV cache of some 4 TiB.
N_CTX = 100_000_000
RECIPE = f"""lcpp: 1
engine: {{ref: b3642}}
model: {{source: hub, repo: someone/Tiny, file: {FILE}}}
run: {{program: llama-cli, mode: raw, prompt: hello, n_predict: 4, n_ctx: {N_CTX}}}
"""


@pytest.mark.parametrize("command", ["run", "setup"])
def test_what_cannot_fit_is_refused_before_any_download(command: str, tmp_path: Path) -> None:
    content = write_shape(SHAPES["smollm2-135m"], tmp_path / FILE).read_bytes()
    with HubServer({"someone/Tiny": Repo(commits={COMMIT: {FILE: content}})}) as hub:
        place = Place(tmp_path / "place", hub.endpoint)
        place.folder.mkdir()
        (place.folder / "r.yaml").write_text(RECIPE)
        refused = place.lcpp(command, "r.yaml")
        assert hub.sent_bytes < len(content) / 4
    assert refused.code == 1
    assert "the run needs" in refused.stderr
    assert f"KV cache for {N_CTX} tokens" in refused.stderr
    assert "run.n_ctx: " in refused.stderr
    assert "--force" in refused.stderr
    vendor = place.folder / "vendor"
    assert not list(vendor.glob("builds/*"))
    assert not list(vendor.glob("checkouts/*"))
    assert not (place.folder / "runs").exists()


def test_what_would_fit_is_no_guess(tmp_path: Path) -> None:
    content = write_shape(SHAPES["smollm2-135m"], tmp_path / FILE).read_bytes()
    with HubServer({"someone/Tiny": Repo(commits={COMMIT: {FILE: content}})}) as hub:
        place = Place(tmp_path / "place", hub.endpoint)
        place.folder.mkdir()
        (place.folder / "r.yaml").write_text(RECIPE)
        told = place.lcpp("run", "r.yaml").stderr
        n_ctx = told.partition("run.n_ctx: ")[2].split()[0]
        fitting = place.lcpp("model", "fit", "r.yaml", "-s", f"run.n_ctx={n_ctx}", "--json").document
    assert fitting["verdict"] in ("fits", "tight")
