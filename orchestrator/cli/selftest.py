"""`lcpp selftest`: which change this machine can resolve."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import click

from orchestrator.cli.call import Call
from orchestrator.cli.options import collected, duration, json_option, set_option, share
from orchestrator.errors import ExpectationError, LcppError

_RECIPE = Path(__file__).with_name("selftest.yaml")


class SelftestRuns(NamedTuple):
    """How much is run. `margin`: of 1; a change of less is none."""

    margin: float
    rounds: int
    budget_s: float
    wait_s: float
    no_guard: bool


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path), required=False)
@set_option()
@click.option("--margin", metavar="PERCENT", default="3%", show_default=True, callback=share, help="A change of less.")
@click.option("--rounds", type=click.IntRange(5, 1000), default=10, show_default=True, help="Runs of each side.")
@click.option(
    "--budget",
    "budget_s",
    metavar="TIME",
    default="10m",
    show_default=True,
    callback=duration(least_s=1),
    help="At most.",
)
@click.option(
    "--wait",
    "wait_s",
    metavar="TIME",
    default="30s",
    show_default=True,
    callback=duration(),
    help="For quiet, each time.",
)
@click.option("--no-guard", is_flag=True, help="Do not look at what else the machine does; all runs count.")
@json_option("One JSON document on standard output, nothing else.")
@click.pass_obj
@collected(SelftestRuns)
def selftest(call: Call, runs: SelftestRuns, recipe: Path | None, overrides: tuple[str, ...]) -> None:
    """Compare RECIPE with itself: the difference should be none, and how small a one would be seen is said.

    Without RECIPE it is a text of 200 tokens by SmolLM2-135M. Exit code 4: this machine shows a difference where there
    is none, so its figures cannot be trusted; 1: it does not become quiet.
    """
    from orchestrator.cli.compare import print_comparison
    from orchestrator.experiment.adaptive import Effort
    from orchestrator.experiment.prepare import Preparing
    from orchestrator.experiment.runner import Surroundings
    from orchestrator.experiment.selftest import selftest as run
    from orchestrator.noise.guard import Guard
    from orchestrator.recipe.load import load

    compared = run(
        load(recipe or _RECIPE, overrides),
        Surroundings(
            workspace=call.workspace,
            environment=call.environment,
            progress=call.progress,
            guard=Guard(max_wait_s=runs.wait_s, enabled=not runs.no_guard),
        ),
        Preparing(),
        Effort(margin=runs.margin, budget_s=runs.budget_s, max_rounds=runs.rounds),
    )
    comparison = compared.comparison
    print_comparison(call.output, comparison)
    if compared.ended == "noise":
        raise LcppError(
            "the machine did not become quiet, so nothing can be said of what it can resolve",
            hint="stop what else it does, or wait longer with --wait",
        )
    if comparison.verdict in ("faster", "slower"):
        wrong = [figure.label for figure in comparison.figures if figure.verdict in ("faster", "slower")]
        raise ExpectationError(
            f"the same program on the same model seems to differ from itself: {', '.join(wrong)}",
            hint="look for what disturbs this machine (`lcpp doctor`), or take more --rounds",
        )
