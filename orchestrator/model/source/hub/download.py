"""`source: hub`: a GGUF file of the Hugging Face hub, in the cache that all tools of the hub share.

`hf_hub_download` alone does not do: newer versions of it (2.4 for one) throw a partial download away when it fails, and
never go on with what another process began. Here the blob is downloaded first, with the library's own `http_get`,
into a partial file beside its place in the cache, which a later run goes on with; it is hashed and moved into place,
and `hf_hub_download` then finds it and makes the links.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from orchestrator.errors import ModelError
from orchestrator.model.gguf.byte_source import hash_file
from orchestrator.model.source.hub import errors as hub_errors
from orchestrator.model.source.hub.metadata import COMMIT, SHA256, HubMetadata, ask, check_promises, commit_of, in_cache
from orchestrator.model.source.model_files import ModelFile, ModelFiles
from orchestrator.model.source.split import part_names
from orchestrator.progress import Progress
from orchestrator.recipe.schema.recipe import HubModel
from orchestrator.workspace import Workspace, write_atomic

# A disk that is filled to the last byte is of no use to anyone.
_SPARE_BYTES = 16 * 1024 * 1024
# What the disk says; other OSErrors are the network's.
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSALS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EIO, errno.ENAMETOOLONG)


def locate(spec: HubModel, workspace: Workspace, progress: Progress, *, base: Path) -> ModelFiles:
    """The file (all files of a split model) in the hub's cache, downloaded unless it is there.

    With a commit as revision and the file in the cache, nothing is asked of the network. With a branch, the cached
    file is used when the hub cannot be reached, and `progress` is told.

    Raises:
        ModelError: it cannot be had; the message says why and what to do.
    """
    names = part_names(spec.file)
    remembered = _remembered(spec, names, workspace)
    if remembered is not None:
        return remembered
    parts, revision = [], spec.revision
    for name in names:
        part, commit = bring(spec, name, revision, progress)
        parts.append(part)
        # All parts of one commit, however the branch moves meanwhile.
        revision = commit or revision
    located = _located(spec, tuple(parts), revision if COMMIT.match(revision) else None)
    if COMMIT.match(spec.revision):
        write_atomic(_memory(spec, workspace), json.dumps({"parts": [str(part.path) for part in parts]}))
    return located


def _located(spec: HubModel, parts: tuple[ModelFile, ...], commit: str | None) -> ModelFiles:
    return ModelFiles(
        parts=parts,
        origin=f"hub:{spec.repo}/{spec.file}@{commit or spec.revision}",
        revision=commit,
        fetch_again=f"correct the recipe, or remove {parts[0].path.resolve()} to download the file again",
    )


def _memory(spec: HubModel, workspace: Workspace) -> Path:
    key = hashlib.sha256("\0".join((spec.repo, spec.file, spec.revision)).encode()).hexdigest()[:32]
    return workspace.models / "hub" / f"{key}.json"


def _remembered(spec: HubModel, names: tuple[str, ...], workspace: Workspace) -> ModelFiles | None:
    """Where the files of a pinned model lay the last time: the hub's library alone takes 0.2 s to import."""
    if not COMMIT.match(spec.revision):
        return None
    try:
        paths = [Path(part) for part in json.loads(_memory(spec, workspace).read_bytes())["parts"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if len(paths) != len(names) or not all(path.is_file() for path in paths):
        return None
    return _located(spec, tuple(_cached_part(path) for path in paths), spec.revision)


def _cached_part(path: Path, just_hashed: str | None = None) -> ModelFile:
    """A file of the cache; the name of its blob is the hash that the hub promised."""
    blob = path.resolve().name
    return ModelFile(path=path, sha256=just_hashed, promised_sha256=blob if SHA256.match(blob) else None)


def bring(spec: HubModel, name: str, revision: str, progress: Progress) -> tuple[ModelFile, str | None]:
    """One file and its commit (None when it lies in the cache in a place that tells no commit).

    It is downloaded unless it is there: `name` alone, whatever other files the model of `spec` has.

    Raises:
        ModelError: it cannot be had.
    """
    from huggingface_hub import constants, hf_hub_download  # here and below: slow, and often not needed
    from huggingface_hub.errors import EntryNotFoundError, RevisionNotFoundError

    cached = in_cache(spec.repo, name, revision)
    if cached is not None and COMMIT.match(revision):
        return _cached_part(cached), revision
    progress.stage(f"ask {hub_errors.host()} for {name}")
    try:
        with hub_errors.retries_reported_to(progress):
            remote = ask(spec.repo, name, revision)
    except hub_errors.failures() as error:
        refusal = hub_errors.explain(error, spec.repo, name, revision)
        if cached is None or isinstance(error, (EntryNotFoundError, RevisionNotFoundError)):
            raise refusal from error
        progress.note(f"{refusal.what}; using the copy of {name} in the cache, which may be older than `{revision}` is")
        return _cached_part(cached), commit_of(cached, name)
    check_promises(spec, name, remote)
    just_hashed = None
    if in_cache(spec.repo, name, remote.commit) is None:
        just_hashed = _download_blob(spec, name, remote, progress)
    try:
        # The blob is there: this makes the snapshot's link to it and notes which commit the branch is at.
        with hub_errors.retries_reported_to(progress), _cache_errors(Path(constants.HF_HUB_CACHE)):
            path = Path(hf_hub_download(spec.repo, name, revision=revision))
    except hub_errors.failures() as error:
        raise hub_errors.explain(error, spec.repo, name, revision) from error
    if path.resolve().name != remote.etag:
        just_hashed = None  # the branch moved meanwhile, or the cache has no links: another file
    return _cached_part(path, just_hashed), commit_of(path, name)


def _download_blob(spec: HubModel, name: str, remote: HubMetadata, progress: Progress) -> str | None:
    """Have the file's content in the cache, going on where an earlier run stopped; returns its SHA-256 if computed."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    # Beyond this size the hub gives files by its own protocol only, which `hf_hub_download` speaks.
    if remote.size_bytes is None or remote.size_bytes > getattr(constants, "MAX_HTTP_DOWNLOAD_SIZE", 50 * 10**9):
        return None
    cache, folder = Path(constants.HF_HUB_CACHE).expanduser(), repo_folder_name(repo_id=spec.repo, repo_type="model")
    blob = cache / folder / "blobs" / remote.etag
    partial = blob.with_name(f"{remote.etag}.lcpp.incomplete")
    with _cache_errors(cache), _cache_lock(cache / ".locks" / folder / f"{remote.etag}.lock", name, progress):
        if blob.exists():
            return None
        blob.parent.mkdir(parents=True, exist_ok=True)
        for attempt in ("resumed", "from the start"):
            resumed = _download(spec, name, remote, partial, progress)
            progress.stage(f"check {name}")
            sha256 = hash_file(partial, progress)
            if remote.sha256 in (None, sha256):
                partial.replace(blob)
                return sha256
            partial.unlink()
            if attempt == "from the start" or not resumed:
                break
            progress.note(f"the part of {name} that was there from an earlier run is damaged; downloading it anew")
    raise ModelError(
        f"what arrived is not what {hub_errors.host()} promised: its SHA-256 is {sha256}, promised was {remote.sha256}",
        where=f"{spec.repo}/{name}",
        hint="it was thrown away; run the same command again; if that does not help, a proxy may alter files",
    )


def _download(spec: HubModel, name: str, remote: HubMetadata, partial: Path, progress: Progress) -> bool:
    """Bring `partial` to the file's full size; says whether a part was there before."""
    size = remote.size_bytes or 0
    before = partial.stat().st_size if partial.exists() else 0
    if before > size:
        partial.unlink()
        before = 0
    free = shutil.disk_usage(partial.parent).free
    if size - before + _SPARE_BYTES > free:
        raise _disk_full(partial.parent, f"{name} needs {size - before} bytes more, {free} are free")
    if before:
        progress.note(f"going on with {name}, of which {before} of {size} bytes are there")
    progress.stage(f"download {name}")
    with hub_errors.retries_reported_to(progress), _Partial(partial, size, progress) as file:
        while file.tell() < size:
            _download_more(spec, name, remote, file, progress)
    return before > 0


def _download_more(spec: HubModel, name: str, remote: HubMetadata, file: _Partial, progress: Progress) -> None:
    """One request for the rest of the file; a connection that breaks after it brought something is no error."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # public, says its documentation

    before, size = file.tell(), remote.size_bytes
    url = hf_hub_url(spec.repo, name, revision=remote.commit)
    try:
        http_get(url, file, resume_size=before, headers=build_hf_headers(), expected_size=size)
    except hub_errors.failures() as error:
        if isinstance(error, OSError) and error.errno in _DISK_FULL:
            raise
        n_bytes = file.tell()
        if n_bytes <= before or isinstance(error, HfHubHTTPError):
            raise hub_errors.broken(error, spec.repo, name, remote.commit, n_bytes, size or 0) from error
        progress.note(f"the connection broke at {n_bytes} of {size} bytes; going on from there")


class _Partial(io.BufferedWriter):
    """A file that is appended to, and tells its size as it grows."""

    def __init__(self, path: Path, total: int, progress: Progress) -> None:
        super().__init__(io.FileIO(path, "ab"), buffer_size=1024 * 1024)
        self._total, self._progress = total, progress

    def write(self, data: object) -> int:
        written = super().write(data)  # type: ignore[arg-type]  # any buffer, as the base class says
        self._progress.advance(self.tell(), self._total, "bytes")
        return written


@contextlib.contextmanager
def _cache_lock(path: Path, name: str, progress: Progress) -> Iterator[None]:
    """Hold the lock that the hub's own library takes for this file, so that no two programs download it at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file_lock = FileLock(path)
    try:
        file_lock.acquire(timeout=0)
    except Timeout:
        progress.note(f"another program downloads {name}; waiting for it to finish")
        file_lock.acquire()
    try:
        yield
    finally:
        file_lock.release()


@contextlib.contextmanager
def _cache_errors(cache: Path) -> Iterator[None]:
    """The operating system's refusals about the hub's cache."""
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise _disk_full(cache, os.strerror(error.errno).lower()) from error
        if error.errno not in _REFUSALS:
            raise
        reason = os.strerror(error.errno or 0).lower()
        raise ModelError(
            f"the hub's cache cannot be used: {reason}",
            where=str(cache),
            hint="make the folder writable for you, or set HF_HOME to another one",
        ) from error


def _disk_full(cache: Path, why: str) -> ModelError:
    return ModelError(
        f"the disk is too full for the model: {why}",
        where=str(cache),
        hint="free some space, or set HF_HOME to a folder on a larger disk; what was downloaded is kept and used",
    )
