"""How the lines of a log are counted, and what of them is kept."""

from __future__ import annotations

import pytest

from orchestrator.parse import reading
from orchestrator.parse.reading import MOST_LINES, LogReading

KNOWN = (
    "llama_model_loader: loaded meta data with 1 key-value pairs and 2 tensors from m.gguf (version GGUF V3 (latest))"
)


def read(*log_lines: str) -> LogReading:
    return reading.read(["\n".join(log_lines).encode()])


def test_each_line_counts_when_it_comes_again() -> None:
    coverage = read(*["nobody knows this"] * 3, KNOWN, KNOWN, "", "  ").coverage()
    assert (coverage.n_lines, coverage.n_unrecognised) == (5, 3)
    assert coverage.unrecognised == ("nobody knows this",)
    assert coverage.categories["loader"].n_lines == coverage.categories["loader"].n_recognised == 2
    assert coverage.categories["other"].n_recognised == 0


def test_lines_count_as_well_when_no_more_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_REMEMBERED", 2)
    log = read(*(f"unknown {number % 5}" for number in range(15)))
    assert log.coverage().n_unrecognised == 15
    # The blank line and two more.
    assert list(log.remembered) == ["", "unknown 0", "unknown 1"]


def test_a_line_that_is_kept_is_read_each_time() -> None:
    assert list(read(KNOWN, f"I {KNOWN}").remembered) == [""]
    log = read(*["llama_print_timings: error: no clock"] * 2, *["W main: hot"] * 2)
    assert log.sheet.errors == ["llama_print_timings: error: no clock"] * 2
    assert log.sheet.warnings == ["main: hot"] * 2


def test_only_so_many_lines_are_kept_and_all_are_counted() -> None:
    log = read(*(f"unknown {n}" for n in range(300)), *(f"error: {n}" for n in range(300)))
    assert log.coverage().n_unrecognised == 300
    assert len(log.coverage().unrecognised) == len(log.sheet.errors) == MOST_LINES
    assert log.coverage().n_lines == 600


def test_only_the_first_command_is_one() -> None:
    log = read("$ ls", "$ /opt/llama-cli -m m.gguf", "$ llama-bench")
    assert log.command == "/opt/llama-cli -m m.gguf"
    assert log.coverage().unrecognised == ("$ ls", "$ llama-bench")


EXAMPLE = "main: chat template example: <|user|>"


def test_an_example_ends_where_a_function_speaks_again() -> None:
    log = read(EXAMPLE, "an error: of the example", "  ", "free text", KNOWN, "after it")
    assert log.sheet.errors == []
    assert log.sheet.loader
    assert log.coverage().unrecognised == ("after it",)
    assert log.coverage().n_lines == 5


def test_an_example_in_quotes_ends_with_them() -> None:
    quoted = "srv  init: init: chat template, chat_template: x, example_format: '<|user|>"
    assert read(quoted, "free text", "the end'", "after it").coverage().unrecognised == ("after it",)
    assert read(quoted + "'", "after it").coverage().unrecognised == ("after it",)


def test_an_example_goes_on_in_the_next_piece_and_ends_at_last() -> None:
    log = reading.read([EXAMPLE.encode(), b"\n".join(b"%d" % n for n in range(1001))])
    assert log.coverage().unrecognised == ("1000",)
