"""Text that stays text in Markdown: nothing of it is markup, a link or a mention."""

from __future__ import annotations

import re

from orchestrator.text.visible import label, visible_line

_LONGEST = 200
# What Markdown, or the HTML in it, could read as more than a letter; a URL or a mention would become a link by itself.
_MARKUP = re.compile(r"[\\`*_\[\]<>#!|~&$@]|:(?=//)|(?<=www)\.", re.IGNORECASE)


def escape(text: str) -> str:
    """A stranger's text for a line or a table's cell: in one line, bounded."""
    return _inert(label(text, _LONGEST))


def escape_sentence(text: str) -> str:
    """A sentence of ours, whose `code` stays code."""
    return "`".join(part if number % 2 else _inert(part) for number, part in enumerate(text.split("`")))


def code(text: str) -> str:
    """A stranger's text in a code span of a table's cell: whole, white space and all."""
    shown = visible_line(text[:_LONGEST])
    if not shown.strip():
        return "(blank)" if shown else "(empty)"
    if "`" in shown or "|" in shown:
        # Parsers do not agree on these two inside a code span inside a table; on character references they do.
        return f"<code>{re.sub(r'[^A-Za-z0-9 ]', lambda sign: f'&#{ord(sign[0])};', shown)}</code>"
    return f"` {shown} `" if shown[0] == " " or shown[-1] == " " else f"`{shown}`"


def _inert(text: str) -> str:
    # An entity is no markup in any dialect; a backslash is easier to read where it does.
    return _MARKUP.sub(lambda sign: f"\\{sign[0]}" if sign[0] in r"\*_[]" else f"&#{ord(sign[0])};", text)
