"""All cases of an experiment set up before the first run is measured: engines built, models fetched."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.errors import Interrupted, LcppError
from orchestrator.experiment.runner import Surroundings
from orchestrator.pipeline import Prepared, prepare
from orchestrator.recipe.load import LoadedRecipe
from orchestrator.values import Value


class Preparing(Value):
    """How models are had. `dummy_limit_bytes`: dummies, which may take so much of the disk; None: the real ones.
    `force`: run also what does not fit the memory."""

    dummy_limit_bytes: int | None = None
    force: bool = False


def prepare_one(loaded: LoadedRecipe, surroundings: Surroundings, preparing: Preparing) -> Prepared:
    """Set up one case.

    Raises:
        LcppError: of the stage that failed.
    """
    return prepare(
        loaded,
        surroundings.workspace,
        surroundings.progress,
        environment=surroundings.environment,
        dummy_limit_bytes=preparing.dummy_limit_bytes,
        force=preparing.force,
    )


def prepare_all(
    recipes: Sequence[LoadedRecipe], surroundings: Surroundings, preparing: Preparing
) -> tuple[dict[int, Prepared], dict[int, LcppError]]:
    """Set up all cases; those that could be, and why the others could not, by their index."""
    done: dict[int, Prepared] = {}
    failed: dict[int, LcppError] = {}
    for index, loaded in enumerate(recipes):
        try:
            done[index] = prepare_one(loaded, surroundings, preparing)
        except Interrupted:
            raise
        except LcppError as error:
            failed[index] = error
    return done, failed


def runs_on(prepared: Prepared) -> str:
    """What a case runs on: when it is another, its earlier runs say nothing of it."""
    manifest = prepared.engine.manifest
    program = manifest.programs.get(prepared.plan.name)
    return f"{program.sha256 if program else manifest.fingerprint} {prepared.model.sha256}"
