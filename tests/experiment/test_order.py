"""Rounds: every case once in each, and all at the same mean time."""

from __future__ import annotations

from statistics import mean

import pytest

from orchestrator.experiment.order import all_rounds, one_round
from orchestrator.experiment.pace import Pace


def test_two_cases_take_turns() -> None:
    rounds = list(all_rounds((0, 1), repeat=4, warmup=1))
    assert ["".join("AB"[slot.case] for slot in one) for one in rounds] == ["AB", "AB", "BA", "AB", "BA"]
    assert [one[0].warmup for one in rounds] == [True, False, False, False, False]
    assert [slot.round for one in rounds[1:] for slot in one] == [0, 0, 1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("n_cases", [1, 2, 3, 7])
def test_a_steady_drift_slows_all_cases_alike(n_cases: int) -> None:
    order = [slot.case for number in range(6) for slot in one_round(range(n_cases), number)]
    middles = {mean(place for place, case in enumerate(order) if case == one) for one in range(n_cases)}
    assert len(middles) == 1


def test_the_time_left_is_from_what_runs_took() -> None:
    pace = Pace()
    assert pace.left_s([0, 1]) is None
    pace.add(0, 2.0)
    pace.add(0, 4.0)
    assert pace.left_s([0, 0, 1]) == 9.0
    pace.add(1, 10.0)
    assert pace.left_s([0, 1]) == 13.0
    assert pace.left_s([]) == 0
