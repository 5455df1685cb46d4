"""Transcripts of really built programs give the records that were read and found right when they were recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.engine.dialect import dialect_for
from orchestrator.parse.parser import parse_run
from orchestrator.parse.record import Record

TRANSCRIPTS = Path(__file__).parents[1] / "data/transcripts"
RECORDED = sorted(path.parent for path in TRANSCRIPTS.glob("*/*/asked.json"))


def read(folder: Path) -> Record:
    asked = json.loads((folder / "asked.json").read_text())
    layout = dialect_for(asked["build"], None).layout(asked["program"])
    return parse_run(
        (folder / "stdout.log").read_bytes(), (folder / "stderr.log").read_bytes(), layout, asked["prompt"]
    )


def test_there_are_some() -> None:
    assert len(RECORDED) >= 7


@pytest.mark.parametrize("folder", RECORDED, ids=lambda folder: f"{folder.parent.name}-{folder.name}")
def test_the_record_is_the_expected_one(folder: Path) -> None:
    record = read(folder)
    assert json.loads(record.model_dump_json(exclude_defaults=True)) == json.loads(
        (folder / "expected.json").read_text()
    )
    assert record.coverage.n_unrecognised == 0
    assert record.errors == ()


@pytest.mark.parametrize("folder", RECORDED, ids=lambda folder: f"{folder.parent.name}-{folder.name}")
def test_a_transcript_that_is_cut_anywhere_still_parses(folder: Path) -> None:
    asked = json.loads((folder / "asked.json").read_text())
    layout = dialect_for(asked["build"], None).layout(asked["program"])
    stdout, stderr = (folder / "stdout.log").read_bytes(), (folder / "stderr.log").read_bytes()
    for share in range(20):
        record = parse_run(
            stdout[: len(stdout) * share // 20], stderr[: len(stderr) * share // 20], layout, asked["prompt"]
        )
        record.model_dump_json()
