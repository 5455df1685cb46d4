"""Where two texts part."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.result.compare.text import CONTEXT, TextDifference, compare_text

_ANY = st.text(st.characters(exclude_categories=()), max_size=60)


def test_the_place_and_both_sides() -> None:
    found = compare_text("Paris is\nthe capital.", "Paris is\nthe largest city.")
    assert found == TextDifference(
        position=13,
        line=2,
        column=5,
        before="Paris is\nthe ",
        a="capital.",
        b="largest city.",
        length_a=21,
        length_b=26,
    )


def test_equal_texts() -> None:
    assert compare_text("", "") is None
    assert compare_text("x" * 300_000, "x" * 300_000) is None


def test_one_is_the_beginning_of_the_other() -> None:
    found = compare_text("Paris", "Paris\n")
    assert found is not None
    assert (found.position, found.line, found.column, found.a, found.b) == (5, 1, 6, "", "\n")
    nothing = compare_text("", "x")
    assert nothing is not None
    assert (nothing.position, nothing.line, nothing.column, nothing.before) == (0, 1, 1, "")


@given(_ANY, _ANY, _ANY)
def test_any_text(start: str, rest_a: str, rest_b: str) -> None:
    a, b = start + rest_a, start + rest_b
    found = compare_text(a, b, context=10)
    if a == b:
        assert found is None
        return
    assert found is not None
    assert a[: found.position] == b[: found.position]
    assert a[found.position : found.position + 1] != b[found.position : found.position + 1]
    assert (found.line, found.column) == (
        a[: found.position].count("\n") + 1,
        found.position - (a[: found.position].rfind("\n") + 1) + 1,
    )
    assert max(len(part) for part in (found.before, found.a, found.b)) <= 10
    # Lone surrogates too become a document.
    assert TextDifference.model_validate_json(found.model_dump_json()) == found


def test_megabytes_are_quick_and_little_of_them_is_kept() -> None:
    common = "ab\n" * 3_000_000
    begun = time.process_time()
    found = compare_text(common + "x" * 1_000_000, common + "y")
    assert time.process_time() - begun < 1
    assert found is not None
    assert (found.position, found.line) == (9_000_000, 3_000_001)
    assert len(found.a) == len(found.before) == CONTEXT
