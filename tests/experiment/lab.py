"""A place to run experiments in, with a recipe for a llama.cpp that compiles in a second."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.experiment.adaptive import Compared, Effort, compare_now
from orchestrator.experiment.attempt import Attempt
from orchestrator.experiment.prepare import Preparing
from orchestrator.experiment.runner import Surroundings
from orchestrator.experiment.sides import sides
from orchestrator.experiment.sweep import Sweep, sweep
from orchestrator.noise.disturbance import Thresholds
from orchestrator.noise.guard import Guard
from orchestrator.recipe.matrix import load_cases
from orchestrator.result.schema import Result
from orchestrator.workspace import Workspace
from tests.engine.fake_upstream import Notes

RECIPE = """\
lcpp: 1
engine: {{ref: b3700, source: git, remote: {remote}}}
model: {{source: path, path: {model}}}
run: {{prompt: What is the capital of France?, n_predict: 16, n_threads: 1}}
{more}
"""
# No model can be in memory so well that a run with it is taken for quiet.
ALWAYS_DISTURBED = Guard(max_wait_s=0, thresholds=Thresholds(cached_share=2.0, settled_share=-1.0))


@dataclass
class Lab:
    """One place for experiments; each call of `sweep` is like a new call of lcpp."""

    folder: Path
    vendor: Path
    remote: Path
    model: Path
    notes: Notes = field(default_factory=Notes)
    guard: Guard = field(default_factory=lambda: Guard(enabled=False))

    @property
    def workspace(self) -> Workspace:
        return Workspace(vendor=self.vendor, runs=self.folder / "runs")

    @property
    def surroundings(self) -> Surroundings:
        return Surroundings(
            workspace=self.workspace, environment=dict(os.environ), progress=self.notes, guard=self.guard
        )

    def recipe(self, more: str = "") -> Path:
        """Write a recipe that has these lines as well."""
        path = self.folder / "trial.yaml"
        path.write_text(RECIPE.format(remote=self.remote, model=self.model, more=more))
        return path

    def sweep(self, recipe: Path, *, fresh: bool = False, stop_after: int | None = None) -> Sweep:
        """Sweep it; Ctrl-C comes when so many runs have been made."""
        on_attempt = _stopping(stop_after)
        return sweep(load_cases(recipe), self.surroundings, Preparing(), fresh=fresh, on_attempt=on_attempt)

    def compare(
        self,
        recipe: Path,
        of_a: Sequence[str] = (),
        of_b: Sequence[str] = (),
        *,
        stop_after: int | None = None,
        **effort: Any,
    ) -> Compared:
        """Compare two settings of it; Ctrl-C comes when so many runs have been made."""
        both, _ = sides(recipe, of_a, of_b)
        asked = Effort(**{"margin": 0.03, "budget_s": 120.0, "max_rounds": 20, **effort})
        on_attempt = _stopping(stop_after)
        return compare_now(both, self.surroundings, Preparing(), asked, on_attempt=on_attempt)

    def results(self) -> list[Result]:
        """All results, in the order in which they ran."""
        found = [Result.model_validate_json(path.read_bytes()) for path in self.workspace.runs.glob("*.json")]
        return sorted(found, key=lambda result: result.ran.process.started_at)


def _stopping(after: int | None) -> Callable[[Attempt], None]:
    """Presses Ctrl-C when so many runs have been made."""
    made: list[Attempt] = []

    def on_attempt(attempt: Attempt) -> None:
        made.append(attempt)
        if len(made) == after:
            raise KeyboardInterrupt

    return on_attempt
