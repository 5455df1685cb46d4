"""What a model, a log or a terminal may do to a parser."""

import contextlib
import json
import time
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import ParseError
from orchestrator.parse.layout import Layout, Shape
from orchestrator.parse.parser import parse_log, parse_run
from orchestrator.programs import simple

SHAPES: tuple[Shape, ...] = get_args(Shape)
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


def test_a_line_that_should_tell_a_figure_and_does_not_is_not_recognised() -> None:
    strange = (
        "llama_print_timings: eval time = quick\n"
        "print_info: n_ctx_train = many\n"
        "print_info: n_wings = 2\n"
        "llama_context: n_ctx = all\n"
        "llama_context: CPU compute buffer size = 4 pages\n"
        "llama_model_loader: - type f32: lots of tensors\n"
        "slot print_timing: id  0 | task 0 | eval speed = 3 tokens per second\n"
        "srv  some_thing: 3.00 tokens per second\n"
    )
    coverage = parse_run(b"x", strange.encode(), Layout(shape="stdout"), "").coverage
    assert coverage.unrecognised == tuple(strange.splitlines())
    counts = {name: (counted.n_lines, counted.n_recognised) for name, counted in coverage.categories.items()}
    assert counts == {
        "loader": (1, 0),
        "metadata": (2, 0),
        "context": (2, 0),
        "timing": (2, 0),
        "other": (1, 0),
    }


def test_a_function_with_a_new_name_is_known_by_what_it_says() -> None:
    log = (
        "llama_new_loader: loaded meta data with 1 key-value pairs and 2 tensors from /m.gguf (version GGUF V3 (latest))\n"
        "llama_new_loader: - kv   0:                       general.architecture str              = llama\n"
        "llama_facts: n_ctx_train           = 512\n"
        "llama_room: n_ctx                 = 256\n"
        "llama_room:        CPU compute buffer size =     1.50 MiB\n"
        "llama_clock:        eval time =     120.60 ms /     7 runs   (   17.23 ms per token,    58.04 tokens per second)\n"
    )
    record = parse_run(b"x", log.encode(), Layout(shape="stdout"), "")
    assert record.coverage.n_unrecognised == 0
    assert record.loader is not None
    assert record.loader.kv[0].value == "llama"
    assert record.metadata is not None
    assert record.metadata.n_ctx_train == 512
    assert record.context is not None
    assert (record.context.n_ctx, record.context.compute_buffers[0].size_mib) == (256, 1.5)
    assert record.timings.eval is not None
    assert record.timings.eval.n == 7


def test_the_chat_template_that_a_program_shows_is_no_log() -> None:
    """b7348 and later show it and an example of it; what it says of errors or timings is none of ours."""
    shown = (
        "init: chat template, chat_template: {%- for message in messages -%}\n"
        "  {{- 'eval time = 1 ms; error: failed to' }}\n'\n"
        "{%- endfor -%}, example_format: '<|im_start|>system\n"
        "You are a helpful assistant<|im_end|>\n"
        "'\n"
    )
    record = parse_run(b"x", (shown + TIMINGS).encode(), Layout(shape="stdout"), "")
    assert record.errors == ()
    assert record.coverage.n_unrecognised == 0
    assert record.timings.eval is not None
    assert record.timings.eval.n == 7


def test_usage_is_no_answer() -> None:
    """Up to b3682 an argument that a program does not know brings its usage, on standard output."""
    record = parse_run(b"usage: ./main [options]\n", b"error: unknown argument: --x\n", Layout(shape="stdout"), "Hello")
    assert record.generation.text is None
    assert record.errors == ("error: unknown argument: --x",)


def test_the_prompt_that_simple_prints_as_the_last_line_of_its_log_is_no_log() -> None:
    """llama-simple of b1012 to b1282 prints its answer alone on standard output, and times nothing."""
    prompt = "Tell me\nmain: n_ctx = 7\nerror: please"
    log = f"llama_new_context_with_model: kv self size  =    0.25 MB\n\n\n {prompt}"
    for tail, ended in (("\n\n", None), (" [end of text]\n\n\n", True)):
        record = parse_run(b" I will.", (log + tail).encode(), simple.layout(1012), prompt)
        assert record.generation.text == " I will."
        assert record.generation.echo == f" {prompt}"
        assert record.generation.end_of_text is ended
        assert record.errors == ()
        assert record.coverage.n_unrecognised == 0
        assert record.missing["timings"] == "llama-simple times nothing before b1283"


