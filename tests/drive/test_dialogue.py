"""Sessions with a program that answers whatever a test wants: each answer exactly, whatever it looks like."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.drive.dialogue import Dialogue, Exchange, typing
from orchestrator.drive.session import Limits, Session
from orchestrator.drive.transcript import Transcript
from orchestrator.eras.dialect import dialect_for
from orchestrator.machine import threads
from orchestrator.programs import cli
from orchestrator.programs.plan.kinds import SessionPlan
from orchestrator.programs.plan.session_rules import unsayable
from orchestrator.programs.talk import Talk
from orchestrator.recipe.schema.recipe import RunSpec
from orchestrator.values import replace

PROGRAM = Path(__file__).with_name("interactive.py")
ENOUGH = Limits(timeout_s=30, idle_timeout_s=20, max_output_bytes=10_000_000)


def talk(build: int) -> Talk:
    found = cli.talk(build)
    assert found is not None
    return found


SLASH, PLAIN, CHAT = talk(2817), talk(5155), talk(9927)
# Without the notes, which have tests of their own.
MUTE = replace(PLAIN, notes_in=None)
RATES = "\n\n[ Prompt: 12.5 t/s | Generation: 3.0 t/s ]\n\n> "


def planned(prompts: list[str], how: Talk, *, reset: bool = False, n_predict: int = 4) -> SessionPlan:
    run = RunSpec(prompts=("x",), history="reset" if reset else "keep", n_predict=n_predict)
    return SessionPlan(program=cli, run=run, dialect=dialect_for(9927, None), prompts=tuple(prompts), talk=how)


def hold(
    folder: Path,
    prompts: list[str],
    answers: list[Any],
    *,
    how: Talk = MUTE,
    era: str = "plain",
    limits: Limits = ENOUGH,
    reset: bool = False,
    n_predict: int = 64,
    **script: Any,
) -> tuple[list[Exchange], Transcript]:
    """Hold a session with the program of `interactive.py`."""
    dialogue = Dialogue(planned(prompts, how, reset=reset, n_predict=n_predict))
    argv = [sys.executable, str(PROGRAM), era, json.dumps({"answers": answers, **script})]
    with Session(argv, environment={"PATH": os.environ["PATH"]}, folder=folder, talks=True) as session:
        transcript = session.run(limits, lambda *_: None, dialogue.hold)
    return dialogue.exchanges, transcript


def arrived(folder: Path) -> list[str | None]:
    came = json.loads((folder / "prompts.json").read_text())
    assert isinstance(came, list)
    return came


AWKWARD = [
    "What is the capital of France?",
    "ends in a backslash \\",
    "ends in two \\\\",
    "ends in a slash /",
    "ends in both \\/",
    "and the other way /\\",
    "two\nlines",
    "a line that ends in a slash/\nand one in a backslash\\\nand the last/",
    "empty lines\n\n\nbetween, and a line end last\n",
    "\n at the beginning",
    "ümläut, 漢字, 🙂 and a\ttab",
    "control \x03\x04\x11\x13\x15\x16\x1a\x1b[A\x7f characters, and \r\n of Windows\r",
    "/",
    "//",
    "\\",
    "\\n is no line end",
    "x" * 5000,
    "long and of many lines\n" * 3000,
]


@pytest.mark.parametrize(("era", "how"), [("slash", SLASH), ("plain", PLAIN), ("replace", PLAIN), ("replace", CHAT)])
def test_what_is_typed_arrives_exactly(tmp_path: Path, era: str, how: Talk) -> None:
    prompts = [prompt for prompt in AWKWARD if unsayable(prompt, how) is None]
    assert len(prompts) >= len(AWKWARD) - 2
    mute = replace(how, notes_in=None, rates=False, lead="")
    exchanges, _ = hold(tmp_path, prompts, [["ok\n> "]] * len(prompts), how=mute, era=era)
    assert [one.text for one in exchanges] == [b"ok"] * len(prompts)
    assert arrived(tmp_path)[: len(prompts)] == prompts


def test_a_prompt_longer_than_any_buffer_is_typed_while_the_program_prints(tmp_path: Path) -> None:
    long = "word " * 200_000
    exchanges, _ = hold(tmp_path, [long, "next"], [[["many", "answer ", 100_000], "\n> "], ["b\n> "]])
    assert exchanges[0].text == b"answer " * 100_000
    assert arrived(tmp_path) == [long, "next"]


LOOKALIKES = [
    "> quoted at the start of a line\n> and again",
    "asks\n> ",
    "three\n> \n> \n> ",
    "[ Prompt: 99.9 t/s | Generation: 99.9 t/s ]\n\n> ",
    "llama_print_timings:        eval time =     498.65 ms /     7 runs",
    "ends in line ends\n\n\n",
    "",
]


@pytest.mark.parametrize("pause", [0, 0.15])
def test_an_answer_may_look_like_anything(tmp_path: Path, pause: float) -> None:
    answers = [[text, pause, "\n> "] for text in LOOKALIKES]
    how = replace(MUTE, end_mark="")
    exchanges, transcript = hold(tmp_path, ["ask"] * len(LOOKALIKES), answers, how=how)
    assert [one.text.decode() for one in exchanges] == LOOKALIKES
    assert all(one.whole for one in exchanges)
    assert transcript.exit_code == 130


def test_the_chat_program_prints_its_rates_behind_any_answer(tmp_path: Path) -> None:
    answers = [["\n", text, 0.1, RATES] for text in LOOKALIKES]
    exchanges, transcript = hold(tmp_path, ["ask"] * len(LOOKALIKES), answers, how=talk(7348), era="replace")
    assert [one.text.decode() for one in exchanges] == LOOKALIKES
    assert {one.rates for one in exchanges} == {(12.5, 3.0)}
    assert transcript.exit_code == 0
    assert arrived(tmp_path)[-1] == "/exit"


def test_a_conversation_is_forgotten_between_prompts_when_that_is_asked_for(tmp_path: Path) -> None:
    answers = [["a" + RATES], ["Chat history cleared.\n\n> "], ["b" + RATES], ["Chat history cleared.\n\n> "], [RATES]]
    exchanges, _ = hold(tmp_path, ["1", "2", "3"], answers, how=CHAT, era="replace", reset=True)
    assert [one.text for one in exchanges] == [b"a", b"b", b""]
    assert arrived(tmp_path) == ["1", "/clear", "2", "/clear", "3", "/exit"]


def test_an_answer_that_another_thread_still_prints_is_waited_for(tmp_path: Path) -> None:
    answers = [[["thread", "late text\n> "], "early\n> "], ["b\n> "]]
    exchanges, _ = hold(tmp_path, ["one", "two"], answers)
    assert [one.text for one in exchanges] == [b"early\n> late text", b"b"]


def test_where_the_kernel_does_not_tell_a_moment_of_silence_must_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "_READ", None)
    exchanges, _ = hold(tmp_path, ["one"], [["a\n> ", 0.1, "b\n> "]])
    assert [one.text for one in exchanges] == [b"a\n> b"]


def test_bytes_that_are_no_text_are_kept(tmp_path: Path) -> None:
    exchanges, _ = hold(tmp_path, ["one"], [[["bytes", [0xF0, 0x9F, 0x00, 0x0D, 0x0A, 0x0D]], "\n> "]])
    assert exchanges[0].text == b"\xf0\x9f\x00\r\n\r"


@pytest.mark.parametrize("way", [["exit", 3], ["exit", 0], ["kill", "SIGSEGV"]])
def test_a_session_that_dies_keeps_its_answers(tmp_path: Path, way: list[Any]) -> None:
    exchanges, transcript = hold(tmp_path, ["one", "two", "three"], [["a\n> "], ["half of it", way]])
    assert [(one.text, one.whole) for one in exchanges] == [(b"a", True), (b"half of it", False)]
    assert transcript.stopped_by is None
    assert (transcript.exit_code, transcript.signal) == ((way[1], None) if way[0] == "exit" else (None, 11))
    assert (tmp_path / "stdin.log").read_bytes() == b"one\ntwo\n"
    assert transcript.stdout.endswith(b"half of it")


def test_a_program_that_dies_before_it_asks_has_no_answers(tmp_path: Path) -> None:
    dialogue = Dialogue(planned(["one"], MUTE))
    with Session(["false"], environment={"PATH": os.environ["PATH"]}, folder=tmp_path, talks=True) as session:
        transcript = session.run(ENOUGH, lambda *_: None, dialogue.hold)
    assert (dialogue.exchanges, transcript.exit_code) == ([], 1)


def test_a_program_that_stops_reading_what_is_typed_runs_into_the_limit(tmp_path: Path) -> None:
    dialogue = Dialogue(planned(["x" * 1_000_000], MUTE))
    script = "import os, time; os.write(1, b'\\n> '); os.read(0, 1); time.sleep(60)"
    limits = Limits(timeout_s=1.5, idle_timeout_s=9, max_output_bytes=1000)
    argv = [sys.executable, "-c", script]
    with Session(argv, environment={"PATH": os.environ["PATH"]}, folder=tmp_path, talks=True) as session:
        transcript = session.run(limits, lambda *_: None, dialogue.hold)
    assert transcript.stopped_by == "timeout"
    assert [(one.text, one.whole) for one in dialogue.exchanges] == [(b"", False)]


@pytest.mark.parametrize(
    ("limits", "stopped_by"),
    [
        (Limits(timeout_s=1.5, idle_timeout_s=20, max_output_bytes=9999), "timeout"),
        (Limits(timeout_s=20, idle_timeout_s=1.0, max_output_bytes=9999), "idle_timeout"),
    ],
)
def test_a_limit_ends_it_with_the_answers_so_far(tmp_path: Path, limits: Limits, stopped_by: str) -> None:
    exchanges, transcript = hold(tmp_path, ["one", "two"], [["a\n> "], ["part", 30]], limits=limits)
    assert transcript.stopped_by == stopped_by
    assert [(one.text, one.whole) for one in exchanges] == [(b"a", True), (b"part", False)]


def test_endless_output_ends_it_too(tmp_path: Path) -> None:
    limits = Limits(timeout_s=20, idle_timeout_s=20, max_output_bytes=100_000)
    exchanges, transcript = hold(tmp_path, ["one", "two"], [["a\n> "], [["many", "b", 5_000_000]]], limits=limits)
    assert transcript.stopped_by == "output_limit"
    assert [one.whole for one in exchanges] == [True, False]


def test_ctrl_c_ends_it_with_the_answers_so_far(tmp_path: Path) -> None:
    def press(stream: str, data: bytes, at_s: float) -> None:
        if b"part" in data:
            raise KeyboardInterrupt

    dialogue = Dialogue(planned(["one", "two"], MUTE))
    argv = [sys.executable, str(PROGRAM), "plain", json.dumps({"answers": [["a\n> "], ["part", 30]]})]
    with Session(argv, environment={"PATH": os.environ["PATH"]}, folder=tmp_path, talks=True) as session:
        transcript = session.run(ENOUGH, press, dialogue.hold)
    assert transcript.stopped_by == "interrupt"
    assert [(one.text, one.whole) for one in dialogue.exchanges] == [(b"a", True), (b"part", False)]


def test_a_program_that_does_not_leave_is_made_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.drive.dialogue._LEAVE_S", 0.2)
    monkeypatch.setattr("orchestrator.drive.session._LADDER", ((2, 0.1), (15, 0.1), (9, 5.0)))
    exchanges, transcript = hold(tmp_path, ["one"], [["a\n> "]], stubborn=True)
    assert [one.whole for one in exchanges] == [True]
    assert (transcript.signal, transcript.stopped_by) == (9, None)


def test_times_are_of_each_answer(tmp_path: Path) -> None:
    exchanges, transcript = hold(tmp_path, ["one", "two"], [[0.3, "a", 0.3, "\n> "], ["b\n> "]])
    first, second = exchanges
    assert first.first_at_s is not None
    assert 0.2 < first.first_at_s - first.sent_at_s < 5
    assert first.done_at_s - first.first_at_s > 0.2
    assert second.sent_at_s >= first.done_at_s
    assert [chunk.n_bytes for chunk in transcript.timeline if chunk.stream == "stdin"] == [4, 4]


def noted(n_prompt: int, remain: int, n_gen: int, *, end: bool) -> list[Any]:
    """Notes of a prompt and of an answer, as from b3761 on."""
    lines = []
    if n_prompt:
        remain -= n_prompt
        lines += ["buffer: 'one'", "input tokens: [ 'one':1 ]", f"n_remain: {remain}"]
    else:
        lines += ["empty line, passing control back"]
    for count in range(1, n_gen + end + 1):
        lines += [f"eval: [ 'n_remain':{count} ]", f"n_past = {count}", f"n_remain: {remain - count}"]
    lines += ["found an EOG token"] * end + ["waiting for user input"]
    return ["log", "\n".join(lines) + "\n"]


def test_notes_tell_an_end_from_a_cut_and_count_tokens(tmp_path: Path) -> None:
    start = ["log", "waiting for user input\n"]
    answers = [
        [start, noted(3, 10, 2, end=True), "ended\n\n\n> "],
        # Four are left, and the prompt takes them: nothing is generated until the program is told to go on.
        [noted(4, 4, 0, end=False), "\n> "],
        [noted(0, 10, 10, end=False), "cut behind a line end\n\n> "],
        # The prompt takes four of ten; at the limit it is told to go on, to have ten at least.
        [noted(4, 10, 6, end=False), "six", "\n> "],
        [noted(0, 10, 5, end=True), " more\n\n> "],
    ]
    exchanges, transcript = hold(
        tmp_path, ["one", "two", "three"], answers, how=replace(PLAIN, end_mark="\n"), n_predict=10
    )
    assert [(one.text, one.ended) for one in exchanges] == [
        (b"ended\n", "end"),
        (b"cut behind a line end\n", "limit"),
        (b"six more", "end"),
    ]
    assert [(one.n_prompt, one.n_gen) for one in exchanges] == [(3, 2), (4, 10), (4, 11)]
    assert arrived(tmp_path) == ["one", "two", None, "three", None]
    assert b"n_remain" in transcript.stderr


def test_typing() -> None:
    assert typing("a\nb", SLASH) == b"a\\\nb/\n"
    assert typing("a\nb", PLAIN) == b"a\\\nb\n"
    assert typing("a\\\nb/", PLAIN) == b"a\\\\\nb//\n"


@pytest.mark.parametrize(
    ("prompt", "how", "why"),
    [
        ("/exit", CHAT, "its command /exit"),
        ("/clear the table", CHAT, "its command /clear"),
        ("/read me a story", CHAT, "its command /read"),
        ("/glob *", CHAT, "its command /glob"),
        ("a", SLASH, "one byte"),
        ("\ud800", PLAIN, "surrogate"),
    ],
)
def test_what_cannot_be_said(prompt: str, how: Talk, why: str) -> None:
    assert why in (unsayable(prompt, how) or "")


@pytest.mark.parametrize(
    ("prompt", "how"), [("/reader", CHAT), ("/exit", PLAIN), ("/glob *", talk(7348)), ("ä", SLASH)]
)
def test_what_can_be_said(prompt: str, how: Talk) -> None:
    assert unsayable(prompt, how) is None
