"""The verdict on a model file: that it is a whole GGUF, its SHA-256 and what its header says.

Reading four gigabytes takes long, so a file is judged once, and the verdict is kept.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import ModelError
from orchestrator.model.check import kept
from orchestrator.model.check.soundness import check_sound
from orchestrator.model.gguf.header import read_header
from orchestrator.model.gguf.source import FileSource, unreadable
from orchestrator.model.gguf.summary import HeaderSummary, summarise
from orchestrator.progress import Progress
from orchestrator.workspace import Workspace

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
    before = [kept.identity(path)]
    known = _recall(before, workspace)
    if known is not None:
        return known
    with FileSource(path) as source:
        header = read_header(source)
        check_sound(header, source.name)
        summary = summarise(source, header)
    if sha256 is None:
        progress.stage(f"check {path.name}")
        sha256 = hash_file(path, progress)
    if [kept.identity(path)] != before:
        raise ModelError(
            "the model file changed while it was read",
            where=str(path),
            hint="wait until the program that writes it is done, then run the same command again",
        )
    verdict = Verdict(sha256=sha256, size_bytes=source.size_bytes, header=summary)
    kept.keep("verdicts", before, dataclasses.asdict(verdict), workspace)
    return verdict


def recall(path: Path, workspace: Workspace) -> Verdict | None:
    """The verdict that was kept on the file at `path`, if it seems to be the same file still."""
    try:
        return _recall([kept.identity(path)], workspace)
    except ModelError:
        return None


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


def _recall(files: Sequence[kept.Identity], workspace: Workspace) -> Verdict | None:
    found = kept.recall("verdicts", files, workspace)
    if found is None:
        return None
    try:
        header = HeaderSummary(**found["header"])
        return Verdict(sha256=found["sha256"], size_bytes=found["size_bytes"], header=header)
    except (KeyError, TypeError):
        # Damaged: judging again mends it.
        return None
