"""llama-bench's tests are read from each of its formats, alone or in the middle of a log."""

from __future__ import annotations

import json

import pytest

from orchestrator.parse.bench import read_bench
from orchestrator.parse.layout import Layout
from orchestrator.parse.parser import parse_log, parse_run

# b10587, shortened: one test of each kind, then one behind the other with a depth.
ROWS = (
    {"build_commit": "04483396", "model_type": "llama ?B all F32", "n_threads": 2, "n_batch": 2048, "n_ubatch": 512}
    | {"n_prompt": 16, "n_gen": 0, "n_depth": 0, "avg_ns": 271062, "stddev_ns": 51715}
    | {"avg_ts": 60120.949227, "stddev_ts": 11469.144548},
    {"build_commit": "04483396", "model_type": "llama ?B all F32", "n_threads": 2, "n_batch": 2048, "n_ubatch": 512}
    | {"n_prompt": 0, "n_gen": 4, "n_depth": 32, "avg_ns": 264994, "stddev_ns": 11783}
    | {"avg_ts": 15109.618959, "stddev_ts": 671.864556},
)
JSON = json.dumps(ROWS, indent=2) + "\n"
JSON_LINES = "".join(json.dumps(row) + "\n" for row in ROWS)
CSV = ",".join(ROWS[0]) + "\n" + "".join(",".join(f'"{value}"' for value in row.values()) + "\n" for row in ROWS)
MARKDOWN = (
    "| model                          | backend    | threads |          test |                  t/s |\n"
    "| ------------------------------ | ---------- | ------: | ------------: | -------------------: |\n"
    "| llama ?B all F32               | CPU        |       2 |          pp16 | 60120.95 ± 11469.14 |\n"
    "| llama ?B all F32               | CPU        |       2 |     tg4 @ d32 | 15109.62 ± 671.86 |\n"
    "\nbuild: 04483396 (1)\n"
)
NOISE = b"load_backend: loaded CPU backend\nggml_metal_init: {[some]} flags\nggml_cuda_init: found 0 devices\n"


@pytest.mark.parametrize("text", [JSON, JSON_LINES, CSV, MARKDOWN], ids=["json", "jsonl", "csv", "md"])
def test_every_format_gives_the_same_tests(text: str) -> None:
    for record in (parse_log(text.encode()), parse_log(NOISE + text.encode())):
        first, second = record.bench
        assert (first.build_commit, first.model_type, first.n_threads) == ("04483396", "llama ?B all F32", 2)
        assert (first.n_prompt, first.n_gen, first.n_depth) == (16, 0, 0)
        assert (second.n_prompt, second.n_gen, second.n_depth) == (0, 4, 32)
        assert first.avg_ts == pytest.approx(60120.949227, abs=0.01)
        assert second.stddev_ts == pytest.approx(671.864556, abs=0.01)
        assert first.avg_ns == (None if text == MARKDOWN else 271062)
        assert record.coverage.n_unrecognised == 0


def test_the_oldest_table_names_its_tests_with_a_blank() -> None:
    table = (
        "| model                          | backend    |  n_threads | test       |             t/s |\n"
        "| ------------------------------ | ---------- | ---------: | ---------- | --------------: |\n"
        "| LLaMA 7B all F32               | CPU        |          2 | pp 16      | 415.91 ± 536.29 |\n"
        "| LLaMA 7B all F32               | CPU        |          2 | pp512+tg128 |     4.47 ± 0.28 |\n"
    )
    first, second = parse_log(table.encode()).bench
    assert (first.n_prompt, first.n_gen, first.n_threads, first.avg_ts) == (16, 0, 2, 415.91)
    assert (second.n_prompt, second.n_gen) == (512, 128)


def test_a_speed_that_is_no_number_is_none() -> None:
    text = JSON.replace("60120.949227", "inf").replace("11469.144548", "-nan")
    first, second = parse_log(text.encode()).bench
    assert (first.avg_ts, first.stddev_ts) == (None, None)
    assert second.avg_ts == 15109.618959


@pytest.mark.parametrize("text", ["[\n", JSON[: len(JSON) // 2], "", "[" * 100_000, '{"build_commit": ' * 50_000])
def test_broken_output_has_no_test_and_says_so(text: str) -> None:
    record = parse_run(text.encode(), b"", Layout(shape="json"), "")
    assert record.bench == ()
    assert "bench" in record.missing


def test_json_lines_that_are_cut_keep_the_whole_ones() -> None:
    assert len(read_bench(JSON_LINES[:-20].encode()).tests) == 1


def test_fields_that_stand_twice_are_not_believed() -> None:
    """b5212 to b5220 list a part of the fields twice, and the values shift."""
    text = JSON.replace('"n_depth": 0,', '"n_depth": 0, "n_depth": "2025-05-01",')
    record = parse_run(text.encode(), b"", Layout(shape="json"), "")
    assert record.bench == ()
    assert "twice" in record.missing["bench"]
