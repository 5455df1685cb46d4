"""`lcpp recipe schema`: the JSON Schemas."""

from __future__ import annotations

import click

from orchestrator.cli.call import Call
from orchestrator.cli.output.output import json_text


@click.command()
@click.option("--result", "of_result", is_flag=True, help="The schema of results in place of that of recipes.")
@click.pass_obj
def schema(call: Call, of_result: bool) -> None:
    """Print the JSON Schema of recipes, for editors."""
    if of_result:
        from orchestrator.result.schema import json_schema
    else:
        from orchestrator.recipe.schema.recipe import json_schema
    call.output.raw_text(json_text(json_schema()))
