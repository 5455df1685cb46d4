"""The journal of an experiment: `runs/experiments/<id>.json`, written when it begins.

With the results that bear its id it says what is done and what is left, so the same command can go on after a crash.
"""

import datetime
import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from orchestrator.errors import LcppError
from orchestrator.machine.facts import Machine
from orchestrator.machine.fingerprint import fingerprint
from orchestrator.piece import Piece
from orchestrator.result.schema import Failure
from orchestrator.workspace import Workspace, write_atomic

Kind = Literal["repeat", "sweep", "compare", "selftest"]
_KEY_DIGITS = 10
# A plan is some kilobytes, of 10,000 cases some megabytes.
_MOST_BYTES = 64 * 1024 * 1024


class PlannedCase(Piece):
    """A case, and what it was found to run on."""

    settings: dict[str, str]
    digest: Annotated[str, Field(description="SHA-256 of its recipe, in hex.")]
    runs_on: Annotated[str | None, Field(description="Build and model; None: it could not be prepared.")] = None


class GivenUp(Piece):
    """A case that does not run (again), and why."""

    case: int
    stage: Literal["prepare", "run"]
    failure: Failure


class ExperimentPlan(Piece):
    """What an experiment is to do, and which of its cases it has given up."""

    lcpp_experiment: Literal[1] = 1
    id: str
    kind: Kind
    key: Annotated[str, Field(description="Equal for equal commands on the same machine: those that may go on.")]
    name: Annotated[str, Field(description="The recipe's.")]
    recipe_file: str
    cases: tuple[PlannedCase, ...]
    repeat: Annotated[int | None, Field(description="Rounds; None: until decided.")]
    warmup: int
    begun_at: Annotated[str, Field(description="UTC, ISO 8601.")]
    given_up: tuple[GivenUp, ...] = ()
    ended: Annotated[str | None, Field(description="How it ended; None: it has not.")] = None

    def failure_of(self, case: int) -> GivenUp | None:
        """Why a case was given up; None: it was not."""
        return next((given_up for given_up in self.given_up if given_up.case == case), None)

    def label(self, case: int) -> str:
        """What people call a case: the settings that set it apart."""
        return label(self.cases[case].settings) or self.name


def label(settings: Mapping[str, str]) -> str:
    """Settings in a line."""
    return ", ".join(f"{key}={value}" for key, value in settings.items())


def with_failure(plan: ExperimentPlan, case: int, stage: Literal["prepare", "run"], error: LcppError) -> ExperimentPlan:
    """The plan with a case given up."""
    failure = Failure(what=error.what, where=error.where, hint=error.hint)
    return plan.model_copy(update={"given_up": (*plan.given_up, GivenUp(case=case, stage=stage, failure=failure))})


def key_of(
    kind: Kind, recipe_file: str, cases: Sequence[PlannedCase], settings: Mapping[str, Any], machine: Machine
) -> str:
    """What is equal for commands that may go on with each other's work.

    Args:
        settings: what else of the command bears on its runs, such as repeat and warm-up.
    """
    identity = {
        "kind": kind,
        "file": recipe_file,
        "cases": [(sorted(case.settings.items()), case.digest) for case in cases],
        "settings": dict(settings),
        "machine": [fingerprint(machine).digest, machine.cores_limit, machine.memory_limit_bytes, machine.kernel],
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def folder(workspace: Workspace) -> Path:
    """Where the journals lie."""
    return workspace.runs / "experiments"


def path_of(plan_id: str, workspace: Workspace) -> Path:
    """A journal's file."""
    return folder(workspace) / f"{plan_id}.json"


def new_id(name: str, key: str) -> str:
    """An id that no other experiment has."""
    stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    return f"{stamp}-{name}-{key[:_KEY_DIGITS]}-{secrets.token_hex(2)}"


def begun_at() -> str:
    """Now, as journals have it."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds")


def write(plan: ExperimentPlan, workspace: Workspace) -> None:
    """Write the journal, whole or not at all."""
    write_atomic(path_of(plan.id, workspace), plan.model_dump_json(indent=1) + "\n")


def unfinished(key: str, workspace: Workspace) -> ExperimentPlan | None:
    """The newest experiment with this key that has not ended; what is not readable as a journal is none."""
    plans = []
    for path in folder(workspace).glob(f"*-{key[:_KEY_DIGITS]}-????.json"):
        try:
            if path.stat().st_size > _MOST_BYTES:
                continue
            plan = ExperimentPlan.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            continue
        if plan.key == key and plan.id == path.stem:
            plans.append(plan)
    newest = max(plans, key=lambda plan: plan.begun_at, default=None)
    # An older one that was left open has been replaced by the newest.
    return None if newest is None or newest.ended else newest
