"""Fills the slots of an experiment with runs: watched, repeated when disturbed, not stopped by a case that fails."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable, Mapping

from orchestrator.drive.command import Command
from orchestrator.drive.session import OnOutput
from orchestrator.errors import Interrupted, LcppError, OutputLostError, WorkspaceError
from orchestrator.experiment import attempt, plan
from orchestrator.experiment.attempt import Attempt
from orchestrator.experiment.order import Slot
from orchestrator.experiment.pace import Pace
from orchestrator.experiment.plan import ExperimentPlan
from orchestrator.noise.guard import Guard
from orchestrator.pipeline import Outcome, Prepared, execute
from orchestrator.progress import Progress, Silent
from orchestrator.result.measurement import Measurement
from orchestrator.result.registry import WALL
from orchestrator.result.schema import ExperimentPart
from orchestrator.values import Value, replace
from orchestrator.workspace import Workspace

# A run that was disturbed is made again so often, at once: its round's other runs are near in time then.
TRIES = 3
# After so many slots in a row without an undisturbed run, lcpp no longer waits and repeats until one comes.
NOISY_IN_A_ROW = 3
# That it waits for a quiet machine is said no oftener than this.
_TELL_EVERY_S = 60.0


class Surroundings(Value):
    """Where and how the runs of an experiment are made. `environment` is lcpp's own."""

    workspace: Workspace
    environment: Mapping[str, str]
    progress: Progress
    guard: Guard | None


class Runner:
    """Makes the runs of one experiment and remembers them; its journal is kept up to date.

    Args:
        prepared: by case; the others were given up.
        attempts: what an earlier call has done already.
        on_attempt: told of each new run.
    """

    def __init__(
        self,
        planned: ExperimentPlan,
        prepared: Mapping[int, Prepared],
        surroundings: Surroundings,
        attempts: Iterable[Attempt] = (),
        on_attempt: Callable[[Attempt], None] = lambda attempt: None,
    ) -> None:
        self.plan = planned
        self.pace = Pace()
        self.errors: dict[int, LcppError] = {}
        self._prepared = prepared
        self._surroundings = surroundings
        self._on_attempt = on_attempt
        self._attempts: dict[Slot, list[Attempt]] = {}
        self._noisy_in_a_row = 0
        self._noted_at = -math.inf
        for earlier in attempts:
            self._attempts.setdefault(earlier.slot, []).append(earlier)
            self.pace.add(earlier.slot.case, earlier.measurement.figures.get(WALL.name, 0.0))

    @property
    def attempts(self) -> list[Attempt]:
        """All runs so far."""
        return list(itertools.chain.from_iterable(self._attempts.values()))

    @property
    def cases(self) -> tuple[int, ...]:
        """The cases that are not given up."""
        return tuple(case for case in self._prepared if self.plan.failure_of(case) is None)

    @property
    def is_noisy(self) -> bool:
        """The machine does not become quiet."""
        return self._noisy_in_a_row >= NOISY_IN_A_ROW

    def measurements(self, case: int) -> list[Measurement]:
        """The runs of a case, in order, also those that do not count."""
        return [run.measurement for run in self.attempts if run.slot.case == case]

    def wants(self, slot: Slot) -> bool:
        """Whether a slot needs a run: nothing that fills it has come, and there are tries left."""
        if slot.case not in self._prepared or self.plan.failure_of(slot.case) is not None:
            return False
        tries = self._attempts.get(slot, [])
        # What failed and is not given up had lost its output, and has been tried several times.
        if any(run.is_good or run.failure is not None for run in tries):
            return False
        return len(tries) < (1 if self.is_noisy else TRIES)

    def fill(self, slot: Slot) -> None:
        """Run a slot's case until the slot is filled or nothing more can be done.

        Raises:
            Interrupted: Ctrl-C came; what was finished is kept.
            WorkspaceError: the disk does not take results any more.
        """
        if not self.wants(slot):
            return
        while self.wants(slot):
            begun = time.monotonic()
            self._try(slot)
            self.pace.add(slot.case, time.monotonic() - begun)
        tries = self._attempts.get(slot, [])
        if any(run.is_good for run in tries):
            self._noisy_in_a_row = 0
        elif tries and all(run.failure is None for run in tries):
            self._noisy_in_a_row += 1
            if self._noisy_in_a_row == NOISY_IN_A_ROW:
                why = "; ".join(tries[-1].measurement.disturbed)
                self._surroundings.progress.note(
                    f"the machine does not become quiet ({why}): disturbed runs are no longer repeated"
                )

    def _try(self, slot: Slot) -> None:
        around = self._surroundings
        part = ExperimentPart(
            experiment=self.plan.id,
            kind=self.plan.kind,
            case=slot.case,
            settings=self.plan.cases[slot.case].settings,
            round=slot.round,
            warmup=slot.warmup,
        )
        if self.is_noisy and around.guard is not None:
            around = replace(around, guard=replace(around.guard, max_wait_s=0.0))
        if time.monotonic() - self._noted_at < _TELL_EVERY_S:
            around = replace(around, progress=Silent())
        else:
            around = replace(around, progress=_Noting(around.progress, self._note_made))
        try:
            outcome = run_once(self._prepared[slot.case], around, part)
        except (Interrupted, WorkspaceError):
            raise
        except LcppError as error:
            # It could not even be started.
            self._give_up(slot.case, error)
            return
        if isinstance(outcome.error, Interrupted):
            raise outcome.error
        new = attempt.of(outcome.result, outcome.path)
        if new is not None:
            self._attempts.setdefault(slot, []).append(new)
            self._on_attempt(new)
        if outcome.error is not None and not isinstance(outcome.error, OutputLostError):
            self._give_up(slot.case, outcome.error)

    def _note_made(self) -> None:
        self._noted_at = time.monotonic()

    def _give_up(self, case: int, error: LcppError) -> None:
        self.errors[case] = error
        self.plan = plan.with_failure(self.plan, case, "run", error)
        plan.write(self.plan, self._surroundings.workspace)
        self._surroundings.progress.note(f"{self.plan.label(case)} failed, and does not run again: {error.what}")

    def end(self, how: str) -> ExperimentPlan:
        """The experiment is over: nothing is left to go on with."""
        self.plan = self.plan.model_copy(update={"ended": how})
        plan.write(self.plan, self._surroundings.workspace)
        return self.plan


class _Noting(Silent):
    """Passes on notes, and says that there was one."""

    def __init__(self, progress: Progress, on_note: Callable[[], None]) -> None:
        self._progress = progress
        self._on_note = on_note

    def note(self, text: str) -> None:
        self._progress.note(text)
        self._on_note()


def run_once(prepared: Prepared, surroundings: Surroundings, part: ExperimentPart | None = None) -> Outcome:
    """Wait for a quiet machine, then run, watched by the guard."""
    run, guard = prepared.loaded.recipe.run, surroundings.guard
    waited = None
    if guard is not None:
        waited = guard.wait_for_quiet(surroundings.progress, cpus=run.cpus, n_threads=run.n_threads)
    return execute(
        prepared,
        surroundings.workspace,
        environment=surroundings.environment,
        watch=_silent,
        part=part,
        guard=guard,
        waited=waited,
    )


def _silent(command: Command) -> OnOutput:
    return lambda stream, data, at_s: None
