"""`lcpp selftest`: which change this machine can resolve."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.cli.settings import Settings
from orchestrator.cli.view.amounts import duration, share
from orchestrator.errors import ExpectationError, LcppError

_RECIPE = Path(__file__).with_name("selftest.yaml")


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path), required=False)
@click.option("-s", "--set", "overrides", multiple=True, metavar="KEY.PATH=VALUE", help="Override a key of the recipe.")
@click.option("--margin", metavar="PERCENT", default="3%", show_default=True, callback=share, help="A change of less.")
@click.option("--rounds", type=click.IntRange(5, 1000), default=10, show_default=True, help="Runs of each side.")
@click.option(
    "--budget", metavar="TIME", default="10m", show_default=True, callback=duration(least_s=1), help="At most."
)
@click.option(
    "--wait", metavar="TIME", default="30s", show_default=True, callback=duration(), help="For quiet, each time."
)
@click.option("--no-guard", is_flag=True, help="Do not look at what else the machine does; all runs count.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output, nothing else.")
@click.pass_obj
def selftest(
    settings: Settings,
    recipe: Path | None,
    overrides: tuple[str, ...],
    margin: float,
    rounds: int,
    budget: float,
    wait: float,
    no_guard: bool,
    as_json: bool,
) -> None:
    """Compare RECIPE with itself: the difference should be none, and how small a one would be seen is said.

    Without RECIPE it is a text of 200 tokens by SmolLM2-135M. Exit code 4: this machine shows a difference where there
    is none, so its figures cannot be trusted; 1: it does not become quiet.
    """
    settings.json = as_json
    from orchestrator.experiment.adaptive import Effort
    from orchestrator.experiment.prepare import Preparing
    from orchestrator.experiment.runner import Surroundings
    from orchestrator.experiment.selftest import selftest as run
    from orchestrator.noise.guard import Guard
    from orchestrator.recipe.load import load

    made = run(
        load(recipe or _RECIPE, overrides),
        Surroundings(
            workspace=settings.workspace,
            environment=settings.environment,
            progress=settings.progress,
            guard=Guard(max_wait_s=wait, enabled=not no_guard),
        ),
        Preparing(),
        Effort(margin=margin, budget_s=budget, max_rounds=rounds),
    )
    settings.close()
    if as_json:
        click.echo(made.comparison.model_dump_json(indent=1))
        settings.json = False
    else:
        from rich.console import Console

        from orchestrator.cli.view.comparison import show

        show(made.comparison, Console(soft_wrap=False))
    if made.ended == "noise":
        raise LcppError(
            "the machine did not become quiet, so nothing can be said of what it can resolve",
            hint="stop what else it does, or wait longer with --wait",
        )
    wrong = [one.label for one in made.comparison.figures if one.verdict in ("faster", "slower")]
    if made.comparison.verdict in ("faster", "slower"):
        raise ExpectationError(
            f"the same program on the same model seems to differ from itself: {', '.join(wrong)}",
            hint="look for what disturbs this machine (`lcpp doctor`), or take more --rounds",
        )
