"""Many cases, or many runs of one: a recipe with `matrix`, `repeat` or `warmup`, run in rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.errors import LcppError
from orchestrator.experiment.attempt import Attempt
from orchestrator.experiment.begin import OnAttempt, begun
from orchestrator.experiment.order import Slot, all_rounds
from orchestrator.experiment.plan import ExperimentPlan, GivenUp
from orchestrator.experiment.prepare import Preparing, prepare_all
from orchestrator.experiment.runner import Runner, Surroundings
from orchestrator.recipe.matrix import Cases
from orchestrator.text.numbers import duration
from orchestrator.values import Value


class SweptCase(Value):
    """A case after the sweep. `attempts`: its runs, in order, with those that do not count."""

    index: int
    settings: Mapping[str, str]
    attempts: tuple[Attempt, ...]
    given_up: GivenUp | None


class Sweep(Value):
    """All cases after the sweep."""

    plan: ExperimentPlan
    cases: tuple[SweptCase, ...]


def sweep(
    cases: Cases,
    surroundings: Surroundings,
    preparing: Preparing,
    *,
    fresh: bool,
    on_attempt: OnAttempt = lambda attempt: None,
) -> Sweep:
    """Prepare all cases, then run them in rounds; a case that fails is recorded and the others go on.

    Raises:
        LcppError: no case could be prepared.
        Interrupted: Ctrl-C; the same call goes on.
        WorkspaceError: the disk does not take results any more, or another process runs this sweep.
    """
    recipes = [case.loaded for case in cases.cases]
    prepared, failed = prepare_all(recipes, surroundings, preparing)
    if not prepared:
        raise _none_prepared(failed)
    with begun(
        "sweep" if len(recipes) > 1 else "repeat",
        [(case.settings, case.loaded) for case in cases.cases],
        prepared,
        failed,
        surroundings,
        repeat=cases.repeat,
        warmup=cases.warmup,
        settings={"dummy": preparing.dummy_limit_bytes is not None},
        fresh=fresh,
        on_attempt=on_attempt,
    ) as runner:
        for case, error in failed.items():
            surroundings.progress.note(f"{runner.plan.label(case)} cannot run: {error.what}")
        _walk(runner, list(all_rounds(range(len(recipes)), repeat=cases.repeat, warmup=cases.warmup)), surroundings)
        plan = runner.end("done")
        by_case: dict[int, list[Attempt]] = {}
        for attempt in runner.attempts:
            by_case.setdefault(attempt.slot.case, []).append(attempt)
        return Sweep(
            plan=plan,
            cases=tuple(
                SweptCase(
                    index=index,
                    settings=case.settings,
                    attempts=tuple(by_case.get(index, ())),
                    given_up=plan.failure_of(index),
                )
                for index, case in enumerate(cases.cases)
            ),
        )


def _walk(runner: Runner, rounds: Sequence[Sequence[Slot]], surroundings: Surroundings) -> None:
    all_slots = [slot for slots in rounds for slot in slots]
    n_warmup = sum(1 for slots in rounds if slots and slots[0].warmup)
    n_done = 0
    for slots in rounds:
        if not any(runner.wants(slot) for slot in slots):
            n_done += len(slots)
            continue
        first = slots[0]
        what = (
            f"warm-up {first.round + 1} of {n_warmup}"
            if first.warmup
            else (f"round {first.round + 1} of {len(rounds) - n_warmup}")
        )
        surroundings.progress.stage(f"{what}, {len(runner.cases)} cases" if len(slots) > 1 else what)
        for slot in slots:
            left_s = runner.pace.left_s(later.case for later in all_slots[n_done:] if runner.wants(later))
            left = "" if left_s is None else f"; about {duration(left_s)} left"
            surroundings.progress.advance(n_done, len(all_slots), f"{runner.plan.label(slot.case)}{left}")
            runner.fill(slot)
            n_done += 1


def _none_prepared(failed: Mapping[int, LcppError]) -> LcppError:
    first = failed[0]
    if len({str(error) for error in failed.values()}) > 1:
        first.what = f"none of the {len(failed)} cases can run; the first: {first.what}"
    return first
