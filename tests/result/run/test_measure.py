"""From a record to the figures that people look for, and the checks of what a recipe expects."""

from __future__ import annotations

from orchestrator.parse.layout import Layout
from orchestrator.parse.parser import parse_run
from orchestrator.parse.record import Record
from orchestrator.programs import batched_bench, cli, perplexity, simple
from orchestrator.result.run.measure import measure

COMPLETION = (
    "llama_perf_context_print:        load time =      42.81 ms\n"
    "llama_perf_context_print: prompt eval time =     110.50 ms /    16 tokens "
    "(    6.91 ms per token,   144.80 tokens per second)\n"
    "llama_perf_context_print:        eval time =     120.60 ms /     7 runs   "
    "(   17.23 ms per token,    {rate} tokens per second)\n"
    "llama_perf_context_print:       total time =     233.08 ms /    23 tokens\n"
)
LAYOUT = Layout(shape="stdout", end_mark=" [end of text]\n", trailer="\n\n")


def record(stdout: str = "Paris.\n\n", rate: str = "58.04") -> Record:
    return parse_run(stdout.encode(), COMPLETION.format(rate=rate).encode(), LAYOUT, "")


def test_the_end_token_is_not_counted_as_generated() -> None:
    assert measure(cli, record("Paris. [end of text]\n\n\n"), 1).n_gen == 7
    # Stopped at the limit: the last token was sampled and not fed back.
    assert measure(cli, record("Paris.\n\n"), 1).n_gen == 8


def test_what_is_missing_has_its_reason() -> None:
    measured = measure(cli, record(rate="inf"), None)
    assert measured.generation_per_second is None
    assert measured.missing["generation_per_second"] == "printed as inf"
    assert measured.missing["peak_memory_bytes"] == "the program ended before its memory was read"
    assert measured.missing["kv_cache_mib"] == "the program did not print it"
    assert "n_prompt" not in measured.missing


def test_no_timings_are_no_reason_for_missing_memory_figures() -> None:
    measured = measure(cli, parse_run(b"", b"", LAYOUT, ""), 1)
    assert measured.missing["n_gen"] == "no timing lines were printed"
    assert measured.missing["weights_mib"] == "the program did not print it"


def test_the_speed_of_a_perplexity_is_that_of_its_prompt() -> None:
    log = (
        "perplexity: calculating perplexity over 1 chunks, n_ctx=128, batch_size=256, n_seq=2\n"
        "Final estimate: PPL = 4140.0206 +/- 337.74363\n" + COMPLETION.format(rate="inf")
    )
    measured = measure(perplexity, parse_run(b"", log.encode(), Layout(shape="log"), ""), 1)
    assert (measured.n_prompt, measured.prompt_per_second, measured.prompt_ms) == (16, 144.8, 110.5)
    assert (measured.n_gen, measured.generation_per_second, measured.generation_ms) == (None, None, None)
    assert measured.missing["generation_per_second"] == "llama-perplexity generates nothing"


def test_a_batched_bench_counts_by_its_fastest_tests() -> None:
    table = (
        "|    16 |      4 |    1 |     20 |    0.412 |    38.84 |    1.308 |     3.06 |    1.720 |    11.63 |\n"
        "|    32 |      8 |    4 |     40 |    0.001 | 47058.82 |    0.002 |     2.50 |    0.001 | 32388.66 |\n"
    )
    measured = measure(batched_bench, parse_run(table.encode(), b"", Layout(shape="log"), ""), 1)
    assert (measured.n_prompt, measured.prompt_per_second, measured.prompt_ms) == (32, 47058.82, 1.0)
    assert (measured.n_gen, measured.generation_per_second, measured.generation_ms) == (4, 3.06, 1308.0)


def test_what_the_oldest_simple_does_not_measure_has_its_reason() -> None:
    log = b"llama_new_context_with_model: kv self size  =    0.25 MB\n\n\n Hello\n\n"
    measured = measure(simple, parse_run(b" Paris.", log, simple.layout(1012), "Hello"), 1)
    assert measured.generation_per_second is None
    assert measured.missing["generation_per_second"] == "llama-simple times nothing before b1283"
    assert measured.missing["n_gen"] == "llama-simple times nothing before b1283"
    assert measured.kv_cache_mib == 0.25
