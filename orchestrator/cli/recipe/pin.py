"""`lcpp recipe pin`: write into a recipe the exact bytes that it means."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.cli.call import Call


@click.command()
@click.argument("recipe_file", type=click.Path(path_type=Path), metavar="RECIPE")
@click.option("--update", is_flag=True, help="Write size and hash anew where the recipe has others.")
@click.pass_obj
def pin(call: Call, recipe_file: Path, update: bool) -> None:
    """Write the exact bytes that RECIPE means today into it: the engine's commit, the model's commit, size and hash.

    Comments and layout stay. From then on, other bytes are refused. What a branch or tag was called is kept as a
    comment. What a matrix sets is left as it is, with a note.
    """
    from orchestrator.pinning import find_pins
    from orchestrator.recipe.matrix import load_cases
    from orchestrator.recipe.pin import pin as write

    cases = load_cases(recipe_file)
    changes = write(cases, find_pins(cases, call.workspace, call.progress, update=update))
    for change in changes:
        was = "" if change.before in (None, change.after) else f" (was {change.before})"
        call.output.line(f"{change.key}: {change.after}{was}")
    call.output.line(f"{recipe_file}: {'pinned' if changes else 'was pinned already'}")
