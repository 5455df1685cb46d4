"""The verdict on a model file: that it is a whole GGUF, its SHA-256 and what its header says.

Reading four gigabytes takes long, so a file is judged once, and the verdict is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import to_builtins

from orchestrator.errors import ModelError
from orchestrator.model.check import facts_cache
from orchestrator.model.gguf.byte_source import FileSource, hash_file
from orchestrator.model.gguf.header import read_header
from orchestrator.model.gguf.soundness import check_sound
from orchestrator.model.gguf.summary import HeaderSummary, summarise
from orchestrator.progress import Progress
from orchestrator.values import Value
from orchestrator.workspace import Workspace


class Verdict(Value):
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
    before = [facts_cache.identity(path)]
    cached = _load(before, workspace)
    if cached is not None:
        return cached
    with FileSource(path) as source:
        header = read_header(source)
        check_sound(header, source.name)
        summary = summarise(source, header)
    if sha256 is None:
        progress.stage(f"check {path.name}")
        sha256 = hash_file(path, progress)
    if [facts_cache.identity(path)] != before:
        raise ModelError(
            "the model file changed while it was read",
            where=str(path),
            hint="wait until the program that writes it is done, then run the same command again",
        )
    verdict = Verdict(sha256=sha256, size_bytes=source.size_bytes, header=summary)
    facts_cache.save("verdicts", before, to_builtins(verdict), workspace)
    return verdict


def recall(path: Path, workspace: Workspace) -> Verdict | None:
    """The verdict that was kept on the file at `path`, if it seems to be the same file still."""
    try:
        return _load([facts_cache.identity(path)], workspace)
    except ModelError:
        return None


def _load(files: Sequence[facts_cache.Identity], workspace: Workspace) -> Verdict | None:
    facts = facts_cache.load("verdicts", files, workspace)
    if facts is None:
        return None
    try:
        header = HeaderSummary(**facts["header"])
        return Verdict(sha256=facts["sha256"], size_bytes=facts["size_bytes"], header=header)
    except (KeyError, TypeError):
        # Damaged: judging again mends it.
        return None
