"""A run beside its machine's limits: the shares, their reasons when there are none, and how they are told."""

from __future__ import annotations

import pytest

from orchestrator.machine.limits.stored import MachineLimits
from orchestrator.model.memory.settings import memory_settings
from orchestrator.model.memory.shape import shape_of
from orchestrator.parse.record import BatchedTest, BenchTest, Coverage, Perplexity, Record, SystemInfo
from orchestrator.result.limits import RunLimits, in_words
from orchestrator.result.run.measure import measure
from orchestrator.result.run.share import HOW_TO_MEASURE, limits
from orchestrator.result.schema import AnswerResult, Measured
from tests.machine.limits.machines import machine
from tests.model.model_shapes import SHAPES, header_of
from tests.parse.recorded import TRANSCRIPTS, Recorded
from tests.plans import planned

RECORD = Record(
    coverage=Coverage(n_lines=0, n_unrecognised=0),
    system_info=SystemInfo(n_threads=1, n_threads_batch=2, n_cpu=2, features={}),
)
BENCH = BenchTest(
    build_commit=None,
    model_type=None,
    n_threads=2,
    n_batch=2048,
    n_ubatch=512,
    n_prompt=0,
    n_gen=0,
    avg_ns=None,
    stddev_ns=None,
    avg_ts=None,
    stddev_ts=None,
)


def _limits(
    record: Record,
    measured: Measured,
    there: MachineLimits | None,
    model: str = "llama-3.1-8b",
    answers: tuple[AnswerResult, ...] = (),
    history_kept: bool = False,
    program: str = "complete",
) -> RunLimits:
    run: dict[str, object] = {"n_ctx": 4096, "n_predict": 1, "program": program}
    if answers:
        run |= {"prompts": ["hi"], "history": "keep" if history_kept else "reset"}
    plan = planned(10000, **run)
    shape = shape_of([header_of(SHAPES[model])])
    return limits(plan, shape, memory_settings(plan), record, measured, there, answers=answers)


def _measured(n_prompt: int | None = 512, n_gen: int | None = 101, prompt: float = 40.0, rate: float = 5.0) -> Measured:
    return Measured(n_prompt=n_prompt, n_gen=n_gen, prompt_per_second=prompt, generation_per_second=rate)


# All weights but the token embeddings, of which a row is read; then K and V of 32 layers for one token before.
WEIGHTS = header_of(SHAPES["llama-3.1-8b"]).tensor_bytes - 4096 * 128256 // 256 * 210 + 4096 // 256 * 210
KV = 2 * 8 * 128 * 2 * 32


def test_a_completion_by_hand() -> None:
    found = _limits(RECORD, _measured(), machine())
    generation, prompt = found.generation, found.prompt
    # Tokens 513 to 613 of the context: each looks at itself and those before, 563 as a mean.
    assert generation.weights_bytes_per_token == WEIGHTS
    assert generation.kv_bytes_per_token == 563 * KV
    assert generation.bytes_per_token == WEIGHTS + 563 * KV
    assert generation.bandwidth_share == pytest.approx(5.0 * (WEIGHTS + 563 * KV) / 4e10, abs=1e-4)
    assert generation.bandwidth_share_of_threads == pytest.approx(5.0 * (WEIGHTS + 563 * KV) / 2.5e10, abs=1e-4)
    integers = 32 * (2 * 4096**2 + 2 * 4096 * 1024 + 3 * 4096 * 14336)
    saved = (3 * 4096 * 14336) * 511 / 512
    integers_each = integers - saved + 4096 * 128256 / 512
    floats_each = 256.5 * 32 * 32 * 256
    assert prompt.operations_per_token == pytest.approx(2 * (integers_each + floats_each))
    seconds = integers_each / 4e11 + floats_each / 1e11
    assert prompt.arithmetic_share == prompt.arithmetic_share_of_threads == pytest.approx(40 * seconds, abs=1e-4)
    assert (generation.n_threads, prompt.n_threads) == (1, 2)
    assert prompt.arithmetic == "int8 (AVX2)"
    assert not found.missing
    assert in_words(found) == (
        f"{100 * (generation.bandwidth_share or 0):.0f} % of this machine's memory bandwidth "
        f"({100 * (generation.bandwidth_share_of_threads or 0):.0f} % of what 1 thread can read), "
        f"prompt: {100 * (prompt.arithmetic_share or 0):.0f} % of its peak arithmetic, int8 (AVX2)"
    )


