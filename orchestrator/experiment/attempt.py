"""One run of an experiment as the experiment sees it, and those that an earlier, interrupted call has left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from orchestrator.experiment.order import Slot
from orchestrator.experiment.plan import ExperimentPlan
from orchestrator.result.measurement import Measurement, measurement_of
from orchestrator.result.reading import UnreadableResult, parse_result, read_bytes
from orchestrator.result.schema import Failure, Result
from orchestrator.values import Value
from orchestrator.workspace import Workspace

_STAMP = len("20260101T000000Z")


class Attempt(Value):
    """A run, the slot that it was made for, and how it failed, if it did."""

    slot: Slot
    measurement: Measurement
    failure: Failure | None

    @property
    def is_good(self) -> bool:
        """It fills its slot: whole and undisturbed; to warm up, any whole run will do."""
        return self.failure is None and (self.slot.warmup or not self.measurement.disturbed)


def of(result: Result, path: Path) -> Attempt | None:
    """A result of an experiment as an attempt; None when it is none, or was stopped by Ctrl-C."""
    part = result.part
    if part is None or result.ran.process.stopped_by == "interrupt":
        return None
    return Attempt(
        slot=Slot(case=part.case, round=part.round, warmup=part.warmup),
        measurement=measurement_of(result, path=str(path)),
        failure=result.failure,
    )


def of_plan(plan: ExperimentPlan, workspace: Workspace) -> Iterator[Attempt]:
    """All attempts that the results on the disk tell of, oldest first."""
    needle = plan.id.encode()
    for path in sorted(workspace.runs.glob("*.json")):
        # The id of a run begins with its time, as a plan's does; so most files need not be opened.
        if path.name[:_STAMP] < plan.id[:_STAMP]:
            continue
        try:
            raw = read_bytes(path)
            result = parse_result(raw) if needle in raw else None
        except UnreadableResult:
            continue
        if result is None or result.part is None or result.part.experiment != plan.id:
            continue
        attempt = of(result, path)
        if attempt is not None and attempt.slot.case < len(plan.cases):
            yield attempt
