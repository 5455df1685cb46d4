"""`lcpp setup`: all that a recipe needs, or the default llama.cpp."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.cli.settings import Settings
from orchestrator.engine.build import Engine
from orchestrator.engine.setup import setup_engine
from orchestrator.recipe.load import load

_DEFAULT = Path(__file__).with_name("default.yaml")


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path), required=False)
@click.option("-s", "--set", "overrides", multiple=True, metavar="KEY.PATH=VALUE", help="Override a key of the recipe.")
@click.pass_obj
def setup(settings: Settings, recipe: Path | None, overrides: tuple[str, ...]) -> None:
    """Get and build llama.cpp; with RECIPE, all that it needs: its engine and its model.

    Without RECIPE it is the llama.cpp of b3642 (August 2024, the last summer in which `make` just worked), with
    llama-simple, llama-cli and llama-bench; `-s engine.ref=…` takes another. What is there already is used at once.
    """
    workspace, progress, environment = settings.workspace, settings.progress, settings.environment
    if recipe is None:
        loaded = load(_DEFAULT, overrides)
        spec = loaded.recipe.engine
        engine = setup_engine(
            spec, lambda dialect: spec.programs, workspace, progress, base=Path.cwd(), environment=environment
        )
        settings.close()
        _tell_engine(engine)
        return
    loaded = load(recipe, overrides)
    # Imported here: without a recipe nothing is driven, and with nothing to do start-up is all the time there is.
    from orchestrator.pipeline import prepare

    prepared = prepare(loaded, workspace, progress, environment=environment)
    settings.close()
    _tell_engine(prepared.engine)
    model = prepared.model
    click.echo(f"model      {model.origin}")
    click.echo(f"           {model.size_bytes / 2**20:,.0f} MiB at {model.path}")


def _tell_engine(engine: Engine) -> None:
    made = engine.manifest
    number = "" if made.build_number is None else f"b{made.build_number}, "
    state = "already built" if engine.reused else f"built in {made.duration_s:.0f} s"
    click.echo(f"llama.cpp  {number}{(made.commit or made.fingerprint)[:12]}, by {made.build_system}: {state}")
    click.echo(f"           {', '.join(sorted(made.programs))} in {engine.directory / 'bin'}")
