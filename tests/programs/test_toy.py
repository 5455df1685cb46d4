"""A seventh program is one module: planned, estimated, composed, run, read and compared by code that never heard of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.drive.command import compose
from orchestrator.drive.session import Limits, Session
from orchestrator.eras.dialect import dialect_for
from orchestrator.errors import UsageError
from orchestrator.model.memory.check import check_memory
from orchestrator.model.memory.shape import shape_of
from orchestrator.programs import all_programs
from orchestrator.programs.plan.make import plan
from orchestrator.recipe.schema.recipe import RunSpec
from orchestrator.result.differences import differences
from orchestrator.result.run.read import read
from tests.drive.test_command import MODEL, engine
from tests.model.model_shapes import SHAPES, header_of
from tests.programs import toy

PROGRAM = """#!/bin/sh
printf 'Six times %s' "$6"
echo "common_perf_print: prompt eval time =      20.00 ms /     5 tokens (    4.00 ms per token,   250.00 tokens per second)" >&2
echo "common_perf_print:        eval time =      30.00 ms /     2 runs   (   15.00 ms per token,    66.67 tokens per second)" >&2
"""


@pytest.fixture(autouse=True)
def _seven(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(all_programs.PROGRAMS, toy.NAME, toy)


def spec(**run: Any) -> RunSpec:
    return RunSpec(prompt="seven", n_predict=20, **run).model_copy(update={"program": toy.NAME})


def test_it_goes_all_the_way(tmp_path: Path) -> None:
    built = engine(6000)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/x").write_text(PROGRAM)
    (tmp_path / "bin/x").chmod(0o755)
    from orchestrator.values import replace

    manifest = built.manifest.model_copy(update={"programs": {toy.NAME: built.manifest.programs["llama-cli"]}})
    built = replace(built, directory=tmp_path, manifest=manifest)
    planned = plan(spec(), built.dialect, prompt="seven")
    memory = check_memory(planned, shape_of([header_of(SHAPES["smollm2-135m"])]))
    assert memory.settings.n_ctx == 25
    command = compose(planned, built, MODEL, folder=tmp_path, inherited={"PATH": "/usr/bin:/bin"})
    assert command.argv[1:] == ("-m", "/m.gguf", "-c", "25", "--say", "seven")
    folder = tmp_path / "run"
    folder.mkdir()
    with Session(command.argv, environment=command.environment, folder=folder) as session:
        patience = Limits(timeout_s=30, idle_timeout_s=30, max_output_bytes=10_000)
        transcript = session.run(patience, lambda stream, data, at_s: None)
    reading = read(command, transcript, ())
    assert reading.error is None
    assert reading.record.generation.text == "Six times seven"
    assert reading.measured.generation_per_second == 66.67
    assert differences(planned, reading.record) == ()


def test_what_it_cannot_do_is_refused_as_for_the_others() -> None:
    with pytest.raises(UsageError, match=r"no llama-toy: it came with b5000"):
        plan(spec(), dialect_for(4999, None), prompt="seven")
    with pytest.raises(UsageError, match="llama-toy chooses no tokens"):
        plan(spec(sampling={"top_k": 3}), dialect_for(5000, None), prompt="seven")
    with pytest.raises(UsageError, match="llama-toy holds no sessions"):
        plan(spec().model_copy(update={"prompts": ("a",)}), dialect_for(5000, None), prompts=("a",))
