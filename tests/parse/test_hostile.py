"""What a model, a log or a terminal may do to a parser."""

import contextlib
import json
import time
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.engine.dialect import Layout
from orchestrator.errors import ParseError
from orchestrator.parse.parser import parse_log, parse_run

Shape = Literal["stdout", "stdout_after_echo", "between_marks", "chat", "bench"]
SHAPES: tuple[Shape, ...] = ("stdout", "stdout_after_echo", "between_marks", "chat", "bench")
TIMINGS = (
    "llama_print_timings:        load time =      42.81 ms\n"
    "llama_print_timings:      sample time =       0.31 ms /     8 runs   (    0.04 ms per token, 25723.47 tokens per second)\n"
    "llama_print_timings: prompt eval time =     110.50 ms /    16 tokens (    6.91 ms per token,   144.80 tokens per second)\n"
    "llama_print_timings:        eval time =     120.60 ms /     7 runs   (   17.23 ms per token,    58.04 tokens per second)\n"
    "llama_print_timings:       total time =     233.08 ms /    23 tokens\n"
)
LYING = (
    "\nmain: decoded 9999 tokens in 0.01 s, speed: 999900.00 t/s\n\n"
    "llama_print_timings:        load time =       1.00 ms\n"
    "llama_print_timings:        eval time =       1.00 ms /  9999 runs   (    0.00 ms per token, 999999.00 tokens per second)\n"
    "llama_model_loader: - kv   0:                       general.architecture str              = forged\n"
    "error loading model: forged\n"
    "main: n_predict = 1, n_ctx = 1, n_kv_req = 1\n"
)
START = "main: n_predict = 48, n_ctx = 512, n_kv_req = 48\n"


def simple_log(text: str, prompt: str = "Hello") -> bytes:
    """What llama-simple of b3642 prints on standard error."""
    return (f"\n{START}\n{prompt}{text}\n\nmain: decoded 7 tokens in 1.00 s, speed: 7.00 t/s\n\n{TIMINGS}\n").encode()


@pytest.mark.parametrize("text", [LYING, LYING * 3, f"{START}{LYING}"])
def test_text_that_looks_like_log_lines_does_not_fool_it_where_they_share_a_stream(text: str) -> None:
    record = parse_run(b"", simple_log(text), Layout(shape="between_marks"), "Hello")
    assert record.generation.text == text
    assert record.decoded is not None
    assert record.decoded.n_tokens == 7
    assert record.timings.eval is not None
    assert record.timings.eval.n == 7
    assert record.loader is None
    assert record.errors == ()


def test_text_that_looks_like_log_lines_does_not_fool_it_where_the_answer_has_its_own_stream() -> None:
    layout = Layout(shape="stdout", end_mark=" [end of text]\n", trailer="\n\n")
    stdout = f"{LYING} [end of text]\n [end of text]\n\n\n".encode()
    record = parse_run(stdout, TIMINGS.encode(), layout, "Hello")
    assert record.generation.text == f"{LYING} [end of text]\n"
    assert record.generation.end_of_text is True
    assert record.timings.eval is not None
    assert record.timings.eval.tokens_per_second == 58.04


def test_a_merged_log_takes_the_last_block_of_timings() -> None:
    record = parse_log(simple_log(LYING))
    assert record.decoded is not None
    assert record.decoded.n_tokens == 7
    assert record.generation.text is not None
    assert "forged" in record.generation.text
    assert record.timings.load is not None
    assert record.timings.load.ms == 42.81


def test_inf_and_nan_become_none_with_a_reason() -> None:
    log = TIMINGS.replace("58.04", "inf").replace("17.23", "-nan")
    record = parse_run(b"x", log.encode(), Layout(shape="stdout"), "Hello")
    assert record.timings.eval is not None
    assert record.timings.eval.tokens_per_second is None
    assert record.timings.eval.ms_per_token is None
    assert record.missing["timings.eval.tokens_per_second"] == "printed as inf"
    assert record.missing["timings.eval.ms_per_token"] == "printed as -nan"


def test_missing_timings_have_a_reason() -> None:
    record = parse_run(b"x", b"", Layout(shape="stdout"), "Hello")
    assert record.timings.eval is None
    assert record.missing["timings"] == "no timing lines were printed"


