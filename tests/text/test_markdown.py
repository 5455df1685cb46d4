"""A stranger's text in Markdown stays text."""

from __future__ import annotations

import re

import pytest

from orchestrator.text.markdown import code, escape, escape_sentence

HOSTILE = "a|b`c` *d* _e_ [f](g) <h> ~i~ $j$ &amp; #1 @k !l http://m www.n \x1b[1m\u202e"


def test_nothing_of_a_stranger_is_markup() -> None:
    escaped = escape(HOSTILE)
    # What is left when the escapes are taken away has no sign that Markdown knows.
    assert not re.search(r"[\\`*_\[\]<>#!|~&$@]|://|www\.", re.sub(r"\\[\\*_\[\]]|&#\d+;", "", escaped))
    assert escaped.startswith("a&#124;b&#96;c&#96; \\*d\\*")
    assert "\x1b" not in escaped
    assert "\u202e" not in escaped


def test_a_cell_is_one_line_of_bounded_length() -> None:
    assert escape(" a\n\nb\tc ") == "a b c"
    hostile = "a|b\n# x @you http://x <i> www.x"
    assert escape(hostile) == "a&#124;b &#35; x &#64;you http&#58;//x &#60;i&#62; www&#46;x"
    assert escape("x" * 500) == "x" * 199 + "…"


def test_code_in_a_sentence_of_ours_stays_code() -> None:
    told = "A and B [both] differ: `lcpp compare RECIPE -a … -b a_b=*` runs them in turns, a_b"
    expected = "A and B \\[both\\] differ: `lcpp compare RECIPE -a … -b a_b=*` runs them in turns, a\\_b"
    assert escape_sentence(told) == expected


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("plain", "`plain`"),
        (" led", "`  led `"),
        ("a\nb\t", "`a␊b␉`"),
        ("", "(empty)"),
        (" ", "(blank)"),
        ("a`b|c", "<code>a&#96;b&#124;c</code>"),
        ("<b>&", "`<b>&`"),
        ("x" * 300, f"`{'x' * 200}`"),
    ],
)
def test_a_code_span(text: str, span: str) -> None:
    assert code(text) == span
