"""What the hub says about a file before it is downloaded, and what its cache has of it."""

from __future__ import annotations

import re
from pathlib import Path

from orchestrator.errors import ModelError
from orchestrator.model.source.hub import errors as hub_errors
from orchestrator.model.source.hub.deadline import within
from orchestrator.recipe.schema.recipe import HubModel
from orchestrator.values import Value

COMMIT = re.compile(r"[0-9a-f]{40}\Z")
SHA256 = re.compile(r"[0-9a-f]{64}\Z")
# It becomes a file name in the cache.
_ETAG = re.compile(r"[0-9A-Za-z_][0-9A-Za-z_.-]{0,127}\Z")
# The library's own time-out (10 s) counts for each address of the host and not for the look-up of its name.
_DEADLINE_S = 25.0


class HubMetadata(Value):
    """What the hub says about a file. `location` is where its content is, on another host as a rule, for a while."""

    commit: str
    etag: str
    size_bytes: int | None
    location: str

    @property
    def sha256(self) -> str | None:
        """The hub's own SHA-256 of the file; large files have it as their ETag."""
        return self.etag if SHA256.match(self.etag) else None


def ask(repo: str, name: str, revision: str) -> HubMetadata:
    """Ask the hub about a file. What can be raised: `hub_errors.failures()`."""
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url  # here and below: slow, often not needed
    from huggingface_hub.errors import FileMetadataError

    url = hf_hub_url(repo, name, revision=revision)
    metadata = within(_DEADLINE_S, lambda: get_hf_file_metadata(url, timeout=constants.HF_HUB_ETAG_TIMEOUT))
    commit, etag = metadata.commit_hash or "", metadata.etag or ""
    if not COMMIT.match(commit) or not _ETAG.match(etag):
        raise FileMetadataError(f"no commit, or no usable ETag in the answer for {name}")
    if COMMIT.match(revision) and commit != revision:
        raise FileMetadataError(f"asked for commit {revision}, it answers of {commit}")
    return HubMetadata(commit=commit, etag=etag, size_bytes=metadata.size, location=metadata.location)


def in_cache(repo: str, name: str, revision: str) -> Path | None:
    """Where the file lies in the hub's cache, if it does.

    Raises:
        ModelError: `repo` is no name of a repository.
    """
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        path = try_to_load_from_cache(repo, name, revision=revision)
    except HFValidationError as error:
        raise hub_errors.explain(error, repo, name, revision) from error
    return Path(path) if isinstance(path, str) else None


def commit_of(path: Path, name: str) -> str | None:
    """The commit in a path of the cache: `…/snapshots/COMMIT/NAME`."""
    commit = path.parents[name.count("/")].name
    return commit if COMMIT.match(commit) else None


def check_promises(spec: HubModel, name: str, remote: HubMetadata) -> None:
    """Refuse another file than the recipe's before it is downloaded.

    Raises:
        ModelError: the hub says that it has another size or hash than the recipe wants.
    """
    if name != spec.file:
        return
    for what, expected, promised in (
        ("size", spec.size_bytes, remote.size_bytes),
        ("SHA-256", spec.sha256, remote.sha256),
    ):
        if expected is not None and promised is not None and expected != promised:
            raise ModelError(
                f"this is not the model that the recipe wants: its {what} is {promised}, the recipe says {expected}",
                where=f"{spec.repo}/{name} at {remote.commit}",
                hint=f"correct `{'size_bytes' if what == 'size' else 'sha256'}`, or set `revision` to the commit that "
                "has the wanted file",
            )
