"""A recipe's file where one run is wanted."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from orchestrator.errors import RecipeError
from orchestrator.recipe.document.problem import quoted
from orchestrator.recipe.loaded import LoadedRecipe
from orchestrator.recipe.matrix import load_cases

__all__ = ["LoadedRecipe", "load"]


def load(path: Path, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """Read and check the recipe in `path`, changed by `overrides` (each `key.path=value`).

    How often it is to be run is left out; `load_cases` tells.

    Raises:
        RecipeError: with everything that is wrong, each problem with its place; or it has more than one case.
    """
    loaded = load_cases(path, overrides)
    if len(loaded.cases) == 1:
        return loaded.cases[0].loaded
    chosen = [text for text in loaded.cases[0].loaded.overrides if text.partition("=")[0] in loaded.varied]
    example = " ".join(f"-s {shlex.quote(quoted(text, 100))}" for text in chosen)
    raise RecipeError(
        f"this recipe has {len(loaded.cases):,} cases (by {', '.join(loaded.varied)}), and here one is wanted",
        where=quoted(str(path), 300),
        hint=f"choose one, such as with {example}",
    )
