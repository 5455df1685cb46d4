"""Sessions with real builds: one loaded model, several prompts, the same answers as from runs of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from orchestrator.result.schema import json_schema
from tests.real.lab import CMAKE_COMMIT, MAKE_COMMIT, SMOKE, Finished, Lcpp

CAPITAL = "What is the capital of France? Answer in one sentence."
COMMON = ("run.n_threads=1", "expect={}", "run.prompt=null")


def ask(lcpp: Lcpp, commit: str, prompts: list[str], *overrides: str) -> Finished:
    settings = (f"engine.ref={commit}", *COMMON, f"run.prompts={json.dumps(prompts)}", *overrides)
    return lcpp("run", str(SMOKE), "--json", *(word for one in settings for word in ("-s", one)))


def checked(finished: Finished) -> dict[str, Any]:
    assert finished.code == 0, finished.stderr
    document = finished.document
    jsonschema.validate(document, json_schema(), cls=jsonschema.Draft202012Validator)
    assert document["status"] == "ok"
    assert document["text"] is None
    assert all(answer["whole"] for answer in document["answers"])
    return document


def alone(lcpp: Lcpp, commit: str, prompt: str, *overrides: str) -> dict[str, Any]:
    settings = (f"engine.ref={commit}", "run.n_threads=1", "expect={}", f"run.prompt={json.dumps(prompt)}", *overrides)
    finished = lcpp("run", str(SMOKE), "--json", *(word for one in settings for word in ("-s", one)))
    assert finished.code == 0, finished.stderr
    return finished.document


def test_answers_afresh_are_those_of_runs_of_their_own(lcpp: Lcpp) -> None:
    prompts = ["Say hello.", CAPITAL, "two\nlines/\nand \\", "ä" * 3000 + "\nWhat was that?"]
    chat = ("run.program=chat", "run.n_predict=16", "run.n_ctx=8192")
    result = checked(ask(lcpp, CMAKE_COMMIT, prompts, *chat))
    assert [answer["prompt"] for answer in result["answers"]] == prompts
    for answer in result["answers"][:3]:
        one = alone(lcpp, CMAKE_COMMIT, answer["prompt"], *chat)
        assert answer["text"] == one["text"]
        assert not answer["missing"]
    assert result["measured"]["n_gen"] == sum(answer["n_gen"] for answer in result["answers"])
    assert result["measured"]["generation_per_second"] > 0
    assert result["record"]["coverage"]["n_unrecognised"] == 0


@pytest.mark.parametrize(
    ("commit", "program"), [(MAKE_COMMIT, "llama-cli"), (CMAKE_COMMIT, "llama-completion"), (CMAKE_COMMIT, "llama-cli")]
)
def test_a_conversation_is_kept(lcpp: Lcpp, commit: str, program: str, tmp_path: Path) -> None:
    keep = (f"run.program={program}", "run.history=keep", "run.n_predict=16", "run.system=You know capitals.")
    result = checked(
        ask(lcpp, commit, [CAPITAL, "And what was my question?", "Tell me a long story about the sea."], *keep)
    )
    first, second, third = result["answers"]
    assert "Paris" in first["text"]
    assert first["ended_by"] == "end"
    assert 16 > first["n_gen"] >= 4
    # The older program makes it up to twice as long, and then the model may come to an end.
    assert 16 <= third["n_gen"] < 32
    assert third["ended_by"] == "limit" or program == "llama-completion"
    assert all(answer["n_prompt"] > 4 for answer in (first, second, third))
    assert result["record"]["coverage"]["n_unrecognised"] == 0
    folder = tmp_path / "runs" / result["id"]
    assert (folder / "stdin.log").read_text().startswith(CAPITAL)
    assert first["text"] in (folder / "stdout.log").read_text()


def test_what_an_old_build_cannot_do_is_said_before_anything_runs(lcpp: Lcpp) -> None:
    finished = ask(lcpp, MAKE_COMMIT, ["one", "two"])
    assert finished.code == 2
    assert "since b7348" in finished.document["error"]["what"]
    assert "history: keep" in finished.document["error"]["hint"]


def test_a_context_that_is_too_small_fails_with_the_answers_so_far(lcpp: Lcpp) -> None:
    small = ("run.program=chat", "run.n_predict=8", "run.n_ctx=256")
    finished = ask(lcpp, CMAKE_COMMIT, ["Say hello.", "long " * 2000], *small)
    assert finished.code == 1
    first, second = finished.document["answers"]
    assert first["whole"]
    assert not second["whole"]
    assert "context" in second["error"]
    assert "1 of 2 prompts were answered" in finished.document["failure"]["what"]
