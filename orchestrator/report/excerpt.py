"""The head and tail of a text or a file that may be huge, and how much lies between."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from orchestrator.values import Value


class Excerpt(Value):
    """A text, or its two ends.

    Args:
        n_left_out: how much is not here; 0: `head` is all of it.
        unit: of `n_left_out`.
    """

    head: str
    tail: str = ""
    n_left_out: int = 0
    unit: str = "characters"

    def __bool__(self) -> bool:
        return bool(self.head or self.n_left_out)


def of_text(text: str, limit: int) -> Excerpt:
    """At most `limit` characters of `text`, of both its ends."""
    if len(text) <= limit:
        return Excerpt(head=text)
    head = limit // 2
    tail = limit - head
    return Excerpt(head=text[:head], tail=text[len(text) - tail :], n_left_out=len(text) - limit)


def of_file(path: Path, limit: int) -> Excerpt | None:
    """At most `limit` bytes of a file, of both its ends.

    Returns:
        None when it is not there, or is no plain file: results come from others too.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    about = os.fstat(handle)
    if not stat.S_ISREG(about.st_mode):
        os.close(handle)
        return None
    with os.fdopen(handle, "rb") as file:
        if about.st_size <= limit:
            return Excerpt(head=_text(file.read(limit)), unit="bytes")
        head = file.read(limit // 2)
        file.seek(about.st_size - (limit - len(head)))
        tail = file.read(limit - len(head))
    return Excerpt(head=_text(head), tail=_text(tail), n_left_out=about.st_size - len(head) - len(tail), unit="bytes")


def _text(raw: bytes) -> str:
    # A program may end its lines as a terminal wants them.
    return raw.decode("utf-8", errors="replace").replace("\r\n", "\n")
