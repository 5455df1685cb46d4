"""From a record to the figures that people look for first, and to the checks of what a recipe expects."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from orchestrator.parse.record import BatchedTest, BenchTest, Buffer, Record, Timing
from orchestrator.recipe.schema.recipe import ExpectSpec
from orchestrator.result.registry import FIGURES
from orchestrator.result.schema import Check, Measured
from orchestrator.text.visible import shortened

_REGEX_LIMIT_S = 2.0
_SHOWN = 60


def measure(record: Record, peak_memory_bytes: int | None) -> Measured:
    """The figures of one run, each missing one with its reason."""
    figures: dict[str, float | int | None] = {"peak_memory_bytes": peak_memory_bytes}
    known: dict[str, str] = {}
    absent = "the program did not print it"
    if record.bench:
        figures |= _of_bench(record.bench)
        absent = "llama-bench does not report it"
    else:
        figures |= _of_run(record)
    if record.batched:
        figures |= _of_batched(record.batched)
    elif record.perplexity is not None:
        # Its timings count one evaluation that took no time.
        for name in ("n_gen", "generation_per_second", "generation_ms"):
            figures[name] = None
            known[name] = "llama-perplexity generates nothing"
    names = [name for name in Measured.model_fields if name != "missing"]
    missing = {name: known.get(name) or _reason(record, name) or absent for name in names if figures.get(name) is None}
    return Measured.model_validate({**figures, "missing": missing})


def _of_run(record: Record) -> dict[str, float | int | None]:
    timings, context = record.timings, record.context
    prompt, generation = timings.prompt_eval or Timing(), timings.eval or Timing()
    return {
        "n_prompt": prompt.n,
        "n_gen": n_generated(record),
        "prompt_per_second": prompt.tokens_per_second,
        "generation_per_second": generation.tokens_per_second,
        "load_ms": timings.load.ms if timings.load else None,
        "prompt_ms": prompt.ms,
        "generation_ms": generation.ms,
        "sample_ms": next((part.ms for part in (timings.sample, timings.samplers) if part), None),
        "total_ms": timings.total.ms if timings.total else None,
        "n_ctx": (context.n_ctx if context else None) or record.generation.n_ctx,
        "weights_mib": _sum(record.weights.buffers),
        "kv_cache_mib": context.kv_cache.size_mib if context else None,
        "compute_mib": _sum(context.compute_buffers) if context else None,
        "output_mib": _sum(context.output_buffers) if context else None,
    }


def n_generated(record: Record) -> int | None:
    """Generated tokens, without the one that ends the text.

    llama-simple says it. The completion program evaluates one token less than it samples (the last is not fed
    back), and the last sampled one is the end mark where the model ended the text. The chat program counts what it
    decoded.
    """
    if record.decoded is not None:
        return record.decoded.n_tokens
    timing = record.timings.eval
    if timing is None or timing.n is None:
        return None
    if record.timings.load is None:
        return timing.n
    return timing.n if record.generation.end_of_text else timing.n + 1


def _of_bench(tests: Iterable[BenchTest]) -> dict[str, float | int | None]:
    figures: dict[str, float | int | None] = {}
    for test in tests:
        ms = None if test.avg_ns is None else test.avg_ns / 1e6
        if test.n_gen == 0:
            figures |= {"n_prompt": test.n_prompt, "prompt_per_second": test.avg_ts, "prompt_ms": ms}
        elif test.n_prompt == 0:
            figures |= {"n_gen": test.n_gen, "generation_per_second": test.avg_ts, "generation_ms": ms}
    return figures


def _of_batched(tests: Sequence[BatchedTest]) -> dict[str, float | int | None]:
    """The fastest test of each kind, its speed over all sequences together, its tokens those of one sequence."""
    figures: dict[str, float | int | None] = {}
    prompt = max(tests, key=lambda test: test.speed_pp or 0.0)
    generation = max(tests, key=lambda test: test.speed_tg or 0.0)
    if prompt.n_prompt:
        figures |= {"n_prompt": prompt.n_prompt, "prompt_per_second": prompt.speed_pp, "prompt_ms": _ms(prompt.t_pp_s)}
    if generation.n_gen:
        figures |= {
            "n_gen": generation.n_gen,
            "generation_per_second": generation.speed_tg,
            "generation_ms": _ms(generation.t_tg_s),
        }
    return figures


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1e3, 3)


def _reason(record: Record, figure: str) -> str | None:
    if figure == "peak_memory_bytes":
        return "the program ended before its memory was read"
    place = FIGURES[figure].record_place
    return None if place is None else record.missing.get(place, record.missing.get("timings"))


def _sum(buffers: tuple[Buffer, ...]) -> float | None:
    return round(sum(buffer.size_mib for buffer in buffers), 2) if buffers else None


def check(
    expect: ExpectSpec, record: Record, measured: Measured, metadata: Mapping[str, str | int | float | bool]
) -> tuple[Check, ...]:
    """Hold what the recipe expects against what came.

    Args:
        metadata: the GGUF's own; the loader prints it cut short, and llama-bench not at all.
    """
    checks: list[Check] = []
    at_least = (
        ("min_generated_tokens", expect.min_generated_tokens, measured.n_gen, "n_gen"),
        ("min_prompt_per_second", expect.min_prompt_per_second, measured.prompt_per_second, "prompt_per_second"),
        (
            "min_generation_per_second",
            expect.min_generation_per_second,
            measured.generation_per_second,
            "generation_per_second",
        ),
    )
    for name, wanted, found, figure in at_least:
        if wanted is not None:
            shown = f"{found:g}" if found is not None else f"nothing: {measured.missing.get(figure, 'not measured')}"
            checks.append(
                Check(name=name, expected=f"at least {wanted:g}", found=shown, ok=found is not None and found >= wanted)
            )
    text = record.generation.text or ""
    for part in expect.text_contains:
        expected, there = shortened(part, _SHOWN), shortened(text, _SHOWN)
        checks.append(Check(name="text_contains", expected=expected, found=there, ok=part in text))
    if expect.text_matches is not None:
        checks.append(_matches(expect.text_matches, text))
    checks.extend(_metadata(expect, metadata))
    return tuple(checks)


def _matches(pattern: str, text: str) -> Check:
    # Imported here: only recipes with a pattern need it, and start-up time counts.
    import regex

    try:
        ok = regex.search(pattern, text, timeout=_REGEX_LIMIT_S) is not None
        found = shortened(text, _SHOWN)
    except TimeoutError:
        ok, found = False, f"the pattern took more than {_REGEX_LIMIT_S:g} s; simplify it"
    return Check(name="text_matches", expected=shortened(pattern, _SHOWN), found=found, ok=ok)


def _metadata(expect: ExpectSpec, metadata: Mapping[str, str | int | float | bool]) -> Iterable[Check]:
    for key, wanted in expect.metadata.items():
        found = metadata.get(key)
        if isinstance(wanted, float) and isinstance(found, (int, float)):
            # GGUF keeps 32-bit floats; people write decimals.
            ok = math.isclose(found, wanted, rel_tol=1e-6)
        else:
            ok = type(found) is type(wanted) and found == wanted
        yield Check(
            name=f"metadata.{key}", expected=str(wanted), found="no such key" if found is None else str(found), ok=ok
        )
