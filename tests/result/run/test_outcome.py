"""Each way a run can end badly has its cause and its next step."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from orchestrator.drive.transcript import Transcript
from orchestrator.errors import DriveError, Interrupted, LcppError, OutputLostError
from orchestrator.parse.layout import Layout
from orchestrator.parse.parser import parse_run
from orchestrator.programs.all_programs import PROGRAMS
from orchestrator.recipe.schema.recipe import ProgramName
from orchestrator.result.run.outcome import failure
from orchestrator.values import replace
from tests.plans import planned

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
    transcript = replace(WELL, **changes)
    record = parse_run(transcript.stdout, transcript.stderr, Layout(shape="stdout"), "Hello")
    return failure(transcript, record, planned(3642))


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


CONTEXT = b"llama_context: n_ctx = 256\n"
TIMED = (
    b"llama_perf_context_print:        load time =      10.47 ms\n"
    b"llama_perf_context_print:       total time =      20.47 ms /    40 tokens\n"
)
ROW = b"|    16 |      4 |    1 |     20 |    0.412 |    38.84 |    1.308 |     3.06 |    1.720 |    11.63 |\n"
CALCULATING = b"perplexity: calculating perplexity over 2 chunks, n_ctx=128, batch_size=256, n_seq=2\n"


@pytest.mark.parametrize(
    ("program", "stdout", "stderr", "expected"),
    [
        ("llama-batched-bench", ROW, TIMED, None),
        ("llama-batched-bench", b"", TIMED, "a table with the columns PP, TG, B"),
        ("llama-batched-bench", ROW, CONTEXT, "and the timings behind it"),
        ("llama-perplexity", b"[1]2.5000,[2]2.2500,\n", CALCULATING, None),
        ("llama-perplexity", b"[1]2.5000,", CALCULATING + CONTEXT, "a value for each chunk"),
        ("llama-bench", b'[{"build_commit": "a", "n_prompt": 1, "n_gen": 0, "avg_ts": 2.0}]', b"", None),
        ("llama-bench", b"[\n", b"", "a JSON array of tests"),
        ("llama-simple", b" Paris.", b"llama_model_loader: - type  f32:   21 tensors\n\n\n Hello\n\n", None),
        ("llama-simple", b" Paris.", b"llama_model_loader: - type  f32:   21 tensors\n", "eval time"),
    ],
)
def test_each_program_must_print_what_it_is_for(
    program: ProgramName, stdout: bytes, stderr: bytes, expected: str | None
) -> None:
    transcript = replace(WELL, stdout=stdout, stderr=stderr)
    build = 1012 if program == "llama-simple" else 3642
    record = parse_run(stdout, stderr, PROGRAMS[program].layout(build), "Hello")
    error = failure(transcript, record, planned(9000 if CONTEXT in stderr else build, program=program))
    if expected is None:
        assert error is None
    else:
        assert error is not None
        assert expected in error.what
        assert isinstance(error, OutputLostError) == (CONTEXT in stderr)
        never_lost = failure(transcript, record, planned(build, program=program))
        assert type(never_lost) is DriveError


def test_ctrl_c_exits_130_and_says_what_is_kept() -> None:
    error = ended(stopped_by="interrupt", exit_code=130)
    assert isinstance(error, Interrupted)
    assert error.exit_code == 130
    assert "is kept" in error.what
    assert "again" in (error.hint or "")