def test_unrecognised_lines_are_kept_and_counted() -> None:
    log = "llama_model_loader: sings a song\nsomething else entirely\n" + TIMINGS
    record = parse_run(b"x", log.encode(), Layout(shape="stdout"), "Hello")
    assert record.coverage.n_unrecognised == 2
    assert record.coverage.unrecognised == ("llama_model_loader: sings a song", "something else entirely")


def test_colours_spinners_and_carriage_returns_are_taken_off() -> None:
    coloured = TIMINGS.replace("llama_print", "\x1b[34m0.00.002.363\x1b[0m \x1b[32mI \x1b[0mllama_print")
    record = parse_run(
        b"x", ("|\x08-\x08\\\x08 \x08" + coloured.replace("\n", "\r\n")).encode(), Layout(shape="stdout"), ""
    )
    assert record.timings.total is not None
    assert record.timings.total.n == 23
    assert record.coverage.n_unrecognised == 0


def test_bytes_that_are_not_utf8_are_counted() -> None:
    record = parse_run(b"caf\xc3\xa9 \xff\xfe", TIMINGS.encode(), Layout(shape="stdout"), "")
    assert record.generation.text == "café \ufffd\ufffd"
    assert record.generation.n_invalid_bytes == 2


def test_a_log_of_something_else_is_refused_with_what_was_expected() -> None:
    with pytest.raises(ParseError, match="llama_model_loader: loaded meta data"):
        parse_log(b"hello\nworld\n")
    with pytest.raises(ParseError):
        parse_log(b"")


@pytest.mark.parametrize("json_text", ["[", "[\n", "{}", "[1, 2]", '[{"n_gen": 1}]', '[{"n_gen": "x", "n_prompt": 1}]'])
def test_broken_bench_output_gives_no_tests(json_text: str) -> None:
    record = parse_run(json_text.encode(), b"", Layout(shape="bench"), "")
    assert record.bench == ()


def test_bench_rows_keep_everything() -> None:
    row = {
        "build_commit": "abc",
        "n_prompt": 32,
        "n_gen": 0,
        "avg_ns": 5,
        "stddev_ns": 1,
        "avg_ts": 2.5,
        "stddev_ts": 0.1,
    }
    record = parse_run(json.dumps([row | {"new_field": [1]}]).encode(), b"", Layout(shape="bench"), "")
    assert record.bench[0].avg_ts == 2.5
    assert record.bench[0].fields["new_field"] == [1]


def test_twenty_megabytes_of_log_take_no_more_than_a_few_seconds() -> None:
    log = (TIMINGS * 45_000).encode()
    assert len(log) > 20_000_000
    begun = time.process_time()
    parse_run(b"x", log, Layout(shape="stdout"), "")
    assert time.process_time() - begun < 10


@pytest.mark.parametrize("line", ["- kv 0:" + " " * 20_000_000, "a" * 20_000_000, "x = " * 5_000_000, "." * 20_000_000])
def test_one_endless_line_takes_no_more_than_a_few_seconds(line: str) -> None:
    begun = time.process_time()
    record = parse_run(b"x", f"llama_model_loader: {line}\n{TIMINGS}".encode(), Layout(shape="stdout"), "")
    assert time.process_time() - begun < 10
    assert record.timings.total is not None


PIECES = st.lists(
    st.one_of(
        st.sampled_from([*TIMINGS.splitlines(keepends=True), *LYING.splitlines(keepends=True), START]).map(str.encode),
        st.binary(max_size=60),
        st.sampled_from([b"\n", b"\r", b"\x1b[", b"\x08", b"> ", b"[ Prompt: 1.0 t/s | Generation: 2.0 t/s ]\n"]),
    ),
    max_size=30,
).map(b"".join)


@given(stdout=PIECES, stderr=PIECES, shape=st.sampled_from(SHAPES))
@settings(max_examples=300, deadline=None)
def test_nothing_makes_it_fail(stdout: bytes, stderr: bytes, shape: Shape) -> None:
    record = parse_run(stdout, stderr, Layout(shape=shape), "Hello")
    record.model_dump_json()


@given(log=PIECES)
@settings(max_examples=300, deadline=None)
def test_a_log_parses_or_is_refused(log: bytes) -> None:
    with contextlib.suppress(ParseError):
        parse_log(log).model_dump_json()
