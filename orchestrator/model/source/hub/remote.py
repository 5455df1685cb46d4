"""A file of the hub as a `ByteSource`: its bytes are fetched by HTTP range when they are asked for, and kept."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from orchestrator.errors import ModelError
from orchestrator.model.source.hub import errors as hub_errors
from orchestrator.model.source.hub.deadline import within
from orchestrator.model.source.hub.extents import SparseFile
from orchestrator.model.source.hub.metadata import COMMIT, HubMetadata, ask
from orchestrator.progress import Progress
from orchestrator.values import Value
from orchestrator.workspace import Workspace, write_atomic

# The most that is asked for at once; it is held in memory.
_MAX_PIECE_BYTES = 8 * 1024 * 1024
# The library's own time-out counts from one piece of an answer to the next.
_PIECE_DEADLINE_S = 180.0
# What all headers that are kept may take together; the ones not used for longest go first.
_MAX_KEPT_BYTES = 512 * 1024 * 1024


class HubFile(Value):
    """A file of the hub at a commit. `location` is None when this is what was remembered and not asked just now."""

    repo: str
    name: str
    commit: str
    etag: str
    size_bytes: int
    location: str | None

    @property
    def remote(self) -> HubMetadata:
        """What the hub said."""
        return HubMetadata(commit=self.commit, etag=self.etag, size_bytes=self.size_bytes, location=self.location or "")

    @property
    def sha256(self) -> str | None:
        """The hub's own SHA-256 of the file, if it has said one."""
        return self.remote.sha256


class RemoteSource:
    """The content of a file of the hub; a context manager that keeps what was fetched when it ends well.

    `transferred_bytes` is how much came over the network. What can be raised by reading: ModelError, WorkspaceError.
    """

    def __init__(self, file: HubFile, workspace: Workspace, progress: Progress) -> None:
        self.file = file
        self.transferred_bytes = 0
        self._progress = progress
        self._content = SparseFile(_content_path(file, workspace))
        self._location = file.location

    def __enter__(self) -> RemoteSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What came is good even when it was not enough.
        if kind is None or issubclass(kind, Exception):
            self._content.save()
        self._content.close()

    @property
    def cached_bytes(self) -> int:
        """How much of the file is here."""
        return self._content.extents.total

    @property
    def name(self) -> str:
        return f"hub:{self.file.repo}/{self.file.name}@{self.file.commit}"

    @property
    def size_bytes(self) -> int:
        return self.file.size_bytes

    def read_at(self, offset: int, n_bytes: int) -> bytes:
        end = min(offset + n_bytes, self.size_bytes)
        if offset >= end:
            return b""
        for start, stop in self._content.extents.missing(offset, end):
            for at in range(start, stop, _MAX_PIECE_BYTES):
                data = self._fetch(at, min(_MAX_PIECE_BYTES, stop - at))
                self.transferred_bytes += len(data)
                self._progress.advance(self.transferred_bytes, None, "bytes of the header")
                self._content.write(at, data)
        return self._content.read(offset, end - offset)

    def _fetch(self, offset: int, n_bytes: int) -> bytes:
        from huggingface_hub import hf_hub_url  # here and below: slow, and not needed for what is kept
        from huggingface_hub.errors import HfHubHTTPError

        file = self.file
        try:
            with hub_errors.retries_reported_to(self._progress):
                page = hf_hub_url(file.repo, file.name, revision=file.commit)
                if self._location is None:
                    self._location = self._ask_again()
                try:
                    return _get_range(self._location, page, offset, n_bytes, self.name)
                except HfHubHTTPError:
                    # An address that is signed may be too old, or good for other requests only: ask for a new one.
                    if self._location == page:
                        raise
                    self._location = page
                    return _get_range(page, page, offset, n_bytes, self.name)
        except hub_errors.failures() as error:
            raise hub_errors.explain(error, file.repo, file.name, file.commit) from error

    def _ask_again(self) -> str:
        remote = ask(self.file.repo, self.file.name, self.file.commit)
        if remote.etag != self.file.etag:
            raise ModelError(
                f"{hub_errors.host()} has another {self.file.name} at {self.file.commit} than it had before",
                where=self.name,
                hint="check HF_ENDPOINT: this is not the hub that the file was known from",
            )
        return remote.location


