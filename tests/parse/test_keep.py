"""What each kind of line puts on the sheet."""

from __future__ import annotations

import json
import math
import re

import pytest

from orchestrator.parse import keep
from orchestrator.parse.keep import MOST, Handler, Sheet
from orchestrator.parse.parser import parse_log
from orchestrator.parse.record import KeyValue, Timing
from tests.parse.recorded import TRANSCRIPTS, Recorded

# The oldest build, one of the middle and the newest: between them they print every kind of line.
SAMPLE = [
    *("6381d4e110bd/complete", "6381d4e110bd/batched-bench", "1d1ccce67613/simple", "1d1ccce67613/complete-end"),
    *("1d1ccce67613/perplexity", "0c1e57098bba/complete", "0c1e57098bba/batched-bench", "0c1e57098bba/perplexity"),
]


@pytest.mark.parametrize("name", [name for name in SAMPLE if (TRANSCRIPTS / name).exists()])
def test_whole_logs(name: str) -> None:
    record = Recorded(TRANSCRIPTS / name).read()
    expected = json.loads((TRANSCRIPTS / name / "expected.json").read_text())
    assert json.loads(record.model_dump_json(exclude_defaults=True)) == expected


def put(handler: Handler, pattern: str, *texts: str, sheet: Sheet | None = None) -> Sheet:
    """The sheet after these lines."""
    sheet = sheet or Sheet()
    for text in texts:
        match = re.fullmatch(pattern, text)
        assert match is not None
        handler(sheet, match)
    return sheet


BUFFER = r"(?P<device>\w+) (?P<mib>[\d.]+)"


def weights(log: str) -> dict[str, float]:
    return {buffer.device: buffer.size_mib for buffer in parse_log(log.encode()).weights.buffers}


def test_a_dry_load_before_the_real_one_is_not_counted() -> None:
    """b7407 and later load once without allocating, to see whether the model fits."""
    line = "load_tensors:   CPU_Mapped model buffer size =    92.10 MiB\n"
    assert weights(line) == {"CPU_Mapped": 92.1}
    assert weights(line * 2) == {"CPU_Mapped": 92.1}
    assert weights(line * 3) == {"CPU_Mapped": 92.1}
    assert put(keep.weights_buffer, BUFFER, "CPU 92.10", "CPU 92.10").weights == {"CPU": 92.1}


def test_the_parts_of_a_split_model_add_up() -> None:
    lines = ("CPU 92.10", "CPU 7.25", "CUDA0 1.5")
    assert put(keep.weights_buffer, BUFFER, *lines).weights == {"CPU": 99.35, "CUDA0": 1.5}
    # What is printed has two digits; a sum of floats would have more.
    assert put(keep.weights_buffer, BUFFER, "CPU 0.10", "CPU 0.20").weights == {"CPU": 0.3}


def test_the_first_line_of_the_loader_says_it_all() -> None:
    pattern = "(?P<n_kv>.) (?P<n_tensors>.) (?P<file>.) (?P<format>.)"
    assert put(keep.loaded, pattern, "1 2 a V", "3 4 b W").loader == {
        "n_kv": "1",
        "n_tensors": "2",
        "file": "a",
        "format": "V",
    }


@pytest.mark.parametrize(
    ("handler", "field"),
    [(keep.output_buffer, "output_buffers"), (keep.compute_buffer, "compute_buffers")],
)
def test_the_last_size_of_a_buffer_counts(handler: Handler, field: str) -> None:
    sheet = put(handler, BUFFER, "CPU 92.10", "CPU 7.25", "CUDA0 1.5")
    assert getattr(sheet, field) == {"CPU": 7.25, "CUDA0": 1.5}


@pytest.mark.parametrize(
    ("kind", "text", "value", "truncated"),
    [
        ("u32", "30", 30, False),
        ("i8", "-3", -3, False),
        ("i64", "1" * 20, int("1" * 20), False),
        ("u64", "1" * 21, "1" * 21, False),
        ("i8", "abc", "abc", False),
        ("u8", "\u0663", "\u0663", False),
        ("f32", "0.5", 0.5, False),
        ("f64", "0,5", 0.5, False),
        ("f32", "nan", None, False),
        ("f32", "1e5", "1e5", False),
        ("f32", "\u0663", "\u0663", False),
        ("bool", "true", True, False),
        ("bool", "false", False, False),
        ("str", "llama", "llama", False),
        ("str", "llama...", "llama...", True),
        ("str", None, None, False),
        ("arr[str,3]", '["a", "b", ...', '["a", "b", ...', True),
    ],
)
def test_values_of_the_header(kind: str, text: str | None, value: object, truncated: bool) -> None:
    got = keep.key_value("a.key", kind, text)
    assert got == KeyValue(key="a.key", type=kind, value=value, truncated=truncated)
    assert type(got.value) is type(value)


