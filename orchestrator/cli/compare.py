"""`lcpp compare`: is B slower than A, by how much, and how sure is that."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.settings import Settings
from orchestrator.cli.view.amounts import duration, share
from orchestrator.errors import ExpectationError, UsageError
from orchestrator.result.registry import PEAK_MEMORY, PROMPT

if TYPE_CHECKING:
    from orchestrator.result.compare.comparison import Comparison

_ROUNDS = 20


@dataclass(frozen=True, kw_only=True)
class _Now:
    """What the command line says of runs that are to be made."""

    recipe: Path
    of_a: tuple[str, ...]
    of_b: tuple[str, ...]
    common: tuple[str, ...]
    budget_s: float
    rounds: int
    wait_s: float
    guarded: bool
    dummy: bool
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
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output, nothing else.")
@click.option("--markdown", is_flag=True, help="Markdown for an issue on standard output.")
@click.pass_obj
def compare(
    settings: Settings,
    first: str,
    second: str | None,
    of_a: tuple[str, ...],
    of_b: tuple[str, ...],
    common: tuple[str, ...],
    margin: float,
    figure: str | None,
    allow: tuple[str, ...],
    budget: float,
    rounds: int,
    wait: float,
    no_guard: bool,
    dummy_weights: bool,
    force: bool,
    fresh: bool,
    as_json: bool,
    markdown: bool,
) -> None:
    """Compare two settings of a recipe now, or two selections of stored results.

    \b
      lcpp compare recipes/smoke.yaml -a engine.ref=b3642 -b engine.ref=master
      lcpp compare recipes/smoke.yaml -b run.n_threads=2     A is the recipe as it is
      lcpp compare @santa_cruz~5 @santa_cruz                 stored ones, as in `lcpp results`

    With RECIPE, A and B run in turns until it is decided or the budget is spent. Exit code 4: B is slower than A by
    more than the margin.
    """
    settings.json = as_json
    if as_json and markdown:
        raise UsageError("`--json` and `--markdown` cannot be combined", hint="take one of them")
    allowed = frozenset(allow)
    if second is not None:
        if of_a or of_b or common:
            raise UsageError(
                "two selections are compared as they are: `-a`, `-b` and `-s` go with a recipe",
                hint="`lcpp compare RECIPE -a KEY=VALUE -b KEY=VALUE` runs both now",
            )
        comparison = _stored(settings, first, second, margin, figure, allowed)
    elif of_a or of_b:
        now = _Now(
            recipe=Path(first),
            of_a=of_a,
            of_b=of_b,
            common=common,
            budget_s=budget,
            rounds=rounds,
            wait_s=wait,
            guarded=not no_guard,
            dummy=dummy_weights,
            force=force,
            fresh=fresh,
        )
        comparison = _now(settings, now, margin, figure, allowed)
    else:
        raise UsageError(
            f"{Settings.safe(first)!r} alone cannot be compared",
            hint="give a second selection, as in `lcpp compare @NAME~1 @NAME`; or, with a recipe, what A and B set: "
            "`lcpp compare RECIPE -a KEY=VALUE -b KEY=VALUE`",
        )
    settings.close()
    _print(settings, comparison, as_json=as_json, markdown=markdown)
    if comparison.is_worse:
        # The document says it too; standard output gets nothing else.
        settings.json = False
        from orchestrator.result.compare.markdown import headline

        raise ExpectationError(
            f"{headline(comparison)}, which is more than the margin of {margin:.3g}",
            hint="if so much is allowed, raise --margin",
        )


def _stored(
    settings: Settings, first: str, second: str, margin: float, figure: str | None, allowed: frozenset[str]
) -> Comparison:
    from orchestrator.result.compare.comparison import compare as compare_measurements
    from orchestrator.result.store.database import opened
    from orchestrator.result.store.selection import select

    with opened(settings.workspace.runs, settings.progress) as database:
        a, b = select(database, first), select(database, second)
    made = compare_measurements(a, b, margin=margin, allow=allowed, figure=figure)
    return with_texts_of_runs(settings, made)


def _now(settings: Settings, now: _Now, margin: float, figure: str | None, allowed: frozenset[str]) -> Comparison:
    # Imported here: two stored selections are compared in the blink that these would take.
    from orchestrator.experiment.adaptive import Effort, compare_now
    from orchestrator.experiment.prepare import Preparing
    from orchestrator.experiment.runner import Surroundings
    from orchestrator.experiment.sides import sides
    from orchestrator.noise.guard import Guard

    both, n_warmup = sides(now.recipe, now.of_a, now.of_b, now.common)
    dummy_limit = None
    if now.dummy:
        from orchestrator.cli.model.dummy import limit_bytes

        dummy_limit = limit_bytes(settings.environment)
    made = compare_now(
        both,
        Surroundings(
            workspace=settings.workspace,
            environment=settings.environment,
            progress=settings.progress,
            guard=Guard(max_wait_s=now.wait_s, enabled=now.guarded),
        ),
        Preparing(dummy_limit_bytes=dummy_limit, force=now.force),
        Effort(
            margin=margin,
            figure=figure,
            budget_s=now.budget_s,
            max_rounds=now.rounds,
            warmup=max(1, n_warmup),
            allow=allowed,
        ),
        fresh=now.fresh,
    )
    return with_texts_of_runs(settings, made.comparison)


def with_texts_of_runs(settings: Settings, comparison: Comparison) -> Comparison:
    """The comparison with the place where the texts part, read from the results' files where they are there."""
    from orchestrator.result.compare.comparison import with_texts
    from orchestrator.result.reading import text_of

    text = comparison.text
    if text.state == "same" or text.example_a is None or text.example_b is None:
        return comparison
    runs = settings.workspace.runs
    a, b = text_of(runs / f"{text.example_a}.json"), text_of(runs / f"{text.example_b}.json")
    return comparison if a is None or b is None else with_texts(comparison, a, b)


def _print(settings: Settings, comparison: Comparison, *, as_json: bool, markdown: bool) -> None:
    if as_json:
        click.echo(comparison.model_dump_json(indent=1))
    elif markdown:
        from orchestrator.result.compare.markdown import markdown as as_markdown

        click.echo(as_markdown(comparison))
    else:
        from rich.console import Console

        from orchestrator.cli.view.comparison import show

        show(comparison, Console(soft_wrap=False))