def ask_file(repo: str, name: str, revision: str, workspace: Workspace, progress: Progress) -> HubFile:
    """What the hub says about a file; what it said before, for a commit, and for a branch when it cannot be reached.

    Raises:
        ModelError: it does not say, and has not.
    """
    remembered = _recall(repo, name, revision, workspace)
    if remembered is not None and COMMIT.match(revision):
        return remembered
    from huggingface_hub.errors import EntryNotFoundError, RevisionNotFoundError

    progress.stage(f"ask {hub_errors.host()} for {name}")
    try:
        with hub_errors.retries_reported_to(progress):
            remote = ask(repo, name, revision)
    except hub_errors.failures() as error:
        refusal = hub_errors.explain(error, repo, name, revision)
        if remembered is None or isinstance(error, (EntryNotFoundError, RevisionNotFoundError)):
            raise refusal from error
        progress.note(f"{refusal.what}; using what it said before of {name}, which may be older than `{revision}` is")
        return remembered
    if remote.size_bytes is None or remote.size_bytes <= 0:
        raise ModelError(
            f"{hub_errors.host()} does not say how large {name} is",
            where=f"{hub_errors.host()}/{repo}",
            hint="check HF_ENDPOINT, and whether a proxy or a login page stands between",
        )
    file = HubFile(
        repo=repo,
        name=name,
        commit=remote.commit,
        etag=remote.etag,
        size_bytes=remote.size_bytes,
        location=remote.location,
    )
    answer = json.dumps({"commit": file.commit, "etag": file.etag, "size_bytes": file.size_bytes})
    for known_as in {revision, file.commit}:
        write_atomic(_answer_path(repo, name, known_as, workspace), answer)
    return file


def tidy(workspace: Workspace) -> None:
    """Remove the headers that were not used for longest, when all together take too much."""
    total = 0
    headers = [(info, path) for path in _folder(workspace).glob("*.part") if (info := _info(path)) is not None]
    for (_, n_bytes), path in sorted(headers, reverse=True):
        total += n_bytes
        if total > _MAX_KEPT_BYTES:
            path.unlink(missing_ok=True)


def _info(path: Path) -> tuple[float, int] | None:
    try:
        info = path.stat()
    except OSError:
        return None
    return info.st_mtime, info.st_blocks * 512


def _folder(workspace: Workspace) -> Path:
    return workspace.models / "headers"


def _content_path(file: HubFile, workspace: Workspace) -> Path:
    return _folder(workspace) / f"{_key(file.repo, file.name, file.etag, str(file.size_bytes))}.part"


def _answer_path(repo: str, name: str, revision: str, workspace: Workspace) -> Path:
    return _folder(workspace) / f"{_key(repo, name, revision)}.json"


def _key(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:32]


def _recall(repo: str, name: str, revision: str, workspace: Workspace) -> HubFile | None:
    try:
        answer = json.loads(_answer_path(repo, name, revision, workspace).read_bytes())
        commit, etag, size = str(answer["commit"]), str(answer["etag"]), int(answer["size_bytes"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return HubFile(repo=repo, name=name, commit=commit, etag=etag, size_bytes=size, location=None)


class _TooMuchError(Exception):
    """More came than was asked for."""


class _Piece(io.BytesIO):
    """What is written to it is kept in memory, up to the size that was asked for."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def write(self, data: object) -> int:
        written = super().write(data)  # type: ignore[arg-type]  # any buffer, as the base class says
        if self.tell() > self._most:
            raise _TooMuchError
        return written


def _get_range(url: str, page: str, offset: int, n_bytes: int, name: str) -> bytes:
    """Bytes of a file, by the hub's own client: with its time-outs, proxies, retries and going on after a break."""
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # public, says its documentation

    headers = dict(build_hf_headers())
    if urlsplit(url)[:2] != urlsplit(page)[:2]:
        # The token is for the hub, and not for the host that stores its files.
        headers = {key: value for key, value in headers.items() if key.lower() != "authorization"}
    headers |= {"Range": f"bytes={offset}-{offset + n_bytes - 1}", "Accept-Encoding": "identity"}
    piece = _Piece(n_bytes)
    try:
        within(_PIECE_DEADLINE_S, lambda: http_get(url, piece, headers=headers, expected_size=n_bytes))
    except _TooMuchError:
        raise _no_ranges(name) from None
    except (ValueError, RuntimeError) as error:
        if isinstance(error, hub_errors.failures()):
            raise
        raise _no_ranges(name) from error
    data = piece.getvalue()
    if len(data) != n_bytes:
        raise _no_ranges(name)
    return data


def _no_ranges(name: str) -> ModelError:
    return ModelError(
        "the server does not give parts of a file (HTTP range requests), so its header cannot be read by itself",
        where=name,
        hint="check HF_ENDPOINT and the proxy; a file that is whole in the hub's cache (`hf download`) is read there",
    )
