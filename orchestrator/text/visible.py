"""Text from a model, a log or a file name, made safe to show: nothing in it commands a terminal or turns other text."""

from __future__ import annotations

# Control characters (escape sequences begin with one) and marks that turn the direction of text.
_UNSAFE = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"} | dict.fromkeys(
    (0x7F, *range(0x80, 0xA0), 0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)), "\ufffd"
)
_BREAKS = {"\n": "␊", "\t": "␉", "\u2028": "␊", "\u2029": "␊"}
_UNSAFE_OR_BREAK = _UNSAFE | {ord(char): sign for char, sign in _BREAKS.items()}


def visible(text: str) -> str:
    """`text` with everything that could command a terminal, or turn the text around it, made visible."""
    return text.translate(_UNSAFE)


def visible_line(text: str) -> str:
    """The same for a stranger's word, which must not look like more lines of ours: line ends are made visible too."""
    return text.translate(_UNSAFE_OR_BREAK)


def label(text: str, limit: int) -> str:
    """The same as a label: in one line, its white space as single spaces, at most `limit` characters."""
    return shortened(" ".join(visible(text).split()), limit)


def quoted(text: str, limit: int = 60) -> str:
    """`text` as a message names it: in one line, whatever is not printable as `\\u001b`, cut at `limit` characters."""
    shown = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text[: limit + 1])
    return shown if len(text) <= limit else f"{shown[:limit]}…"


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters of `text`; where some are left out, the last is an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
