"""Which build a llama.cpp is, and how it is named."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from orchestrator.eras.dialect import dialect_for
from orchestrator.eras.placing import LAST_KNOWN, bounds_from_sources, estimate_build


@pytest.mark.parametrize(
    ("day", "build", "off_by"),
    [("2024-08-28", 3642, 60), ("2023-08-21", 1012, 0), ("2020-01-01", 1012, 0), ("2025-07-05", 5833, 60)],
)
def test_a_commit_is_placed_by_its_date(day: str, build: int, off_by: int) -> None:
    assert abs(estimate_build(datetime.date.fromisoformat(day)) - build) <= off_by


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
    assert dialect_for(None, None, tmp_path).build >= 7348
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


def test_what_nothing_is_known_of_gets_the_newest_dialect() -> None:
    assert dialect_for(None, None) == dialect_for(None, datetime.date(2030, 1, 1))
    assert dialect_for(None, None).build > LAST_KNOWN
