"""Transcripts of really built programs, from the first GGUF build on: what they say is read right, whole, and whatever
happens to them on the way, nothing worse comes of it than a record with less in it."""

from __future__ import annotations

import contextlib
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import LcppError
from orchestrator.parse.parser import parse_log
from tests.parse.recorded import RECORDED, Recorded

NEEDED = ("loader", "metadata", "context", "timing")


def by_folder_of(folders: list[Path]) -> pytest.MarkDecorator:
    """The test for each of these transcripts."""
    return pytest.mark.parametrize("folder", folders, ids=lambda folder: f"{folder.parent.name}-{folder.name}")


by_folder = by_folder_of(RECORDED)


# Those whose text is known from the program run by hand, those whose text is not among the log's lines, and those
# whose text is kept byte for byte.
TOLD = [folder for folder in RECORDED if Recorded(folder).asked.get("text") is not None]
APART = [folder for folder in RECORDED if Recorded(folder).layout.shape != "between_marks"]
EXACT = [folder for folder in TOLD if Recorded(folder).asked["text"] and Recorded(folder).layout.shape != "chat"]


def test_there_are_some() -> None:
    assert len(RECORDED) >= 200
    assert len(TOLD) >= 60
    assert len(EXACT) >= 50


@by_folder
def test_the_record_is_the_expected_one(folder: Path) -> None:
    record = Recorded(folder).read()
    assert json.loads(record.model_dump_json(exclude_defaults=True)) == json.loads(
        (folder / "expected.json").read_text()
    )


@by_folder_of(TOLD)
def test_the_text_is_the_programs_own(folder: Path) -> None:
    recorded = Recorded(folder)
    assert recorded.read().generation.text == recorded.asked["text"]


def test_nearly_every_line_is_recognised() -> None:
    n_lines, n_recognised = Counter[str](), Counter[str]()
    strange: list[str] = []
    for folder in RECORDED:
        coverage = Recorded(folder).read().coverage
        for category, counted in coverage.categories.items():
            n_lines[category] += counted.n_lines
            n_recognised[category] += counted.n_recognised
        strange += [f"{folder.parent.name}/{folder.name}: {line}" for line in coverage.unrecognised]
    for needed in NEEDED:
        assert n_lines[needed] > 0
        assert n_recognised[needed] / n_lines[needed] >= 0.99, (needed, strange)
    assert n_recognised.total() / n_lines.total() >= 0.99, strange


STAMPED = b"\x1b[34m0.00.002.363\x1b[0m \x1b[32mI \x1b[0m"


@by_folder_of(APART)
def test_colours_times_levels_and_carriage_returns_change_nothing(folder: Path) -> None:
    recorded = Recorded(folder)
    expected = recorded.read().model_dump(exclude={"coverage", "warnings", "errors"})
    lines = recorded.stderr.split(b"\n")
    # Only lines of functions: the others are parts of one message, of which the first has the time.
    stamped = b"\r\n".join(STAMPED + line if b": " in line[:80] else line for line in lines)
    assert recorded.read(stderr=stamped).model_dump(exclude={"coverage", "warnings", "errors"}) == expected


LYING = (
    b"\nllama_print_timings:        eval time =       1.00 ms /  9999 runs   (    0.00 ms per token, 1.00 tokens per second)\n"
    b"llama_model_loader: - kv   0:                       general.architecture str              = forged\n"
    b"print_info: n_ctx_train      = 9999\nllama_context: n_ctx = 9999\nerror loading model: forged\n> forged\n"
    b"\x1b[31mslot print_timing: id  0 | task 0 | prompt eval time = 1.00 ms / 9999 tokens\n[1]2.0000,\n"
)


@by_folder_of(EXACT)
def test_lines_inside_the_answer_stay_inside_it(folder: Path) -> None:
    recorded = Recorded(folder)
    text = recorded.read().generation.text
    assert text
    stream = recorded.stderr if recorded.layout.shape == "between_marks" else recorded.stdout
    at = stream.rfind(text.encode())
    assert at >= 0
    lying = LYING.replace(b"\x1b[31m", b"") if recorded.layout.shape == "between_marks" else LYING
    changed = stream[: at + len(text.encode())] + lying + b"x" + stream[at + len(text.encode()) :]
    record = recorded.read(**{"stderr" if recorded.layout.shape == "between_marks" else "stdout": changed})
    assert record.generation.text == text + lying.decode() + "x"
    for part in ("loader", "metadata", "context", "timings", "errors", "coverage"):
        assert getattr(record, part) == getattr(recorded.read(), part)


@by_folder
def test_a_merged_log_says_the_same_figures(folder: Path) -> None:
    recorded = Recorded(folder)
    alone = recorded.read()
    with contextlib.suppress(LcppError):
        merged = parse_log(recorded.stderr + recorded.stdout)
        assert (merged.loader, merged.bench, merged.batched) == (alone.loader, alone.bench, alone.batched)
        assert merged.metadata == alone.metadata
        assert merged.timings == alone.timings


def _cut(data: bytes, draw: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    return b"".join(lines[: draw.randrange(len(lines) + 1)])


def _cut_inside(data: bytes, draw: random.Random) -> bytes:
    return data[: draw.randrange(len(data) + 1)]


def _doubled(data: bytes, draw: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    return b"".join(line * draw.choice((1, 1, 2, 3)) for line in lines)


def _shuffled(data: bytes, draw: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    draw.shuffle(lines)
    return b"".join(lines)


def _bitten(data: bytes, draw: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(len(changed) // 50):
        changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)


def _digits(data: bytes, draw: random.Random) -> bytes:
    """Numbers that no one expects: far too long, or none."""
    return data.replace(b"1", draw.choice((b"", b"9" * 30, b"9" * 6000, b"inf", b"-", "٣".encode(), b"1e999")), 40)


def _returned(data: bytes, draw: random.Random) -> bytes:
    return data.replace(b"\n", draw.choice((b"\r\n", b"\r", b"\n\r\n", b"\n\n")))


def _coloured(data: bytes, draw: random.Random) -> bytes:
    code = draw.choice((b"\x1b[31m", b"\x1b[", b"\x1b]0;x\x07", b"\x08 \x08", b"|\x08/\x08", STAMPED))
    return data.replace(b" ", b" " + code) if draw.random() < 0.5 else data.replace(b"\n", b"\n" + code)


def _lied(data: bytes, draw: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    lines.insert(draw.randrange(len(lines) + 1), LYING)
    return b"".join(lines)


MUTATIONS = (_cut, _cut_inside, _doubled, _shuffled, _bitten, _digits, _returned, _coloured, _lied)


@given(
    folder=st.sampled_from(RECORDED),
    mutations=st.lists(st.sampled_from(MUTATIONS), min_size=1, max_size=3),
    seed=st.integers(0, 2**32),
)
def test_whatever_happens_to_a_transcript_it_is_read(folder: Path, mutations: list[Any], seed: int) -> None:
    recorded, draw = Recorded(folder), random.Random(seed)
    stdout, stderr = recorded.stdout, recorded.stderr
    for mutation in mutations:
        stdout, stderr = mutation(stdout, draw), mutation(stderr, draw)
    recorded.read(stdout, stderr).model_dump_json()
    with contextlib.suppress(LcppError):
        parse_log(stderr + stdout).model_dump_json()
