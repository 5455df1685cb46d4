"""`lcpp compare`: is B slower than A, by how much, and how sure is that."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from orchestrator.cli.call import Call
from orchestrator.cli.options import collected, duration, json_option, markdown_option, share
from orchestrator.errors import ExpectationError, UsageError
from orchestrator.result.registry import PEAK_MEMORY, PROMPT
from orchestrator.text.visible import visible

if TYPE_CHECKING:
    from orchestrator.cli.output.output import Output
    from orchestrator.result.compare.comparison import Comparison

_ROUNDS = 20


class Criteria(NamedTuple):
    """What decides, and what may differ. `margin`: of 1; a change of less is none."""

    margin: float
    figure: str | None
    allow: tuple[str, ...]


class NewRuns(NamedTuple):
    """What the command line says of runs that are to be made: settings of A, of B and of both, and how to run them."""

    of_a: tuple[str, ...]
    of_b: tuple[str, ...]
    common: tuple[str, ...]
    budget_s: float
    rounds: int
    wait_s: float
    no_guard: bool
    dummy_weights: bool
    force: bool
    fresh: bool


@click.command()
@click.argument("first", metavar="A|RECIPE")
@click.argument("second", metavar="[B]", required=False)
@click.option("-a", "of_a", multiple=True, metavar="KEY.PATH=VALUE", help="With RECIPE: a setting of A.")
@click.option("-b", "of_b", multiple=True, metavar="KEY.PATH=VALUE", help="With RECIPE: a setting of B.")
@click.option("-s", "--set", "common", multiple=True, metavar="KEY.PATH=VALUE", help="With RECIPE: a setting of both.")
@click.option("--margin", metavar="PERCENT", default="3%", show_default=True, callback=share, help="A change of less.")
@click.option("--figure", metavar="NAME", help=f"The one that decides, such as {PROMPT.name} or {PEAK_MEMORY.name}.")
@click.option("--allow", multiple=True, metavar="KEY", help="May differ between A and B, such as machine or run.n_ctx.")
@click.option(
    "--budget",
    "budget_s",
    metavar="TIME",
    default="5m",
    show_default=True,
    callback=duration(least_s=1),
    help="With RECIPE: time for the runs.",
)
@click.option(
    "--rounds", type=click.IntRange(1, 1000), default=_ROUNDS, show_default=True, help="With RECIPE: runs of each."
)
@click.option(
    "--wait",
    "wait_s",
    metavar="TIME",
    default="30s",
    show_default=True,
    callback=duration(),
    help="With RECIPE: for a quiet machine, before each run.",
)
@click.option(
    "--no-guard", is_flag=True, help="With RECIPE: do not look at what else the machine does; all runs count."
)
@click.option("--dummy-weights", is_flag=True, help="With RECIPE: run random weights in the model's shape.")
@click.option("--force", is_flag=True, help="With RECIPE: run also what does not fit the memory.")
@click.option("--fresh", is_flag=True, help="With RECIPE: do not go on with an interrupted comparison.")
@json_option("One JSON document on standard output, nothing else.")
@markdown_option()
@click.pass_obj
@collected(Criteria)
@collected(NewRuns)
def compare(call: Call, criteria: Criteria, new: NewRuns, first: str, second: str | None) -> None:
    """Compare two settings of a recipe now, or two selections of stored results.

    \b
      lcpp compare recipes/smoke.yaml -a engine.ref=b3642 -b engine.ref=master
      lcpp compare recipes/smoke.yaml -b run.n_threads=2     A is the recipe as it is
      lcpp compare @santa_cruz~5 @santa_cruz                 stored ones, as in `lcpp results`

    With RECIPE, A and B run in turns until it is decided or the budget is spent. Exit code 4: B is slower than A by
    more than the margin.
    """
    if second is not None:
        if new.of_a or new.of_b or new.common:
            raise UsageError(
                "two selections are compared as they are: `-a`, `-b` and `-s` go with a recipe",
                hint="`lcpp compare RECIPE -a KEY=VALUE -b KEY=VALUE` runs both now",
            )
        comparison = _compare_stored(call, first, second, criteria)
    elif new.of_a or new.of_b:
        comparison = _compare_new(call, Path(first), new, criteria)
    else:
        raise UsageError(
            f"{visible(first)!r} alone cannot be compared",
            hint="give a second selection, as in `lcpp compare @NAME~1 @NAME`; or, with a recipe, what A and B set: "
            "`lcpp compare RECIPE -a KEY=VALUE -b KEY=VALUE`",
        )
    print_comparison(call.output, comparison)
    if comparison.is_worse:
        from orchestrator.result.compare.markdown import headline

        raise ExpectationError(
            f"{headline(comparison)}, which is more than the margin of {criteria.margin:.3g}",
            hint="if so much is allowed, raise --margin",
        )


def _compare_stored(call: Call, first: str, second: str, criteria: Criteria) -> Comparison:
    from orchestrator.result.compare.comparison import compare as compare_measurements
    from orchestrator.result.store.database import opened
    from orchestrator.result.store.selection import select

    with opened(call.workspace.runs, call.progress) as database:
        a, b = select(database, first), select(database, second)
    comparison = compare_measurements(
        a, b, margin=criteria.margin, allow=frozenset(criteria.allow), figure=criteria.figure
    )
    return with_texts_of_runs(call.workspace.runs, comparison)


def _compare_new(call: Call, recipe: Path, new: NewRuns, criteria: Criteria) -> Comparison:
    # Imported here: two stored selections are compared in the blink that these would take.
    from orchestrator.experiment.adaptive import Effort, compare_now
    from orchestrator.experiment.prepare import Preparing
    from orchestrator.experiment.runner import Surroundings
    from orchestrator.experiment.sides import sides
    from orchestrator.noise.guard import Guard

    both, n_warmup = sides(recipe, new.of_a, new.of_b, new.common)
    dummy_limit_bytes = None
    if new.dummy_weights:
        from orchestrator.cli.model.dummy import limit_bytes

        dummy_limit_bytes = limit_bytes(call.environment)
    compared = compare_now(
        both,
        Surroundings(
            workspace=call.workspace,
            environment=call.environment,
            progress=call.progress,
            guard=Guard(max_wait_s=new.wait_s, enabled=not new.no_guard),
        ),
        Preparing(dummy_limit_bytes=dummy_limit_bytes, force=new.force),
        Effort(
            margin=criteria.margin,
            figure=criteria.figure,
            budget_s=new.budget_s,
            max_rounds=new.rounds,
            warmup=max(1, n_warmup),
            allow=frozenset(criteria.allow),
        ),
        fresh=new.fresh,
    )
    return with_texts_of_runs(call.workspace.runs, compared.comparison)


def with_texts_of_runs(runs: Path, comparison: Comparison) -> Comparison:
    """The comparison with the place where the texts part, read from the results' files where they are there."""
    from orchestrator.result.compare.comparison import with_texts
    from orchestrator.result.reading import text_of

    text = comparison.text
    if text.state == "same" or text.example_a is None or text.example_b is None:
        return comparison
    a, b = text_of(runs / f"{text.example_a}.json"), text_of(runs / f"{text.example_b}.json")
    return comparison if a is None or b is None else with_texts(comparison, a, b)


def print_comparison(output: Output, comparison: Comparison) -> None:
    """Print it in the form that was asked for."""
    output.document(
        comparison, json=lambda comparison: comparison.model_dump_json(indent=1), markdown=_markdown, people=_show
    )


def _markdown(comparison: Comparison) -> str:
    from orchestrator.result.compare.markdown import markdown

    return markdown(comparison)


def _show(comparison: Comparison, output: Output) -> None:
    from orchestrator.cli.view.comparison import show

    show(comparison, output)
