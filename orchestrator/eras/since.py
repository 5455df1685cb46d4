"""One trait of llama.cpp over its history, as a table of first builds.

A build's number is `git rev-list --count` of its commit, written b3642. Each fact of an era is written once: in this
room where it is of the library, beside the program (`programs/`) where it is of one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from orchestrator.values import Value

T = TypeVar("T")

FIRST_BUILD = 1012  # the first that reads GGUF, 2023-08-21
NEWEST = 1_000_000  # stands for a build past the end of all tables


class Since(Value, Generic[T], kw_only=False):
    """Values of one trait over upstream's history: `(first build, value)`, oldest first."""

    steps: tuple[tuple[int, T], ...]

    def at(self, build: int) -> T:
        """The value that holds at `build` (the oldest one for builds before the table begins)."""
        index = bisect_right([first for first, _ in self.steps], build) - 1
        return self.steps[max(index, 0)][1]

    def first(self, wanted: Callable[[T], bool]) -> int:
        """The first build whose value is as wanted.

        Raises:
            StopIteration: none is.
        """
        return next(build for build, value in self.steps if wanted(value))


def since(*steps: tuple[int, T]) -> Since[T]:
    """The table of these steps."""
    return Since(steps)


def gathered(*steps: tuple[int, tuple[str, ...]]) -> Since[tuple[str, ...]]:
    """The table of words that came one after the other: at a build, all up to it; before the first, none."""
    words: tuple[str, ...] = ()
    table: list[tuple[int, tuple[str, ...]]] = [(FIRST_BUILD, words)]
    for first, more in steps:
        words = (*words, *more)
        table.append((first, words))
    return Since(tuple(table))


def in_words(builds: Iterable[int], holds: Callable[[int], bool]) -> str:
    """Of `builds`, in order, the ranges for which something holds: `since b1289`, `up to b9`, `always`; empty: none."""
    words: list[str] = []
    start: int | None = None
    for build in builds:
        if holds(build) == (start is not None):
            continue
        if start is None:
            start = build
        else:
            words.append(f"up to b{build - 1}" if start == FIRST_BUILD else f"from b{start} to b{build - 1}")
            start = None
    if start is not None:
        words.append("always" if start == FIRST_BUILD else f"since b{start}")
    return " and ".join(words)
