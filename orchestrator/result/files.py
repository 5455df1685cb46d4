"""One file a run: `runs/<id>.json`, its raw transcript beside it in `runs/<id>/`; and its row in the store."""

from __future__ import annotations

import contextlib
import datetime
import logging
import os
import secrets
from pathlib import Path

from orchestrator.errors import WorkspaceError
from orchestrator.result.schema import Result
from orchestrator.result.store.database import add
from orchestrator.workspace import Workspace, disk_errors, write_atomic

_LOG = logging.getLogger(__name__)


def name_run(workspace: Workspace, name: str) -> tuple[str, Path]:
    """A new run's id, and the folder that is to be its own."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    run_id = f"{now}-{name}-{secrets.token_hex(3)}"
    return run_id, workspace.runs / run_id


def open_run(folder: Path, prompt_file: Path | None, text: str) -> None:
    """Make the run's folder and, where the program is to read one, the file that brings it the prompt."""
    with disk_errors("make a folder for the run", folder):
        folder.mkdir(parents=True)
        if prompt_file is not None:
            prompt_file.write_text(text, encoding="utf-8", newline="")


def save(result: Result, workspace: Workspace) -> Path:
    """Write the result, whole or not at all, and return its path.

    Its row in the store follows. A store that refuses is told of on the log (standard error) and is no failure: the
    row is made from the file when the store is opened next.
    """
    path = workspace.runs / f"{result.id}.json"
    write_atomic(path, result.model_dump_json(indent=1) + "\n")
    _settle(path.parent)
    try:
        add(result, path)
    except WorkspaceError as error:
        _LOG.warning("note: the result is saved, but not yet in the store: %s (%s)", error.what, path.parent)
    return path


def _settle(folder: Path) -> None:
    """Have the file's name on the disk too."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
