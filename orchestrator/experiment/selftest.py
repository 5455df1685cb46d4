"""A against A: what differences this machine shows where there are none, and the smallest one that it can resolve."""

from __future__ import annotations

from orchestrator.experiment.adaptive import Compared, Effort, RecipeSide, compare_prepared
from orchestrator.experiment.begin import OnAttempt
from orchestrator.experiment.prepare import Preparing, prepare_one
from orchestrator.experiment.runner import Surroundings
from orchestrator.recipe.load import LoadedRecipe
from orchestrator.values import replace


def selftest(
    loaded: LoadedRecipe,
    surroundings: Surroundings,
    preparing: Preparing,
    effort: Effort,
    *,
    on_attempt: OnAttempt = lambda attempt: None,
) -> Compared:
    """Compare a recipe with itself over all rounds of `effort`; nothing is decided early.

    Raises:
        LcppError: it cannot be prepared, or a run fails.
        Interrupted: Ctrl-C.
    """
    prepared = prepare_one(loaded, surroundings, preparing)
    side = RecipeSide(loaded=loaded, settings={})
    return compare_prepared(
        (side, side),
        {0: prepared, 1: prepared},
        surroundings,
        preparing,
        replace(effort, adaptive=False),
        kind="selftest",
        fresh=True,
        on_attempt=on_attempt,
    )
