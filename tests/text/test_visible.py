"""Text of strangers: what commands a terminal or turns other text is seen, the rest stays as it is."""

from __future__ import annotations

import unicodedata

import pytest

from orchestrator.text.visible import label, quoted, shortened, visible, visible_line

EVERY_CHARACTER = "".join(map(chr, range(0xD800))) + "".join(map(chr, range(0xE000, 0x30000)))
TURNS = {"\u061c", "\u200e", "\u200f", *map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}


def test_nothing_that_is_left_commands_or_turns() -> None:
    shown = visible(EVERY_CHARACTER)
    assert len(shown) == len(EVERY_CHARACTER)
    assert {char for char in shown if unicodedata.category(char) == "Cc"} == {"\n", "\t"}
    assert not TURNS & set(shown)
    # And nothing else is touched.
    changed = {before for before, after in zip(EVERY_CHARACTER, shown, strict=True) if before != after}
    assert changed == {char for char in EVERY_CHARACTER if unicodedata.category(char) == "Cc"} - {"\n", "\t"} | TURNS


def test_an_escape_sequence_is_seen() -> None:
    assert visible("a\x1b[31mb\r\n\tc\x07\x9b") == "a␛[31mb␍\n\tc␇\ufffd"


def test_a_word_is_one_line() -> None:
    assert visible_line("a\nb\tc\u2028d\u2029e\x1b") == "a␊b␉c␊d␊e␛"
    assert len(visible_line(EVERY_CHARACTER).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("  a\n\tb  c ", 20, "a b c"),
        ("word", 4, "word"),
        ("words", 4, "wor…"),
        ("a\x1bb", 3, "a␛b"),
        ("a\x0bb", 3, "a␋b"),
    ],
)
def test_a_label(text: str, limit: int, shown: str) -> None:
    assert label(text, limit) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("né", "né"),
        ("a\x1b[1m\n", "a\\u001b[1m\\u000a"),
        ("x" * 60, "x" * 60),
        ("x" * 61, "x" * 60 + "…"),
        # It is cut where it is shown, not where it was written.
        ("\n" * 70, ("\\u000a" * 10) + "…"),
    ],
)
def test_a_message_names_it(text: str, shown: str) -> None:
    assert quoted(text) == shown
    assert quoted(text).isprintable()


@pytest.mark.parametrize(("limit", "shown"), [(5, "words"), (6, "words"), (4, "wor…"), (1, "…")])
def test_what_is_shortened_keeps_within_its_limit(limit: int, shown: str) -> None:
    assert shortened("words", limit) == shown
    assert len(shown) <= limit
