"""From a recipe and what A and B change in it to the two sides of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.errors import UsageError
from orchestrator.experiment.adaptive import RecipeSide, Sides
from orchestrator.recipe.load import LoadedRecipe
from orchestrator.recipe.matrix import Cases, load_cases
from orchestrator.result.measurement import setting_text
from orchestrator.text.visible import shortened

# A prompt may be megabytes long; this is only to tell the sides apart.
_SHOWN = 80


def sides(path: Path, of_a: Sequence[str], of_b: Sequence[str], common: Sequence[str] = ()) -> tuple[Sides, int]:
    """A and B, and how many runs of each the recipe wants for warming up.

    Args:
        of_a, of_b, common: overrides, as `key.path=value`.

    Raises:
        RecipeError: the recipe or an override is wrong.
        UsageError: a side is more than one case.
    """
    keys = tuple(dict.fromkeys(_key(override) for override in (*of_a, *of_b)))
    cases = [load_cases(path, (*common, *own)) for own in (of_a, of_b)]
    for name, of_side in zip("AB", cases, strict=True):
        if len(of_side.cases) != 1:
            raise UsageError(
                f"{name} is {len(of_side.cases)} cases: the recipe has a matrix",
                where=str(path),
                hint="set each key of the matrix with `-s`, or differently for both with `-a` and `-b`",
            )
    a, b = (_side(of_side, keys, own) for of_side, own in zip(cases, (of_a, of_b), strict=True))
    return (a, b), max(of_side.warmup for of_side in cases)


def _side(cases: Cases, keys: Sequence[str], own: Sequence[str]) -> RecipeSide:
    loaded = cases.cases[0].loaded
    given = {_key(override): override.partition("=")[2] for override in own}
    shown = {key: " ".join((given[key] if key in given else value_text(loaded, key)).split()) for key in keys}
    settings = {key: shortened(line, _SHOWN) for key, line in shown.items()}
    return RecipeSide(loaded=loaded, settings=settings)


def _key(override: str) -> str:
    return override.partition("=")[0]


def value_text(loaded: LoadedRecipe, key: str) -> str:
    """What a recipe says at a key path, as people write it; `default` where it leaves that to the program."""
    value: Any = loaded.recipe.model_dump(mode="json")
    rest = key
    while rest and isinstance(value, Mapping):
        # Some keys have dots of their own: general.architecture.
        name = rest if rest in value else rest.partition(".")[0]
        rest = rest[len(name) + 1 :]
        value = value.get(name)
    if value is None or rest:
        return "default"
    return setting_text(value)
