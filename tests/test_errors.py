"""The one family of errors: its exit codes, and how an error reads."""

from __future__ import annotations

import pytest

from orchestrator import errors
from orchestrator.errors import LcppError

EXIT_CODES = {"UsageError": 2, "RecipeError": 2, "ExpectationError": 4, "Interrupted": 130}


def test_each_error_has_its_exit_code() -> None:
    family = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, LcppError)}
    assert {kind.__name__: kind.exit_code for kind in family} == {kind.__name__: 1 for kind in family} | EXIT_CODES


@pytest.mark.parametrize(
    ("where", "hint", "text"),
    [
        (None, None, "it failed"),
        ("a.yaml:1", None, "it failed\n  at: a.yaml:1"),
        (None, "mend it", "it failed\n  next: mend it"),
        ("a.yaml:1", "mend it", "it failed\n  at: a.yaml:1\n  next: mend it"),
    ],
)
def test_what_where_and_what_next(where: str | None, hint: str | None, text: str) -> None:
    error = LcppError("it failed", where=where, hint=hint)
    assert (error.what, error.where, error.hint, error.args) == ("it failed", where, hint, ("it failed",))
    assert str(error) == text
