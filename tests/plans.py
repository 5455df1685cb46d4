"""Plans of runs, for tests of what reads them."""

from __future__ import annotations

from typing import Any

from orchestrator.eras.dialect import dialect_for
from orchestrator.programs.plan.kinds import RunPlan, SessionPlan
from orchestrator.programs.plan.make import outline
from orchestrator.recipe.schema.recipe import RunSpec


def planned(build: int, **run: Any) -> RunPlan:
    """The plan of such a `run` in that build; a prompt is made up where none is given."""
    benches = str(run.get("program", "")).endswith("bench")
    if not benches and not {"prompt", "prompts"} & set(run):
        run["prompt"] = "Hello"
    spec = RunSpec.model_validate(run)
    return outline(spec, dialect_for(build, None), prompt=spec.prompt, prompts=spec.prompts or ())


def session(build: int, *prompts: str, **run: Any) -> SessionPlan:
    """The plan of a session."""
    plan = planned(build, prompts=prompts, **run)
    assert isinstance(plan, SessionPlan)
    return plan