def test_a_text_without_its_end_is_kept_and_marked() -> None:
    """llama.cpp since b8970 may end before its last output is printed."""
    layout = Layout(shape="stdout", end_mark=" [end of text]\n", trailer="\n\n")
    record = parse_run(b"The riv", b"", layout, "Hello")
    assert record.generation.text == "The riv"
    assert "cut short" in record.missing["generation.end"]
    assert "generation.end" not in parse_run(b"The river.\n\n", b"", layout, "Hello").missing


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
    record = parse_run(json_text.encode(), b"", Layout(shape="json"), "")
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
    record = parse_run(json.dumps([row | {"new_field": [1]}]).encode(), b"", Layout(shape="json"), "")
    assert record.bench[0].avg_ts == 2.5
    assert record.bench[0].fields["new_field"] == [1]


KINDS: dict[str, bytes] = {
    "timings": TIMINGS.encode(),
    "prose": b"The river runs under the old bridge, and nobody knows where the horse: went; error, perhaps.\n",
    "unknown lines": b"ggml_new_function: something of which nobody has heard = 17\n",
    "one line": b"a",
    "one line of words": b"x = ",
    "newlines": b"\n",
    "carriage returns": b"\r\n",
    "prompts": b"\n> ",
    "colours": b"\x1b[38;5;12mword\x1b[0m \x1b[32mI \x1b[0mtext\n",
    "broken escapes": b"\x1b[",
    "broken titles": b"\x1b]",
    "backspaces": b"\x08",
    "spinner": b"|\x08/\x08-\x08\\\x08",
    "not UTF-8": b"ab\xff\n",
    "dots": b".",
    "braces": b"[",
    "chunks": b"[1]2.0000,",
    "start marks": START.encode(),
    "end marks": b"main: decoded 7 tokens in 1.00 s, speed: 7.00 t/s\n",
    "rates": b"[ Prompt: 1.0 t/s | Generation: 2.0 t/s ]\n",
    "context": b"llama_context:        CPU compute buffer size =     1.00 MiB\n",
    "pairs": b"- kv   0: a str = ",
    "bench": b'{"build_commit": "a", "n_gen": 1}\n',
}


def _seconds(data: bytes) -> float:
    begun = time.process_time()
    parse_run(data, data, Layout(shape="stdout"), "Hello")
    parse_run(b"", data, Layout(shape="between_marks"), "Hello")
    parse_run(b"\n> Hello\n" + data, b"", Layout(shape="chat"), "Hello")
    parse_run(data, b"", Layout(shape="json"), "")
    parse_run(data, b"", Layout(shape="log"), "")
    with contextlib.suppress(ParseError):
        parse_log(data)
    return time.process_time() - begun


@pytest.mark.parametrize("kind", KINDS)
def test_the_time_grows_with_the_size_and_no_faster(kind: str) -> None:
    small = (KINDS[kind] * (100_000 // len(KINDS[kind]) + 1))[:100_000]
    once, eightfold = min(_seconds(small) for _ in range(2)), _seconds(small * 8)
    # Eightfold, with room for a busy machine; the square would be 64.
    assert eightfold < 24 * once + 0.1


def test_fifty_megabytes_of_text_keep_no_one_waiting() -> None:
    text = (LYING * 60_000)[:50_000_000] + "."
    log = simple_log(text)
    begun = time.process_time()
    record = parse_run(b"", log, Layout(shape="between_marks"), "Hello")
    # A second or two on a quiet machine.
    assert time.process_time() - begun < 10
    assert record.generation.text == text
    assert record.timings.eval is not None


def test_ten_megabytes_of_log_lines_take_a_second() -> None:
    log = "".join(f"llama_print_timings:        eval time = {n}.60 ms /     7 runs\n" for n in range(160_000))
    begun = time.process_time()
    record = parse_run(b"x", log.encode(), Layout(shape="stdout"), "")
    # Half a second on a quiet machine.
    assert time.process_time() - begun < 4
    assert record.coverage.categories["timing"].n_recognised == 160_000


PIECES = st.lists(
    st.one_of(
        st.sampled_from([*TIMINGS.splitlines(keepends=True), *LYING.splitlines(keepends=True), START]).map(str.encode),
        st.binary(max_size=60),
        st.sampled_from([b"\n", b"\r", b"\x1b[", b"\x08", b"> ", b"[ Prompt: 1.0 t/s | Generation: 2.0 t/s ]\n"]),
    ),
    max_size=30,
).map(b"".join)


@given(stdout=PIECES, stderr=PIECES, shape=st.sampled_from(SHAPES))
def test_nothing_makes_it_fail(stdout: bytes, stderr: bytes, shape: Shape) -> None:
    record = parse_run(stdout, stderr, Layout(shape=shape), "Hello")
    record.model_dump_json()


@given(log=PIECES)
def test_a_log_parses_or_is_refused(log: bytes) -> None:
    with contextlib.suppress(ParseError):
        parse_log(log).model_dump_json()
