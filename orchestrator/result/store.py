"""One file a run: `runs/<id>.json`, its raw transcript beside it in `runs/<id>/`."""

from __future__ import annotations

import datetime
import secrets
from pathlib import Path

from orchestrator.result.schema import Result
from orchestrator.workspace import Workspace, disk_errors, write_atomic


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
    """Write the result, whole or not at all, and return its path."""
    path = workspace.runs / f"{result.id}.json"
    write_atomic(path, result.model_dump_json(indent=1) + "\n")
    return path
