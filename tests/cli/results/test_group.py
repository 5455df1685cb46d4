"""`lcpp results`, called as a command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orchestrator.cli.call import Call
from orchestrator.cli.results.group import results
from orchestrator.errors import LcppError
from tests.result.varied import document, write

HOSTILE = "\x1b[31m\u202e<script>"


def _call(runs: Path, *words: str, said: str | None = None) -> Result:
    call = Call({"LCPP_RUNS": str(runs), "LCPP_VENDOR": str(runs / "vendor")})
    return CliRunner().invoke(results, words, obj=call, input=said, catch_exceptions=False)


def _ids(done: Result) -> list[str]:
    assert done.exit_code == 0
    return [one["id"] for one in json.loads(done.stdout)["results"]]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    made = document(3, name="other", part={"experiment": "x", "kind": "sweep", "settings": {"a": HOSTILE}})
    made["ran"]["model"]["name"] = HOSTILE
    failed = document(2, status="failed", failure={"what": "x", "where": None, "hint": None})
    write(tmp_path / "runs", document(1), failed, made)
    return tmp_path / "runs"


def test_a_table_for_people(runs: Path) -> None:
    shown = _call(runs, "list", "--limit", "2").stdout
    assert "b3642" in shown
    assert "failed" in shown
    assert "1 more" in shown
    assert "\x1b[31m" not in shown
    assert "\u202e" not in shown


def test_a_document_for_programs(runs: Path) -> None:
    (runs / "bad.json").write_text("{}")
    found = json.loads(_call(runs, "list", "--json", "--limit", "1", "recipe=france").stdout)
    assert (found["count"], len(found["results"]), found["n_unreadable"]) == (2, 1, 1)
    assert found["unreadable"][0]["file"] == "bad.json"
    one = found["results"][0]
    assert one["path"] == str(runs / f"{one['id']}.json")
    assert one["settings"]["run.n_threads"] == "1"


def test_filters_as_options(runs: Path) -> None:
    assert len(_ids(_call(runs, "list", "--json", "--recipe", "france", "--status", "ok"))) == 1
    assert len(_ids(_call(runs, "list", "--json", "--commit", "1d1ccce", "--since", "2026-11-01"))) == 3
    assert _ids(_call(runs, "list", "--json", "--until", "2020-01-01")) == []
    with pytest.raises(LcppError, match="no time"):
        _call(runs, "list", "--since", "soon")


def test_show_a_result_whole_and_several_in_a_table(runs: Path) -> None:
    assert "The capital of France is Paris." in _call(runs, "show", "20261101T0001").stdout
    assert "The capital" not in _call(runs, "show", "recipe=france").stdout
    assert "<script>" in _call(runs, "show", "@other").stdout
    shown = json.loads(_call(runs, "show", "--json", "@other", "@france").stdout)["results"]
    assert [one["name"] for one in shown] == ["other", "france"]
    assert shown[0]["lcpp_result"] == 1
    with pytest.raises(LcppError, match="no result"):
        _call(runs, "show", "status=unexpected")


def test_out_and_in_again(runs: Path, tmp_path: Path) -> None:
    file = tmp_path / "all.jsonl"
    assert "3 results" in _call(runs, "export", "-o", str(file)).stdout
    assert len(file.read_text().splitlines()) == 3
    assert _call(runs, "export", "--format", "csv").stdout.count("\n") == 4
    other = tmp_path / "other"
    assert "3 results imported" in _call(other, "import", str(file)).stdout
    assert sorted(_ids(_call(other, "list", "--json"))) == sorted(_ids(_call(runs, "list", "--json")))
    assert "3 were there already" in _call(other, "import", str(file)).stdout
    with pytest.raises(LcppError, match="cannot read"):
        _call(other, "import", str(tmp_path / "none.json"))


def test_an_export_that_fails_leaves_the_old_file(runs: Path, tmp_path: Path) -> None:
    file = tmp_path / "all.csv"
    file.write_text("old")
    with pytest.raises(LcppError):
        _call(runs, "export", "-o", str(file), "nonsense=1")
    assert file.read_text() == "old"
    assert list(tmp_path.glob(".all*")) == []


def test_removing_asks_or_is_told(runs: Path) -> None:
    with pytest.raises(LcppError) as caught:
        _call(runs, "remove", "@other")
    assert "--yes" in str(caught.value)
    assert len(_ids(_call(runs, "list", "--json"))) == 3
    assert "removed 1 results" in _call(runs, "remove", "--yes", "@other").stdout
    assert len(list(runs.glob("*.json"))) == 2


def test_rebuilding_tells_what_is_not_used(runs: Path) -> None:
    (runs / "bad.json").write_text("{}")
    shown = _call(runs, "rebuild").stdout
    assert "3 results" in shown
    assert "bad.json: " in shown


def test_no_results_yet(tmp_path: Path) -> None:
    assert "no results" in _call(tmp_path / "none", "list").stdout
    assert _ids(_call(tmp_path / "none", "list", "--json")) == []
    assert not (tmp_path / "none").exists()


def test_listing_does_without_what_is_slow_to_import(runs: Path) -> None:
    _call(runs, "list")
    code = (
        "import sys\nfrom orchestrator.cli.main import cli\nfrom orchestrator.cli.call import Call\n"
        f"cli.main(['results', 'list', 'n_threads=1'], obj=Call({{'LCPP_RUNS': {str(runs)!r}}}), standalone_mode=False)\n"
        "print(*({'pydantic', 'numpy', 'scipy', 'psutil', 'git', 'pyarrow'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "france" in done.stdout
    assert done.stderr.strip() == ""
