"""`lcpp setup`: all that a recipe needs, or the default llama.cpp."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.cli.call import Call
from orchestrator.cli.options import set_option
from orchestrator.cli.output.output import Output
from orchestrator.engine.build.build import Engine
from orchestrator.engine.setup import setup_engine
from orchestrator.programs.all_programs import FIRST_SET
from orchestrator.recipe.schema.recipe import EngineSpec
from orchestrator.text.numbers import mib

_DEFAULT = Path(__file__).with_name("default.yaml")


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path), required=False)
@set_option()
@click.option("--force", is_flag=True, help="Fetch also a model whose run does not fit the memory.")
@click.pass_obj
def setup(call: Call, recipe: Path | None, overrides: tuple[str, ...], force: bool) -> None:
    """Get and build llama.cpp; with RECIPE, all that it needs: its engine and its model.

    Without RECIPE it is the llama.cpp of b3642 (August 2024, the last summer in which `make` just worked), with
    llama-simple, llama-cli and llama-bench; `-s engine.ref=…` takes another. What is there already is used at once.
    """
    workspace, progress, environment = call.workspace, call.progress, call.environment
    if recipe is None:
        engine = setup_engine(
            _bare_spec(overrides),
            lambda dialect: FIRST_SET,
            workspace,
            progress,
            base=Path.cwd(),
            environment=environment,
        )
        _show_engine(engine, call.output)
        return
    # Imported here: with no recipe and nothing to do, start-up is all the time there is.
    from orchestrator.pipeline import prepare
    from orchestrator.recipe.matrix import load_cases

    for loaded in load_cases(recipe, overrides).to_set_up:
        prepared = prepare(loaded, workspace, progress, environment=environment, force=force)
        _show_engine(prepared.engine, call.output)
        model = prepared.model
        call.output.line(f"model      {model.origin}")
        call.output.line(f"           {mib(model.size_bytes)} MiB at {model.path}")


def _bare_spec(overrides: tuple[str, ...]) -> EngineSpec:
    if not overrides:
        return EngineSpec()
    from orchestrator.recipe.load import load

    return load(_DEFAULT, overrides).recipe.engine


def _show_engine(engine: Engine, output: Output) -> None:
    manifest = engine.manifest
    number = "" if manifest.build_number is None else f"b{manifest.build_number}, "
    commit = (manifest.commit or manifest.fingerprint)[:12]
    state = "already built" if engine.reused else f"built in {manifest.duration_s:.0f} s"
    output.line(f"llama.cpp  {number}{commit}, by {manifest.build_system}: {state}")
    output.line(f"           {', '.join(sorted(manifest.programs))} in {engine.directory / 'bin'}")
