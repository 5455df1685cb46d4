"""A finished checkout on the disk, and the facts kept beside it so that using it needs no git."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from msgspec import to_builtins

from orchestrator.values import Value, replace
from orchestrator.workspace import Workspace, write_atomic

Source = Literal["git", "package", "path"]
_FACTS = ".git/lcpp.json"
_REFERENCES = "references.json"


class Checkout(Value):
    """The files of one llama.cpp, at a commit or as a directory was found.

    `commit` is None only for a directory that git does not know; `commit_date` is ISO 8601; `ref` is what was asked
    for; `source` and `remote` say where it really came from; `fingerprint` is the commit, or a digest of the files
    where they are not just a commit; `notes` tell of fall-backs that were taken.
    """

    path: Path
    commit: str | None
    build_number: int | None
    commit_date: str | None
    ref: str
    source: Source
    remote: str
    fingerprint: str
    notes: tuple[str, ...] = ()


class Facts(Value):
    """What is written beside a checkout of a commit."""

    commit: str
    build_number: int | None
    commit_date: str
    source: Source
    remote: str
    notes: tuple[str, ...] = ()


def write_facts(checkout: Path, facts: Facts) -> None:
    """Keep the facts inside the checkout's git folder, where neither git nor a build looks."""
    write_atomic(checkout / _FACTS, json.dumps(to_builtins(facts), indent=1))


def read_facts(checkout: Path) -> Facts | None:
    """The facts of a finished checkout; None when there is none."""
    try:
        raw = json.loads((checkout / _FACTS).read_text(encoding="utf-8"))
        return Facts(**{**raw, "notes": tuple(raw["notes"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def find(workspace: Workspace, commit: str, *, ref: str, build_number: int | None = None) -> Checkout | None:
    """The finished checkout of `commit`; a build number that was not known when it was made is added to its facts."""
    path = workspace.checkouts / commit
    facts = read_facts(path)
    if facts is None or facts.commit != commit:
        return None
    if facts.build_number is None and build_number is not None:
        facts = replace(facts, build_number=build_number)
        write_facts(path, facts)
    return Checkout(
        path=path,
        commit=commit,
        build_number=facts.build_number,
        commit_date=facts.commit_date,
        ref=ref,
        source=facts.source,
        remote=facts.remote,
        fingerprint=commit,
        notes=facts.notes,
    )


class RememberedRef(Value):
    """What a ref named when its remote was last asked. `moving`: a branch, so it is asked again next time."""

    commit: str
    moving: bool
    build_number: int | None
    asked_at: str


def _references(workspace: Workspace) -> dict[str, dict[str, dict[str, object]]]:
    try:
        raw = json.loads((workspace.vendor / _REFERENCES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return raw if isinstance(raw, dict) else {}


def recall(workspace: Workspace, remote: str, ref: str) -> RememberedRef | None:
    """What is remembered of `ref` at `remote`."""
    reference = _references(workspace).get(remote, {}).get(ref)
    try:
        return None if reference is None else RememberedRef(**reference)  # type: ignore[arg-type]  # written by `remember`
    except TypeError:
        return None


def remember(workspace: Workspace, remote: str, ref: str, reference: RememberedRef) -> None:
    """Keep what `ref` names. Call it with the repository's lock held: it rewrites one shared file."""
    references = _references(workspace)
    references.setdefault(remote, {})[ref] = to_builtins(reference)
    write_atomic(workspace.vendor / _REFERENCES, json.dumps(references, indent=1, sort_keys=True))
