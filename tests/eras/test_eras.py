"""Every era of llama.cpp, for real: lcpp gets, builds and runs each commit, and what it says is what the program says.

    LCPP_UPSTREAM=<git remote or path> LCPP_ERAS_OUT=tests/data/eras pytest -m eras

With LCPP_ERAS_OUT each commit's report is kept there; `python -m tests.eras.table` makes docs/compatibility.md of them.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.eras.upstream import COMMITS, Commit
from tests.eras.walk import Outcome, Report, Walk, vendor

# A commit whose build is not in the cache takes up to half an hour of compiling.
pytestmark = [pytest.mark.eras, pytest.mark.timeout(7200)]


@pytest.fixture(params=COMMITS, ids=lambda commit: commit.ref[:12], scope="module")
def commit(request: pytest.FixtureRequest) -> Commit:
    """One of the commits."""
    chosen = request.param
    assert isinstance(chosen, Commit)
    return chosen


@pytest.fixture(scope="module")
def report(commit: Commit, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """What came of the commit; skips where it cannot be had here."""
    made = Walk(commit=commit, vendor=vendor(), folder=tmp_path_factory.mktemp(commit.ref[:12])).report()
    if out := os.environ.get("LCPP_ERAS_OUT"):
        folder = Path(out)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"b{commit.build}.json").write_text(made.json(), encoding="utf-8")
    if made.unreachable:
        pytest.skip(f"{commit.ref} cannot be had: {made.unreachable}")
    assert made.broken is None
    return made


def works(outcome: Outcome) -> None:
    """The case came out as it must."""
    assert outcome.status == "works", (outcome.why, outcome.problems)


@pytest.mark.parametrize("case", ["complete", "complete-end"])
def test_a_completion_is_whole_and_the_programs_own(report: Report, case: str) -> None:
    works(report[case])


def test_llama_simple(report: Report) -> None:
    works(report["simple"])


def test_llama_bench(report: Report) -> None:
    works(report["bench"])


def test_batched_bench(report: Report) -> None:
    if report.build < 1366:
        assert report["batched-bench"].status == "cannot"
        assert "b1366" in (report["batched-bench"].why or "")
    else:
        works(report["batched-bench"])


def test_perplexity(report: Report) -> None:
    works(report["perplexity"])


def test_chat(report: Report) -> None:
    assert report["chat"].status != "failed", report["chat"].problems


def test_a_session_in_one_conversation(report: Report) -> None:
    if report.build < 2817:
        assert report["session-keep"].status == "cannot"
        assert "b2817" in (report["session-keep"].why or "")
    else:
        works(report["session-keep"])


def test_a_session_of_fresh_prompts(report: Report) -> None:
    if report.build < 7348:
        assert report["session-reset"].status == "cannot"
    else:
        works(report["session-reset"])


def test_nearly_every_line_is_recognised(report: Report) -> None:
    for category in ("loader", "metadata", "context", "timing"):
        counts = [outcome.coverage[category] for outcome in report.outcomes if category in outcome.coverage]
        n_lines, n_recognised = (sum(numbers) for numbers in zip(*counts, strict=True))
        assert n_recognised >= 0.99 * n_lines, category
