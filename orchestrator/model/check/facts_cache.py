"""What was found out about files of a model, kept in the workspace so that nobody reads them twice.

It holds as long as each file's size, modification time and inode are the same.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from orchestrator.model.gguf.byte_source import unreadable
from orchestrator.workspace import Workspace, write_atomic

Kind = Literal["verdicts", "shapes"]
# Change it when what is checked or kept changes: what is older is then made anew.
_FORMATS: dict[Kind, int] = {"verdicts": 3, "shapes": 1}

Identity = list[str | int]


def identity(path: Path) -> Identity:
    """What a file is known by; as a list, because that is how it comes back from JSON.

    Raises:
        ModelError: it cannot be looked at.
    """
    try:
        real = path.resolve(strict=True)
        info = real.stat()
    except OSError as error:
        raise unreadable(path, error) from error
    return [str(real), info.st_size, info.st_mtime_ns, info.st_ino]


def load(kind: Kind, files: Sequence[Identity], workspace: Workspace) -> Any | None:
    """What was kept about just these files by this version, as JSON gives it back; None: nothing, or it is damaged."""
    try:
        record = json.loads(_place(kind, files[0], workspace).read_bytes())
        if record["format"] != _FORMATS[kind] or record["files"] != list(files):
            return None
        return record["found"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save(kind: Kind, files: Sequence[Identity], facts: object, workspace: Workspace) -> None:
    """Keep facts that JSON can hold.

    Args:
        files: as they were before they were read: what has changed meanwhile is not recalled.

    Raises:
        WorkspaceError: the disk refuses.
    """
    record = {"format": _FORMATS[kind], "files": list(files), "found": facts}
    write_atomic(_place(kind, files[0], workspace), json.dumps(record, separators=(",", ":")))


def forget(path: Path, workspace: Workspace) -> None:
    """Let the file at `path` be read anew: its content is not what it was, though size and time are."""
    for kind in _FORMATS:
        _place(kind, [str(path.resolve())], workspace).unlink(missing_ok=True)


def _place(kind: Kind, file: Identity, workspace: Workspace) -> Path:
    return workspace.models / kind / f"{hashlib.sha256(os.fsencode(str(file[0]))).hexdigest()[:32]}.json"
