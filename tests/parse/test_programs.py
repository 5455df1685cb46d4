"""llama-batched-bench, llama-perplexity and the server's timings of each answer."""

from __future__ import annotations

from orchestrator.parse.layout import Layout
from orchestrator.parse.parser import parse_log, parse_run
from orchestrator.parse.record import BatchedTest, Timing
from orchestrator.parse.slots import parse_slot_timings

BATCHED = Layout(shape="log")
TABLE = b"""
main: n_kv_max = 512, n_batch = 2048, n_ubatch = 512, flash_attn = -1, n_threads = 2, n_threads_batch = 2

|    PP |     TG |    B |   N_KV |   T_PP s | S_PP t/s |   T_TG s | S_TG t/s |      T s |    S t/s |
|-------|--------|------|--------|----------|----------|----------|----------|----------|----------|
|    16 |      4 |    1 |     20 |    0.412 |    38.84 |    1.308 |     3.06 |    1.720 |    11.63 |
|    16 |      0 |    2 |     40 |    0.001 | 47058.82 |    0.000 |     -nan |    0.001 | 32388.66 |

"""
LINES = (
    b'{"n_kv_max": 512, "n_batch": 2048, "pp": 16, "tg": 4, "pl": 1, "n_kv": 20, "t_pp": 0.412, "speed_pp": 38.84, '
    b'"t_tg": 1.308, "speed_tg": 3.06, "t": 1.72, "speed": 11.63}\n'
    b'{"n_kv_max": 512, "n_batch": 2048, "pp": 16, "tg": 0, "pl": 2, "n_kv": 40, "t_pp": 0.001, "speed_pp": 47058.82, '
    b'"t_tg": 0.0, "speed_tg": -nan, "t": 0.001, "speed": 32388.66}\n'
)
TESTS = (
    BatchedTest(
        n_prompt=16,
        n_gen=4,
        n_parallel=1,
        n_kv=20,
        t_pp_s=0.412,
        speed_pp=38.84,
        t_tg_s=1.308,
        speed_tg=3.06,
        t_s=1.72,
        speed=11.63,
    ),
    BatchedTest(
        n_prompt=16,
        n_gen=0,
        n_parallel=2,
        n_kv=40,
        t_pp_s=0.001,
        speed_pp=47058.82,
        t_tg_s=0.0,
        speed_tg=None,
        t_s=0.001,
        speed=32388.66,
    ),
)


def test_batched_bench_is_read_wherever_the_build_prints_it() -> None:
    # Up to b3760 on standard error, then on standard output; in JSON lines where it was asked for.
    for stdout, stderr in ((b"", TABLE), (TABLE, b""), (LINES, b"")):
        record = parse_run(stdout, stderr, BATCHED, "")
        assert record.batched == TESTS
        assert record.generation.text is None
        assert record.coverage.n_unrecognised == 0
    assert parse_log(TABLE).batched == TESTS
    assert parse_log(LINES).batched == TESTS


PERPLEXITY = Layout(shape="log")
CALCULATING = b"perplexity: calculating perplexity over 3 chunks, n_ctx=128, batch_size=256, n_seq=2\n"
CHUNKS = b"[1]3800.2202,[2]nan,[3]3799.6785,\n"


def test_perplexity_of_one_stream_and_of_two() -> None:
    old = (b"[1]3800.2202,[2]nan,[3]3799.6785,\nFinal estimate: PPL = 3799.6785 +/- 337.74363\n", CALCULATING)
    new = (
        b"0.00 minutes\n" + CHUNKS,
        CALCULATING + b"perplexity: 0.01 seconds per pass - ETA Final estimate: PPL = 3799.6785 +/- 337.74363\n",
    )
    for stdout, stderr in (old, new):
        record = parse_run(stdout, stderr, PERPLEXITY, "")
        assert record.perplexity is not None
        assert (record.perplexity.estimate, record.perplexity.error) == (3799.6785, 337.74363)
        assert record.perplexity.chunks == (3800.2202, None, 3799.6785)
        assert (record.perplexity.n_chunks, record.perplexity.n_ctx) == (3, 128)
        assert record.coverage.n_unrecognised == 0
        assert parse_log(stderr + stdout).perplexity == record.perplexity


