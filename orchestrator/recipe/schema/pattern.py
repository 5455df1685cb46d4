"""Regular expressions from recipes: refused at load when they are wrong, or too large to compile."""

from __future__ import annotations

import re
from math import prod

# `regex` copies what is repeated: `(a{1000}){1000}` takes 270 MB, about 270 bytes a copy.
_MAX_COPIES = 200_000
# What `regex` reads as the count of `{n,m}`; in verbose mode, spaces and comments may stand within.
_COUNT = re.compile(r"\{((?:[\s\d]|#[^\n]*\n)*)")
_NOT_DIGITS = re.compile(r"#[^\n]*\n|\s")


def _copies(pattern: str) -> int:
    """An upper bound of how many pieces the compiled pattern has, without understanding the pattern.

    Only a group makes counts multiply (`a{9}{9}` is an error), so at most one more count than there are groups do.
    """
    digits = (_NOT_DIGITS.sub("", count) for count in _COUNT.findall(pattern))
    counts = sorted((int(text[:12]) for text in digits if text), reverse=True)
    return len(pattern) * prod(max(count, 1) for count in counts[: pattern.count("(") + 1])


def compilable(pattern: str) -> str:
    """The pattern itself.

    Raises:
        ValueError: it is not a regular expression, or too large as one.
    """
    # Imported here because it takes 30 ms, and most recipes have no pattern.
    import regex

    if _copies(pattern) > _MAX_COPIES:
        raise ValueError("the regular expression repeats too much: use smaller counts in {…}")
    try:
        regex.compile(pattern)
    except regex.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    except RecursionError:
        raise ValueError("the regular expression is nested too deeply") from None
    return pattern
