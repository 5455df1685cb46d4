"""From raw output to lines, each taken apart."""

from __future__ import annotations

import pytest

from orchestrator.parse import lines
from orchestrator.parse.lines import LONGEST, Line


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        ("just text", Line("", "", "just text", "", "just text")),
        ("llm_load: a = 1", Line("", "llm_load", "a = 1", "", "llm_load: a = 1")),
        ("main(): a", Line("", "main", "a", "", "main(): a")),
        ("0.01.234.567 I main: a", Line("", "main", "a", "I", "main: a")),
        ("0.01.234.567 W careful", Line("", "", "careful", "W", "careful")),
        ("E srv  init: a: b", Line("srv", "init", "a: b", "E", "srv  init: a: b")),
        ("slot with no function", Line("slot", "", "slot with no function", "", "slot with no function")),
    ],
)
def test_a_line_is_taken_apart(raw: str, line: Line) -> None:
    assert lines.read(raw) == line


def test_a_line_that_is_too_long_is_cut_and_has_no_function() -> None:
    assert lines.read("main: " + "x" * (LONGEST - 6)).function == "main"
    assert lines.read("main: " + "x" * (LONGEST - 5)) == Line("", "", "", "", "main: " + "x" * (LONGEST - 6))


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        (b"a\r\nb\r\n", b"a\nb\n"),
        (b"\x1b[32mgreen\x1b[0m \x1b[38;5;1mred", b"green red"),
        (b"\x1b]0;title\x07text", b"text"),
        (b"\x1b[\x1b[2mfaint", b"faint"),
        (b"|\x08/\x08-\x08\\\x08 \x08answer", b"answer"),
    ],
)
def test_control_codes_go(raw: bytes, clean: bytes) -> None:
    assert lines.scrub(raw) == clean


def test_blocks_end_with_a_line_and_lose_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "_BLOCK", 16)
    log = "".join(f"line {number}\n" for number in range(20))
    blocks = list(lines.blocks(log.encode()))
    assert len(blocks) == 10
    assert all(block.endswith("\n") for block in blocks)
    assert "".join(blocks) == log


def test_of_a_line_longer_than_a_block_only_the_beginning_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "_BLOCK", LONGEST * 2)
    blocks = list(lines.blocks(b"x" * LONGEST * 3 + b"\nnext\n"))
    assert [len(blocks[0]), *blocks[1:]] == [LONGEST + 1, "next\n"]


def test_blank_lines_are_left_out() -> None:
    assert [line.text for line in lines.split(b"\n\n a\n \nb: c \n\n")] == [" a", "b: c"]
