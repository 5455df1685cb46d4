"""Results out to other programs, and in from other machines."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow.parquet
import pytest

from orchestrator.errors import LcppError
from orchestrator.progress import Silent
from orchestrator.result.store.database import Database, opened
from orchestrator.result.store.exports import Format, export
from orchestrator.result.store.imports import import_file
from orchestrator.result.store.selection import conditions, select
from tests.result.varied import document, write

BENCH = Path(__file__).parents[2] / "data/transcripts/5ed087573e1f/bench/stdout.log"
HOSTILE = "=HYPERLINK(1)\x1b[31m\u202e<script>"


def _runs(folder: Path) -> Path:
    made = document(3)
    made["ran"]["model"]["name"] = HOSTILE
    write(folder, document(1), document(2, n_threads=2), made)
    return folder


def _export(database: Database, form: Format, *texts: str) -> bytes:
    file = io.BytesIO()
    chosen = conditions(database, texts)
    assert export(database, chosen, file, form, Silent()) == database.count(chosen)
    return file.getvalue()


def test_csv_has_a_row_a_run_and_a_column_a_setting(tmp_path: Path) -> None:
    with opened(_runs(tmp_path), Silent()) as database:
        rows = list(csv.DictReader(io.StringIO(_export(database, "csv").decode())))
        one = database.find()[-1]
        assert len(list(csv.reader(io.StringIO(_export(database, "csv", "n_threads=9").decode())))) == 1
    assert [row["setting.run.n_threads"] for row in rows] == ["1", "2", "1"]
    assert float(rows[0]["figure.generation_per_second"]) == one.figures["generation_per_second"]
    assert rows[0]["environment.build.compiler"] == one.environment["build.compiler"]
    # A spreadsheet must not take it for a formula.
    assert rows[2]["model_name"] == "'" + HOSTILE


def test_parquet_has_types(tmp_path: Path) -> None:
    with opened(_runs(tmp_path), Silent()) as database:
        table = pyarrow.parquet.read_table(io.BytesIO(_export(database, "parquet")))
        found = tuple(database.stream())
    assert table.column("id").to_pylist() == [one.id for one in found]
    rates = [one.figures["generation_per_second"] for one in found]
    assert table.column("figure.generation_per_second").to_pylist() == rates
    assert [moment.isoformat(timespec="milliseconds") for moment in table.column("started_at").to_pylist()] == [
        one.started_at for one in found
    ]
    assert table.column("setting.run.n_threads").to_pylist() == ["1", "2", "1"]


def test_json_lines_bring_whole_results_to_another_machine(tmp_path: Path) -> None:
    with opened(_runs(tmp_path / "here"), Silent()) as database:
        import_file(database, BENCH, Silent())
        (tmp_path / "all.jsonl").write_bytes(_export(database, "jsonl"))
        sent = database.find()
    there = tmp_path / "there"
    there.mkdir()
    with opened(there, Silent()) as database:
        came = import_file(database, tmp_path / "all.jsonl", Silent())
        assert (came.n_new, came.n_known) == (7, 0)
        again = import_file(database, tmp_path / "all.jsonl", Silent())
        assert (again.n_new, again.n_known) == (0, 7)
        received = database.find()
        assert [(one.id, one.figures, one.settings, one.text_sha256) for one in received] == [
            (one.id, one.figures, one.settings, one.text_sha256) for one in sent
        ]
        results = [one for one in received if one.path is not None]
        assert len(results) == 3
        for one in results:
            source = json.loads((tmp_path / "here" / f"{one.id}.json").read_bytes())
            assert json.loads(Path(str(one.path)).read_bytes()) == source
        database.rebuild()
        assert database.find() == received
    assert not list(there.glob("imported/.*"))


def test_one_result_as_a_run_writes_it(tmp_path: Path) -> None:
    sent = tmp_path / "result.json"
    sent.write_text(json.dumps(document(1), indent=1))
    (tmp_path / "runs").mkdir()
    with opened(tmp_path / "runs", Silent()) as database:
        assert import_file(database, sent, Silent()).n_new == 1
        (one,) = select(database, "imported=yes")
    assert Path(str(one.path)).read_bytes() == sent.read_bytes()


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_llama_bench_comes_as_rounds(tmp_path: Path, form: str) -> None:
    tests = json.loads(BENCH.read_bytes())
    source = tmp_path / f"bench.{form}"
    source.write_text(json.dumps(tests) if form == "json" else "".join(json.dumps(test) + "\n" for test in tests))
    (tmp_path / "runs").mkdir()
    with opened(tmp_path / "runs", Silent()) as database:
        assert import_file(database, source, Silent()).n_new == 4
        generated, prompt = select(database, "@llama-bench"), select(database, "@llama-bench~1")
    assert [one.figures["prompt_per_second"] for one in prompt] == tests[0]["samples_ts"]
    assert [one.figures["generation_per_second"] for one in generated] == tests[1]["samples_ts"]
    assert [one.figures["generation_ms"] for one in generated] == [ns / 1e6 for ns in tests[1]["samples_ns"]]
    assert [one.round for one in generated] == [0, 1]
    one = generated[0]
    assert (one.path, one.commit, one.environment["build_commit"]) == (None, None, "5ed0875")
    assert (one.settings["run.n_threads"], one.settings["run.flash_attn"], one.model_name) == (
        "1",
        "off",
        "portable-v3.gguf",
    )
    (kept,) = (tmp_path / "runs/imported").glob("*.json")
    assert kept.read_bytes() == source.read_bytes()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "llama-bench printed no test"),
        (b"\x00" * 100, "no test"),
        (json.dumps(document(1)).encode() + b"\n" + b'{"lcpp_result": 1}\n', ":2"),
        (json.dumps(document(1) | {"id": "../x"}).encode(), "id"),
        (json.dumps(document(1) | {"text": "\ud800"}).encode(), ":1"),
        (BENCH.read_bytes().replace(b'"2026', b'"soon'), "soon"),
        (BENCH.read_bytes()[:2000], "llama-bench"),
        (b'{"lcpp_measurement": 1, "id": "a", "path": "/etc/passwd"}', "measurement"),
    ],
)
def test_what_is_wrong_is_not_imported_at_all(tmp_path: Path, content: bytes, told: str) -> None:
    source = tmp_path / "source.json"
    source.write_bytes(content)
    (tmp_path / "runs").mkdir()
    with opened(tmp_path / "runs", Silent()) as database:
        with pytest.raises(LcppError) as caught:
            import_file(database, source, Silent())
        assert database.count() == 0
    assert told in str(caught.value)
    assert not list((tmp_path / "runs").glob("imported/*"))
