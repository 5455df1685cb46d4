"""Which llama.cpp a recipe means, as far as that is known without git and the network."""

from __future__ import annotations

import datetime
from pathlib import Path

from orchestrator.engine.source.checkout import read_facts, recall
from orchestrator.engine.source.remote import checked
from orchestrator.engine.source.resolution import at_once
from orchestrator.eras.dialect import Dialect, dialect_for
from orchestrator.recipe.schema.recipe import EngineSpec
from orchestrator.workspace import Workspace


def known_dialect(spec: EngineSpec, workspace: Workspace, *, base: Path) -> tuple[Dialect, str | None]:
    """The dialect of the llama.cpp that `spec` names, for estimates before anything is fetched.

    Where nothing here says which build it is, it is taken for the newest, and the second value says so.

    Args:
        base: the folder that relative paths count from.

    Raises:
        UsageError, SourceError: the remote is not one that lcpp takes.
    """
    if spec.path is not None:
        return dialect_for(None, None, base / Path(spec.path).expanduser()), None
    shown = checked(spec.remote, base).shown
    named = at_once(spec.ref, shown, workspace, package=spec.source != "git") or recall(workspace, shown, spec.ref)
    number = None if named is None else named.build_number
    day = None
    if named is not None and number is None and (facts := read_facts(workspace.checkouts / named.commit)) is not None:
        number, day = facts.build_number, datetime.date.fromisoformat(facts.commit_date[:10])
    note = None
    if number is None and day is None:
        note = f"which build {spec.ref} is, is known when lcpp has it; the estimate is for the newest llama.cpp"
    return dialect_for(number, day), note
