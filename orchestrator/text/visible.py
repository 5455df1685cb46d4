"""Text from a model, a log or a file name, made safe to show: nothing in it commands a terminal or turns other text."""

from __future__ import annotations

# Control characters (escape sequences begin with one) and marks that turn the direction of text.
_UNSAFE = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"} | dict.fromkeys(
    (0x7F, *range(0x80, 0xA0), 0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)), "\ufffd"
)


def visible(text: str) -> str:
    """`text` with everything that could command a terminal, or turn the text around it, made visible."""
    return text.translate(_UNSAFE)
