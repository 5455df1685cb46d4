"""From what a recipe calls a llama.cpp (tag, bNNNN, branch, commit, short commit) to the one commit it names."""

from __future__ import annotations

import datetime
import difflib

from orchestrator.engine.source import upstream
from orchestrator.engine.source.checkout import RememberedRef, recall, remember
from orchestrator.engine.source.git import Unreachable
from orchestrator.engine.source.remote import Remote
from orchestrator.engine.source.repository import CommitHistory, Repository
from orchestrator.engine.source.resolution import Resolution, at_once
from orchestrator.errors import SourceError
from orchestrator.progress import Progress
from orchestrator.workspace import Workspace


def resolve(ref: str, remote: Remote, workspace: Workspace, repository: Repository, progress: Progress) -> Resolution:
    """The commit that `ref` names at `remote`. Call it with the repository's lock held.

    Raises:
        Unreachable: the host cannot be reached and nothing here answers instead.
        SourceError: the remote knows no such ref, or a short commit fits several.
    """
    if known := at_once(ref, remote.shown, workspace, package=False):
        return known
    if upstream.SHORT_COMMIT.fullmatch(ref) and (here := repository.matching(ref)):
        return Resolution(commit=_only(ref, here), build_number=upstream.build_number(here[0]))
    progress.stage(f"ask {remote.shown} what {ref} is")
    try:
        resolution, moving = _ask(ref, remote, workspace, repository, progress)
    except Unreachable:
        second_best = _without_the_host(ref, remote, workspace, progress)
        if second_best is None:
            raise
        return second_best
    asked_at = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    reference = RememberedRef(
        commit=resolution.commit, moving=moving, build_number=resolution.build_number, asked_at=asked_at
    )
    remember(workspace, remote.shown, ref, reference)
    return resolution


def _ask(
    ref: str, remote: Remote, workspace: Workspace, repository: Repository, progress: Progress
) -> tuple[Resolution, bool]:
    """What the remote says of `ref`, and whether it may say otherwise tomorrow."""
    named = repository.refs(remote, ref, f"{ref}^{{}}")
    tag = upstream.BUILD_TAG.fullmatch(ref)
    if commit := named.get(f"refs/tags/{ref}"):
        number = int(tag[1]) if tag else upstream.build_number(commit)
        return Resolution(commit=commit, build_number=number), False
    for name in (f"refs/heads/{ref}", f"refs/{ref}", ref):
        if commit := named.get(name):
            return Resolution(commit=commit, build_number=_number(commit, remote, workspace)), True
    if row := upstream.find(ref):
        return Resolution(commit=row.commit, build_number=row.build_number), False
    if not tag and not upstream.SHORT_COMMIT.fullmatch(ref):
        raise _unknown(ref, remote, repository)

    history = CommitHistory(workspace, remote)
    looked_up = _look(ref, history)
    if looked_up is None:
        history.update(progress)
        looked_up = _look(ref, history)
    if looked_up is None:
        raise _unknown(ref, remote, repository, newest=history.newest() if tag else None)
    number = int(tag[1]) if tag else _number(looked_up, remote, workspace)
    return Resolution(commit=looked_up, build_number=number), False


def _look(ref: str, history: CommitHistory) -> str | None:
    """The commit of a bNNNN or short hash, as far as the history that is here tells."""
    if tag := upstream.BUILD_TAG.fullmatch(ref):
        return history.build(int(tag[1]))
    commits = history.matching(ref)
    return _only(ref, commits) if commits else None


def _number(commit: str, remote: Remote, workspace: Workspace) -> int | None:
    """The build number as far as the table, or a history that is here already, tells."""
    if (number := upstream.build_number(commit)) is not None:
        return number
    count = CommitHistory(workspace, remote).count(commit)
    return None if count is None else upstream.counted(count)


def _only(ref: str, commits: list[str]) -> str:
    if len(commits) > 1:
        listed = "\n    ".join(commits[:8])
        raise SourceError(
            f"{len(commits)} commits start with {ref}:\n    {listed}",
            where=f"engine.ref: {ref}",
            hint="give more digits of the one you mean",
        )
    return commits[0]


def _without_the_host(ref: str, remote: Remote, workspace: Workspace, progress: Progress) -> Resolution | None:
    """The second-best answer while the host cannot be reached."""
    if row := upstream.find(ref):
        return Resolution(commit=row.commit, build_number=row.build_number)
    reference = recall(workspace, remote.shown, ref)
    if reference is None:
        return None
    note = (
        f"{remote.shown} cannot be reached: using the last known commit of {ref}, "
        f"{reference.commit[:12]} (asked {reference.asked_at})"
    )
    progress.note(note)
    return Resolution(commit=reference.commit, build_number=reference.build_number, notes=(note,))


def _unknown(ref: str, remote: Remote, repository: Repository, newest: int | None = None) -> SourceError:
    if newest is not None:
        hint = f"its default branch ends at b{newest}"
        if near := upstream.nearest(int(ref[1:])):
            hint += f"; near {ref}, the package index has {' and '.join(f'b{row.build_number}' for row in near)}"
        return SourceError(f"{remote.shown} has no build {ref}", where=f"engine.ref: {ref}", hint=hint)
    if upstream.SHORT_COMMIT.fullmatch(ref):
        hint = "check the digits; a commit that no branch leads to needs all 40"
        return SourceError(f"{remote.shown} has no commit {ref}…", where=f"engine.ref: {ref}", hint=hint)
    names = [name.split("/", 2)[2] for name in repository.refs(remote, "refs/heads/*", "refs/tags/*")]
    near_names = difflib.get_close_matches(ref, names, n=4, cutoff=0.5)
    hint = "use a tag (b3642), a branch (master) or a commit of that remote"
    if near_names:
        hint = f"did you mean {' or '.join(near_names)}? Otherwise {hint}"
    return SourceError(f"{remote.shown} has no tag, branch or commit {ref}", where=f"engine.ref: {ref}", hint=hint)
