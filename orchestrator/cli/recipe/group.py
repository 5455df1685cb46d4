"""`lcpp recipe`: check, schema, new, pin."""

from __future__ import annotations

import click

from orchestrator.cli.recipe.check import check
from orchestrator.cli.recipe.new import new
from orchestrator.cli.recipe.pin import pin
from orchestrator.cli.recipe.schema import schema


@click.group()
def recipe() -> None:
    """Check recipes, start a new one, pin one, print the JSON Schemas."""


for command in (check, schema, new, pin):
    recipe.add_command(command)
