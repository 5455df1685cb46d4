"""Split models: `NAME-00001-of-00003.gguf` and its fellows; llama.cpp finds the others by the first one's name."""

from __future__ import annotations

import re

from orchestrator.errors import ModelError

_PART = re.compile(r"^(?P<stem>.+)-(?P<number>[0-9]{5})-of-(?P<count>[0-9]{5})\.gguf$", re.DOTALL)


def part_names(first: str) -> tuple[str, ...]:
    """The names of all parts of the model whose first (or only) part is `first`.

    Raises:
        ModelError: it names another part than the first.
    """
    match = _PART.match(first)
    if match is None:
        return (first,)
    stem, number, count = match["stem"], int(match["number"]), int(match["count"])
    names = tuple(f"{stem}-{each:05d}-of-{count:05d}.gguf" for each in range(1, count + 1))
    if number != 1 or not names:
        raise ModelError(
            f"{first} is part {number} of {count} of a split model",
            hint=f"name the first part in the recipe: {stem}-00001-of-{count:05d}.gguf",
        )
    return names
