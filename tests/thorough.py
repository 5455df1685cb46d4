"""How much of the same a test does: little each day, much with `--hypothesis-profile thorough`."""

from __future__ import annotations

from hypothesis import settings

MANY = 2000


def repeats(everyday: int, thorough: int) -> int:
    """How often to repeat something that chance is in."""
    return thorough if settings().max_examples >= MANY else everyday
