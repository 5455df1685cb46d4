"""What a ref names, as far as that needs neither git nor the network."""

from __future__ import annotations

from orchestrator.engine.source import upstream
from orchestrator.engine.source.checkout import recall
from orchestrator.recipe.schema.recipe import DEFAULT_REMOTE
from orchestrator.values import Value
from orchestrator.workspace import Workspace


class Resolution(Value):
    """The commit that a ref names, its build number when that is known, and what to tell the user."""

    commit: str
    build_number: int | None
    notes: tuple[str, ...] = ()


def at_once(ref: str, remote_shown: str, workspace: Workspace, *, package: bool) -> Resolution | None:
    """What a ref names as far as that never changes and is known without asking anyone."""
    if upstream.FULL_COMMIT.fullmatch(ref):
        return Resolution(commit=ref, build_number=upstream.build_number(ref))
    # Another remote may call something else b3642: it is asked first.
    if (package or remote_shown == DEFAULT_REMOTE) and (row := upstream.find(ref)):
        return Resolution(commit=row.commit, build_number=row.build_number)
    remembered = recall(workspace, remote_shown, ref)
    if remembered is not None and not remembered.moving:
        return Resolution(commit=remembered.commit, build_number=remembered.build_number)
    return None
