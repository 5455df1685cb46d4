"""What was asked beside what the program reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.parse.layout import Layout
from orchestrator.parse.parser import parse_run
from orchestrator.parse.record import (
    BatchedTest,
    BenchTest,
    Context,
    Coverage,
    Generation,
    KvCache,
    Perplexity,
    Record,
    SystemInfo,
)
from orchestrator.recipe.schema.recipe import ProgramName
from orchestrator.result.differences import Difference, differences
from tests.plans import planned

TRANSCRIPTS = Path(__file__).parents[1] / "data" / "transcripts"
COVERAGE = Coverage(n_lines=0, n_unrecognised=0)


def told(program: ProgramName, record: Record, **run: Any) -> list[str]:
    """The differences, as `name asked reported`."""
    plan = planned(10000, program=program, **run)
    return [f"{one.name} {one.asked} {one.reported}" for one in differences(plan, record)]


COMPLETION = Record(
    context=Context(n_ctx=300, n_batch=64, n_ubatch=64, flash_attn="0", kv_cache=KvCache(k_type="f16", v_type="f16")),
    system_info=SystemInfo(n_threads=4, n_threads_batch=4, n_cpu=4, features={}),
    generation=Generation(n_predict=128, n_ctx=512),
    coverage=COVERAGE,
)


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ({}, []),
        ({"n_threads": 4, "n_threads_batch": 4, "n_ctx": 512, "n_batch": 64}, []),
        ({"n_threads": 8}, ["n_threads 8 4"]),
        ({"n_threads_batch": 2}, ["n_threads_batch 2 4"]),
        ({"n_ctx": 300}, ["n_ctx 300 512"]),
        ({"n_batch": 2048, "n_ubatch": 512}, ["n_batch 2048 64", "n_ubatch 512 64"]),
        ({"type_k": "q8_0", "type_v": "f16"}, ["type_k q8_0 f16"]),
        ({"flash_attn": "on"}, ["flash_attn on off"]),
        ({"flash_attn": "off"}, []),
        ({"flash_attn": "auto"}, []),
        ({"n_predict": 64}, ["n_predict 64 128"]),
    ],
)
def test_a_completion(run: dict[str, Any], said: list[str]) -> None:
    assert told("llama-cli", COMPLETION, prompt="Hi", **run) == said


@pytest.mark.parametrize(("printed", "said"), [("enabled", []), ("1", []), ("disabled", ["flash_attn on off"])])
def test_the_words_of_all_eras_for_on_and_off(printed: str, said: list[str]) -> None:
    record = Record(context=Context(flash_attn=printed), coverage=COVERAGE)
    assert told("llama-cli", record, prompt="Hi", flash_attn="on") == said
    # What is decided later says nothing.
    record = Record(context=Context(flash_attn="auto"), coverage=COVERAGE)
    assert told("llama-cli", record, prompt="Hi", flash_attn="on") == []


def test_what_is_not_reported_is_no_difference() -> None:
    settings = {"n_threads": 8, "n_ctx": 300, "type_k": "q8_0", "flash_attn": "on", "n_batch": 1}
    assert told("llama-cli", Record(coverage=COVERAGE), prompt="Hi", **settings) == []
    assert told("llama-bench", Record(coverage=COVERAGE), n_threads=8) == []
    assert told("llama-batched-bench", Record(coverage=COVERAGE), n_parallel=[1, 2]) == []


def test_in_a_session_the_limit_is_not_of_one_answer() -> None:
    assert told("llama-cli", COMPLETION, prompts=["Hi", "Ho"], n_predict=64) == []


def bench_test(n_prompt: int, n_gen: int, **fields: Any) -> BenchTest:
    return BenchTest(
        build_commit=None,
        model_type=None,
        n_threads=4,
        n_batch=2048,
        n_ubatch=512,
        n_prompt=n_prompt,
        n_gen=n_gen,
        avg_ns=1,
        stddev_ns=0,
        avg_ts=1.0,
        stddev_ts=0.0,
        samples_ns=(1, 1),
        fields=fields,
    )


def test_a_bench() -> None:
    facts = {"type_k": "f16", "flash_attn": False, "use_mmap": True}
    tests = (bench_test(512, 0, **facts), bench_test(0, 128, **facts))
    record = Record(bench=tests, coverage=COVERAGE)
    assert told("llama-bench", record, n_repetitions=2, n_threads=4, type_k="f16", flash_attn="off", mmap=True) == []
    # Each once, though both tests say it.
    asked = {"n_repetitions": 5, "n_threads": 8, "type_k": "q8_0", "flash_attn": "on", "mmap": False}
    assert told("llama-bench", record, **asked) == [
        "n_threads 8 4",
        "type_k q8_0 f16",
        "flash_attn on off",
        "mmap false true",
        "n_repetitions 5 2",
    ]
    more = Record(bench=(*tests, bench_test(512, 128)), coverage=COVERAGE)
    assert told("llama-bench", more, n_repetitions=2) == ["tests pp512, tg128 pp512, pp512+tg128, tg128"]
    assert told("llama-bench", Record(bench=tests[:1], coverage=COVERAGE), n_repetitions=2, n_gen=0) == []


def test_the_newest_bench_names_how_it_loads() -> None:
    record = Record(bench=(bench_test(512, 0, load_mode="mmap", flash_attn=1),), coverage=COVERAGE)
    asked = {"n_gen": 0, "n_repetitions": 2}
    assert told("llama-bench", record, mmap=False, flash_attn="on", **asked) == ["mmap false true"]
    record = Record(bench=(bench_test(512, 0, load_mode="auto", flash_attn=-1),), coverage=COVERAGE)
    assert told("llama-bench", record, mmap=False, flash_attn="on", **asked) == []


def test_a_batched_bench_that_left_a_test_out() -> None:
    facts = {"n_kv": 20, "t_pp_s": 1.0, "speed_pp": 1.0, "t_tg_s": 1.0, "speed_tg": 1.0, "t_s": 1.0, "speed": 1.0}
    rows = [BatchedTest(n_prompt=16, n_gen=4, n_parallel=n, **facts) for n in (1, 2)]
    asked = {"n_prompt": 16, "n_gen": 4, "n_parallel": [1, 2]}
    assert told("llama-batched-bench", Record(batched=tuple(rows), coverage=COVERAGE), **asked) == []
    assert told("llama-batched-bench", Record(batched=(rows[0],), coverage=COVERAGE), **asked) == [
        "tests 1x(pp16+tg4), 2x(pp16+tg4) 1x(pp16+tg4)"
    ]


def test_perplexity_is_of_chunks_and_not_of_the_context_that_holds_several() -> None:
    record = Record(context=Context(n_ctx=2048), perplexity=Perplexity(estimate=4.0, n_ctx=512), coverage=COVERAGE)
    assert told("llama-perplexity", record, prompt="Hi", n_ctx=512) == []
    assert told("llama-perplexity", record, prompt="Hi", n_ctx=128) == ["n_ctx 128 512"]


@pytest.mark.parametrize(("more", "count"), [(0, 0), (1, 1)])
def test_a_real_transcript(more: int, count: int) -> None:
    logs = (log.read_bytes() for log in sorted(TRANSCRIPTS.glob("1d1ccce67613/*/stderr.log")))
    stderr = next(log for log in logs if b"system_info" in log)
    record = parse_run(b" text", stderr, Layout(shape="stdout"), "")
    assert record.system_info is not None
    ran_with = record.system_info.n_threads
    plan = planned(3642, prompt="Hi", n_predict=record.generation.n_predict, n_threads=ran_with + more)
    found = differences(plan, record)
    asked = Difference(name="n_threads", asked=str(ran_with + more), reported=str(ran_with))
    assert found == (asked,) * count