def test_before_b1068_the_last_running_value_is_the_estimate() -> None:
    log = b"llama_model_load_internal: n_ctx        = 128\nperplexity: calculating perplexity over 3 chunks, batch_size=128\n"
    record = parse_run(CHUNKS, log, PERPLEXITY, "")
    assert record.perplexity is not None
    assert (record.perplexity.estimate, record.perplexity.error, record.perplexity.n_ctx) == (3799.6785, None, 128)


def test_a_perplexity_that_was_cut_has_no_estimate() -> None:
    record = parse_run(CHUNKS[:26], CALCULATING, PERPLEXITY, "")
    assert record.perplexity is not None
    assert record.perplexity.estimate is None
    assert len(record.perplexity.chunks) == 2
    assert "last chunk" in record.missing["perplexity.estimate"]


def test_chunks_may_be_many() -> None:
    chunks = b"".join(b"[%d]4.1234," % (number + 1) for number in range(5000))
    record = parse_run(chunks + b"\n", CALCULATING.replace(b"over 3", b"over 5000"), PERPLEXITY, "")
    assert record.perplexity is not None
    assert (len(record.perplexity.chunks), record.perplexity.estimate) == (5000, 4.1234)


ONE_LINE_EACH = b"""\
slot print_timing: id  0 | task 0 | prompt eval time =      33.77 ms /    76 tokens (    0.44 ms per token,  2250.72 tokens per second)
slot print_timing: id  0 | task 0 |        eval time =      47.63 ms /    24 tokens (    2.07 ms per token,   482.88 tokens per second)
slot print_timing: id  0 | task 0 |       total time =      81.40 ms /   100 tokens
slot print_timing: id  0 | task 0 |    graphs reused =         23
slot      release: id  0 | task 0 | stop processing: n_tokens = 99, truncated = 0
srv  update_slots: all slots are idle
\x1b[34m0.01.002.363\x1b[0m \x1b[32mI \x1b[0mslot print_timing: id  0 | task 25 | prompt eval time = 1.00 ms / 7 tokens ( 0.14 ms per token, 7000.00 tokens per second)
slot print_timing: id  0 | task 25 |        eval time =       0.00 ms /     1 tokens (    0.00 ms per token,      inf tokens per second)
"""
ONE_FOR_ALL = b"""\
slot print_timing: id  0 | task 0 |\x20
prompt eval time =      33.77 ms /    76 tokens (    0.44 ms per token,  2250.72 tokens per second)
       eval time =      47.63 ms /    24 tokens (    2.07 ms per token,   482.88 tokens per second)
      total time =      81.40 ms /   100 tokens
slot      release: id  0 | task 0 | stop processing: n_tokens = 99, truncated = 0
slot print_timing: id  0 | task 25 |\x20
prompt eval time =       1.00 ms /     7 tokens (    0.14 ms per token,  7000.00 tokens per second)
       eval time =       0.00 ms /     1 tokens (    0.00 ms per token,      inf tokens per second)
"""


def test_each_answer_of_a_session_has_its_timings() -> None:
    for log in (ONE_LINE_EACH, ONE_FOR_ALL):
        first, second = parse_slot_timings(log)
        assert (first.slot, first.task, second.task) == (0, 0, 25)
        assert first.prompt_eval == Timing(ms=33.77, n=76, ms_per_token=0.44, tokens_per_second=2250.72)
        assert first.eval == Timing(ms=47.63, n=24, ms_per_token=2.07, tokens_per_second=482.88)
        assert first.total == Timing(ms=81.40, n=100)
        assert second.eval == Timing(ms=0.0, n=1, ms_per_token=0.0, tokens_per_second=None)
        assert second.total is None


def test_the_same_task_may_answer_twice() -> None:
    assert len(parse_slot_timings(ONE_LINE_EACH[:400] * 2)) == 2


def test_no_timings_no_answers() -> None:
    assert parse_slot_timings(b"") == ()
    assert parse_slot_timings(b"slot print_timing: id  x | task y | eval time = 1 ms\n" * 3) == ()
