"""Where two texts part: the place, and a little of both around it."""

import re
from typing import Annotated

from pydantic import Field

from orchestrator.piece import Piece

CONTEXT = 40
_BLOCK = 1 << 16
_SURROGATES = re.compile("[\ud800-\udfff]")


class TextDifference(Piece):
    """The first difference of two texts. The pieces are as they were generated: escape them before they are printed."""

    position: Annotated[int, Field(ge=0, description="Characters that both have in common before they part.")]
    line: Annotated[int, Field(ge=1, description="In that line, counted from 1 …")]
    column: Annotated[int, Field(ge=1, description="… and column.")]
    before: Annotated[str, Field(description="The end of what they have in common.")]
    a: Annotated[str, Field(description="How A goes on; empty where it ends there.")]
    b: Annotated[str, Field(description="How B goes on; empty where it ends there.")]
    length_a: Annotated[int, Field(ge=0, description="Characters in all.")]
    length_b: Annotated[int, Field(ge=0, description="Characters in all.")]


def compare_text(a: str, b: str, *, context: int = CONTEXT) -> TextDifference | None:
    """The first difference; None for equal texts. At most `context` characters of each part are kept."""
    if a == b:
        return None
    position = _common(a, b)
    last_line_end = a.rfind("\n", 0, position)
    return TextDifference(
        position=position,
        line=a.count("\n", 0, position) + 1,
        column=position - last_line_end,
        before=_whole(a[max(0, position - context) : position]),
        a=_whole(a[position : position + context]),
        b=_whole(b[position : position + context]),
        length_a=len(a),
        length_b=len(b),
    )


def _common(a: str, b: str) -> int:
    """How many characters both begin with; linear, and quick also for megabytes."""
    shorter = min(len(a), len(b))
    start = 0
    while start < shorter and a[start : start + _BLOCK] == b[start : start + _BLOCK]:
        start += _BLOCK
    start = min(start, shorter)
    end = min(start + _BLOCK, shorter)
    return next((place for place in range(start, end) if a[place] != b[place]), end)


def _whole(text: str) -> str:
    """`text` as JSON can carry it: a lone surrogate, which no UTF-8 has, becomes U+FFFD."""
    return _SURROGATES.sub("\ufffd", text)
