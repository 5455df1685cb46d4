"""Files of results are read in one way, with one limit and one error."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.result.reading import (
    MAX_BYTES,
    UnreadableResult,
    parse_result,
    read_bytes,
    read_json,
    read_result,
    text_of,
)
from tests.result.varied import document

READERS = [read_bytes, read_json, read_result]


@pytest.mark.parametrize("read", READERS)
def test_what_is_too_large_is_not_read(read: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        os.truncate(file.fileno(), MAX_BYTES + 1)
    with pytest.raises(UnreadableResult, match="larger than 256 MiB") as caught:
        read(path)
    assert caught.value.where == str(path)
    assert text_of(path) is None


@pytest.mark.parametrize("read", READERS)
def test_only_what_is_not_there_is_gone(read: Callable[[Path], object], tmp_path: Path) -> None:
    with pytest.raises(UnreadableResult, match="No such file") as caught:
        read(tmp_path / "none.json")
    assert caught.value.is_gone
    with pytest.raises(UnreadableResult, match="directory") as caught:
        read(tmp_path)
    assert not caught.value.is_gone
    assert text_of(tmp_path) is None


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000])
def test_what_is_no_result_is_refused(raw: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(raw)
    with pytest.raises(UnreadableResult, match="it is no result of lcpp"):
        read_result(path)
    with pytest.raises(UnreadableResult, match="it is no JSON document"):
        read_json(path)


def test_the_place_that_is_wrong_is_named() -> None:
    wrong = document(1)
    wrong["ran"]["process"]["wall_s"] = "long"
    with pytest.raises(UnreadableResult, match="wall_s"):
        parse_result(json.dumps(wrong).encode())


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"text": "one"}, "one"),
        ({"text": None, "answers": [{"text": "a"}, {}, 3, {"text": "b"}]}, "a\n\n\nb"),
        ({"text": None, "answers": []}, None),
        ({"text": 3}, None),
        ({}, None),
    ],
)
def test_the_text_is_that_of_all_answers(content: dict[str, object], text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(content))
    assert text_of(path) == text
