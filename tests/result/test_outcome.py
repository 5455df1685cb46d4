"""Each way a run can end badly has its cause and its next step."""

from __future__ import annotations

import dataclasses
import signal
from pathlib import Path
from typing import Any

import pytest

from orchestrator.drive.transcript import Transcript
from orchestrator.engine.dialect import Layout
from orchestrator.errors import DriveError, Interrupted, LcppError
from orchestrator.parse.parser import parse_run
from orchestrator.recipe.schema import RunSpec
from orchestrator.result.outcome import failure

WELL = Transcript(
    argv=("llama-cli",),
    stdout=b"Paris.",
    stderr=b"llama_print_timings:        eval time =     120.60 ms /     7 runs\n",
    timeline=(),
    started_at="2026-01-01T00:00:00+00:00",
    wall_s=1.0,
    cpu_s=1.0,
    peak_memory_bytes=1,
    exit_code=0,
    signal=None,
    stopped_by=None,
    folder=Path("/runs/x"),
)


def ended(**changes: Any) -> LcppError | None:
    transcript = dataclasses.replace(WELL, **changes)
    record = parse_run(transcript.stdout, transcript.stderr, Layout(shape="stdout"), "Hello")
    return failure(transcript, record, "llama-cli", RunSpec(prompt="Hello"))


def test_a_run_that_ended_well() -> None:
    assert ended() is None


@pytest.mark.parametrize(
    ("changes", "what", "hint"),
    [
        ({"exit_code": None, "signal": signal.SIGSEGV}, "died of SIGSEGV: it crashed", "shorter prompt"),
        ({"exit_code": None, "signal": signal.SIGILL}, "died of SIGILL: it met an instruction", "GGML_NATIVE"),
        ({"exit_code": None, "signal": signal.SIGKILL}, "memory ran out", "run.n_ctx"),
        ({"exit_code": None, "signal": signal.SIGABRT}, "an assertion did not hold", "engine.ref"),
        ({"exit_code": None, "signal": signal.SIGUSR1}, "died of SIGUSR1", "again"),
        (
            {"exit_code": 1, "stderr": b"llama_model_load: error loading model: unknown model architecture: 'x'\n"},
            "exit code 1; it said:\n    llama_model_load: error loading model: unknown model architecture",
            "newer `engine.ref`",
        ),
        ({"exit_code": 1, "stderr": b"main: error: prompt is too long (99 tokens, max 4)\n"}, "too long", "n_ctx"),
        ({"exit_code": 1, "stderr": b"error: unknown argument: --x\n"}, "unknown argument", "extra_args"),
        ({"stderr": b""}, "what was needed is not in its output: a line `… eval time", "newer lcpp"),
        ({"stopped_by": "timeout", "exit_code": 130}, "took more than 3600 s and was stopped", "run.timeout_s"),
        ({"stopped_by": "idle_timeout"}, "printed nothing for 600 s", "run.idle_timeout_s"),
        ({"stopped_by": "output_limit"}, "printed more than", "run.max_output_bytes"),
    ],
)
def test_a_run_that_ended_badly(changes: dict[str, Any], what: str, hint: str) -> None:
    error = ended(**changes)
    assert isinstance(error, DriveError)
    assert what in error.what
    assert hint in (error.hint or "")
    assert error.where == "/runs/x/stderr.log"


def test_ctrl_c_exits_130_and_says_what_is_kept() -> None:
    error = ended(stopped_by="interrupt", exit_code=130)
    assert isinstance(error, Interrupted)
    assert error.exit_code == 130
    assert "is kept" in error.what
    assert "again" in (error.hint or "")
