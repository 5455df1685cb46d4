"""The command line of a session in each era, and what is refused before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.drive.command import Command, compose
from orchestrator.eras.dialect import dialect_for
from orchestrator.errors import UsageError
from orchestrator.programs.plan.make import plan
from orchestrator.recipe.schema.recipe import RunSpec
from orchestrator.values import replace
from tests.drive.test_command import MODEL, engine

WITH_BOS = replace(MODEL, header=replace(MODEL.header, add_bos=True))


def spec(**run: Any) -> RunSpec:
    return RunSpec.model_validate({"n_predict": 48, "prompts": ["one", "two"], "history": "keep", **run})


def session(build: int, model: Any = WITH_BOS, **run: Any) -> Command:
    asked = spec(**run)
    planned = plan(asked, dialect_for(build, None), prompts=asked.prompts or ())
    return compose(planned, engine(build), model, folder=Path("/nowhere"), inherited={"PATH": "/bin"})


OLD = "-m /m.gguf -n 48 -c 512 --temp 0.0 --seed 42 -cnv --simple-io --no-display-prompt"
CHAT = "-m /m.gguf -n 48 -c 768 --temp 0.0 --seed 42"


@pytest.mark.parametrize(
    ("build", "run", "expected"),
    [
        (2817, {}, OLD),
        (3184, {}, f"{OLD} --no-escape"),
        (3267, {}, f"{OLD} --no-escape --in-prefix "),
        (3642, {"mode": "chat"}, f"{OLD} --no-escape".replace("-c 512", "-c 1024")),
        (3826, {}, f"{OLD} --no-escape -lv 1 --in-prefix "),
        (7348, {}, f"{OLD} --no-escape -lv 4 --in-prefix "),
        (7407, {}, f"{OLD} --no-escape -fit off -lv 4 --in-prefix "),
        (9151, {}, f"{OLD} --no-escape -fit off -lv 5 --no-log-prefix --no-log-timestamps --in-prefix "),
        (3642, {"mode": "chat", "system": "Be brief."}, f"{OLD} --no-escape -p Be brief.".replace("-c 512", "-c 1024")),
        (7348, {"program": "chat", "mode": "chat"}, f"{CHAT} --simple-io --no-escape -lv 3"),
        (
            9927,
            {"program": "chat", "mode": "chat", "system": "Be brief.", "n_threads": 2},
            "-m /m.gguf -n 48 -c 768 -t 2 --temp 0.0 --seed 42 --simple-io --no-escape -fit off -lv 4 --no-log-prefix "
            "--no-log-timestamps -sys Be brief.",
        ),
    ],
)
def test_command_lines(build: int, run: dict[str, Any], expected: str) -> None:
    assert " ".join(session(build, **run).argv[1:]) == expected


def test_a_conversation_needs_room_for_all_of_it() -> None:
    prompts = ["x" * 1000] * 10
    kept = session(9927, program="chat", mode="chat", prompts=prompts).n_ctx
    fresh = session(9927, program="chat", mode="chat", prompts=prompts, history="reset").n_ctx
    assert kept is not None
    assert fresh is not None
    assert kept >= 10 * (1000 + 48)
    assert 1000 + 48 <= fresh < 2000


def test_only_the_chat_program_can_forget_so_it_is_taken() -> None:
    asked = {"mode": "chat", "history": "reset"}
    assert session(9927, **asked).plan.name == "llama-cli"
    assert session(9927, mode="chat").plan.name == "llama-completion"
    # One prompt leaves nothing to forget.
    assert session(3642, prompts=["one"], **asked).plan.name == "llama-cli"


@pytest.mark.parametrize(
    ("build", "run", "what", "step"),
    [
        (2816, {}, "came with b2817", "engine.ref: b2817"),
        (3642, {"program": "llama-simple"}, "asks once and ends", "complete"),
        (3184, {"mode": "chat"}, "since b3222", "engine.ref: b3222"),
        (3222, {}, "up to b3221, and since b3267", "mode: chat"),
        (3642, {"mode": "chat", "history": "reset"}, "cannot forget a conversation", "history: keep"),
        (9927, {"program": "llama-completion", "mode": "chat", "history": "reset"}, "cannot forget", "program: chat"),
        (7348, {"program": "llama-cli"}, "only chats", "complete"),
        (
            7348,
            {"program": "chat", "mode": "chat", "system": "Be brief.", "history": "reset"},
            "since b8214",
            "history: keep",
        ),
        (
            9927,
            {"program": "chat", "mode": "chat", "prompts": ["a", "/exit"]},
            "prompt 2 .* command /exit",
            "by itself",
        ),
        (3642, {"prompts": ["a"]}, "one byte", "by itself"),
    ],
)
def test_what_a_build_cannot_do_is_refused_with_what_to_use(
    build: int, run: dict[str, Any], what: str, step: str
) -> None:
    asked = spec(**run)
    with pytest.raises(UsageError, match=what) as caught:
        plan(asked, dialect_for(build, None), prompts=asked.prompts or ())
    assert step in (caught.value.hint or "")
    assert caught.value.where


@pytest.mark.parametrize(
    ("build", "run", "step"),
    [(3642, {"mode": "chat"}, "run.system"), (3642, {}, "mode: chat"), (9927, {}, "mode: chat")],
)
def test_a_program_that_must_begin_with_a_token_needs_one(build: int, run: dict[str, Any], step: str) -> None:
    session(build, **run)
    with pytest.raises(UsageError, match="at least one token") as caught:
        session(build, model=MODEL, **run)
    assert step in (caught.value.hint or "")


def test_where_the_program_says_more_than_it_was_told_to_that_is_noted() -> None:
    assert any("helpful assistant" in note for note in session(4475, mode="chat").notes)
    assert not session(4475, mode="chat", system="Be brief.").notes
    assert not session(4799, mode="chat").notes
