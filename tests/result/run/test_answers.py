"""The answers of a session with their figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.drive.dialogue import Exchange
from orchestrator.drive.transcript import Transcript
from orchestrator.errors import DriveError, Interrupted
from orchestrator.parse.record import Coverage, Record
from orchestrator.recipe.schema.recipe import RunSpec
from orchestrator.result.run.answers import answers_of, failure, total
from orchestrator.result.schema import Measured
from tests.plans import session

SLOT = b"""slot print_timing: id  0 | task 0 | prompt eval time =     500.00 ms /    20 tokens (   25.00 ms per token,    40.00 tokens per second)
slot print_timing: id  0 | task 0 |        eval time =     250.00 ms /    10 tokens (   25.00 ms per token,    40.00 tokens per second)
slot print_timing: id  0 | task 0 |       total time =     750.00 ms /    30 tokens
"""
RUN = RunSpec(prompts=("a", "b"))


def exchange(**said: Any) -> Exchange:
    return Exchange(
        **{"prompt": "a", "text": b"yes", "whole": True, "sent_at_s": 1.0, "first_at_s": 1.5, "done_at_s": 2.0, **said}
    )


def transcript(**said: Any) -> Transcript:
    nothing: dict[str, Any] = {
        "argv": ("x",),
        "stdout": b"",
        "stderr": b"",
        "timeline": (),
        "started_at": "",
        "wall_s": 1.0,
        "cpu_s": None,
        "peak_memory_bytes": None,
        "exit_code": 0,
        "signal": None,
        "stopped_by": None,
        "folder": Path("/runs/x"),
    }
    return Transcript(**{**nothing, **said})


EMPTY = Record(coverage=Coverage(n_lines=0, n_unrecognised=0))


def test_a_server_tells_figures_of_each_answer() -> None:
    ended, cut = answers_of([exchange(log=SLOT, rates=(40.0, 40.0))], 64)[0], answers_of([exchange(log=SLOT)], 10)[0]
    assert (ended.ended_by, ended.n_prompt, ended.n_gen) == ("end", 20, 9)
    assert (cut.ended_by, cut.n_gen) == ("limit", 10)
    assert (ended.prompt_ms, ended.generation_ms, ended.generation_per_second) == (500, 250, 40)
    assert (ended.first_output_s, ended.wall_s, ended.missing) == (0.5, 1.0, {})


def test_what_is_not_told_is_none_with_the_reason() -> None:
    (one,) = answers_of([exchange(ended="limit", n_prompt=3, n_gen=4)], 4)
    assert (one.n_prompt, one.n_gen, one.prompt_ms) == (3, 4, None)
    assert set(one.missing) == {"prompt_per_second", "generation_per_second", "prompt_ms", "generation_ms"}
    (broken,) = answers_of([exchange(whole=False, first_at_s=None, text=b"")], 4)
    assert all("before the answer" in reason for reason in broken.missing.values())
    assert broken.first_output_s is None


def test_an_error_of_the_program_is_no_answer() -> None:
    (one,) = answers_of([exchange(text=b"Error: the context is too small\n", rates=(0.0, 0.0))], 4)
    assert (one.text, one.error, one.whole) == ("", "Error: the context is too small", False)
    (shown,) = answers_of([exchange(text=b"Error: said the model", rates=(1.0, 1.0))], 4)
    assert (shown.text, shown.error) == ("Error: said the model", None)


def test_bytes_that_are_no_text_are_counted() -> None:
    assert answers_of([exchange(text=b"a\xff\xfeb")], 4)[0].n_invalid_bytes == 2


def test_the_whole_is_the_sum() -> None:
    said = answers_of([exchange(log=SLOT), exchange(log=SLOT)], 64)
    whole = total(said, Measured(n_gen=10, total_ms=750.0, missing={"load_ms": "not printed"}))
    assert (whole.n_prompt, whole.n_gen, whole.prompt_ms, whole.generation_ms) == (40, 18, 1000, 500)
    assert (whole.prompt_per_second, whole.total_ms) == (40, 1500)
    assert whole.missing["load_ms"] == "not printed"
    partly = total(answers_of([exchange(n_gen=3)], 4), Measured(generation_per_second=7.0))
    assert (partly.n_gen, partly.n_prompt, partly.generation_per_second) == (3, None, 7.0)
    assert "n_prompt" in partly.missing


def test_when_all_is_answered_it_does_not_matter_how_the_program_leaves() -> None:
    said = answers_of([exchange(), exchange()], 4)
    assert failure(transcript(exit_code=130), EMPTY, session(9927, "a", "b", program="chat", mode="chat"), said) is None
    assert (
        failure(transcript(exit_code=None, signal=9), EMPTY, session(9927, "a", "b", program="chat", mode="chat"), said)
        is None
    )


@pytest.mark.parametrize(
    ("ended", "what"),
    [
        ({"exit_code": 0}, "ended by itself"),
        ({"exit_code": 1}, "exit code 1"),
        ({"exit_code": None, "signal": 11}, "died of SIGSEGV"),
        ({"exit_code": None, "signal": 9, "stopped_by": "timeout"}, "more than 3600 s"),
    ],
)
def test_a_session_that_ends_early_says_how_far_it_came(ended: dict[str, Any], what: str) -> None:
    said = answers_of([exchange(), exchange(whole=False)], 4)
    error = failure(transcript(**ended), EMPTY, session(9927, "a", "b", "c", program="chat", mode="chat"), said)
    assert isinstance(error, DriveError)
    assert what in error.what
    assert "1 of 3 prompts were answered" in error.what
    assert error.hint


def test_ctrl_c_is_told_as_such() -> None:
    error = failure(
        transcript(stopped_by="interrupt"),
        EMPTY,
        session(9927, "a", "b", program="chat", mode="chat"),
        answers_of([exchange()], 4),
    )
    assert isinstance(error, Interrupted)
    assert "1 of 2 prompts" in error.what


def test_a_refused_prompt_is_a_failure_that_quotes_the_program() -> None:
    said = answers_of([exchange(), exchange(text=b"Error: too long\n", rates=(0.0, 0.0))], 4)
    error = failure(transcript(), EMPTY, session(9927, "a", "b", program="chat", mode="chat"), said)
    assert error is not None
    assert "to prompt 2 llama-cli said: Error: too long" in error.what
