"""What each program is in each build: its file, how it is asked, where its answer is."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.eras.dialect import dialect_for
from orchestrator.errors import UsageError
from orchestrator.parse.layout import Layout
from orchestrator.programs.all_programs import PROGRAMS, program_for, settings_of, spell, when
from orchestrator.programs.protocol import Inputs
from orchestrator.programs.spelling import SettingValue, own
from orchestrator.recipe.schema.recipe import ProgramName, RunSpec
from orchestrator.values import replace


@pytest.mark.parametrize(
    ("build", "simple", "cli", "completion"),
    [
        (1012, "simple", "main", None),
        (3141, "simple", "main", None),
        (3142, "llama-simple", "llama-cli", None),
        (3642, "llama-simple", "llama-cli", None),
        (7347, "llama-simple", "llama-cli", None),
        (7348, "llama-simple", "llama-cli", "llama-completion"),
        (99999, "llama-simple", "llama-cli", "llama-completion"),
    ],
)
def test_program_names(build: int, simple: str, cli: str, completion: str | None) -> None:
    files = {name: program.FILE.at(build) for name, program in PROGRAMS.items()}
    assert files["llama-simple"] == simple
    assert files["llama-cli"] == cli
    assert files["llama-completion"] == completion
    assert files["llama-bench"] == "llama-bench"


def test_a_purpose_finds_its_program() -> None:
    assert program_for("complete", dialect_for(3642, None)).NAME == "llama-cli"
    assert program_for("complete", dialect_for(7348, None)).NAME == "llama-completion"
    assert program_for("chat", dialect_for(7348, None)).NAME == "llama-cli"
    assert program_for("bench", dialect_for(7348, None)).NAME == "llama-bench"


def test_a_program_that_is_not_there_yet_is_an_error_that_says_since_when() -> None:
    with pytest.raises(UsageError, match=r"no llama-completion: it came with b7348") as caught:
        program_for("llama-completion", dialect_for(3642, None))
    assert caught.value.hint
    assert "complete" in caught.value.hint


@pytest.mark.parametrize(
    ("build", "program", "layout"),
    [
        (1100, "llama-simple", Layout(shape="stdout")),
        (3642, "llama-simple", Layout(shape="between_marks")),
        (3761, "llama-simple", Layout(shape="stdout_after_echo", trailer="\n\n\n\n")),
        (3903, "llama-simple", Layout(shape="stdout_after_echo", trailer="\n")),
        (1012, "llama-cli", Layout(shape="stdout_after_echo")),
        (1855, "llama-cli", Layout(shape="stdout")),
        (3642, "llama-cli", Layout(shape="stdout")),
        (3761, "llama-cli", Layout(shape="stdout", end_mark=" [end of text]\n", trailer="\n\n")),
        (7348, "llama-cli", Layout(shape="chat")),
        (3642, "llama-bench", Layout(shape="json")),
        (1366, "llama-batched-bench", Layout(shape="log")),
        (1012, "llama-perplexity", Layout(shape="log")),
    ],
)
def test_where_the_answer_is(build: int, program: ProgramName, layout: Layout) -> None:
    assert replace(PROGRAMS[program].layout(build), untimed="") == layout


def test_only_the_new_chat_program_needs_the_server() -> None:
    assert [name for name, program in PROGRAMS.items() if program.needs_server(7347)] == []
    assert [name for name, program in PROGRAMS.items() if program.needs_server(7348)] == ["llama-cli"]


def test_the_batched_bench_came_later() -> None:
    with pytest.raises(UsageError, match="no llama-batched-bench: it came with b1366"):
        program_for("batched-bench", dialect_for(1365, None))
    assert program_for("batched-bench", dialect_for(1366, None)).NAME == "llama-batched-bench"


@pytest.mark.parametrize(
    ("build", "program", "setting", "value", "words"),
    [
        (1012, "llama-cli", "n_threads", 4, ("-t", "4")),
        (1288, "llama-cli", "n_threads_batch", 4, None),
        (1289, "llama-cli", "n_threads_batch", 4, ("-tb", "4")),
        (10587, "llama-bench", "n_threads_batch", 4, None),
        (2412, "llama-bench", "n_ubatch", 4, None),
        (2413, "llama-bench", "n_ubatch", 4, ("-ub", "4")),
        (1618, "llama-cli", "type_k", "f16", ()),
        (1618, "llama-cli", "type_k", "q8_0", None),
        (1619, "llama-cli", "type_k", "q8_0", ("-ctk", "q8_0")),
        (1833, "llama-cli", "type_v", "f32", None),
        (1834, "llama-cli", "type_v", "f32", ("-ctv", "f32")),
        (10587, "llama-bench", "type_v", "f32", None),
        (4038, "llama-cli", "type_k", "bf16", None),
        (4039, "llama-cli", "type_k", "bf16", ("-ctk", "bf16")),
        (4050, "llama-bench", "type_k", "bf16", None),
        (2770, "llama-cli", "flash_attn", "off", ()),
        (2770, "llama-cli", "flash_attn", "on", None),
        (6324, "llama-cli", "flash_attn", "on", ("-fa",)),
        (6324, "llama-cli", "flash_attn", "auto", None),
        (6325, "llama-cli", "flash_attn", "off", ("-fa", "off")),
        (9436, "llama-bench", "flash_attn", "on", ("-fa", "1")),
        (9437, "llama-bench", "flash_attn", "auto", ("-fa", "auto")),
        (2041, "llama-bench", "mmap", False, None),
        (2042, "llama-bench", "mmap", False, ("-mmp", "0")),
        (10105, "llama-bench", "mmap", False, ("-lm", "none")),
        (1012, "llama-cli", "mmap", True, ()),
        (10104, "llama-cli", "mmap", False, ("--no-mmap",)),
        (10105, "llama-cli", "mmap", True, ("-lm", "mmap")),
        (1447, "llama-cli", "min_p", 0.1, None),
        (3086, "llama-simple", "n_threads", 1, None),
        (3087, "llama-simple", "n_threads", 1, ("-t", "1")),
        (3903, "llama-simple", "n_threads", 1, None),
        (2612, "llama-batched-bench", "n_batch", 64, None),
        (2613, "llama-batched-bench", "n_batch", 64, ()),
        (3087, "llama-batched-bench", "n_batch", 64, ("-b", "64")),
        (3642, "llama-perplexity", "n_chunks", 2, ("--chunks", "2")),
        (3642, "llama-perplexity", "temperature", 1.0, None),
        (7347, "llama-completion", "n_threads", 1, None),
    ],
)
def test_how_a_setting_is_spelled(
    build: int, program: ProgramName, setting: str, value: SettingValue, words: tuple[str, ...] | None
) -> None:
    assert spell(PROGRAMS[program], setting, value, build) == words


@pytest.mark.parametrize(
    ("program", "setting", "value", "said"),
    [
        ("llama-simple", "n_threads", 1, "from b3087 to b3902"),
        ("llama-cli", "n_threads", 1, "always"),
        ("llama-cli", "flash_attn", "auto", "since b6325"),
        ("llama-batched-bench", "flash_attn", "on", "since b2771"),
        ("llama-completion", "n_ctx", 512, "since b7348"),
        ("llama-bench", "n_threads_batch", 1, ""),
    ],
)
def test_when_a_setting_can_be_had(program: ProgramName, setting: str, value: SettingValue, said: str) -> None:
    assert when(PROGRAMS[program], setting, value) == said


def test_what_a_program_takes_and_does() -> None:
    assert settings_of(PROGRAMS["llama-simple"], dialect_for(4000, None)) == ()
    assert settings_of(PROGRAMS["llama-bench"], dialect_for(1012, None)) == ("n_threads", "n_batch")
    assert PROGRAMS["llama-cli"].PURPOSES.at(4000) == ("complete", "chat")
    assert PROGRAMS["llama-cli"].PURPOSES.at(7348) == ("chat",)


def test_options_stay_with_their_values() -> None:
    arguments = own(("-fit", "off", "--no-escape", "-lv", "4"), needed=("-lv",))
    assert [argument.words for argument in arguments] == [("-fit", "off"), ("--no-escape",), ("-lv", "4")]
    assert [argument.optional for argument in arguments] == [True, True, False]


def words(build: int) -> str:
    arguments = PROGRAMS["llama-bench"].arguments(RunSpec(program="bench"), Inputs(model=Path("m")), build)
    return " ".join(word for argument in arguments for word in argument.words)


def test_a_test_that_nobody_asked_for_is_switched_off() -> None:
    assert "-pg" not in words(2842)
    assert words(2843).endswith("-pg 0,0 -o json")
    assert "-pg" not in words(2967)
