"""All lists of figures are views of one registry, and a new figure shows up in all of them."""

from __future__ import annotations

import ast
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import orchestrator
from orchestrator.errors import UsageError
from orchestrator.progress import Silent
from orchestrator.report import markdown
from orchestrator.report.content import Run, build_report
from orchestrator.result import registry
from orchestrator.result.compare.comparison import compare
from orchestrator.result.measurement import measurement_of
from orchestrator.result.registry import FIGURES, Figure, columns, comparable, deciding, shown_in
from orchestrator.result.schema import Measured, json_schema
from orchestrator.result.store.connection import in_memory
from orchestrator.result.store.database import opened
from orchestrator.result.store.exports import export
from orchestrator.result.store.selection import conditions
from tests.report import made
from tests.result.varied import result, write

PACKAGE = Path(orchestrator.__file__).parent
# Who may write a figure's name: the registry, the typed document, the code that measures, the steps of the store's past.
HOMES = re.compile(r"result/(registry|schema|store/migrations|run/(measure|answers))\.py|programs/\w+\.py")
# They are names of other things as well: settings, llama-bench's fields, a program.
SHARED = {"n_prompt", "n_gen", "n_ctx", "perplexity"}
TOY = Figure(
    name="toys_per_second",
    kind="rate",
    unit="toys/s",
    label="toy making",
    meaning="Toys.",
    places=("ran.process.wall_s",),
    better="more",
    rank=3,
    shown="histories",
    decides=True,
    heading="toys",
)


def texts(file: Path) -> Iterator[str]:
    """The string literals of a module, without its docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in statements:
            yield node.value


def test_no_other_module_writes_the_name_of_a_figure() -> None:
    names = re.compile(rf"\b({'|'.join(sorted(set(FIGURES) - SHARED))})\b")
    files = [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.j2")]
    assert len(files) > 100
    written = {
        str(file.relative_to(PACKAGE)): name[0]
        for file in files
        if not HOMES.fullmatch(str(file.relative_to(PACKAGE)))
        for text in ([file.read_text()] if file.suffix == ".j2" else texts(file))
        if (name := names.search(text))
    }
    assert written == {}


def test_the_typed_document_holds_the_measured_figures_of_the_registry() -> None:
    properties = json_schema()["$defs"][Measured.__name__]["properties"]
    fields = [name for name in properties if name != "missing"]
    assert fields == [name for name, figure in FIGURES.items() if figure.places[0] == f"measured.{name}"]
    assert {name: properties[name]["description"] for name in fields} == {
        name: FIGURES[name].meaning for name in fields
    }


def test_the_stores_columns_are_those_of_the_registry() -> None:
    described = in_memory(None).execute("SELECT name FROM pragma_table_info('results')").fetchall()
    names = [str(name) for (name,) in described]
    assert tuple(names[names.index("text_sha256") + 1 : -1]) == columns()


def test_the_page_on_results_has_the_registrys_table() -> None:
    page = (PACKAGE.parent / "docs/results.md").read_text(encoding="utf-8")
    assert f"\n{registry.documentation()}\n" in page


def test_what_is_looked_for_first() -> None:
    assert [figure.name for figure in shown_in("histories")] == ["generation_per_second", "prompt_per_second"]
    assert [figure.name for figure in shown_in("cases")][2:] == ["load_ms", "peak_memory_bytes"]
    assert [figure.name for figure in shown_in("comparisons")][4:] == ["wall_s", "cpu_s", "perplexity"]
    assert [figure.name for figure in deciding()] == ["generation_per_second", "prompt_per_second", "wall_s"]


@pytest.mark.parametrize("name", ["n_gen", "nothing", "bandwidth_share"])
def test_what_two_runs_are_not_compared_by(name: str) -> None:
    with pytest.raises(UsageError, match=name) as caught:
        comparable(name)
    assert "generation_per_second, prompt_per_second, load_ms" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "smaller", "larger"),
    [
        ("prompt_per_second", "slower", "faster"),
        ("load_ms", "faster", "slower"),
        ("peak_memory_bytes", "less", "more"),
        ("perplexity", "less", "more"),
    ],
)
def test_how_b_is_called(name: str, smaller: str, larger: str) -> None:
    figure = FIGURES[name]
    assert (figure.smaller, figure.larger) == (smaller, larger)
    assert figure.lower_is_better is (larger != "faster")


def test_a_figure_stands_where_it_is_first_known() -> None:
    plain = result(1)
    process = plain.ran.process.model_copy(update={"peak_memory_bytes": 7})
    both = plain.model_copy(update={"ran": plain.ran.model_copy(update={"process": process})})
    peak = FIGURES["peak_memory_bytes"]
    assert plain.measured.peak_memory_bytes not in (None, 7)
    assert peak.value(both) == plain.measured.peak_memory_bytes
    unmeasured = both.model_copy(update={"measured": plain.measured.model_copy(update={"peak_memory_bytes": None})})
    assert peak.value(unmeasured) == 7
    assert FIGURES["bandwidth_share"].value(plain.model_copy(update={"limits": None})) is None


def test_a_new_figure_is_one_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FIGURES, TOY.name, TOY)
    runs = [made.varied(made.real("smoke"), n, at=made.BEGAN) for n in range(2)]
    write(tmp_path, *(json.loads(run.model_dump_json()) for run in runs))
    with opened(tmp_path, Silent()) as database:
        stored = database.find(conditions(database, [f"{TOY.name}>0"]))
        assert [run.figures[TOY.name] for run in stored] == [runs[0].ran.process.wall_s] * 2
        table = io.BytesIO()
        export(database, (), table, "csv", Silent())
    assert b",figure.toys_per_second," in table.getvalue()
    comparison = compare(stored[:1], stored[1:])
    compared = {figure.name: figure for figure in comparison.figures}[TOY.name]
    assert (compared.label, compared.unit) == (TOY.label, TOY.unit)
    assert compare(stored[:1], stored[1:], figure=TOY.name).decides == TOY.name
    report = build_report(
        [Run(measurement=measurement_of(run)) for run in runs], title="t", made_at=made.BEGAN, lcpp_version="0"
    )
    assert TOY.name in report.histories[0].series[0].by_commit
    assert "| toys |" in markdown.render(report)
