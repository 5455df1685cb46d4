"""Files in which the kernel tells what it knows. One that is absent or nonsense tells nothing; it is never an error."""

from __future__ import annotations

import re
from pathlib import Path

# Where `proc`, `sys` and `etc` are. Functions that read them take another root, such as a copy of another machine's.
ROOT = Path("/")

_MAX_BYTES = 16 * 2**20
_NUMBER = re.compile(r"-?\d{1,20}", re.ASCII)
_RANGE = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?", re.ASCII)


def text(path: Path) -> str:
    """A file's text, of 16 MiB at most; empty where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(_MAX_BYTES).decode("utf-8", errors="replace")
    except (OSError, ValueError):
        # ValueError: a path that came from another file holds a NUL.
        return ""


def number(path: Path) -> int | None:
    """The whole number that is all of a file."""
    return as_number(text(path).strip())


def as_number(digits: str) -> int | None:
    """A whole number of a size that the kernel can write; None: it is none."""
    return int(digits) if _NUMBER.fullmatch(digits) else None


def field(content: str, *names: str, separator: str = ":") -> str | None:
    """The value of the first of `names` that stands before a `separator` in a line of its own; of lines that say
    nothing the next counts."""
    values: dict[str, str] = {}
    for line in content.splitlines():
        name, _, value = line.partition(separator)
        if value.strip():
            values.setdefault(name.strip(), value.strip())
    return next((values[name] for name in names if name in values), None)


def cpu_list(listed: str) -> frozenset[int]:
    """CPU numbers as the kernel writes them: `0-3,8`; what is no number is left out."""
    cpus: set[int] = set()
    for match in map(_RANGE.fullmatch, listed.strip().split(",")):
        if match:
            cpus.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return frozenset(cpus)
