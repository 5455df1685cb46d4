"""What each source of models gives: the files, where they came from, and what it knows of them."""

from __future__ import annotations

from pathlib import Path

from orchestrator.values import Value


class ModelFile(Value):
    """A file of a model that is on this disk. `sha256` is set when it was computed just now, on the way here.

    `promised_sha256` is what the source itself says the file's hash is.
    """

    path: Path
    sha256: str | None = None
    promised_sha256: str | None = None


class ModelFiles(Value):
    """A model that is on this disk; its content is not judged yet.

    `origin` is a text for people, `revision` the hub's commit, `fetch_again` tells how to replace a wrong file.
    """

    parts: tuple[ModelFile, ...]
    origin: str
    revision: str | None
    fetch_again: str
