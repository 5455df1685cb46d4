"""The table of what differs between builds."""

from __future__ import annotations

import datetime

import pytest

from orchestrator.engine.dialect import Layout, dialect_for, estimate_build
from orchestrator.errors import UsageError
from orchestrator.recipe.schema import Program


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
        (3761, "llama-simple", Layout(shape="stdout_after_echo", trailer="\n")),
        (3642, "llama-cli", Layout(shape="stdout")),
        (3761, "llama-cli", Layout(shape="stdout", end_mark=" [end of text]\n", trailer="\n\n")),
        (7348, "llama-cli", Layout(shape="chat")),
        (3642, "llama-bench", Layout(shape="bench")),
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
