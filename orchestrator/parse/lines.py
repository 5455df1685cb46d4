"""From raw terminal output to clean log lines, each split into the function that printed it and the rest.

Upstream renames its functions often and the rest of a line seldom, so the formats look at the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

# Colours and other terminal control: CSI sequences, OSC up to its end, two-byte escapes.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
# The loading spinner of b7348 and later: a character, then backspaces over it.
_SPINNER = re.compile(r"[|/\\-]?(?:\x08[|/\\ -])+\x08?")
# b9151 and later: minutes, seconds, milliseconds, microseconds since the start, then the level.
_STAMP = re.compile(r"\d+\.\d{2}\.\d{3}\.\d{3} ")
_LEVEL = re.compile(r"([IWED]) ")
# The component that stands before the function from b9829 on.
_COMPONENTS = frozenset(("cmn", "srv", "slot", "spec", "res", "que", "mtmd"))


# llama.cpp prints no log line as long; looking for formats in one could take for ever.
_LONGEST = 8192


class Line(NamedTuple):
    """One log line: `component function: rest`, cleaned. What the line does not name is empty."""

    component: str
    function: str
    rest: str
    level: str
    text: str


def clean(text: str) -> str:
    """`text` without colours, spinners and carriage returns."""
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    if "\x08" in text:
        text = _SPINNER.sub("", text)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "")
    return text


def split(text: str) -> Iterator[Line]:
    """The lines of a cleaned log, without the blank ones."""
    for raw in text.split("\n"):
        line = raw.rstrip()
        if len(line) > _LONGEST:
            yield Line("", "", "", "", line)
        elif line:
            yield read(line)


def read(line: str) -> Line:
    """Take one log line apart."""
    level = ""
    if line[0].isdigit() and (stamp := _STAMP.match(line)):
        line = line[stamp.end() :]
    if line[1:2] == " " and (found := _LEVEL.match(line)):
        level = found.group(1)
        line = line[2:]
    head, colon, rest = line.partition(":")
    if not colon:
        return Line("", "", line, level, line)
    words = head.split()
    component = ""
    if len(words) > 1 and words[0] in _COMPONENTS:
        component, *words = words
    if len(words) != 1:
        return Line(component, "", line, level, line)
    return Line(component, words[0].removesuffix("()"), rest.lstrip(" "), level, line)