@pytest.mark.parametrize(("commit", "build"), [("1d1ccce67613", 3642), ("0c1e57098bba", 10600)])
def test_the_share_of_the_threads_is_not_that_of_the_machine(commit: str, build: int) -> None:
    """What a build of then and one of now printed, on a machine that does twice as much with a second thread."""
    recorded = Recorded(TRANSCRIPTS / commit / "complete")
    record = recorded.read()
    plan = planned(build, program="complete", prompt=recorded.prompt, n_predict=16)
    measured = measure(plan.program, record, None)
    assert measured.prompt_per_second
    assert measured.generation_per_second
    assert record.system_info is not None
    shape = shape_of([header_of(SHAPES["llama-3.1-8b"])])
    shares = {}
    for n_threads in (1, 2):
        info = record.system_info.model_copy(update={"n_threads": n_threads, "n_threads_batch": n_threads})
        there = record.model_copy(update={"system_info": info})
        # So many tokens that the arithmetic is the limit.
        figures = measured.model_copy(update={"n_prompt": 512, "n_gen": 101})
        shares[n_threads] = limits(plan, shape, memory_settings(plan), there, figures, machine())
    one, two = shares[1], shares[2]
    assert one.prompt.n_threads == 1
    assert one.prompt.arithmetic_share
    assert one.prompt.arithmetic_share_of_threads == pytest.approx(2 * one.prompt.arithmetic_share, rel=0.01)
    assert two.prompt.arithmetic_share_of_threads == two.prompt.arithmetic_share == one.prompt.arithmetic_share
    assert one.generation.bandwidth_share
    of_threads = one.generation.bandwidth_share_of_threads
    assert of_threads == pytest.approx(1.6 * one.generation.bandwidth_share, rel=0.01)
    assert two.generation.bandwidth_share_of_threads == two.generation.bandwidth_share


def test_a_machine_that_was_not_measured_says_how() -> None:
    found = _limits(RECORD, _measured(), None)
    assert found.generation.bytes_per_second == pytest.approx(5.0 * (WEIGHTS + 563 * KV), rel=1e-5)
    assert found.generation.bandwidth_share is None
    assert found.missing == {"generation": HOW_TO_MEASURE, "prompt": HOW_TO_MEASURE}
    assert in_words(found).endswith(f"GB/s read; {HOW_TO_MEASURE}")


def test_a_model_that_fits_the_cache_is_explained() -> None:
    found = _limits(RECORD, _measured(rate=500.0), machine(cache_bytes=2**30), "smollm2-135m")
    assert (found.generation.bandwidth_share or 0) > 1
    assert "the weights fit the CPU's cache (1,024 MiB), so memory is not their limit" in in_words(found)
    partly = _limits(RECORD, _measured(rate=500.0), machine(), "smollm2-135m")
    assert "so that more than 100 % is possible" in in_words(partly)
    slow = _limits(RECORD, _measured(rate=50.0), machine(), "smollm2-135m")
    assert not slow.notes
    large = _limits(RECORD, _measured(), machine())
    assert not large.notes


def test_a_share_above_one_without_a_cache_is_not_left_alone() -> None:
    for there in (machine(), machine(cache_bytes=None)):
        found = _limits(RECORD, _measured(rate=50.0), there)
        assert "disturbed or slower when its limits were measured" in in_words(found)
    noisy = _limits(RECORD, _measured(), machine(disturbed=("1 thread: noise",)))
    assert "not quiet when its limits were measured" in in_words(noisy)


def test_a_short_prompt_is_no_matter_of_arithmetic() -> None:
    found = _limits(RECORD, _measured(n_prompt=2), machine())
    assert found.prompt.arithmetic_share is None
    assert found.prompt.operations_per_second is not None
    assert "memory is the limit" in found.missing["prompt"]
    assert "prompt:" not in in_words(found)


def test_arithmetic_that_was_not_measured_has_no_share() -> None:
    found = _limits(RECORD, _measured(), machine(int8=False))
    assert found.prompt.arithmetic_share is None
    assert "AMX" in found.missing["prompt"]
    assert found.generation.bandwidth_share is not None


