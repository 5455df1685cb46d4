"""Whatever the file and the overrides hold: a recipe or a RecipeError, and soon."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.errors import RecipeError
from orchestrator.recipe.matrix import Cases, load_cases
from orchestrator.recipe.template import new_recipe

RECIPES = Path(__file__).parents[2] / "recipes"
SHIPPED = [*(path.read_text() for path in sorted(RECIPES.glob("*.yaml"))), new_recipe("x")]
KEYS = [
    *("lcpp", "engine", "engine.ref", "engine.options", "engine.options.GGML_A", "engine.programs", "model"),
    *("model.source", "model.file", "model.path", "run", "run.prompt", "run.prompt_file", "run.n_predict"),
    *("run.sampling.seed", "run.extra_args", "run.timeout_s", "expect.metadata.a.b", "expect.text_matches"),
    *("matrix", "matrix.run.n_threads", "matrix.model", "matrix.run.", "exclude", "repeat", "run.cpus", "x", ""),
]
PIECES = [
    *(": ", "- ", "\n", "  ", "\t", "[", "]", "{", "}", ",", "#", "&a ", "*a", "!!str ", "!x ", "|\n", ">", "'", '"'),
    *("null", "~", "1", "-1", "1e999", ".nan", ".inf", "0x", "true", "<<", "---\n", "...\n", "%YAML 1.1\n", "? ", "="),
    *("\0", "\x85", "\u2028", "\ufeff", "\\", "lcpp: 1", "model:", "run:", "source: path", "9" * 5000, "é", "@", "`"),
]
FUZZ = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

anything = st.text() | st.lists(st.sampled_from(PIECES)).map("".join)
override = st.tuples(st.sampled_from(KEYS), anything).map("=".join) | anything


def _load(folder: Path, data: bytes, overrides: Sequence[str] = ()) -> None:
    path = folder / "x.yaml"
    path.write_bytes(data)
    began = time.process_time()
    result: Cases | RecipeError
    try:
        result = load_cases(path, overrides)
    except RecipeError as error:
        result = error
    assert time.process_time() - began < 2
    if isinstance(result, RecipeError):
        assert result.what
        assert result.hint
        assert "\0" not in str(result)
        str(result).encode()  # can be printed
    else:
        assert result.name
        assert result.cases
        for case in result.cases:
            json.dumps(case.loaded.recipe.model_dump(mode="json"), allow_nan=False).encode()
            json.dumps(case.settings, ensure_ascii=False).encode()


@FUZZ
@given(data=st.binary(max_size=400) | anything.map(lambda text: text.encode(errors="surrogatepass")))
def test_random_files(data: bytes, tmp_path: Path) -> None:
    _load(tmp_path, data)


@FUZZ
@given(
    text=st.sampled_from(SHIPPED),
    where=st.floats(0, 1),
    length=st.integers(0, 30),
    piece=anything,
    overrides=st.lists(override, max_size=3),
)
def test_changed_recipes(
    text: str, where: float, length: int, piece: str, overrides: list[str], tmp_path: Path
) -> None:
    start = int(where * len(text))
    changed = text[:start] + piece + text[start + length :]
    _load(tmp_path, changed.encode(errors="surrogatepass"), overrides)


@FUZZ
@given(overrides=st.lists(override, min_size=1, max_size=4), text=st.sampled_from(SHIPPED))
def test_random_overrides(overrides: list[str], text: str, tmp_path: Path) -> None:
    _load(tmp_path, text.encode(), overrides)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner), max_leaves=20
)


@FUZZ
@given(key=st.sampled_from(KEYS[:-1]), value=values)
def test_values_of_any_type_anywhere(key: str, value: object, tmp_path: Path) -> None:
    # JSON is YAML; surrogates would be escaped, which no YAML parser reads as JSON's do.
    text = json.dumps(value, ensure_ascii=False).encode(errors="replace").decode()
    _load(tmp_path, SHIPPED[0].encode(), [f"{key}={text}"])


@pytest.mark.parametrize("text", SHIPPED)
def test_every_part_of_a_recipe_cut_off(text: str, tmp_path: Path) -> None:
    for end in range(0, len(text), 37):
        _load(tmp_path, text[:end].encode())
