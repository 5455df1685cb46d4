"""`lcpp model fit`: whether a recipe's run fits the memory of this machine, before anything is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
from msgspec import to_builtins

from orchestrator.cli.call import Call
from orchestrator.cli.options import json_option, set_option
from orchestrator.cli.output.output import Output, json_text
from orchestrator.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.eras.dialect import Dialect
    from orchestrator.model.memory.check import MemoryCheck
    from orchestrator.result.memory_history import PartHistory, PastRun


class Estimated(NamedTuple):
    """A recipe's memory, for which llama.cpp, and a note on how that is known."""

    check: MemoryCheck
    dialect: Dialect
    note: str | None


class PastEstimates(NamedTuple):
    """The runs that have an estimate, and how good each part of it was."""

    folder: Path
    runs: Sequence[PastRun]
    parts: Sequence[PartHistory]


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path), required=False)
@set_option()
@click.option("--history", is_flag=True, help="Show how good the estimates of past runs have been.")
@json_option()
@click.pass_obj
def fit(call: Call, recipe: Path | None, overrides: tuple[str, ...], history: bool) -> None:
    """Estimate the memory that a run of RECIPE takes, by part, and say whether it fits this machine.

    Nothing is built or downloaded but the model's header. Exit code 0 also when it does not fit: the verdict is the
    answer.
    """
    if history:
        if recipe is not None or overrides:
            raise UsageError("`--history` is about all past runs: leave the recipe out", where="lcpp model fit")
        call.output.document(_past_estimates(call.workspace.runs), json=_past_json, people=_show_past)
        return
    if recipe is None:
        raise UsageError("name a recipe, or `--history`", where="lcpp model fit", hint="lcpp model fit RECIPE")
    call.output.document(_estimated(call, recipe, overrides), json=_json, people=_show)


def _estimated(call: Call, path: Path, overrides: tuple[str, ...]) -> Estimated:
    from orchestrator.engine.known import known_dialect
    from orchestrator.model.memory.check import check_memory, read_shape
    from orchestrator.programs.plan.make import outline
    from orchestrator.recipe.load import load

    loaded = load(path, overrides)
    recipe = loaded.recipe
    dialect, note = known_dialect(recipe.engine, call.workspace, base=loaded.base)
    plan = outline(recipe.run, dialect, prompt=loaded.prompt, prompts=loaded.prompts)
    shape = read_shape(recipe.model, call.workspace, call.progress, base=loaded.base)
    check = check_memory(plan, shape, options=recipe.engine.options)
    return Estimated(check, dialect, note)


def _json(estimated: Estimated) -> str:

    verdict = estimated.check.fit
    available = verdict.available
    document = {
        "lcpp_model_fit": 1,
        "verdict": verdict.state,
        "build": estimated.dialect.name,
        "note": estimated.note,
        "needed_bytes": verdict.estimate.needed_bytes,
        "usable_bytes": available.usable_bytes,
        "estimate": to_builtins(verdict.estimate) | {"loader_bytes": verdict.estimate.loader_bytes},
        "available": to_builtins(available),
        "options": [to_builtins(option) for option in verdict.options],
    }
    return json_text(document)


def _show(estimated: Estimated, output: Output) -> None:
    from orchestrator.cli.view.memory import show

    show(estimated.check, estimated.dialect.name, estimated.note, output)


def _past_estimates(folder: Path) -> PastEstimates:
    from orchestrator.result.memory_history import past_runs, summarise

    runs = list(past_runs(folder))
    return PastEstimates(folder, runs, summarise(runs))


def _past_json(past: PastEstimates) -> str:

    document = {
        "lcpp_model_fit_history": 1,
        "parts": [to_builtins(part) for part in past.parts],
        "runs": [
            {"id": run.id, "model": run.model, "build": run.build, "program": run.program}
            | {"memory": run.memory.model_dump(mode="json")}
            for run in past.runs
        ],
    }
    return json_text(document)


def _show_past(past: PastEstimates, output: Output) -> None:
    if not past.runs:
        output.line(f"no run in {past.folder} has an estimate of its memory yet")
        return
    from orchestrator.cli.view.memory import show_history

    show_history(past.runs, past.parts, output)
