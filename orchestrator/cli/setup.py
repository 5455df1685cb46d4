"""`lcpp setup`: all that a recipe needs, or the default llama.cpp."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.cli.settings import Settings
from orchestrator.engine.build.build import Engine
from orchestrator.engine.setup import setup_engine
from orchestrator.programs.all_programs import FIRST_SET
from orchestrator.recipe.schema.recipe import EngineSpec

_DEFAULT = Path(__file__).with_name("default.yaml")


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path), required=False)
@click.option("-s", "--set", "overrides", multiple=True, metavar="KEY.PATH=VALUE", help="Override a key of the recipe.")
@click.option("--force", is_flag=True, help="Fetch also a model whose run does not fit the memory.")
@click.pass_obj
def setup(settings: Settings, recipe: Path | None, overrides: tuple[str, ...], force: bool) -> None:
    """Get and build llama.cpp; with RECIPE, all that it needs: its engine and its model.

    Without RECIPE it is the llama.cpp of b3642 (August 2024, the last summer in which `make` just worked), with
    llama-simple, llama-cli and llama-bench; `-s engine.ref=…` takes another. What is there already is used at once.
    """
    workspace, progress, environment = settings.workspace, settings.progress, settings.environment
    if recipe is None:
        engine = setup_engine(
            _bare_spec(overrides),
            lambda dialect: FIRST_SET,
            workspace,
            progress,
            base=Path.cwd(),
            environment=environment,
        )
        settings.close()
        _tell_engine(engine)
        return
    # Imported here: with no recipe and nothing to do, start-up is all the time there is.
    from orchestrator.pipeline import prepare
    from orchestrator.recipe.matrix import load_cases

    for loaded in load_cases(recipe, overrides).to_set_up:
        prepared = prepare(loaded, workspace, progress, environment=environment, force=force)
        settings.close()
        _tell_engine(prepared.engine)
        model = prepared.model
        click.echo(f"model      {model.origin}")
        click.echo(f"           {model.size_bytes / 2**20:,.0f} MiB at {model.path}")


def _bare_spec(overrides: tuple[str, ...]) -> EngineSpec:
    if not overrides:
        return EngineSpec()
    from orchestrator.recipe.load import load

    return load(_DEFAULT, overrides).recipe.engine


def _tell_engine(engine: Engine) -> None:
    made = engine.manifest
    number = "" if made.build_number is None else f"b{made.build_number}, "
    state = "already built" if engine.reused else f"built in {made.duration_s:.0f} s"
    click.echo(f"llama.cpp  {number}{(made.commit or made.fingerprint)[:12]}, by {made.build_system}: {state}")
    click.echo(f"           {', '.join(sorted(made.programs))} in {engine.directory / 'bin'}")
