"""How long the rest takes, from what the runs took so far."""

from __future__ import annotations

from orchestrator.experiment.pace import Pace


def test_nothing_is_known_before_the_first_run() -> None:
    assert Pace().left_s([0, 1]) is None
    assert Pace().left_s([]) == 0


def test_a_case_takes_what_it_took_and_an_unknown_one_what_cases_take() -> None:
    pace = Pace()
    for took_s in (1.0, 3.0):
        pace.add(0, took_s)
    pace.add(1, 10.0)
    assert pace.of(0) == 2.0
    # The mean of the cases, not of the runs.
    assert pace.of(7) == 6.0
    assert pace.left_s([0, 0, 1]) == 14.0
