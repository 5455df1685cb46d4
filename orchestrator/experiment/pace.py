"""How long the rest of an experiment will take, from what its runs took so far."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import mean


class Pace:
    """Remembers what runs took, with all that goes with them: waiting for quiet, repeats, writing."""

    def __init__(self) -> None:
        self._took_s: dict[int, list[float]] = {}

    def add(self, case: int, took_s: float) -> None:
        """A run of `case` took so long."""
        self._took_s.setdefault(case, []).append(took_s)

    def of(self, case: int) -> float | None:
        """What a run of `case` will take, in seconds; None: nothing has run yet."""
        if case in self._took_s:
            return mean(self._took_s[case])
        return mean(mean(times) for times in self._took_s.values()) if self._took_s else None

    def left_s(self, cases: Iterable[int]) -> float | None:
        """What runs of these cases (as often as they occur) will take."""
        times_s = [self.of(case) for case in cases]
        return None if None in times_s else sum(time_s for time_s in times_s if time_s is not None)
