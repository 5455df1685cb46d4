"""What is wrong with a recipe, and where."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.errors import RecipeError
from orchestrator.text.visible import quoted as quoted
from orchestrator.values import Value

_SHOWN = 50


class Place(Value, kw_only=False, order=True):
    """Where a part of a recipe was written: a line of a file, or (line 0) an override on the command line."""

    source: str
    line: int = 0
    column: int = 0

    @property
    def is_override(self) -> bool:
        return self.line == 0

    def __str__(self) -> str:
        return self.source if self.is_override else f"{self.source}:{self.line}:{self.column}"


class Problem(Value, kw_only=False, order=True):
    """One thing that is wrong.

    Args:
        key: the key path, such as `run.n_predict`; empty when it is about the file as a whole.
        is_about_mapping: it is about what a mapping lacks, or how its keys go together, so that `place` is the
            mapping's and no single value's.
    """

    place: Place
    key: str
    message: str
    is_about_mapping: bool = False

    def __str__(self) -> str:
        return ": ".join(part for part in (str(self.place), self.key, self.message) if part)


class Malformed(Exception):
    """The text cannot be read any further because of this problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def recipe_error(problems: Sequence[Problem]) -> RecipeError:
    """All problems as one error, in the order of the file."""
    lines = [str(problem) for problem in sorted(set(problems))]
    if len(lines) > _SHOWN:
        lines[_SHOWN:] = [f"… and {len(lines) - _SHOWN} more problems"]
    return RecipeError("\n".join(lines), hint="`lcpp recipe new` prints a commented recipe with every common key")
