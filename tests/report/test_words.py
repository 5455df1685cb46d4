"""Figures in words, the same in all forms of a report."""

from __future__ import annotations

import pytest

from orchestrator.noise.document import Noise
from orchestrator.report import words
from orchestrator.report.content import Run
from orchestrator.result.compare.statistics import summarise
from orchestrator.values import replace
from tests.result.measured import one


def test_what_is_not_known_is_a_dash() -> None:
    for say in (words.rate, words.interval, words.mib, words.seconds, words.percent):
        assert say(None) == "–"


@pytest.mark.parametrize(("value", "text"), [(-0.04, "+0.0 %"), (-0.06, "-0.1 %"), (12.34, "+12.3 %")])
def test_per_cent_is_never_minus_nothing(value: float, text: str) -> None:
    assert words.percent(value) == text


def test_an_interval_is_of_three_runs_at_least() -> None:
    assert words.interval(summarise([1.0, 2.0])) == "–"
    assert " to " in words.interval(summarise([1.0, 2.0, 3.0]))


def test_all_reasons_why_a_run_does_not_count() -> None:
    run = Run(measurement=replace(one(), status="failed", warmup=True, disturbed=("a", "b")))
    assert words.why_left_out(run) == "failed; warm-up; a; b"
    assert words.why_left_out(Run(measurement=one())) == ""


def test_only_readings_that_the_machine_gave_are_told() -> None:
    assert list(words.noise(Noise())) == []
    told = dict(words.noise(Noise(others_cpus=0.25, steal_share=0.015, cpus=(0, 2))))
    assert told == {
        "others meanwhile": "0.25 CPUs",
        "time that the host took": "1.5 %",
        "pinned to CPUs": "0, 2",
    }
