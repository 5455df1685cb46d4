"""The generated text of a stored result."""

from __future__ import annotations

import json
from pathlib import Path

_MOST_BYTES = 512 * 1024 * 1024


def text_of(path: Path) -> str | None:
    """The text that a result's file holds, of a session that of all answers; None when there is none to read.

    The same text as the hash in a measurement is of.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            return None
        said = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    text, answers = said.get("text"), said.get("answers")
    if text is None and isinstance(answers, list) and answers:
        texts = [one.get("text") if isinstance(one, dict) else None for one in answers]
        return "\n".join(one if isinstance(one, str) else "" for one in texts)
    return text if isinstance(text, str) else None
