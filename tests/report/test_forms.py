"""The forms of a report: HTML, plots, Markdown, JUnit XML, terminal. What strangers wrote stays text in each."""

from __future__ import annotations

import base64
import datetime
import hashlib
import html.parser
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from orchestrator.noise.document import Noise
from orchestrator.report import excerpt, junit, markdown, plots, svg, terminal
from orchestrator.report import html as page
from orchestrator.report.content import Report, Run, build_report
from orchestrator.result.measurement import measurement_of
from orchestrator.result.registry import GENERATION
from orchestrator.result.schema import Check, ExperimentPart, Result
from orchestrator.values import replace
from tests.report import made

# Terminals obey these, and they turn the text around them.
_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class _Tags(html.parser.HTMLParser):
    """Counts what a browser would make of a page, and keeps its text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: dict[str, int] = {}
        self.attributes: list[tuple[str, str | None]] = []
        self.ids: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.attributes += attrs
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def _read(whole: str) -> _Tags:
    found = _Tags()
    found.feed(whole)
    found.close()
    return found


def hostile_report(folder: Path) -> Report:
    """Every text that a stranger could have chosen is hostile."""
    bad = made.HOSTILE
    results: list[Result] = []
    for number in range(6):
        one = made.varied(
            made.real("smoke" if number < 4 else "session"),
            number,
            at=made.BEGAN,
            part=ExperimentPart(
                experiment="e", kind="sweep", case=number % 2, settings={"model.file": f"{bad}{number % 2}"}
            ),
        )
        ran = one.ran.model_copy(
            update={
                "model": one.ran.model.model_copy(update={"name": bad}),
                "machine": one.ran.machine.model_copy(update={"cpu_model": bad}),
                "process": one.ran.process.model_copy(update={"argv": (bad,), "transcript": f"t{number}"}),
            }
        )
        answers = tuple(answer.model_copy(update={"prompt": bad, "text": bad}) for answer in one.answers)
        results.append(
            one.model_copy(
                update={
                    "name": f"recipe {bad}",
                    "ran": ran,
                    "answers": answers,
                    "text": bad if one.text is not None else None,
                    "asked": one.asked.model_copy(update={"prompt": bad}),
                    "checks": (Check(name=bad, expected=bad, found=bad, ok=False),),
                    "notes": (bad,),
                    "noise": Noise(disturbed=(bad,)) if number == 1 else None,
                    "status": "unexpected",
                }
            )
        )
    runs = made.as_runs(results, folder, log=bad.encode() * 50)
    return build_report(runs, title=bad, made_at=made.BEGAN, lcpp_version="0.1.0")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return hostile_report(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return made.report(tmp_path_factory.mktemp("whole"), 100)


def test_hostile_text_stays_text_in_the_page(hostile: Report) -> None:
    rendered = page.render(hostile)
    found = _read(rendered)
    assert "script" not in found.tags
    assert "img" not in found.tags
    assert not [name for name, _ in found.attributes if name.startswith("on") or name == "style"]
    assert not _COMMANDS.search(rendered)
    text = "".join(found.text)
    assert text.count("<script>alert(1)</script>") > 20
    assert "{{ 7*7 }}" in text
    assert "␛[31mred" in text
    # Nothing of it closed a tag of ours.
    assert found.tags["details"] == rendered.count("</details>")
    assert found.tags["pre"] == rendered.count("</pre>")


def test_the_page_needs_nothing_else_and_forbids_it(whole: Report) -> None:
    rendered = page.render(whole)
    found = _read(rendered)
    links = [value or "" for name, value in found.attributes if name in ("href", "src", "action", "data")]
    assert links
    assert all(link.startswith("#") or link == "data:," for link in links)
    assert "script" not in found.tags
    assert "@import" not in rendered
    assert "url(h" not in rendered
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', rendered)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    style = rendered.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy[1].replace("&#43;", "+")
    assert not [name for name, _ in found.attributes if name == "style"]
    assert len(found.ids) == len(set(found.ids))
    # Every link within it leads somewhere.
    assert {link[1:] for link in links if link.startswith("#")} <= set(found.ids)


def test_the_page_has_its_sections_and_each_plot_its_words_and_table(whole: Report) -> None:
    rendered = page.render(whole)
    for name in ("summary", "history", "comparisons", "memory", "noise", "runs"):
        assert f'id="{name}"' in rendered
    assert rendered.count("<svg ") == rendered.count('role="img"') == rendered.count("<desc ") >= 5
    assert rendered.count("<table>") >= 5
    assert "faster: +" in rendered
    assert "b7400" in rendered


def test_a_page_of_huge_runs_stays_small_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    one = made.real("smoke").model_copy(update={"text": "endless <b> " * 100_000})
    results = [made.varied(one, number, at=made.BEGAN) for number in range(40)]
    runs = made.as_runs(results, tmp_path, log=b"<log> line & more\n" * 20_000)
    rendered = page.render(build_report(runs, title="t", made_at=made.BEGAN, lcpp_version="0"))
    assert len(rendered.encode()) <= page.MAX_BYTES
    assert "characters are left out here" in rendered
    assert "bytes are left out here" in rendered
    assert rendered.count('<details class="run">') == 40


def test_very_many_runs_have_no_fold_when_there_is_no_room(monkeypatch: pytest.MonkeyPatch, whole: Report) -> None:
    monkeypatch.setattr(page, "MAX_BYTES", 300_000)
    rendered = page.render(whole)
    assert len(rendered.encode()) <= 300_000
    assert 0 < rendered.count('<details class="run">') < 100
    found = _read(rendered)
    links = {value[1:] for name, value in found.attributes if name == "href" and value and value.startswith("#")}
    assert links <= set(found.ids)


def test_a_report_of_nothing_is_a_page_too() -> None:
    report = build_report([], title="t", made_at=made.BEGAN, lcpp_version="0")
    assert "No run was selected." in page.render(report)
    assert markdown.render(report).startswith("# t\n")
    assert ElementTree.fromstring(junit.render(report)).get("tests") == "0"


def test_plots_are_svg_in_light_and_dark_and_png(hostile: Report) -> None:
    drawn = plots.draw_history(hostile.histories[0], "date")
    document = svg.standalone(plots.svg(drawn), "history", drawn.title, drawn.description)
    root = ElementTree.fromstring(document)
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "style", "title", "desc", "g", "path", "text", "tspan", "use", "defs", "rect", "clipPath"}
    assert "prefers-color-scheme:dark" in document
    assert not _COMMANDS.search(document)
    assert "style=" not in document
    assert plots.png(plots.draw_matrix(hostile.matrices[0], GENERATION)).startswith(b"\x89PNG")


def test_plots_are_made_without_a_home(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    nowhere.write_text("")
    code = (
        "from pathlib import Path\n"
        "from tests.report import made\n"
        f"report = made.report(Path({str(tmp_path / 'runs')!r}), 20)\n"
        "from orchestrator.report import plots\n"
        "print(len(plots.svg(plots.draw_history(report.histories[0], 'commit'))))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={"HOME": str(nowhere), "PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) > 1000
    assert ran.stderr == ""


def test_markdown_keeps_strangers_in_their_cells(hostile: Report, whole: Report) -> None:
    told = markdown.render(hostile)
    assert "<script" not in told
    assert "`" not in told.replace("\\`", "")
    assert not _COMMANDS.search(told)
    tables = [line for line in told.splitlines() if line.startswith("|")]
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in tables}
    assert len(widths) <= 3
    assert "| smoke |" in markdown.render(whole)


def test_junit_counts_runs_and_checks(hostile: Report, whole: Report) -> None:
    root = ElementTree.fromstring(junit.render(whole))
    smoke = next(suite for suite in root if suite.get("name") == "smoke")
    runs = [run for run in whole.runs if run.measurement.name == "smoke"]
    checks = [check for run in runs if run.result for check in run.result.checks]
    assert int(smoke.get("tests", "")) == len(runs) + len(checks)
    assert int(smoke.get("errors", "")) == sum(run.measurement.status == "failed" for run in runs)
    assert int(smoke.get("failures", "")) == sum(not check.ok for check in checks)
    assert root.get("tests") == str(sum(int(suite.get("tests", "")) for suite in root))
    again = junit.render(hostile).decode()
    assert not _COMMANDS.search(again)
    messages = [failure.get("message", "") for failure in ElementTree.fromstring(again).iter("failure")]
    assert any("<script>alert(1)</script>" in message for message in messages)


@pytest.mark.parametrize("colours", [True, False])
def test_the_terminal_shows_tables_and_plots_and_obeys_nobody(hostile: Report, whole: Report, *, colours: bool) -> None:
    for report in (whole, hostile):
        out = io.StringIO()
        terminal.show(report, Console(file=out, width=100, force_terminal=colours, highlight=False))
        shown = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()) if colours else out.getvalue()
        assert not _COMMANDS.search(shown)
        assert "newest figures" in shown
    assert "token generation, tokens/s" in shown or "tokens/s" in shown


def test_a_terminal_plot_has_its_axis_and_points(whole: Report) -> None:
    out = io.StringIO()
    terminal.show(whole, Console(file=out, width=100, highlight=False))
    shown = out.getvalue()
    assert "┤" in shown
    assert shown.count("•") > 10
    assert "09-0" in shown


def test_only_plain_files_are_read_for_a_transcript(tmp_path: Path) -> None:
    log = tmp_path / "stderr.log"
    log.write_bytes(b"0123456789" * 100 + b"\xff\r\n")
    found = excerpt.of_file(log, 100)
    assert found is not None
    assert len(found.head) == 50
    assert found.tail.endswith("9\ufffd\n")
    assert found.n_left_out == 903
    assert found.unit == "bytes"
    link, pipe = tmp_path / "link.log", tmp_path / "pipe.log"
    link.symlink_to(log)
    os.mkfifo(pipe)
    assert excerpt.of_file(link, 100) is None
    assert excerpt.of_file(pipe, 100) is None
    assert excerpt.of_file(tmp_path, 100) is None


def test_a_page_of_thousands_of_results_stays_small() -> None:
    one = measurement_of(made.real("smoke"))
    many = []
    for number in range(3000):
        at = (made.BEGAN + datetime.timedelta(minutes=number)).isoformat()
        rate = {"generation_per_second": 50.0 + number % 17, "prompt_per_second": 60.0 + number % 13}
        changed = replace(one, id=f"r{number}", started_at=at, figures={**one.figures, **rate})
        if number % 3 == 1:
            changed = replace(changed, name=f"recipe {number}")
        if number % 3 == 2:
            settings = {"run.n_threads": str(number)}
            changed = replace(
                changed, experiment="e", case=number, case_settings=settings, settings={**one.settings, **settings}
            )
        many.append(Run(measurement=changed))
    rendered = page.render(build_report(many, title="t", made_at=made.BEGAN, lcpp_version="0"))
    assert len(rendered.encode()) <= page.MAX_BYTES
    assert "more rows are not shown here" in rendered
    assert "more series are not shown here" in rendered
    assert "the older ones would make this page too large" in rendered
