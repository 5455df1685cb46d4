"""Where an experiment begins: anew, or where an earlier call of the same command was interrupted."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from orchestrator.errors import Interrupted, LcppError
from orchestrator.experiment import attempt, plan
from orchestrator.experiment.attempt import Attempt
from orchestrator.experiment.plan import ExperimentPlan, Kind, PlannedCase
from orchestrator.experiment.prepare import runs_on
from orchestrator.experiment.runner import Runner, Surroundings
from orchestrator.machine.facts import observe
from orchestrator.pipeline import Prepared
from orchestrator.recipe.load import LoadedRecipe
from orchestrator.workspace import lock

OnAttempt = Callable[[Attempt], None]


@contextlib.contextmanager
def begun(
    kind: Kind,
    recipes: Sequence[tuple[Mapping[str, str], LoadedRecipe]],
    prepared: Mapping[int, Prepared],
    failed: Mapping[int, LcppError],
    surroundings: Surroundings,
    *,
    repeat: int | None,
    warmup: int,
    settings: Mapping[str, Any],
    fresh: bool,
    on_attempt: OnAttempt,
) -> Iterator[Runner]:
    """The runner of a new or a continued experiment, its journal locked against other processes.

    Args:
        recipes: of each case its settings and its recipe.
        prepared, failed: by case, what `prepare_all` gave.
        settings: what else of the command bears on its runs.
        fresh: begin anew even if there is something to go on with.

    Raises:
        WorkspaceError: another process runs this experiment, or the disk refuses.
        Interrupted: Ctrl-C; says how to go on.
    """
    cases = tuple(
        PlannedCase(
            settings=dict(apart),
            digest=loaded.digest,
            runs_on=runs_on(prepared[index]) if index in prepared else None,
        )
        for index, (apart, loaded) in enumerate(recipes)
    )
    loaded = recipes[0][1]
    of_command = {"repeat": repeat, "warmup": warmup, **settings}
    key = plan.key_of(kind, str(loaded.path.absolute()), cases, of_command, observe())
    old = None if fresh else _to_go_on(key, cases, surroundings)
    planned = old or _new(kind, key, loaded, cases, repeat=repeat, warmup=warmup)
    planned = _with_failures(planned, cases, failed)
    with _locked(planned, surroundings):
        done = () if old is None else tuple(attempt.of_plan(planned, surroundings.workspace))
        if old is not None:
            surroundings.progress.note(
                f"going on with what was begun at {_when(old)}: {len(done)} runs are done (--fresh begins anew)"
            )
        yield Runner(planned, prepared, surroundings, done, on_attempt)


def _new(
    kind: Kind, key: str, loaded: LoadedRecipe, cases: tuple[PlannedCase, ...], *, repeat: int | None, warmup: int
) -> ExperimentPlan:
    name = loaded.recipe.name or loaded.path.stem
    return ExperimentPlan(
        id=plan.new_id(name, key),
        kind=kind,
        key=key,
        name=name,
        recipe_file=str(loaded.path),
        cases=cases,
        repeat=repeat,
        warmup=warmup,
        begun_at=plan.begun_at(),
    )


def _with_failures(
    planned: ExperimentPlan, cases: tuple[PlannedCase, ...], failed: Mapping[int, LcppError]
) -> ExperimentPlan:
    """The plan with what could be prepared now: that may be more, or less, than an earlier call could."""
    given_up = tuple(case for case in planned.given_up if case.stage == "run" and case.case not in failed)
    planned = planned.model_copy(update={"cases": cases, "given_up": given_up})
    for index, error in failed.items():
        planned = plan.with_failure(planned, index, "prepare", error)
    return planned


@contextlib.contextmanager
def _locked(planned: ExperimentPlan, surroundings: Surroundings) -> Iterator[None]:
    """The journal, written, and ours alone; whoever interrupts is told how to go on."""
    path = plan.path_of(planned.id, surroundings.workspace)
    with lock(path, surroundings.progress, "this experiment", wait=False):
        plan.write(planned, surroundings.workspace)
        try:
            yield
        except (KeyboardInterrupt, Interrupted) as error:
            raise Interrupted(
                "interrupted; the runs that were finished are kept",
                where=str(path),
                hint="the same command goes on where it was; with --fresh it begins anew",
            ) from error


def _to_go_on(key: str, cases: Sequence[PlannedCase], surroundings: Surroundings) -> ExperimentPlan | None:
    old = plan.unfinished(key, surroundings.workspace)
    if old is None:
        return None
    for number, (before, now) in enumerate(zip(old.cases, cases, strict=True), 1):
        if before.runs_on is not None and now.runs_on is not None and before.runs_on != now.runs_on:
            surroundings.progress.note(
                f"what was begun at {_when(old)} ran with another build or model in case {number}: beginning anew"
            )
            return None
    return old


def _when(old: ExperimentPlan) -> str:
    return f"{old.begun_at[:19].replace('T', ' ')} UTC"
