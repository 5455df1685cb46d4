"""The table of what differs between builds."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from orchestrator.engine.dialect import Layout, Value, bounds_from_sources, dialect_for, estimate_build, groups, when
from orchestrator.errors import UsageError
from orchestrator.recipe.schema.recipe import Program


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
    dialect = dialect_for(build, None)
    assert dialect.file_name("llama-simple") == simple
    assert dialect.file_name("llama-cli") == cli
    assert dialect.file_name("llama-completion") == completion
    assert dialect.file_name("llama-bench") == "llama-bench"


def test_a_purpose_finds_its_program() -> None:
    assert dialect_for(3642, None).program_for("complete") == "llama-cli"
    assert dialect_for(7348, None).program_for("complete") == "llama-completion"
    assert dialect_for(7348, None).program_for("chat") == "llama-cli"
    assert dialect_for(7348, None).program_for("bench") == "llama-bench"


def test_a_program_that_is_not_there_yet_is_an_error_that_says_since_when() -> None:
    with pytest.raises(UsageError, match=r"no llama-completion: it came with b7348") as caught:
        dialect_for(3642, None).program_for("llama-completion")
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
        (3642, "llama-bench", Layout(shape="bench")),
        (1366, "llama-batched-bench", Layout(shape="batched-bench")),
        (1012, "llama-perplexity", Layout(shape="perplexity")),
    ],
)
def test_where_the_answer_is(build: int, program: Program, layout: Layout) -> None:
    assert dialect_for(build, None).layout(program) == layout


def test_only_the_new_chat_program_needs_the_server() -> None:
    assert not dialect_for(7347, None).needs_server(["llama-cli"])
    assert dialect_for(7348, None).needs_server(["llama-cli"])
    assert not dialect_for(7348, None).needs_server(["llama-completion", "llama-bench"])


@pytest.mark.parametrize(
    ("day", "build", "off_by"),
    [("2024-08-28", 3642, 60), ("2023-08-21", 1012, 0), ("2020-01-01", 1012, 0), ("2025-07-05", 5833, 60)],
)
def test_a_commit_is_placed_by_its_date(day: str, build: int, off_by: int) -> None:
    assert abs(estimate_build(datetime.date.fromisoformat(day)) - build) <= off_by


def test_what_nothing_is_known_of_gets_the_newest_dialect() -> None:
    assert dialect_for(None, None) == dialect_for(None, datetime.date(2030, 1, 1))
    assert dialect_for(None, None).complete_flags == dialect_for(20_000, None).complete_flags


def test_the_batched_bench_came_later() -> None:
    with pytest.raises(UsageError, match="no llama-batched-bench: it came with b1366"):
        dialect_for(1365, None).program_for("batched-bench")
    assert dialect_for(1366, None).program_for("batched-bench") == "llama-batched-bench"


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
    build: int, program: Program, setting: str, value: Value, words: tuple[str, ...] | None
) -> None:
    assert dialect_for(build, None).spell(program, setting, value) == words


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
def test_when_a_setting_can_be_had(program: Program, setting: str, value: Value, said: str) -> None:
    assert when(program, setting, value) == said


def test_what_a_program_takes_and_does() -> None:
    assert dialect_for(4000, None).settings("llama-simple") == ()
    assert dialect_for(1012, None).settings("llama-bench") == ("n_threads", "n_batch")
    assert dialect_for(4000, None).purposes("llama-cli") == ("complete", "chat")
    assert dialect_for(7348, None).purposes("llama-cli") == ("chat",)


def test_options_stay_with_their_values() -> None:
    assert groups(("-fit", "off", "--no-escape", "-lv", "4")) == [("-fit", "off"), ("--no-escape",), ("-lv", "4")]


def test_a_test_that_nobody_asked_for_is_switched_off() -> None:
    assert dialect_for(2842, None).flags("llama-bench") == ("-o", "json")
    assert dialect_for(2843, None).flags("llama-bench") == ("-pg", "0,0", "-o", "json")
    assert dialect_for(2967, None).flags("llama-bench") == ("-o", "json")


def write(tree: Path, name: str, text: str = "") -> None:
    (tree / name).parent.mkdir(parents=True, exist_ok=True)
    (tree / name).write_text(text)


def test_sources_without_git_are_placed_by_what_stands_in_them(tmp_path: Path) -> None:
    assert dialect_for(None, None, tmp_path).known == "newer"
    write(tmp_path, "llama.cpp", "gguf_init_from_file(…)")
    assert bounds_from_sources(tmp_path) == (1012, 1282)
    write(tmp_path, "llama.h", "int llama_decode(void);")
    write(tmp_path, "common/common.cpp", '"--threads-batch" "--min-p" "--no-display-prompt" "--ubatch-size"')
    assert bounds_from_sources(tmp_path) == (2413, 2612)
    assert dialect_for(None, None, tmp_path).name == "about b2413"
    write(tmp_path, "examples/main/CMakeLists.txt", "set(TARGET llama-cli)")
    write(tmp_path, "common/log.cpp")
    assert dialect_for(None, None, tmp_path).build == 3761
    write(tmp_path, "tools/completion/completion.cpp")
    assert dialect_for(None, None, tmp_path).file_name("llama-completion") == "llama-completion"
    write(tmp_path, "common/arg.cpp", '"--load-mode"')
    assert dialect_for(None, None, tmp_path) == dialect_for(None, None)


def test_a_date_is_trusted_only_as_far_as_the_sources_go(tmp_path: Path) -> None:
    write(tmp_path, "common/log.cpp")
    # Work of today on a llama.cpp of autumn 2024, and of that autumn but some days too early.
    assert dialect_for(None, datetime.date(2026, 1, 1), tmp_path).build == 3902
    assert dialect_for(None, datetime.date(2024, 9, 10), tmp_path).build == 3761
    # A number is a number.
    assert dialect_for(3000, datetime.date(2026, 1, 1), tmp_path).build == 3000


def test_sources_that_cannot_be_read_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "common" / "arg.cpp").mkdir(parents=True)
    write(tmp_path, "llama.h", "\0\xff" * 1000)
    assert bounds_from_sources(tmp_path)[0] == 1012


def test_a_build_past_the_table_is_named_as_such() -> None:
    assert dialect_for(10_587, None).note is None
    later = dialect_for(20_000, None)
    assert later.note is not None
    assert "b20000" in later.note
    assert "unknown build" in dialect_for(None, None).name
