"""`lcpp run`: the main job."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from orchestrator.cli.settings import Settings
from orchestrator.cli.view.amounts import duration
from orchestrator.errors import ExpectationError


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("-s", "--set", "overrides", multiple=True, metavar="KEY.PATH=VALUE", help="Override a key of the recipe.")
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
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output, nothing else.")
@click.pass_obj
def run(
    settings: Settings,
    recipe: Path,
    overrides: tuple[str, ...],
    dummy_weights: bool,
    force: bool,
    fresh: bool,
    wait: float,
    no_guard: bool,
    as_json: bool,
) -> None:
    """Run RECIPE: set up what is missing, run, print the answer and a table of figures.

    A recipe with `matrix`, `repeat` or `warmup` runs as a sweep: all its cases in rounds, and a table of medians.

    The result is written to the runs folder as one JSON file, the raw transcript beside it. Exit code 4: it ran, and
    what the recipe expects does not hold.
    """
    settings.json = as_json
    from orchestrator.recipe.matrix import load_cases

    cases = load_cases(recipe, overrides)
    dummy_limit_bytes = _dummies(settings) if dummy_weights else None
    if cases.is_many:
        from orchestrator.cli.cases import run_cases
        from orchestrator.noise.guard import Guard

        run_cases(
            settings,
            cases,
            guard=Guard(max_wait_s=wait, enabled=not no_guard),
            dummy_limit_bytes=dummy_limit_bytes,
            force=force,
            fresh=fresh,
            as_json=as_json,
        )
        return
    # Imported when the recipe is known to be good.
    from orchestrator.pipeline import execute, prepare

    workspace = settings.workspace
    prepared = prepare(
        cases.cases[0].loaded,
        workspace,
        settings.progress,
        environment=settings.environment,
        dummy_limit_bytes=dummy_limit_bytes,
        force=force,
    )
    settings.close()

    from orchestrator.cli.view.live import FirstRate, LiveAnswer, silent

    if as_json or not sys.stdout.isatty():
        watch = FirstRate(settings.progress.note).watch if prepared.dummy else silent
        outcome = execute(prepared, workspace, environment=settings.environment, watch=watch)
    else:
        from rich.console import Console

        live = LiveAnswer(Console(), rate_only=prepared.dummy)
        try:
            outcome = execute(
                prepared, workspace, environment=settings.environment, watch=live.watch, on_turn=live.turn
            )
        finally:
            live.close()
    if as_json:
        click.echo(outcome.result.model_dump_json(indent=1))
        # The document has the failure; standard output gets nothing else.
        settings.json = False
    else:
        from rich.console import Console

        from orchestrator.cli.view.result import show

        show(outcome.result, outcome.path, Console(soft_wrap=False))
    if outcome.error is not None:
        raise outcome.error
    failed = [check.name for check in outcome.result.checks if not check.ok]
    if failed:
        raise ExpectationError(
            f"it ran, but what the recipe expects does not hold: {', '.join(failed)}",
            where=str(outcome.path),
            hint="the checks above say what was found; change the recipe's `expect`, or look for the cause",
        )


def _dummies(settings: Settings) -> int:
    from orchestrator.cli.model.dummy import limit_bytes  # only for dummies, as start-up time counts

    return limit_bytes(settings.environment)
