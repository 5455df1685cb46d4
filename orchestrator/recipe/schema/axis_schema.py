"""What the JSON Schema says of a matrix: each key path that can be in it, with the values that it can have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from typing import Any

_Schema = dict[str, Any]


def axis_properties(schema: _Schema, without: Set[str]) -> _Schema:
    """The `properties` of `matrix` in the schema of recipes, and what else says which keys it can have.

    Args:
        schema: the JSON Schema of a whole recipe, with its definitions in `$defs`.
        without: keys of the recipe that cannot be in a matrix.
    """
    exact: dict[str, list[_Schema]] = {}
    patterns: dict[str, list[_Schema]] = {}
    for key, part in schema["properties"].items():
        if key in without:
            continue
        for path, is_pattern, value in _paths(key, part, schema["$defs"]):
            known = (patterns if is_pattern else exact).setdefault(path, [])
            if value not in known:
                known.append(value)
    return {
        "properties": {path: _axis(path, values) for path, values in exact.items()},
        "patternProperties": {path: _axis(path, values) for path, values in patterns.items()},
        "additionalProperties": False,
    }


def _axis(path: str, values: list[_Schema]) -> _Schema:
    return {
        "type": "array",
        "items": values[0] if len(values) == 1 else {"anyOf": values},
        "minItems": 1,
        "maxItems": 10_000,
        "uniqueItems": True,
        "description": values[0].get("description", f"Values of {path}."),
    }


def _paths(path: str, part: _Schema, definitions: _Schema) -> Iterator[tuple[str, bool, _Schema]]:
    """The path itself and all below it: (path, whether it is a pattern, what stands there)."""
    # A default says what holds when the key is left out, which in a list of values it is not.
    yield path, False, {name: value for name, value in part.items() if name not in ("default", "title")}
    for variant in part.get("oneOf", [part]):
        name = variant.get("$ref", "").rpartition("/")[2]
        mapping = definitions[name] if name else variant
        for key, below in mapping.get("properties", {}).items():
            yield from _paths(f"{path}.{key}", below, definitions)
        start = "^" + re.escape(path) + r"\."
        for pattern, below in mapping.get("patternProperties", {}).items():
            yield f"{start}({pattern.replace('^', '')})", True, below
        if isinstance(free := mapping.get("additionalProperties"), dict):
            yield f"{start}.+$", True, free
