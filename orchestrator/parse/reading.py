"""The lines of a log, read one behind the other: what they say goes into a sheet, and each is counted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import get_args

from orchestrator.parse import formats, lines
from orchestrator.parse.formats import LineOutcome
from orchestrator.parse.keep import Category, Sheet
from orchestrator.parse.record import Counted, Coverage
from orchestrator.values import Struct, field

MOST_LINES = 200
_WIDTH = 300
_ERROR = re.compile(
    r"\berror\b|\bfailed to\b|GGML_ASSERT|GGML_ABORT|terminate called|^\s*what\(\):|unable to|prompt is too long"
    r"|input is empty|you need at least \d+ tokens",
    re.IGNORECASE,
)
_COMMAND = re.compile(r"\$ \S*(?:llama-[\w-]+|main|simple)(?:\s.*)?$")
# A block of free text in the log: from b4475 on the chat template or an example of it, by the server in quotes.
_EXAMPLE = re.compile(r"(?:example_format|chat_template|chat template example): ?'?")
_QUOTE = "example_format: '"
_EXAMPLE_LINES = 1000
# Lines that were read once need not be read again when they come again, as long as they say nothing to keep.
_REMEMBERED = 4096
_REMEMBERED_WIDTH = 200
# Looked up for every line: a member of an enumeration costs more than a name.
_KEPT, _KNOWN = LineOutcome.KEPT, LineOutcome.KNOWN


# How many lines, as the one item of a list: shared by all lines that are counted as the same, and quick to count up.
LineCount = list[int]


def _line_counts() -> dict[Category, LineCount]:
    return {category: [0] for category in get_args(Category)}


class LogReading(Struct):
    """What comes of the lines of a log.

    command: the command line, where the log has one.
    recognised, unrecognised: how many lines of each category.
    unrecognised_lines: the first of them.
    remembered: of lines that say nothing to keep, what counts them when they come again.
    n_example_lines: how many lines of an example may still come; 0 outside of one.
    """

    sheet: Sheet = field(default_factory=Sheet)
    command: str | None = None
    recognised: dict[Category, LineCount] = field(default_factory=_line_counts)
    unrecognised: dict[Category, LineCount] = field(default_factory=_line_counts)
    unrecognised_lines: list[str] = field(default_factory=list)
    remembered: dict[str, LineCount] = field(default_factory=lambda: {"": [0]})
    n_example_lines: int = 0
    is_example_quoted: bool = False

    def coverage(self) -> Coverage:
        """The counts, for the record."""
        categories: dict[Category, Counted] = {}
        for category, (n_recognised,) in self.recognised.items():
            n_lines = n_recognised + self.unrecognised[category][0]
            categories[category] = Counted(n_lines=n_lines, n_recognised=n_recognised)
        return Coverage(
            n_lines=sum(counted.n_lines for counted in categories.values()),
            n_unrecognised=sum(n_lines for (n_lines,) in self.unrecognised.values()),
            categories=categories,
            unrecognised=tuple(self.unrecognised_lines),
        )


def read(pieces: Iterable[bytes]) -> LogReading:
    """Read the pieces of a scrubbed log."""
    reading = LogReading()
    for piece in pieces:
        for block in lines.blocks(piece):
            _read_block(reading, iter(block.split("\n")))
    return reading


def _read_block(reading: LogReading, block: Iterator[str]) -> None:
    """Read some lines: nearly all right here, the others are taken apart in full."""
    sheet, recognised, remembered = reading.sheet, reading.recognised, reading.remembered
    reader_of, has_formats, worth_reading = formats.READERS.get, formats.BY_FUNCTION, formats.worth_reading().match
    kept, known = _KEPT, _KNOWN
    if reading.n_example_lines:
        _read_example(reading, block)
    for raw in block:
        if (line_count := remembered.get(raw)) is not None:
            line_count[0] += 1
            continue
        function, _, rest = raw.partition(": ")
        reader = reader_of(function)
        if reader is not None and len(raw) <= lines.LONGEST:
            category, read_rest = reader
            rest = rest.strip()
            outcome = read_rest(sheet, rest if rest.isascii() else formats.in_english(rest))
            if outcome is kept:
                recognised[category][0] += 1
                continue
            if outcome is known and "template" not in rest:
                _count(reading, raw, recognised[category])
                continue
        elif not (function in has_formats or worth_reading(raw) or _has_error_sign(raw) or raw.isspace()):
            _count_unrecognised(reading, raw, "other", raw.rstrip())
            continue
        if text := raw.rstrip():
            _read_in_full(reading, raw, lines.read(text))
            if reading.n_example_lines:
                _read_example(reading, block)


def _read_in_full(reading: LogReading, raw: str, line: lines.Line) -> None:
    """Read any line, which may be the first of an example."""
    category, outcome = formats.recognise(reading.sheet, line)
    if outcome is _KEPT or outcome is _KNOWN:
        line_count = reading.recognised[category]
        if "template" in line.text and line.text[-1] != "'" and _EXAMPLE.search(line.rest):
            line_count[0] += 1
            reading.n_example_lines, reading.is_example_quoted = _EXAMPLE_LINES, _QUOTE in line.text
        elif outcome is _KEPT:
            line_count[0] += 1
        else:
            _count(reading, raw, line_count)
    elif _keep_message(reading, line):
        reading.recognised[category][0] += 1
    else:
        _count_unrecognised(reading, raw, category, line.text)


def _read_example(reading: LogReading, block: Iterator[str]) -> None:
    """Read the lines of an example, up to its closing quote or the first line of a function that is llama.cpp's."""
    for raw in block:
        if not (text := raw.rstrip()):
            continue
        line = lines.read(text)
        if formats.is_known(line.component, line.function):
            reading.n_example_lines = 0
            _read_in_full(reading, raw, line)
        else:
            reading.recognised["other"][0] += 1
            reading.is_example_quoted = reading.is_example_quoted or _QUOTE in line.text
            is_end = reading.is_example_quoted and line.text[-1] == "'"
            reading.n_example_lines = 0 if is_end else reading.n_example_lines - 1
        if not reading.n_example_lines:
            return


