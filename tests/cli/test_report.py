"""`lcpp report`: what it selects, and what it writes where."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from orchestrator.cli.call import Call
from orchestrator.cli.report import report
from orchestrator.errors import UsageError
from tests.report import made


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    results = made.results(40)
    made.as_runs(results, folder)
    for one in results:
        (folder / f"{one.id}.json").write_text(one.model_dump_json())
    return folder


def _call(runs: Path, *arguments: str | Path) -> Result:
    call = Call({"LCPP_RUNS": str(runs), "LCPP_VENDOR": str(runs / "vendor")})
    return CliRunner().invoke(report, [str(each) for each in arguments], obj=call)


def test_without_a_form_it_prints_tables(runs: Path) -> None:
    told = _call(runs)
    assert told.exit_code == 0, told.output
    assert "40 runs" in told.output
    assert "newest figures" in told.output


def test_all_forms_at_once(runs: Path, tmp_path: Path) -> None:
    page, junit = tmp_path / "r.html", tmp_path / "j.xml"
    told = _call(runs, "recipe=smoke", "-o", page, "--junit", junit, "--markdown", "--title", "Nightly <b>")
    assert told.exit_code == 0, told.output
    assert told.stdout.startswith("# Nightly &#60;b&#62;\n")
    assert "<title>Nightly &lt;b&gt;</title>" in page.read_text()
    assert "santa_cruz" not in page.read_text()
    assert [suite.get("name") for suite in ElementTree.parse(junit).getroot()] == ["smoke"]


def test_names_add_up_and_filters_narrow(runs: Path) -> None:
    both = _call(runs, "@smoke", "@session", "--markdown")
    assert "2 runs:" in both.stdout
    narrowed = _call(runs, "@smoke", "@session", "recipe=session", "--markdown")
    assert "1 run:" in narrowed.stdout
    limited = _call(runs, "--limit", "5", "--markdown")
    assert "5 runs:" in limited.stdout
    assert "35 older runs are left out." in limited.stdout


@pytest.mark.parametrize("kind", ["history", "commits", "compare", "memory"])
def test_single_plots(runs: Path, tmp_path: Path, kind: str) -> None:
    out = tmp_path / f"{kind}.svg"
    assert _call(runs, "--plot", kind, "-o", out).exit_code == 0
    assert ElementTree.parse(out).getroot().tag.endswith("svg")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--plot", "history"], "needs a file"),
        (["--plot", "history", "-o", "x.html"], "needs a file"),
        (["-o", "x.pdf"], "not .pdf"),
        (["recipe=none"], "no result"),
        (["recipe=session", "--plot", "compare", "-o", "x.svg"], "several cases"),
    ],
)
def test_what_cannot_be_is_said(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    error = _call(runs, *arguments).exception
    assert isinstance(error, UsageError)
    assert told in str(error)
    assert list(tmp_path.iterdir()) == []


WITHOUT_THE_EXTRA = """
import sys
sys.modules.update(matplotlib=None, plotext=None)
from orchestrator.cli.main import main
main()
"""


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ([], 0, "newest figures"),
        ([], 0, "small plots need plotext: pip install 'lcpp[report]'"),
        (["--markdown"], 0, "# lcpp report"),
        (["--junit", "junit.xml"], 0, "written: junit.xml"),
        (["-o", "page.html"], 2, "  next: pip install 'lcpp[report]'"),
        (["--plot", "history", "-o", "plot.svg"], 2, "  next: pip install 'lcpp[report]'"),
    ],
)
def test_without_the_extra_there_is_all_but_plots(
    runs: Path, tmp_path: Path, arguments: list[str], code: int, told: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_THE_EXTRA, "report", *arguments],
        cwd=tmp_path,
        env={**os.environ, "LCPP_RUNS": str(runs), "PYTHONPATH": str(Path(__file__).parents[2]), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, "bug:" in done.stderr) == (code, False), done.stderr
    assert told in done.stdout + done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [word for word in arguments if word == "junit.xml"]


def test_a_folder_and_a_pipe_are_not_replaced(runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "r.html"
    folder.mkdir()
    assert isinstance(_call(runs, "-o", folder).exception, UsageError)
    link = tmp_path / "null.xml"
    link.symlink_to("/dev/null")
    assert _call(runs, "--junit", link).exit_code == 0
    assert link.is_symlink()
    assert Path("/dev/null").is_char_device()
