"""`lcpp recipe`: check, schema, new, pin."""

from __future__ import annotations

import json
from pathlib import Path

import click

from orchestrator.cli.settings import Settings


@click.group()
def recipe() -> None:
    """Check recipes, start a new one, pin one, print the JSON Schemas."""


@recipe.command()
@click.argument("recipes", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="RECIPE...")
@click.option("-s", "--set", "overrides", multiple=True, metavar="KEY.PATH=VALUE", help="Override a key of the recipe.")
@click.option("--json", "as_json", is_flag=True, help="Print the recipes, checked and complete, as one JSON document.")
@click.pass_obj
def check(settings: Settings, recipes: tuple[Path, ...], overrides: tuple[str, ...], as_json: bool) -> None:
    """Say whether each RECIPE is good, or everything that is wrong with it and where."""
    settings.json = as_json
    from orchestrator.recipe.load import load

    loaded = [load(path, overrides) for path in recipes]
    if as_json:
        documents = [one.recipe.model_dump(mode="json") | {"digest": one.digest} for one in loaded]
        click.echo(json.dumps(documents, ensure_ascii=False, indent=1))
        return
    for one in loaded:
        click.echo(f"{one.path}: good ({one.recipe.name}, digest {one.digest[:12]})")


@recipe.command()
@click.option("--result", "of_result", is_flag=True, help="The schema of results in place of that of recipes.")
def schema(of_result: bool) -> None:
    """Print the JSON Schema of recipes, for editors."""
    if of_result:
        from orchestrator.result.schema import json_schema
    else:
        from orchestrator.recipe.schema import json_schema
    click.echo(json.dumps(json_schema(), ensure_ascii=False, indent=1))


@recipe.command()
@click.argument("name", default="my-recipe")
def new(name: str) -> None:
    """Print a commented recipe to start from: `lcpp recipe new NAME > NAME.yaml`."""
    from orchestrator.recipe.template import new_recipe

    click.echo(new_recipe(name), nl=False)


@recipe.command()
@click.argument("recipe_file", type=click.Path(path_type=Path), metavar="RECIPE")
@click.option("--update", is_flag=True, help="Write size and hash anew where the recipe has others.")
@click.pass_obj
def pin(settings: Settings, recipe_file: Path, update: bool) -> None:
    """Write the exact bytes that RECIPE means today into it: the engine's commit, the model's commit, size and hash.

    Comments and layout stay. From then on, other bytes are refused. What a branch or tag was called is kept as a
    comment.
    """
    from orchestrator.pinning import find_pins
    from orchestrator.recipe.load import load
    from orchestrator.recipe.pin import pin as write

    loaded = load(recipe_file)
    changes = write(loaded, find_pins(loaded, settings.workspace, settings.progress, update=update))
    settings.close()
    for change in changes:
        was = "" if change.before in (None, change.after) else f" (was {change.before})"
        click.echo(settings.safe(f"{change.key}: {change.after}{was}"))
    click.echo(f"{recipe_file}: {'pinned' if changes else 'was pinned already'}")
