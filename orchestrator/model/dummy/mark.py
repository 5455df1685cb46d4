"""How a dummy is known as one: by its own header, so that it stays marked wherever the file goes."""

from __future__ import annotations

from collections.abc import Mapping

KEY = "lcpp.dummy"
KEY_ORIGIN = "lcpp.dummy.of"
KEY_FORMAT = "lcpp.dummy.format"
NAME_PREFIX = "dummy of "


def is_dummy(metadata: Mapping[str, object]) -> bool:
    """Whether a header's values (`Header.kv`, `HeaderSummary.metadata`) are those of a dummy.

    Its speed and memory are facts then, its text is noise.
    """
    return metadata.get(KEY) is True
