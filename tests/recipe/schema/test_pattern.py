"""Regular expressions are known to be good before anything slow begins."""

from __future__ import annotations

import time

import pytest

from orchestrator.recipe.schema.pattern import compilable


@pytest.mark.parametrize(
    "pattern",
    [
        r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        r"(?i)paris|france",
        r"(\d{1,3}\.){3}\d{1,3}",
        r"^\p{Lu}.{10,5000}$",
        "a{",
    ],
)
def test_patterns_that_are_fine(pattern: str) -> None:
    assert compilable(pattern) == pattern


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("a(b", r"missing \) at position 3"),
        ("*", "nothing to repeat at position 0"),
        ("(" * 9000 + ")" * 9000, "nested too deeply"),
        ("a{1000000000}", "repeats too much"),
        ("((a{1000}){1000}){1000}", "repeats too much"),
        ("(?x)((a{1 00 0}){1#}\n000}){1000}", "repeats too much"),
        ("(a{1000}[(]){1000}", "repeats too much"),
        ("(a{1000}[)]){1000}", "repeats too much"),
    ],
)
def test_patterns_that_are_refused(pattern: str, reason: str) -> None:
    began = time.process_time()
    with pytest.raises(ValueError, match=reason):
        compilable(pattern)
    assert time.process_time() - began < 2
