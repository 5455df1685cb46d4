"""`lcpp run`: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.call import Call
from orchestrator.cli.options import duration, json_option, set_option
from orchestrator.errors import DriveError, ExpectationError

if TYPE_CHECKING:
    from orchestrator.cli.output.output import Output
    from orchestrator.experiment.document import SweepDocument
    from orchestrator.experiment.prepare import Preparing
    from orchestrator.noise.guard import Guard
    from orchestrator.pipeline import Outcome, Prepared
    from orchestrator.recipe.load import LoadedRecipe
    from orchestrator.recipe.matrix import Cases


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@set_option()
@click.option(
    "--dummy-weights",
    is_flag=True,
    help="Run random weights in the model's shape: its speed and memory without its download, and no answer.",
)
@click.option("--force", is_flag=True, help="Run also what does not fit the memory.")
@click.option("--fresh", is_flag=True, help="Begin a sweep anew; else one that was interrupted goes on.")
@click.option(
    "--wait",
    metavar="TIME",
    default="30s",
    show_default=True,
    callback=duration(),
    help="Of a sweep: for a quiet machine, before each run.",
)
@click.option("--no-guard", is_flag=True, help="Of a sweep: do not look at what else the machine does; all runs count.")
@json_option("One JSON document on standard output, nothing else.")
@click.pass_obj
def run(
    call: Call,
    recipe: Path,
    overrides: tuple[str, ...],
    dummy_weights: bool,
    force: bool,
    fresh: bool,
    wait: float,
    no_guard: bool,
) -> None:
    """Run RECIPE: set up what is missing, run, print the answer and a table of figures.

    A recipe with `matrix`, `repeat` or `warmup` runs as a sweep: all its cases in rounds, and a table of medians.

    The result is written to the runs folder as one JSON file, the raw transcript beside it. Exit code 4: it ran, and
    what the recipe expects does not hold.
    """
    from orchestrator.recipe.matrix import load_cases

    cases = load_cases(recipe, overrides)
    dummy_limit_bytes = _dummy_limit_bytes(call) if dummy_weights else None
    if not cases.is_many:
        _run_once(call, cases.cases[0].loaded, dummy_limit_bytes, force=force)
        return
    # Imported here: a single run does without.
    from orchestrator.experiment.prepare import Preparing
    from orchestrator.noise.guard import Guard

    preparing = Preparing(dummy_limit_bytes=dummy_limit_bytes, force=force)
    _run_sweep(call, cases, preparing, Guard(max_wait_s=wait, enabled=not no_guard), fresh=fresh)


def _dummy_limit_bytes(call: Call) -> int:
    from orchestrator.cli.model.dummy import limit_bytes  # only for dummies, as start-up time counts

    return limit_bytes(call.environment)


def _run_once(call: Call, loaded: LoadedRecipe, dummy_limit_bytes: int | None, *, force: bool) -> None:
    """One run.

    Raises:
        LcppError: it failed; its result says so too.
        ExpectationError: it ran, and what the recipe expects does not hold.
    """
    # Imported when the recipe is known to be good.
    from orchestrator.pipeline import prepare

    prepared = prepare(
        loaded,
        call.workspace,
        call.progress,
        environment=call.environment,
        dummy_limit_bytes=dummy_limit_bytes,
        force=force,
    )
    call.output.close()
    outcome = _execute(call, prepared)
    call.output.document(outcome, json=lambda outcome: outcome.result.model_dump_json(indent=1), people=_show_outcome)
    if outcome.error is not None:
        raise outcome.error
    unmet = [check.name for check in outcome.result.checks if not check.ok]
    if unmet:
        raise ExpectationError(
            f"it ran, but what the recipe expects does not hold: {', '.join(unmet)}",
            where=str(outcome.path),
            hint="the checks above say what was found; change the recipe's `expect`, or look for the cause",
        )


def _execute(call: Call, prepared: Prepared) -> Outcome:
    """Run it, and show the answer as it comes to whoever sits before a terminal."""
    from orchestrator.cli.view.live import FirstRate, LiveAnswer, silent
    from orchestrator.pipeline import execute

    if not call.output.is_live:
        watch = FirstRate(call.progress.note).watch if prepared.dummy else silent
        return execute(prepared, call.workspace, environment=call.environment, watch=watch)
    live = LiveAnswer(call.output.console, rate_only=prepared.dummy)
    try:
        return execute(prepared, call.workspace, environment=call.environment, watch=live.watch, on_turn=live.turn)
    finally:
        live.close()


def _show_outcome(outcome: Outcome, output: Output) -> None:
    from orchestrator.cli.view.result import show

    show(outcome.result, outcome.path, output)


def _run_sweep(call: Call, cases: Cases, preparing: Preparing, guard: Guard, *, fresh: bool) -> None:
    """All cases, then a table.

    Raises:
        DriveError: a case failed; the others have run.
        ExpectationError: all ran, and what the recipe expects does not hold in some.
        Interrupted: Ctrl-C; the same command goes on.
    """
    from orchestrator.experiment.document import document
    from orchestrator.experiment.runner import Surroundings
    from orchestrator.experiment.sweep import sweep

    surroundings = Surroundings(
        workspace=call.workspace, environment=call.environment, progress=call.progress, guard=guard
    )
    finished = document(sweep(cases, surroundings, preparing, fresh=fresh))
    call.output.document(finished, json=lambda sweep: sweep.model_dump_json(indent=1), people=_show_sweep)
    _raise_what_went_wrong(finished, call.workspace.runs)


def _show_sweep(sweep: SweepDocument, output: Output) -> None:
    from orchestrator.cli.view.sweep import show

    show(sweep, output)


def _raise_what_went_wrong(sweep: SweepDocument, runs: Path) -> None:
    failed = [case for case in sweep.cases if case.state == "failed"]
    if failed:
        first = failed[0].failure
        raise DriveError(
            f"{len(failed)} of {len(sweep.cases)} cases failed" + (f"; the first: {first.what}" if first else ""),
            where=first.where if first else None,
            hint=first.hint if first else None,
        )
    unexpected = [case for case in sweep.cases if case.state == "unexpected"]
    if unexpected:
        raise ExpectationError(
            f"all ran, but what the recipe expects does not hold in {len(unexpected)} of {len(sweep.cases)} cases",
            where=str(runs / f"{(*unexpected[0].runs, *unexpected[0].left_out)[0]}.json"),
            hint="the results' `checks` say what was found",
        )
