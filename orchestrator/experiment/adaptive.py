"""Two cases run in turns until their difference is decided, or the budget is spent."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Literal

from orchestrator.errors import DriveError, LcppError
from orchestrator.experiment.begin import OnAttempt, begun
from orchestrator.experiment.order import one_round
from orchestrator.experiment.plan import ExperimentPlan, Kind
from orchestrator.experiment.prepare import Preparing, prepare_one
from orchestrator.experiment.runner import Runner, Surroundings
from orchestrator.pipeline import Prepared
from orchestrator.recipe.load import LoadedRecipe
from orchestrator.result.compare.comparison import Comparison, compare, decided
from orchestrator.result.measurement import Measurement
from orchestrator.text.numbers import duration
from orchestrator.values import Value

Ended = Literal["decided", "rounds", "budget", "noise"]
_NAMES = ("A", "B")


class RecipeSide(Value):
    """A or B: its recipe and the settings that set it apart."""

    loaded: LoadedRecipe
    settings: Mapping[str, str]


Sides = tuple[RecipeSide, RecipeSide]


class Effort(Value):
    """How much is done for a verdict.

    Args:
        margin: a change of less than this share is none.
        budget_s: no round begins that would end later than so many seconds after the first run.
        max_rounds: nor more rounds than this.
        warmup: runs of each side before those that count.
        adaptive: stop as soon as it is decided; else all rounds are run.
        allow: settings that may differ though nobody gave them with -a or -b.
        figure: the one that decides; None: the first that both have.
    """

    margin: float
    budget_s: float
    max_rounds: int
    warmup: int = 1
    adaptive: bool = True
    allow: frozenset[str] = frozenset()
    figure: str | None = None


class Compared(Value):
    """The comparison and how it came to its end."""

    plan: ExperimentPlan
    comparison: Comparison
    ended: Ended
    n_rounds: int
    measurements: tuple[tuple[Measurement, ...], tuple[Measurement, ...]]


def compare_now(
    sides: Sides,
    surroundings: Surroundings,
    preparing: Preparing,
    effort: Effort,
    *,
    kind: Kind = "compare",
    fresh: bool = False,
    on_attempt: OnAttempt = lambda attempt: None,
) -> Compared:
    """Prepare both sides, then run them in turns (A B, B A, …) until the verdict is there or the effort is spent.

    Raises:
        LcppError: a side cannot be prepared, or its run fails.
        Interrupted: Ctrl-C; the same call goes on.
    """
    prepared = {}
    for index, side in enumerate(sides):
        try:
            prepared[index] = prepare_one(side.loaded, surroundings, preparing)
        except LcppError as error:
            raise _of_side(index, side, error)  # noqa: B904 - the same error, with the side in it
    return compare_prepared(
        sides, prepared, surroundings, preparing, effort, kind=kind, fresh=fresh, on_attempt=on_attempt
    )


def compare_prepared(
    sides: Sides,
    prepared: Mapping[int, Prepared],
    surroundings: Surroundings,
    preparing: Preparing,
    effort: Effort,
    *,
    kind: Kind = "compare",
    fresh: bool = False,
    on_attempt: OnAttempt = lambda attempt: None,
) -> Compared:
    """As `compare_now`, of sides that are prepared."""
    with begun(
        kind,
        [(side.settings, side.loaded) for side in sides],
        prepared,
        {},
        surroundings,
        repeat=None,
        warmup=effort.warmup,
        settings={"dummy": preparing.dummy_limit_bytes is not None},
        fresh=fresh,
        on_attempt=on_attempt,
    ) as runner:
        return _Turns(runner, sides, surroundings, effort).run()


class _Turns:
    """The rounds of one comparison."""

    def __init__(self, runner: Runner, sides: Sides, surroundings: Surroundings, effort: Effort) -> None:
        self._runner = runner
        self._sides = sides
        self._progress = surroundings.progress
        self._effort = effort
        self._begun = time.monotonic()

    def run(self) -> Compared:
        for number in range(self._effort.warmup):
            self._round(number, warmup=True)
        number = 0
        while True:
            self._round(number)
            number += 1
            comparison = self._compare()
            ended = self._ended(number, comparison)
            if ended is not None:
                break
        a, b = (tuple(self._runner.measurements(index)) for index in (0, 1))
        notes = (*comparison.notes, *self._how(ended, number))
        return Compared(
            plan=self._runner.end(ended),
            comparison=comparison.model_copy(update={"notes": notes}),
            ended=ended,
            n_rounds=number,
            measurements=(a, b),
        )

    def _how(self, ended: Ended, n_rounds: int) -> tuple[str, ...]:
        """Why there are no more runs, where that is not the verdict."""
        rounds = "1 round" if n_rounds == 1 else f"{n_rounds} rounds"
        words = {
            "rounds": f"ended after all {rounds}",
            "budget": f"the budget of {duration(self._effort.budget_s)} was spent after {rounds}",
            "noise": f"ended after {rounds}: the machine did not become quiet",
        }
        asked_for = ended == "decided" or (ended == "rounds" and not self._effort.adaptive)
        return () if asked_for else (words[ended],)

    def _round(self, number: int, *, warmup: bool = False) -> None:
        slots = one_round((0, 1), number, warmup=warmup)
        if any(self._runner.wants(slot) for slot in slots):
            self._progress.stage(self._title(number, warmup))
        for slot in slots:
            self._progress.advance(self._spent_s, self._effort.budget_s, _NAMES[slot.case])
            self._runner.fill(slot)
            given_up = self._runner.plan.failure_of(slot.case)
            if given_up is not None:
                self._runner.end("failed")
                failure = given_up.failure
                error = self._runner.errors.get(slot.case) or DriveError(
                    failure.what, where=failure.where, hint=failure.hint
                )
                raise _of_side(slot.case, self._sides[slot.case], error)

    def _title(self, number: int, warmup: bool) -> str:
        what = f"warm-up {number + 1}" if warmup else f"round {number + 1}"
        left_s = self._effort.budget_s - self._spent_s
        rounds_left = self._effort.max_rounds - (0 if warmup else number)
        need_s = self._runner.pace.left_s((0, 1) * rounds_left)
        if need_s is not None:
            left_s = min(left_s, need_s)
        return f"{what}; at most {duration(left_s)} left" if left_s > 0 else what

    @property
    def _spent_s(self) -> float:
        return time.monotonic() - self._begun

    def _compare(self) -> Comparison:
        runner, effort = self._runner, self._effort
        return compare(
            runner.measurements(0),
            runner.measurements(1),
            margin=effort.margin,
            allow=effort.allow,
            figure=effort.figure,
        )

    def _ended(self, number: int, comparison: Comparison) -> Ended | None:
        if self._effort.adaptive and decided(comparison):
            return "decided"
        if number >= self._effort.max_rounds:
            return "rounds"
        if self._runner.is_noisy:
            return "noise"
        next_s = self._runner.pace.left_s((0, 1)) or 0.0
        return "budget" if self._spent_s + next_s > self._effort.budget_s else None


def _of_side(index: int, side: RecipeSide, error: LcppError) -> LcppError:
    """The error, with the side that it is of."""
    apart = ", ".join(f"{key}={value}" for key, value in side.settings.items())
    error.what = f"{_NAMES[index]}{f' ({apart})' if apart else ''}: {error.what}"
    return error
