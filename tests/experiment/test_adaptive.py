"""Comparisons through the whole pipeline: in turns until decided, or until the effort is spent."""

from __future__ import annotations

import pytest

from orchestrator.errors import DriveError, Interrupted, UsageError
from orchestrator.experiment.adaptive import Effort
from orchestrator.experiment.prepare import Preparing
from orchestrator.experiment.selftest import selftest
from orchestrator.experiment.sides import sides
from orchestrator.recipe.load import load
from orchestrator.result.compare.statistics import MINIMUM_RUNS
from tests.experiment.lab import ALWAYS_DISTURBED, Lab

ONE, TWO = ("run.n_threads=1",), ("run.n_threads=2",)


def turns(lab: Lab) -> str:
    """Of all runs in order, warm-up in lower case: A or B."""
    parts = [result.part for result in lab.results() if result.part is not None]
    return "".join("ab"[part.case] if part.warmup else "AB"[part.case] for part in parts)


def test_a_clear_difference_is_decided_with_the_fewest_rounds(lab: Lab) -> None:
    made = lab.compare(lab.recipe(), ONE, TWO)
    assert made.comparison.verdict == "faster"
    assert made.ended == "decided"
    assert turns(lab) == "ab" + "ABBA" * (MINIMUM_RUNS // 2) + "AB" * (MINIMUM_RUNS % 2)
    main = made.comparison.main
    assert main is not None
    assert main.ratio is not None
    assert main.ratio.paired
    assert main.ratio.ratio == pytest.approx(2, abs=0.1)
    assert made.comparison.a.settings == {"run.n_threads": "1"}
    assert not made.comparison.is_worse
    assert lab.compare(lab.recipe(), TWO, ONE).comparison.is_worse


def test_without_a_setting_of_a_it_is_the_recipe_as_it_is(lab: Lab) -> None:
    (a, b), _ = sides(lab.recipe(), (), ("run.n_threads=2", "run.sampling.temperature=0.5"))
    assert a.settings == {"run.n_threads": "1", "run.sampling.temperature": "0.0"}
    assert b.settings == {"run.n_threads": "2", "run.sampling.temperature": "0.5"}
    (a, _), _ = sides(lab.recipe(), (), ("run.n_batch=64",))
    assert a.settings == {"run.n_batch": "default"}


def test_a_side_must_be_one_case(lab: Lab) -> None:
    recipe = lab.recipe("matrix: {run.n_batch: [32, 64]}")
    with pytest.raises(UsageError, match="A is 2 cases"):
        sides(recipe, ONE, TWO)
    (a, _), _ = sides(recipe, ("run.n_batch=32",), ("run.n_batch=64",))
    assert a.settings == {"run.n_batch": "32"}


def test_it_ends_with_the_rounds_or_the_budget_and_says_so(lab: Lab) -> None:
    few = lab.compare(lab.recipe(), ONE, TWO, max_rounds=2)
    assert (few.ended, few.comparison.verdict) == ("rounds", "undecided")
    assert "ended after all 2 rounds" in few.comparison.notes
    poor = lab.compare(lab.recipe(), ONE, TWO, budget_s=0.001)
    assert (poor.ended, poor.n_rounds, poor.comparison.verdict) == ("budget", 1, "undecided")


def test_on_a_machine_that_never_becomes_quiet_nothing_is_decided(lab: Lab) -> None:
    lab.guard = ALWAYS_DISTURBED
    made = lab.compare(lab.recipe(), ONE, TWO)
    assert (made.ended, made.comparison.verdict) == ("noise", "undecided")
    assert any("did not become quiet" in note for note in made.comparison.notes)
    assert made.comparison.a.n_counted == made.comparison.b.n_counted == 0
    assert made.comparison.a.disturbances


def test_a_side_that_fails_ends_it_and_is_named(lab: Lab) -> None:
    with pytest.raises(DriveError, match=r"B \(run.n_threads=3\): .*SIGSEGV"):
        lab.compare(lab.recipe(), ONE, ("run.n_threads=3",))
    assert turns(lab) == "ab"
    # The next try is a new one.
    with pytest.raises(DriveError, match="SIGSEGV"):
        lab.compare(lab.recipe(), ONE, ("run.n_threads=3",))
    assert turns(lab) == "abab"


def test_an_interrupted_comparison_goes_on(lab: Lab) -> None:
    with pytest.raises(Interrupted):
        lab.compare(lab.recipe(), ONE, TWO, stop_after=7)
    made = lab.compare(lab.recipe(), ONE, TWO)
    assert made.ended == "decided"
    assert turns(lab) == "abABBAABBAAB"
    assert any("7 runs are done" in note for note in lab.notes.notes)


def test_a_text_that_differs_is_found(lab: Lab) -> None:
    recipe = lab.recipe()
    recipe.write_text(recipe.read_text().replace("What is", "count what is"))
    text = lab.compare(recipe, ONE, TWO, max_rounds=1).comparison.text
    assert text.state == "different"
    assert text.example_a != text.example_b
    assert lab.compare(lab.recipe(), ONE, TWO, max_rounds=1).comparison.text.state == "same"


def test_a_selftest_runs_all_rounds_and_says_what_it_can_resolve(lab: Lab) -> None:
    effort = Effort(margin=0.03, budget_s=120, max_rounds=8)
    made = selftest(load(lab.recipe()), lab.surroundings, Preparing(), effort)
    assert made.n_rounds == 8
    assert turns(lab) == "ab" + "ABBA" * 4
    assert made.comparison.verdict in ("same", "undecided")
    main = made.comparison.main
    assert main is not None
    assert main.resolution is not None
    assert 0.03 < main.resolution < 0.1
