"""Recipes written for one test each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from orchestrator.errors import RecipeError
from orchestrator.recipe.load import LoadedRecipe, load

GOOD = """\
lcpp: 1
model:
  source: path
  path: model.gguf
run:
  prompt: Hello
"""

Load = Callable[..., LoadedRecipe]
Problems = Callable[..., list[str]]


@pytest.fixture
def good() -> str:
    """The shortest recipe that is right."""
    return GOOD


@pytest.fixture
def load_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Loads a recipe from its text, as `x.yaml` in the working directory."""
    monkeypatch.chdir(tmp_path)

    def load_it(text: str | bytes, overrides: Sequence[str] = ()) -> LoadedRecipe:
        path = Path("x.yaml")
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return load(path, overrides)

    return load_it


@pytest.fixture
def problems_of(load_text: Load) -> Problems:
    """The lines of the error that a recipe gives."""

    def collect(text: str | bytes, overrides: Sequence[str] = ()) -> list[str]:
        with pytest.raises(RecipeError) as caught:
            load_text(text, overrides)
        assert caught.value.exit_code == 2
        assert caught.value.hint
        return caught.value.what.splitlines()

    return collect
