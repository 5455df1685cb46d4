"""A sweep as one JSON document: its cases, the runs of each, and what they say together."""

from typing import Annotated, Literal

from pydantic import Field

from orchestrator.experiment.plan import Kind
from orchestrator.experiment.sweep import Sweep, SweptCase
from orchestrator.piece import Piece
from orchestrator.result.compare.statistics import Summary, summarise
from orchestrator.result.registry import shown_in
from orchestrator.result.schema import Failure


class CaseDocument(Piece):
    """One case."""

    case: int
    settings: dict[str, str]
    state: Annotated[
        Literal["ok", "unexpected", "noisy", "failed"],
        Field(description="noisy: it ran, and no run was undisturbed."),
    ]
    failure: Annotated[Failure | None, Field(description="Why it was given up; runs before that still count.")]
    runs: Annotated[tuple[str, ...], Field(description="Ids of the runs that count.")]
    left_out: Annotated[tuple[str, ...], Field(description="Ids of runs that were disturbed, failed or warmed up.")]
    disturbed_by: tuple[str, ...]
    figures: dict[str, Summary]


class SweepDocument(Piece):
    """A whole sweep."""

    lcpp_sweep: Literal[1] = 1
    experiment: str
    kind: Kind
    recipe: str
    repeat: int | None
    warmup: int
    cases: tuple[CaseDocument, ...]


def document(sweep: Sweep) -> SweepDocument:
    """The document of a sweep."""
    plan = sweep.plan
    return SweepDocument(
        experiment=plan.id,
        kind=plan.kind,
        recipe=plan.name,
        repeat=plan.repeat,
        warmup=plan.warmup,
        cases=tuple(_case(case) for case in sweep.cases),
    )


def _case(case: SweptCase) -> CaseDocument:
    runs = [attempt.measurement for attempt in case.attempts]
    counting = [run for run in runs if run.counts]
    # What people compare; all other figures are in the results.
    values = {
        figure.name: [run.figures[figure.name] for run in counting if figure.name in run.figures]
        for figure in shown_in("cases")
    }
    state: Literal["ok", "unexpected", "noisy", "failed"] = "ok"
    if case.given_up is not None or (runs and all(run.status == "failed" for run in runs)):
        state = "failed"
    elif any(run.status == "unexpected" for run in runs):
        state = "unexpected"
    elif not counting:
        state = "noisy"
    last_failure = next((attempt.failure for attempt in reversed(case.attempts) if attempt.failure), None)
    return CaseDocument(
        case=case.index,
        settings=dict(case.settings),
        state=state,
        failure=case.given_up.failure if case.given_up is not None else last_failure if state == "failed" else None,
        runs=tuple(run.id for run in counting),
        left_out=tuple(run.id for run in runs if not run.counts),
        disturbed_by=tuple(dict.fromkeys(why for run in runs for why in run.disturbed)),
        figures={name: summarise(numbers) for name, numbers in values.items() if numbers},
    )