@pytest.mark.parametrize(
    ("kind", "architecture", "expected"),
    [("BF16", "x86_64", "BF16"), ("F16", "aarch64", "F16"), ("F16", "x86_64", None), ("F32", "aarch64", None)],
)
def test_floats_are_compared_with_floats(kind: str, architecture: str, expected: str | None) -> None:
    plan = planned(10000, program="complete", n_ctx=4096, n_predict=1)
    from orchestrator.values import replace

    shape = shape_of([header_of(replace(SHAPES["smollm2-135m"], kind=kind, embedding=kind))])
    there = machine().model_copy(update={"architecture": architecture})
    found = limits(plan, shape, memory_settings(plan), RECORD, _measured(), there)
    if expected is None:
        assert found.prompt.arithmetic == "f32"
        assert found.prompt.arithmetic_share is not None
    else:
        assert f"instructions for {expected}" in found.missing["prompt"]


def test_a_bench_counts_from_its_depth() -> None:
    tests = (
        BENCH.model_copy(update={"n_prompt": 512, "avg_ts": 40.0}),
        BENCH.model_copy(update={"n_gen": 128, "n_depth": 1000, "avg_ts": 5.0}),
    )
    found = _limits(RECORD.model_copy(update={"bench": tests}), _measured(n_gen=128), machine(), program="bench")
    assert found.generation.kv_bytes_per_token == round((1000 + 64.5) * KV)
    assert (found.generation.n_threads, found.prompt.n_threads) == (2, 2)
    alone = _limits(RECORD.model_copy(update={"bench": tests[1:]}), _measured(n_gen=128), machine(), program="bench")
    assert alone.missing == {"prompt": "llama-bench was not asked for it"}


def test_sequences_side_by_side_read_the_weights_together() -> None:
    one = BatchedTest(
        n_prompt=100, n_gen=1, n_parallel=4, n_kv=1, t_pp_s=1.0, speed_pp=40.0, t_tg_s=1, speed_tg=20.0, t_s=2, speed=1
    )
    record = RECORD.model_copy(update={"batched": (one,)})
    found = _limits(record, _measured(), machine(), program="batched-bench")
    assert found.generation.weights_bytes_per_token == round(WEIGHTS / 4)
    assert found.generation.bytes_per_second == pytest.approx(20.0 * (WEIGHTS / 4 + 101 * KV), rel=1e-5)
    experts = _limits(record, _measured(), machine(), "mixtral-4-layers", program="batched-bench")
    assert "different experts" in experts.missing["generation"]


def _answer(n_prompt: int | None, n_gen: int | None) -> AnswerResult:
    return AnswerResult(prompt="", text="", whole=True, ended_by="limit", n_prompt=n_prompt, n_gen=n_gen, wall_s=1.0)


def test_answers_of_a_session_stand_one_behind_the_other() -> None:
    said = (_answer(10, 20), _answer(30, 40))
    kept, fresh = (_limits(RECORD, _measured(), machine(), answers=said, history_kept=kept) for kept in (True, False))
    # Tokens 11 to 30 and 61 to 100 of one context; or 11 to 30, and 31 to 70 of another.
    assert kept.generation.kv_bytes_per_token == round((20 * 20.5 + 40 * 80.5) / 60 * KV)
    assert fresh.generation.kv_bytes_per_token == round((20 * 20.5 + 40 * 50.5) / 60 * KV)
    unknown = _limits(RECORD, _measured(), machine(), answers=(_answer(10, None),))
    assert unknown.missing["generation"] == "the number of its tokens is not known"


def test_what_was_not_measured_keeps_its_reason() -> None:
    measured = Measured(missing={"generation_per_second": "it was stopped"})
    found = _limits(RECORD, measured, machine())
    assert found.missing == {"generation": "it was stopped", "prompt": "its speed is not known"}
    assert in_words(found) == ""
    perplexity = RECORD.model_copy(update={"perplexity": Perplexity(estimate=1.0)})
    assert (
        "generates nothing" in _limits(perplexity, _measured(), machine(), program="perplexity").missing["generation"]
    )


def test_it_survives_the_result_file() -> None:
    found = _limits(RECORD, _measured(), machine())
    assert RunLimits.model_validate_json(found.model_dump_json()) == found
