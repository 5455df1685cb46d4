"""The journal of an experiment: which call may go on with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import ModelError
from orchestrator.experiment import plan
from orchestrator.experiment.plan import ExperimentPlan, PlannedCase
from orchestrator.workspace import Workspace

KEY = "0123456789" * 6 + "abcd"


def planned(number: int, **changes: object) -> ExperimentPlan:
    fields: dict[str, object] = {
        "id": f"20260101T00000{number}Z-smoke-{KEY[:10]}-000{number}",
        "kind": "sweep",
        "key": KEY,
        "name": "smoke",
        "recipe_file": "smoke.yaml",
        "cases": (PlannedCase(settings={"run.n_threads": "2"}, digest="d"), PlannedCase(settings={}, digest="e")),
        "repeat": 3,
        "warmup": 1,
        "begun_at": f"2026-01-01T00:00:0{number}.000000+00:00",
    }
    return ExperimentPlan(**{**fields, **changes})


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    plan.folder(Workspace(vendor=tmp_path, runs=tmp_path)).mkdir()
    return Workspace(vendor=tmp_path, runs=tmp_path)


def test_the_newest_that_has_not_ended_goes_on(workspace: Workspace) -> None:
    assert plan.unfinished(KEY, workspace) is None
    for number in (2, 1):
        plan.write(planned(number), workspace)
    assert plan.unfinished(KEY, workspace) == planned(2)
    assert plan.unfinished(KEY[:-1] + "e", workspace) is None


def test_an_older_one_is_replaced_by_the_newest_though_that_has_ended(workspace: Workspace) -> None:
    plan.write(planned(1), workspace)
    plan.write(planned(2, ended="done"), workspace)
    assert plan.unfinished(KEY, workspace) is None


def test_what_is_no_journal_is_passed_over(workspace: Workspace) -> None:
    plan.write(planned(1), workspace)
    plan.path_of(planned(2).id, workspace).write_text("{")
    # The content of another, copied by hand.
    plan.path_of(planned(3).id, workspace).write_bytes(plan.path_of(planned(1).id, workspace).read_bytes())
    assert plan.unfinished(KEY, workspace) == planned(1)


def test_a_case_that_is_given_up_says_why() -> None:
    given_up = plan.with_failure(planned(1), 1, "run", ModelError("broken", where="x", hint="fetch it"))
    assert given_up.failure_of(0) is None
    failure = given_up.failure_of(1)
    assert failure is not None
    assert (failure.stage, failure.failure.what, failure.failure.hint) == ("run", "broken", "fetch it")
    assert (given_up.label(0), given_up.label(1)) == ("run.n_threads=2", "smoke")
