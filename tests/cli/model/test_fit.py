"""`lcpp model fit`, on a file of holes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchestrator.cli.call import Call
from orchestrator.cli.model.fit import fit
from orchestrator.values import replace
from tests.model.model_shapes import SHAPES, write_shape

RECIPE = """
lcpp: 1
engine: {ref: b3642}
model: {source: path, path: model.gguf}
run: {program: complete, prompt: hello}
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fit")
    write_shape(replace(SHAPES["llama-3.1-8b"], n_vocab=1000), folder / "model.gguf")
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder / "recipe.yaml"


def _call(recipe: Path, *arguments: str) -> str:
    places = {"LCPP_VENDOR": str(recipe.parent / "vendor"), "LCPP_RUNS": str(recipe.parent / "runs")}
    done = CliRunner().invoke(fit, arguments, obj=Call(places), catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_a_document_for_programs(recipe: Path) -> None:
    found = json.loads(_call(recipe, str(recipe), "--json", "-s", "run.n_ctx=10000000"))
    assert (found["lcpp_model_fit"], found["verdict"], found["build"]) == (1, "does not fit", "b3642")
    assert found["estimate"]["kv_cache_bytes"] == 2 * 2 * 1024 * 32 * 10_000_000
    assert found["needed_bytes"] > found["usable_bytes"]
    assert any(option["setting"] == "run.n_ctx" for option in found["options"])


def test_a_table_for_people(recipe: Path) -> None:
    shown = _call(recipe, str(recipe))
    for part in ("weights", "KV cache", "compute buffer", "available", "256 tokens, 32 layers"):
        assert part in shown


def test_history_without_runs(recipe: Path) -> None:
    assert "no run" in _call(recipe, "--history")
    assert json.loads(_call(recipe, "--history", "--json"))["runs"] == []
