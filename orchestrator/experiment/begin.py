"""Where an experiment begins: anew, or where an earlier call of the same command was interrupted."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from orchestrator.errors import Interrupted, LcppError
from orchestrator.experiment import attempt, plan
from orchestrator.experiment.attempt import Attempt
from orchestrator.experiment.plan import Kind, Plan, PlannedCase
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
    first = recipes[0][1]
    cases = tuple(
        PlannedCase(
            settings=dict(apart),
            digest=loaded.digest,
            runs_on=runs_on(prepared[index]) if index in prepared else None,
        )
        for index, (apart, loaded) in enumerate(recipes)
    )
    said = {"repeat": repeat, "warmup": warmup, **settings}
    key = plan.key_of(kind, str(first.path.absolute()), cases, said, observe())
    name = first.recipe.name or first.path.stem
    old = None if fresh else _to_go_on(key, cases, surroundings)
    planned = old or Plan(
        id=plan.new_id(name, key),
        kind=kind,
        key=key,
        name=name,
        recipe_file=str(first.path),
        cases=cases,
        repeat=repeat,
        warmup=warmup,
        begun_at=plan.begun_at(),
    )
    # What could not be prepared before may be possible now, and the other way round.
    kept = tuple(one for one in planned.given_up if one.stage == "run" and one.case not in failed)
    planned = planned.model_copy(update={"cases": cases, "given_up": kept})
    for case, error in failed.items():
        planned = plan.with_failure(planned, case, "prepare", error)
    workspace = surroundings.workspace
    with lock(plan.path_of(planned.id, workspace), surroundings.progress, "this experiment", wait=False):
        plan.write(planned, workspace)
        done = () if old is None else tuple(attempt.of_plan(planned, workspace))
        if old is not None:
            surroundings.progress.note(
                f"going on with what was begun at {_when(old)}: {len(done)} runs are done (--fresh begins anew)"
            )
        try:
            yield Runner(planned, prepared, surroundings, done, on_attempt)
        except (KeyboardInterrupt, Interrupted) as error:
            raise Interrupted(
                "interrupted; the runs that were finished are kept",
                where=str(plan.path_of(planned.id, workspace)),
                hint="the same command goes on where it was; with --fresh it begins anew",
            ) from error


def _to_go_on(key: str, cases: Sequence[PlannedCase], surroundings: Surroundings) -> Plan | None:
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


def _when(old: Plan) -> str:
    return f"{old.begun_at[:19].replace('T', ' ')} UTC"
