"""Split models: `NAME-00001-of-00003.gguf` and its fellows; llama.cpp finds the others by the first one's name."""

from __future__ import annotations

import re

from orchestrator.errors import ModelError
from orchestrator.values import Value

_PART = re.compile(r"^(?P<stem>.+)-(?P<number>[0-9]{5})-of-(?P<count>[0-9]{5})\.gguf$", re.DOTALL)


class SplitName(Value, kw_only=False):
    """What the name of a part says: `stem` is the model's, `number` counts from 1."""

    stem: str
    number: int
    count: int


def split_name(name: str) -> SplitName | None:
    """What the name of a file says of its place in a split model; None when it is none of a split model's."""
    match = _PART.match(name)
    return None if match is None else SplitName(match["stem"], int(match["number"]), int(match["count"]))


def part_names(first: str) -> tuple[str, ...]:
    """The names of all parts of the model whose first (or only) part is `first`.

    Raises:
        ModelError: it names another part than the first.
    """
    split = split_name(first)
    if split is None:
        return (first,)
    stem, number, count = split.stem, split.number, split.count
    names = tuple(f"{stem}-{part:05d}-of-{count:05d}.gguf" for part in range(1, count + 1))
    if number != 1 or not names:
        raise ModelError(
            f"{first} is part {number} of {count} of a split model",
            hint=f"name the first part in the recipe: {stem}-00001-of-{count:05d}.gguf",
        )
    return names