def test_pairs_are_kept_by_their_index() -> None:
    pattern = r"(?P<index>\d) (?P<key>\w+) (?P<type>\w+)(?: (?P<value>\w+))?"
    assert put(keep.pair, pattern, "1 a str x", "0 b u8", "1 c str y").kv == {
        1: ("c", "str", "y"),
        0: ("b", "u8", None),
    }


def test_a_perplexity_and_its_estimate() -> None:
    sheet = put(keep.estimate, "(?P<ppl>.+) (?P<error>.+)", "12.5 nan")
    assert sheet.estimate == (12.5, None)
    sheet = put(keep.perplexity, r"(?P<n_chunks>\d)(?: (?P<n_ctx>\d))?", "3")
    assert sheet.perplexity == {"n_chunks": 3}


def test_a_rate_that_is_no_number_keeps_how_it_was_printed() -> None:
    pattern = r"(?P<n>\S+) (?P<s>\S+) (?P<rate>\S+)"
    sheet = put(keep.decoded, pattern, "7 1,50 inf")
    assert sheet.decoded == (7, 1.5, None)
    assert sheet.missing == {"decoded.tokens_per_second": "printed as inf"}
    sheet = put(keep.decoded, pattern, "7 1.50 4.67")
    assert (sheet.decoded, sheet.missing) == ((7, 1.5, 4.67), {})


def test_a_line_of_timings() -> None:
    pattern = r"(?P<label>[a-z ]+time) (?P<ms>\S+)(?: (?P<n>\d+) (?P<ms_per_token>\S+) (?P<tokens_per_second>\S+))?"
    sheet = put(
        keep.timing_line, pattern, "load time 1.5", "sampling time 1.0", "sample time 2.0", "eval time 9 7 nan inf"
    )
    assert sorted(sheet.timings) == ["eval", "load", "sample"]
    assert sheet.timings["sample"]["ms"] == "2.0"
    assert keep.timing(sheet.timings["load"]) == Timing(ms=1.5)
    assert keep.timing(sheet.timings["eval"]) == Timing(n=7, ms=9.0)
    assert keep.unprinted(sheet.timings["load"]) == {}
    assert keep.unprinted(sheet.timings["eval"]) == {
        "ms_per_token": "printed as nan",
        "tokens_per_second": "printed as inf",
    }


def test_sizes_of_the_cache() -> None:
    pattern = r"(?P<mib>\S+) (?:(?P<cells>\d+) )?(?P<k_type>\w+):(?P<k_mib>\S+) (?P<v_type>\w+):(?P<v_mib>\S+)"
    assert put(keep.kv_size, pattern, "11.25 512 f16:5.5 q8_0:5.75", "3.0 f16:1.5 f16:1.5").kv_sizes == [
        (11.25, 512, "f16", 5.5, "q8_0", 5.75),
        (3.0, None, "f16", 1.5, "f16", 1.5),
    ]
    ((mib, cells, k_type, k_mib, v_type, v_mib),) = put(keep.kv_size_alone, r"(?P<mib>\S+)", "11.25").kv_sizes
    assert (mib, cells, k_type, v_type) == (11.25, None, "", "")
    assert math.isnan(k_mib)
    assert math.isnan(v_mib)
    assert put(keep.kv_buffer, BUFFER, "CPU 1.5", "CPU 2.5").kv_buffers == [("CPU", 1.5), ("CPU", 2.5)]


def test_the_oldest_builds_name_no_device() -> None:
    sheet = put(keep.memory_required, r"(?P<mib>\S+)", "100.5")
    put(keep.compute_total, r"(?P<mib>\S+)", "7.5", sheet=sheet)
    put(keep.weights_context, r"(?P<mib>\S+)", "0,25", sheet=sheet)
    assert (sheet.weights, sheet.compute_buffers, sheet.weights_context_mib) == ({"CPU": 100.5}, {"CPU": 7.5}, 0.25)


