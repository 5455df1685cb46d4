"""The verdict on a model file: that it is a whole GGUF, its SHA-256 and what its header says.

Reading four gigabytes takes long, so a file is judged once; the verdict is kept in the workspace and holds as long as
the file's size, modification time and inode are the same.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import ModelError
from orchestrator.model.header import read_header
from orchestrator.model.soundness import check_sound
from orchestrator.model.source import FileSource, unreadable
from orchestrator.model.summary import HeaderSummary, summarise
from orchestrator.progress import Progress
from orchestrator.workspace import Workspace, write_atomic

# Change it when what is checked or kept changes: older verdicts are then made anew.
_FORMAT = 2
_CHUNK_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A file that was found to be a whole GGUF."""

    sha256: str
    size_bytes: int
    header: HeaderSummary


def judge(path: Path, workspace: Workspace, progress: Progress, *, sha256: str | None = None) -> Verdict:
    """The verdict on the file at `path`, from the workspace or by reading the whole file.

    Args:
        sha256: its hash, when the caller has just computed it from these bytes.

    Raises:
        ModelError: it cannot be read, or is no whole, sound GGUF.
    """
    try:
        real = path.resolve(strict=True)
        before = _identity(real)
    except OSError as error:
        raise unreadable(path, error) from error
    kept_at = _kept_at(real, workspace)
    kept = _load(kept_at, before)
    if kept is not None:
        return kept
    with FileSource(path) as source:
        header = read_header(source)
        check_sound(header, source.name)
        summary = summarise(source, header)
    if sha256 is None:
        progress.stage(f"check {path.name}")
        sha256 = hash_file(real, progress)
    if _identity(real) != before:
        raise ModelError(
            "the model file changed while it was read",
            where=str(path),
            hint="wait until the program that writes it is done, then run the same command again",
        )
    verdict = Verdict(sha256=sha256, size_bytes=source.size_bytes, header=summary)
    record = {"format": _FORMAT, "file": before, "verdict": dataclasses.asdict(verdict)}
    write_atomic(kept_at, json.dumps(record))
    return verdict


def recall(path: Path, workspace: Workspace) -> Verdict | None:
    """The verdict that was kept on the file at `path`, if it seems to be the same file still."""
    try:
        real = path.resolve(strict=True)
        return _load(_kept_at(real, workspace), _identity(real))
    except OSError:
        return None


def forget(path: Path, workspace: Workspace) -> None:
    """Let the file at `path` be judged anew: its content is not what it was, though size and time are."""
    _kept_at(path.resolve(), workspace).unlink(missing_ok=True)


def hash_file(path: Path, progress: Progress) -> str:
    """The SHA-256 of a file in hex, telling `progress` the bytes as they are read."""
    digest, done = hashlib.sha256(), 0
    try:
        total = path.stat().st_size
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
                done += len(chunk)
                progress.advance(done, total, "SHA-256")
    except OSError as error:
        raise unreadable(path, error) from error
    return digest.hexdigest()


def _kept_at(real: Path, workspace: Workspace) -> Path:
    return workspace.models / "verdicts" / f"{hashlib.sha256(os.fsencode(real)).hexdigest()[:32]}.json"


def _identity(real: Path) -> list[str | int]:
    """What a file is known by; as a list, because that is how it comes back from JSON."""
    info = real.stat()
    return [str(real), info.st_size, info.st_mtime_ns, info.st_ino]


def _load(path: Path, identity: list[str | int]) -> Verdict | None:
    """The verdict that was kept at `path`, if it is about just this file and was made by this version."""
    try:
        record = json.loads(path.read_bytes())
        if record["format"] != _FORMAT or record["file"] != identity:
            return None
        kept = record["verdict"]
        header = HeaderSummary(**kept["header"])
        return Verdict(sha256=kept["sha256"], size_bytes=kept["size_bytes"], header=header)
    except (OSError, ValueError, KeyError, TypeError):
        # Not there, or damaged: judging again mends both.
        return None
