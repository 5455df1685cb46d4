"""From raw terminal output to clean log lines, each split into the function that printed it and the rest.

Upstream renames its functions often and the rest of a line seldom, so the formats look at the rest. All of it works on
bytes, a block of lines at a time: an output of any size takes its own size of memory and little more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

# Colours and other terminal control: CSI sequences, OSC up to its end, two-byte escapes. Colours first, they are most.
_COLOURS = re.compile(rb"\x1b\[[0-9;]*[mK]")
_ESCAPES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]{0,4096}(?:\x07|\x1b\\)?|[@-Z\\-_])")
_FREQUENT = (b"\x1b[0m", b"\x1b[31m", b"\x1b[32m", b"\x1b[33m", b"\x1b[34m", b"\x1b[35m", b"\x1b[1m")
# The loading spinner of b7348 and later: a character, then backspaces over it.
_SPINNER = (
    *(b"\x08" + sign for sign in (b"|", b"/", b"-", b"\\", b" ")),
    b"|\x08",
    b"/\x08",
    b"-\x08",
    b"\\\x08",
    b"\x08",
)
# b9151 and later: minutes, seconds, milliseconds, microseconds since the start, then the level. A component may stand
# before the function: those of the server, from b9829 on also that of the common code.
_HEAD = re.compile(
    r"(?:\d+\.\d{2}\.\d{3}\.\d{3} )?(?:(?P<level>[IWED]) )?"
    r"(?:(?P<component>cmn|srv|slot|spec|res|que|mtmd) +)?(?:(?P<function>[\w~]{1,80})(?:\(\))? ?: *)?",
    re.ASCII,
)

# llama.cpp prints no log line as long; looking for formats in one could take for ever.
LONGEST = 8192
_BLOCK = 1 << 18


class Line(NamedTuple):
    """One log line: `component function: rest`, cleaned. What the line does not name is empty."""

    component: str
    function: str
    rest: str
    level: str
    text: str


def scrub(raw: bytes) -> bytes:
    """`raw` without colours, spinners and carriage returns."""
    # Replacing fixed strings is far quicker than looking for patterns.
    if b"\x1b" in raw:
        for code in _FREQUENT:
            raw = raw.replace(code, b"")
        # An escape that begins within another ends it; many of them would take long otherwise.
        for broken in (b"\x1b[\x1b", b"\x1b]\x1b"):
            while broken in raw:
                raw = raw.replace(broken, b"\x1b")
        if b"\x1b" in raw:
            raw = _ESCAPES.sub(b"", _COLOURS.sub(b"", raw))
    if b"\x08" in raw:
        for drawn in _SPINNER:
            raw = raw.replace(drawn, b"")
    if b"\r" in raw:
        raw = raw.replace(b"\r", b"")
    return raw


def clean(text: str) -> str:
    """`scrub` for text."""
    return scrub(text.encode(errors="surrogatepass")).decode(errors="replace")


def blocks(raw: bytes) -> Iterator[str]:
    """The lines of a scrubbed log as text, some thousand at a time; blank ones may be left out.

    Of a line that is longer than a block only the beginning comes.
    """
    start, size = 0, len(raw)
    while start < size:
        stop = start + _BLOCK
        if stop < size:
            stop = raw.rfind(b"\n", start, stop) + 1
            if stop <= start:
                end = raw.find(b"\n", start + _BLOCK)
                yield raw[start : start + LONGEST + 1].decode(errors="replace")
                start = size if end < 0 else end + 1
                continue
        block = raw[start:stop]
        start = stop
        while b"\n\n" in block:
            block = block.replace(b"\n\n", b"\n")
        yield block.decode(errors="replace")


def split(raw: bytes) -> Iterator[Line]:
    """The lines of a scrubbed log, without the blank ones."""
    for block in blocks(raw):
        for line in block.split("\n"):
            if stripped := line.rstrip():
                yield read(stripped)


def read(line: str) -> Line:
    """Take one log line apart."""
    if len(line) > LONGEST:
        return Line("", "", "", "", line[:LONGEST])
    head = _HEAD.match(line)
    if head is None:
        return Line("", "", line, "", line)
    level, component, function = head.groups("")
    if not function:
        begin = head.end() if not component else head.start("component")
        text = line[begin:] if begin else line
        return Line(component, "", text, level, text)
    begin = head.start("component") if component else head.start("function")
    return Line(component, function, line[head.end() :], level, line[begin:] if begin else line)
