"""`lcpp recipe`: check, schema, new, pin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.settings import Settings

if TYPE_CHECKING:
    from orchestrator.recipe.matrix import Cases


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
    from orchestrator.recipe.matrix import load_cases

    checked = [load_cases(path, overrides) for path in recipes]
    if as_json:
        click.echo(json.dumps([_document(one) for one in checked], ensure_ascii=False, indent=1))
        return
    for path, one in zip(recipes, checked, strict=True):
        click.echo(f"{path}: good ({one.name}, {_extent(one)}digest {one.digest[:12]})")


def _extent(cases: Cases) -> str:
    """How much there is to run, when it is more than one run."""
    said = []
    if len(cases.cases) > 1:
        said.append(f"{len(cases.cases):,} cases by {', '.join(cases.varied)}")
    if cases.repeat > 1:
        said.append(f"{cases.repeat} runs" + (" each" if said else ""))
    if cases.warmup > 0:
        said.append(f"{cases.warmup} to warm up")
    return "".join(f"{each}, " for each in said)


def _document(cases: Cases) -> dict[str, Any]:
    """A recipe for `--json`: itself when it is one case, else its cases."""
    extent = {"digest": cases.digest, "repeat": cases.repeat, "warmup": cases.warmup}
    if len(cases.cases) == 1:
        return cases.cases[0].loaded.recipe.model_dump(mode="json") | extent
    described = [
        {"settings": case.settings, "digest": case.loaded.digest, "recipe": case.loaded.recipe.model_dump(mode="json")}
        for case in cases.cases
    ]
    return {"name": cases.name} | extent | {"cases": described}


@recipe.command()
@click.option("--result", "of_result", is_flag=True, help="The schema of results in place of that of recipes.")
def schema(of_result: bool) -> None:
    """Print the JSON Schema of recipes, for editors."""
    if of_result:
        from orchestrator.result.schema import json_schema
    else:
        from orchestrator.recipe.schema.recipe import json_schema
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
    comment. What a matrix sets is left as it is, with a note.
    """
    from orchestrator.pinning import find_pins
    from orchestrator.recipe.matrix import load_cases
    from orchestrator.recipe.pin import pin as write

    cases = load_cases(recipe_file)
    changes = write(cases, find_pins(cases, settings.workspace, settings.progress, update=update))
    settings.close()
    for change in changes:
        was = "" if change.before in (None, change.after) else f" (was {change.before})"
        click.echo(settings.safe(f"{change.key}: {change.after}{was}"))
    click.echo(f"{recipe_file}: {'pinned' if changes else 'was pinned already'}")