def _count(reading: LogReading, raw: str, line_count: LineCount) -> None:
    """Count a line that says nothing to keep, and remember that."""
    line_count[0] += 1
    if len(reading.remembered) <= _REMEMBERED and len(raw) <= _REMEMBERED_WIDTH:
        reading.remembered[raw] = line_count


def _count_unrecognised(reading: LogReading, raw: str, category: Category, text: str) -> None:
    if len(reading.unrecognised_lines) < MOST_LINES:
        reading.unrecognised_lines.append(text[:_WIDTH])
    _count(reading, raw, reading.unrecognised[category])


def _keep_message(reading: LogReading, line: lines.Line) -> bool:
    """Keep an error, a warning or the command that no format knows; whether it is one."""
    sheet = reading.sheet
    if line.level == "E" or _has_error_sign(line.text):
        if len(sheet.errors) >= MOST_LINES:
            return True
        if line.level == "E" or _ERROR.search(line.text):
            sheet.errors.append(line.text[:_WIDTH])
            return True
    if line.level == "W":
        if len(sheet.warnings) < MOST_LINES:
            sheet.warnings.append(line.text[:_WIDTH])
        return True
    if reading.command is None and line.text.startswith("$ ") and _COMMAND.match(line.text):
        reading.command = line.text[2:]
        return True
    return False


def _has_error_sign(text: str) -> bool:
    low = text.lower()
    return (
        "error" in low
        or "failed to" in low
        or "unable to" in low
        or "ggml_a" in low
        or "terminate called" in low
        or "what()" in low
        or "prompt is too long" in low
        or "input is empty" in low
        or "you need at least" in low
    )
