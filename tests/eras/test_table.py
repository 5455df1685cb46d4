"""The page on compatibility says what the last real runs found, and every era has a commit that stands for it."""

from __future__ import annotations

from tests.eras import table
from tests.eras.upstream import COMMITS, ERAS, era_of


def test_the_page_is_made_of_the_reports() -> None:
    assert table.PAGE.read_text(encoding="utf-8") == table.page(table.reports())


def test_every_era_is_stood_for() -> None:
    assert {era_of(commit.build) for commit in COMMITS} == set(ERAS)
    assert len({commit.ref for commit in COMMITS}) == len(COMMITS) >= 20


def test_nothing_failed_and_twenty_commits_ran() -> None:
    ran = [report for report in table.reports() if report["outcomes"]]
    assert len(ran) >= 20
    for report in ran:
        assert [outcome for outcome in report["outcomes"] if outcome["status"] == "failed"] == []


def test_a_reason_stands_once_below_the_table() -> None:
    reports = [
        {
            "ref": ref,
            "build": build,
            "era": era_of(build).number,
            "source": "git",
            "commit": "0" * 40,
            "commit_date": "2024-01-01",
            "build_system": "make",
            "ran_on": "a machine",
            "day": "2024-02-02",
            "outcomes": [
                {
                    "case": "session-keep",
                    "program": None,
                    "status": "cannot",
                    "why": f"this llama.cpp ({ref}) holds no sessions",
                    "problems": [],
                    "coverage": {"loader": [10, 9]},
                },
            ],
        }
        for ref, build in (("b1622", 1622), ("b2144", 2144))
    ]
    text = table.page(reports)
    assert text.count("this llama.cpp holds no sessions") == 1
    assert text.count("no [1]") == 2
    assert "| all | 18 of 20 |" in text
    assert "- b1012 (era 1, gguf-0): not tried" in text
