"""The slow way of `source.obtain`: something has to be asked for, fetched or copied."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from orchestrator import package_index
from orchestrator.engine.source import checkout as checkouts
from orchestrator.engine.source import directory, sdist, upstream
from orchestrator.engine.source import remote as remotes
from orchestrator.engine.source.checkout import Checkout, Facts, Source
from orchestrator.engine.source.git import Unreachable
from orchestrator.engine.source.remote import Remote
from orchestrator.engine.source.repository import Repository
from orchestrator.engine.source.resolution import Resolution
from orchestrator.engine.source.resolve import resolve
from orchestrator.engine.source.upstream import Vendored
from orchestrator.errors import PackageIndexError, SourceError
from orchestrator.progress import Progress
from orchestrator.recipe.schema.recipe import EngineSpec
from orchestrator.values import replace
from orchestrator.workspace import Workspace, disk_errors, lock


def acquire(spec: EngineSpec, workspace: Workspace, progress: Progress, *, base: Path) -> Checkout:
    """Get the llama.cpp of `spec`; see `source.obtain`."""
    if spec.source == "path":
        return _from_directory(spec, workspace, progress, base)
    if spec.source == "package":
        return _from_package(spec, _in_table(spec.ref), workspace, progress)
    try:
        return _from_git(spec, remotes.checked(spec.remote, base), workspace, progress)
    except Unreachable as unreachable:
        row = upstream.find(spec.ref)
        if spec.source != "auto":
            raise
        if row is None:
            raise SourceError(
                f"llama.cpp {spec.ref} cannot be had: {unreachable.what}\n"
                f"And no source distribution of llama-cpp-python on a package index is known to hold {spec.ref}.",
                where=unreachable.where,
                hint="restore the network, name a remote or directory that you have (`engine.remote`, `engine.path`), "
                "or use a ref of the table such as b3642, which the package index has",
            ) from unreachable
        shown = remotes.checked(spec.remote, base).shown
        note = f"{shown} cannot be reached: taking llama.cpp {row.commit[:12]} from {row.requirement} instead"
        progress.note(note)
        try:
            return _from_package(spec, row, workspace, progress, notes=(note,))
        except PackageIndexError as failed:
            raise SourceError(
                f"llama.cpp {spec.ref} cannot be had from git: {unreachable.what}\n"
                f"Nor from the package index: {failed.what}",
                where=failed.where,
                hint=failed.hint,
            ) from failed


def _in_table(ref: str) -> Vendored:
    row = upstream.find(ref)
    if row is not None:
        return row
    hint = "use `engine.source: git`, or one of the commits that llama-cpp-python vendors"
    if tag := upstream.BUILD_TAG.fullmatch(ref):
        near = " and ".join(f"b{row.build_number}" for row in upstream.nearest(int(tag[1])))
        hint = f"near it, the package index has {near}; `engine.source: git` has every build"
    raise SourceError(f"no known llama-cpp-python vendors llama.cpp {ref}", where="engine.source: package", hint=hint)


def _from_git(spec: EngineSpec, remote: Remote, workspace: Workspace, progress: Progress) -> Checkout:
    with lock(workspace.repository, progress, "getting llama.cpp"):
        repository = Repository(workspace)
        named = resolve(spec.ref, remote, workspace, repository, progress)
        if not repository.has(named.commit) and not _has_checkout(workspace, named):
            progress.stage(f"fetch llama.cpp {named.commit[:12]} from {remote.shown}")
            repository.fetch(remote, named.commit, progress)
        return _check_out(repository, named, "git", remote.shown, spec.ref, workspace, progress)


def _from_package(
    spec: EngineSpec, row: Vendored, workspace: Workspace, progress: Progress, notes: tuple[str, ...] = ()
) -> Checkout:
    named = Resolution(commit=row.commit, build_number=row.build_number, notes=notes)
    with lock(workspace.repository, progress, "getting llama.cpp"):
        repository = Repository(workspace)
        if not repository.has(row.commit) and not _has_checkout(workspace, named):
            with disk_errors("make a folder", workspace.vendor):
                for left in workspace.vendor.glob(".sdist-*"):
                    shutil.rmtree(left, ignore_errors=True)
                stage = Path(tempfile.mkdtemp(prefix=".sdist-", dir=workspace.vendor))
            try:
                progress.stage(f"download {row.requirement} from the package index")
                archive = package_index.download(row.requirement, wheel=False, into=stage, progress=progress)
                progress.stage(f"verify that {archive.name} holds llama.cpp {row.commit[:12]}")
                sdist.unpack(archive, stage / "sdist.git")
                inside = Remote(url=str(stage / "sdist.git"), shown=archive.name, local=True)
                repository.fetch(inside, row.commit, progress)
            finally:
                shutil.rmtree(stage, ignore_errors=True)
        return _check_out(repository, named, "package", row.requirement, spec.ref, workspace, progress)


def _from_directory(spec: EngineSpec, workspace: Workspace, progress: Progress, base: Path) -> Checkout:
    if spec.path is None:
        raise SourceError("`source: path` needs `path`", where="engine", hint="name the llama.cpp directory")
    path = directory.find(spec.path, base)
    tree = directory.WorkTree(path)
    if tree.commit is not None and not tree.changed():
        named = Resolution(commit=tree.commit, build_number=tree.build_number())
        with lock(workspace.repository, progress, "getting llama.cpp"):
            repository = Repository(workspace)
            if not repository.has(named.commit) and not _has_checkout(workspace, named):
                progress.stage(f"fetch llama.cpp {named.commit[:12]} from {path}")
                repository.fetch(Remote(url=str(path), shown=str(path), local=True), named.commit, progress)
            checkout = _check_out(repository, named, "path", str(path), spec.ref, workspace, progress)
        # The same commit may have come from elsewhere first; what was asked for here is this directory.
        return replace(checkout, source="path", remote=str(path))
    copied, digest = directory.copy(path, tree, workspace, progress)
    notes = () if tree.commit is None else (f"{path} has changes on top of commit {tree.commit[:12]}",)
    return Checkout(
        path=copied,
        commit=tree.commit,
        build_number=tree.build_number(),
        commit_date=None if tree.commit is None else tree.commit_date(),
        ref=spec.ref,
        source="path",
        remote=str(path),
        fingerprint=digest,
        notes=notes,
    )


def _has_checkout(workspace: Workspace, named: Resolution) -> bool:
    return checkouts.read_facts(workspace.checkouts / named.commit) is not None


def _check_out(
    repository: Repository,
    named: Resolution,
    source: Source,
    remote: str,
    ref: str,
    workspace: Workspace,
    progress: Progress,
) -> Checkout:
    """The checkout of a commit that has been fetched. Call it with the repository's lock held."""
    checkout = checkouts.find(workspace, named.commit, ref=ref, build_number=named.build_number)
    if checkout is None:
        with lock(workspace.checkouts / named.commit, progress, f"the checkout of {named.commit[:12]}"):
            facts = Facts(
                commit=named.commit,
                build_number=named.build_number,
                commit_date=repository.commit_date(named.commit),
                source=source,
                remote=remote,
                # Only what says how these files came; that a branch could not be asked about is of this call.
                notes=named.notes if source == "package" else (),
            )
            repository.check_out(workspace, facts, progress)
        checkout = checkouts.find(workspace, named.commit, ref=ref)
    if checkout is None:
        raise SourceError(
            f"the checkout of {named.commit} is not whole",
            where=str(workspace.checkouts / named.commit),
            hint="remove that folder and run the same command again",
        )
    return replace(checkout, notes=tuple(dict.fromkeys((*checkout.notes, *named.notes))))
