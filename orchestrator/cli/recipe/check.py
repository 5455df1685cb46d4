"""`lcpp recipe check`: whether recipes are good, or all that is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.call import Call
from orchestrator.cli.options import json_option, set_option
from orchestrator.cli.output.output import Output, json_text

if TYPE_CHECKING:
    from orchestrator.recipe.matrix import Cases


@click.command()
@click.argument("recipes", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="RECIPE...")
@set_option()
@json_option("Print the recipes, checked and complete, as one JSON document.")
@click.pass_obj
def check(call: Call, recipes: tuple[Path, ...], overrides: tuple[str, ...]) -> None:
    """Say whether each RECIPE is good, or everything that is wrong with it and where."""
    from orchestrator.recipe.matrix import load_cases

    checked = [(path, load_cases(path, overrides)) for path in recipes]
    call.output.document(
        checked, json=lambda checked: json_text([_document(cases) for _, cases in checked]), people=_show
    )


def _show(checked: list[tuple[Path, Cases]], output: Output) -> None:
    for path, cases in checked:
        output.line(f"{path}: good ({cases.name}, {_extent(cases)}digest {cases.digest[:12]})")


def _extent(cases: Cases) -> str:
    """How much there is to run, when it is more than one run."""
    parts = []
    if len(cases.cases) > 1:
        parts.append(f"{len(cases.cases):,} cases by {', '.join(cases.varied)}")
    if cases.repeat > 1:
        parts.append(f"{cases.repeat} runs" + (" each" if parts else ""))
    if cases.warmup > 0:
        parts.append(f"{cases.warmup} to warm up")
    return "".join(f"{part}, " for part in parts)


def _document(cases: Cases) -> Mapping[str, Any]:
    """A recipe for `--json`: itself when it is one case, else its cases."""
    extent = {"digest": cases.digest, "repeat": cases.repeat, "warmup": cases.warmup}
    if len(cases.cases) == 1:
        return cases.cases[0].loaded.recipe.model_dump(mode="json") | extent
    described = [
        {"settings": case.settings, "digest": case.loaded.digest, "recipe": case.loaded.recipe.model_dump(mode="json")}
        for case in cases.cases
    ]
    return {"name": cases.name} | extent | {"cases": described}
