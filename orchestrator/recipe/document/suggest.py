"""«Did you mean …»: the names closest to one that does not exist."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from orchestrator.recipe.schema.shape import Fields, Variants, one_of, paths_to, recipe_shape

# Comparing takes longer the longer the names are, and no name of ours is half as long.
_LONGEST = 80


def close_to(name: str, known: Iterable[str], count: int = 1) -> list[str]:
    """Up to `count` of the known names that `name` may be a slip of, the closest first."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    if len(name) > _LONGEST:
        return []
    return [by_lower[match] for match in get_close_matches(name.lower(), by_lower, count)]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean …?`, or nothing when no name is close."""
    close = close_to(name, known)
    return f"; did you mean {close[0]}?" if close else ""


def unknown_key(name: str, shape: Fields | Variants, parent: str) -> str:
    """What to say of a key that the mapping `parent` does not have."""
    guess = did_you_mean(name, shape.fields)
    elsewhere = [path for path in paths_to(name, recipe_shape()) if path.rpartition(".")[0] != parent]
    if not guess and elsewhere:
        guess = f"; did you mean {one_of(elsewhere)}?"
    if guess:
        return f"unknown key{guess}"
    when = shape.when if isinstance(shape, Fields) else ""
    return f"unknown key; {parent or 'a recipe'}{when} has {', '.join(shape.fields)}"
