"""Sweeps through the whole pipeline: rounds, failing cases, disturbed runs, interruptions, going on."""

from __future__ import annotations

import pytest

from orchestrator.errors import Interrupted, LcppError
from orchestrator.experiment import plan
from orchestrator.experiment.runner import NOISY_IN_A_ROW, TRIES
from tests.experiment.lab import ALWAYS_DISTURBED, Lab

THREE = "matrix: {run.n_threads: [1, 2, 4]}\nrepeat: 2\nwarmup: 1"


def threads_in_order(lab: Lab) -> list[str]:
    """Of all runs in order: the thread count that sets their case apart."""
    return [result.part.settings["run.n_threads"] for result in lab.results() if result.part is not None]


def test_the_cases_run_in_rounds_and_each_result_says_its_part(lab: Lab) -> None:
    swept = lab.sweep(lab.recipe(THREE))
    assert threads_in_order(lab) == ["1", "2", "4", "1", "2", "4", "4", "2", "1"]
    parts = [result.part for result in lab.results() if result.part is not None]
    assert {part.experiment for part in parts} == {swept.plan.id}
    assert [(part.round, part.warmup) for part in parts[::3]] == [(0, True), (0, False), (1, False)]
    assert [len([one for one in case.attempts if one.measurement.counts]) for case in swept.cases] == [2, 2, 2]
    assert swept.plan.ended == "done"
    assert plan.unfinished(swept.plan.key, lab.workspace) is None


def test_a_failing_case_is_recorded_and_the_others_go_on(lab: Lab) -> None:
    swept = lab.sweep(lab.recipe("matrix: {run.n_threads: [3, 1]}\nrepeat: 3"))
    # It crashed once, and was not tried again.
    assert threads_in_order(lab) == ["3", "1", "1", "1"]
    crashed, well = swept.cases
    assert crashed.given_up is not None
    assert "SIGSEGV" in crashed.given_up.failure.what
    assert well.given_up is None
    assert any("run.n_threads=3 failed" in note for note in lab.notes.notes)


def test_a_case_that_cannot_be_prepared_is_recorded_too(lab: Lab) -> None:
    swept = lab.sweep(lab.recipe("matrix: {engine.ref: [b3700, nothing-like-that]}"))
    assert len(lab.results()) == 1
    given_up = swept.cases[1].given_up
    assert given_up is not None
    assert given_up.stage == "prepare"
    assert "nothing-like-that" in given_up.failure.what


def test_when_no_case_can_be_prepared_it_is_an_error(lab: Lab) -> None:
    with pytest.raises(LcppError, match="nothing-like"):
        lab.sweep(lab.recipe("matrix: {engine.ref: [nothing-like-this, nothing-like-that]}"))
    assert not plan.folder(lab.workspace).exists()


def test_an_interrupted_sweep_goes_on_where_it_was(lab: Lab) -> None:
    recipe = lab.recipe(THREE)
    with pytest.raises(Interrupted, match="kept") as stopped:
        lab.sweep(recipe, stop_after=5)
    assert "goes on" in str(stopped.value)
    begun = {result.id for result in lab.results()}
    swept = lab.sweep(recipe)
    assert threads_in_order(lab) == ["1", "2", "4", "1", "2", "4", "4", "2", "1"]
    assert {one.measurement.id for case in swept.cases for one in case.attempts} > begun
    assert any("5 runs are done" in note for note in lab.notes.notes)
    # What has ended is not gone on with.
    lab.sweep(recipe)
    assert len(lab.results()) == 18


def test_fresh_begins_anew_and_another_recipe_does_not_go_on(lab: Lab) -> None:
    recipe = lab.recipe(THREE)
    with pytest.raises(Interrupted):
        lab.sweep(recipe, stop_after=2)
    first = lab.sweep(recipe, fresh=True)
    assert len(lab.results()) == 2 + 9
    assert len({one.measurement.experiment for case in first.cases for one in case.attempts}) == 1
    # The older, unfinished one has been replaced.
    assert lab.sweep(recipe).plan.id != first.plan.id
    assert len(lab.results()) == 2 + 9 + 9


def test_a_case_that_failed_is_not_run_again_when_a_sweep_goes_on(lab: Lab) -> None:
    recipe = lab.recipe("matrix: {run.n_threads: [3, 1]}\nrepeat: 2")
    with pytest.raises(Interrupted):
        lab.sweep(recipe, stop_after=2)
    swept = lab.sweep(recipe)
    assert threads_in_order(lab) == ["3", "1", "1"]
    assert swept.cases[0].given_up is not None


def test_disturbed_runs_are_kept_and_repeated_and_not_for_ever(lab: Lab) -> None:
    lab.guard = ALWAYS_DISTURBED
    swept = lab.sweep(lab.recipe("repeat: 5"))
    (case,) = swept.cases
    assert len(case.attempts) == NOISY_IN_A_ROW * TRIES + 2
    assert all(one.measurement.disturbed and not one.measurement.counts for one in case.attempts)
    assert all(result.noise is not None and result.noise.disturbed for result in lab.results())
    assert sum("does not become quiet" in note for note in lab.notes.notes) == 1


def test_a_journal_that_is_no_journal_does_not_matter(lab: Lab) -> None:
    recipe = lab.recipe("repeat: 2")
    with pytest.raises(Interrupted):
        lab.sweep(recipe, stop_after=1)
    (journal,) = plan.folder(lab.workspace).glob("*.json")
    journal.write_text(journal.read_text()[:100])
    (broken, *_) = lab.workspace.runs.glob("*.json")
    broken.write_text("{")
    swept = lab.sweep(recipe)
    assert [one.slot.round for one in swept.cases[0].attempts] == [0, 1]
