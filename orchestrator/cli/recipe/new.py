"""`lcpp recipe new`: a recipe to start from."""

from __future__ import annotations

import click

from orchestrator.cli.call import Call


@click.command()
@click.argument("name", default="my-recipe")
@click.pass_obj
def new(call: Call, name: str) -> None:
    """Print a commented recipe to start from: `lcpp recipe new NAME > NAME.yaml`."""
    from orchestrator.recipe.template import new_recipe

    call.output.raw_text(new_recipe(name), end="")