def test_what_the_program_was_asked_for_and_what_it_runs_on() -> None:
    sheet = put(keep.limits, r"(?P<n_predict>\S+) (?P<n_ctx>\S+)?", "-1 512")
    put(keep.limits, r"(?P<n_predict>\S+) (?P<n_ctx>\S+)?", "8 ", sheet=sheet)
    put(keep.graph, r"(?P<nodes>\d+)? ?(?P<splits>\d+)?", "966", " 1", sheet=sheet)
    put(keep.build, "(?P<build>.+)", "3642 (1d1ccce6)", sheet=sheet)
    put(keep.graphs_reused, "(?P<n>.+)", "7", sheet=sheet)
    put(keep.end_of_text, "", "", sheet=sheet)
    put(keep.warning, ".*", "mind this", sheet=sheet)
    put(keep.known, ".*", "whatever", sheet=sheet)
    assert sheet.limits == {"n_predict": 8, "n_ctx": 512}
    assert sheet.graph == {"nodes": 966, "splits": 1}
    assert (sheet.build, sheet.graphs_reused, sheet.end_of_text) == ("3642 (1d1ccce6)", 7, True)
    assert sheet.warnings == ["mind this"]
    pattern = r"(?P<threads>\d) (?:(?P<batch>\d) )?/ (?P<cpus>\d) (?P<features>.*)"
    assert put(keep.system_info, pattern, "2 / 4 AVX = 1").system_info == (2, None, 4, "AVX = 1")
    assert put(keep.system_info, pattern, "2 3 / 4 AVX = 1").system_info == (2, 3, 4, "AVX = 1")


def test_a_batched_test_whose_rate_is_no_number() -> None:
    line = (
        '{"pp": 16, "tg": 0, "pl": 2, "n_kv": 40, "t_pp": 0.001, "speed_pp": inf, "t_tg": 0.0, "speed_tg": -nan, '
        '"t": 0.001, "speed": 32388.66}'
    )
    (test,) = put(keep.batched_json, ".*", line).batched
    assert (test.n_prompt, test.n_parallel, test.speed_pp, test.speed_tg, test.speed) == (16, 2, None, None, 32388.66)
    for broken in ("{", "[" * 100_000, '{"pp": 16}', '{"pp": "x"}', "{}"):
        assert put(keep.batched_json, "(?s:.*)", broken).batched == [], broken


@pytest.mark.parametrize(
    ("handler", "pattern", "line", "field"),
    [
        (keep.tensor_type, r"(?P<type>\w+) (?P<n>\d)", "t{} 1", "tensor_types"),
        (keep.weights_buffer, BUFFER, "d{} 1.0", "weights"),
        (keep.output_buffer, BUFFER, "d{} 1.0", "output_buffers"),
        (keep.compute_buffer, BUFFER, "d{} 1.0", "compute_buffers"),
        (keep.kv_buffer, BUFFER, "d{} 1.0", "kv_buffers"),
        (keep.kv_size_alone, r"(?P<mib>\d+)", "{}", "kv_sizes"),
        (
            keep.kv_size,
            r"(?P<mib>\d+)(?P<cells>)(?P<k_type>)(?P<v_type>)(?P<k_mib>)(?P<v_mib>)",
            "{}",
            "kv_sizes",
        ),
        (keep.warning, ".*", "w{}", "warnings"),
        (keep.batched_json, ".*", '{{"pp": 1, "tg": 1, "pl": 1, "n_kv": {}, "t_pp": 1, "speed_pp": 1, "t_tg": 1, '
         '"speed_tg": 1, "t": 1, "speed": 1}}', "batched"),
    ],
)  # fmt: skip
def test_no_log_fills_the_memory(handler: Handler, pattern: str, line: str, field: str) -> None:
    sheet = Sheet()
    if handler is keep.kv_size:
        # Only how many there are counts here.
        sheet.kv_sizes += [(1.0, None, "f16", 1.0, "f16", 1.0)] * MOST
        put(handler, pattern, "1", sheet=sheet)
    else:
        put(handler, pattern, *(line.format(number) for number in range(MOST + 5)), sheet=sheet)
    assert len(getattr(sheet, field)) == MOST


def test_no_log_fills_the_memory_with_special_tokens() -> None:
    pattern = r"(?P<name>\w+) (?P<id>\d+) (?P<text>\w+)"
    sheet = put(keep.special_token, pattern, *(f"EOG {number} a" for number in range(MOST + 5)), "BOS 1 b", "BOS 2 c")
    assert len(sheet.tokens["EOG"]) == MOST
    assert sheet.tokens["BOS"] == [(1, "b"), (2, "c")]
    types = put(keep.tensor_type, r"(?P<type>\w+) (?P<n>\d+)", "f32 61", "q4_1 210").tensor_types
    assert types == {"f32": 61, "q4_1": 210}
