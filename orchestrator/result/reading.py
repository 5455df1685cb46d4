"""Reading the files of results: one reader, one limit, one error, whoever asks."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.errors import LcppError

if TYPE_CHECKING:
    # Only for the type: the schema is slow to import, and some readers do without it.
    from orchestrator.result.schema import Result

# A result holds the text and all that was read of the log; one beyond this is not ours.
MAX_BYTES = 256 * 1024 * 1024
TOO_LARGE = f"larger than {MAX_BYTES // 2**20} MiB, which no result is"
_LONGEST_REASON = 300


class UnreadableResult(LcppError):
    """A file that should hold a result cannot be read, or holds none; `is_gone`: there is no such file."""

    def __init__(self, what: str, *, where: str | None = None, is_gone: bool = False) -> None:
        super().__init__(what, where=where)
        self.is_gone = is_gone


def read_bytes(path: Path) -> bytes:
    """The content of a result's file.

    Raises:
        UnreadableResult: it cannot be read, or is too large to be a result.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UnreadableResult(TOO_LARGE, where=str(path))
        return path.read_bytes()
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise UnreadableResult(reason, where=str(path), is_gone=isinstance(error, FileNotFoundError)) from None


def read_json(path: Path) -> Mapping[str, Any]:
    """The document in a result's file, unchecked: for those who need little of it.

    Raises:
        UnreadableResult: it cannot be read, or is no JSON object.
    """
    try:
        document = json.loads(read_bytes(path))
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise UnreadableResult("it is no JSON document", where=str(path))
    return document


def read_result(path: Path) -> Result:
    """The result in a file.

    Raises:
        UnreadableResult: it cannot be read, or holds none.
    """
    return parse_result(read_bytes(path))


def parse_result(raw: bytes) -> Result:
    """The result in a file's content.

    Raises:
        UnreadableResult: it is none, with the first place that is wrong.
    """
    # Imported here: most readers of the store do without the schema.
    from pydantic import ValidationError

    from orchestrator.result.schema import Result

    try:
        return Result.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        reason = f"it is no result of lcpp: {place + ': ' if place else ''}{first['msg']}"
        raise UnreadableResult(reason[:_LONGEST_REASON]) from None


def text_of(path: Path) -> str | None:
    """The text that a result's file holds, of a session that of all answers; None when there is none to read.

    The same text as the hash in a measurement is of.
    """
    try:
        document = read_json(path)
    except UnreadableResult:
        return None
    text, answers = document.get("text"), document.get("answers")
    if text is None and isinstance(answers, list) and answers:
        texts = [answer.get("text") if isinstance(answer, dict) else None for answer in answers]
        return "\n".join(text if isinstance(text, str) else "" for text in texts)
    return text if isinstance(text, str) else None
