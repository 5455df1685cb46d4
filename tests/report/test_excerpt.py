"""The two ends of what may be huge."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.report.excerpt import Excerpt, of_file, of_text


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ("", "", 0)),
        ("12345", ("12345", "", 0)),
        ("123456", ("12", "456", 1)),
        ("1234567890", ("12", "890", 5)),
    ],
)
def test_a_text_keeps_both_ends(text: str, parts: tuple[str, str, int], tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(text)
    for excerpt in (of_text(text, 5), of_file(path, 5)):
        assert excerpt is not None
        assert (excerpt.head, excerpt.tail, excerpt.n_left_out) == parts
        assert bool(excerpt) is bool(text)


def test_only_a_plain_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"a\r\nb\xff")
    (tmp_path / "link").symlink_to(path)
    os.mkfifo(tmp_path / "pipe")
    assert of_file(path, 100) == Excerpt(head="a\nb\ufffd", unit="bytes")
    for name in ("link", "pipe", "none", "."):
        assert of_file(tmp_path / name, 100) is None
