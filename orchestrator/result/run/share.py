"""From what a run measured, its model's header and its machine's limits to the shares of those limits. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from orchestrator.machine.limits.stored import LimitName, MachineLimits, ThreadLimits
from orchestrator.model.memory.settings import MemorySettings
from orchestrator.model.memory.shape import Shape
from orchestrator.model.memory.work import Arithmetic, Span, Work, generated, prompt
from orchestrator.parse.record import Record
from orchestrator.programs.defaults import threads_of
from orchestrator.programs.plan.kinds import RunPlan
from orchestrator.programs.protocol import Stage
from orchestrator.result.limits import GenerationLimits, PromptLimits, RunLimits
from orchestrator.result.registry import GENERATION, PROMPT
from orchestrator.result.schema import AnswerResult, Measured
from orchestrator.text.numbers import mib

HOW_TO_MEASURE = "run `lcpp doctor --limits` once to know the share"
# Of the cache, beside the bytes of a token: from here on so little can stay in it that nothing need be said.
_SAYS_NOTHING = 0.1
# A share from which on one asks whether it can be.
_NEAR = 0.9
# Floats of other kinds than those that were measured, of all multiplications: up to here they are counted as f32.
_FEW = 0.05
# Where F16 is converted to F32 before it is multiplied.
_F16_IS_F32 = ("x86_64", "AMD64", "i686")
_KINDS: Mapping[Arithmetic, LimitName] = {"int8": "int8", "f32": "f32", "f16": "f32", "bf16": "f32"}


def limits(
    plan: RunPlan,
    shape: Shape,
    settings: MemorySettings,
    record: Record,
    measured: Measured,
    machine: MachineLimits | None,
    *,
    answers: Sequence[AnswerResult] = (),
) -> RunLimits:
    """How close a run came to its machine's limits; `in_words` (result/limits.py) says it in words.

    Args:
        shape, settings: the model, and what the run asked for, as for its memory (`MemoryCheck`).
        machine: what `stored_limits` gave; None: not measured yet.
        answers: of a session.
    """
    missing: dict[str, str] = {}
    generation_stage, prompt_stage = _stages(plan, record, measured, answers)
    generation = _generation(shape, settings, generation_stage, machine, missing)
    processing = _prompt(shape, settings, prompt_stage, machine, missing)
    return RunLimits(
        generation=generation,
        prompt=processing,
        cache_bytes=None if machine is None else machine.cache_bytes,
        measured_at=None if machine is None else machine.measured_at,
        missing=missing,
        notes=tuple(_notes(generation, machine)),
    )


def _generation(
    shape: Shape, settings: MemorySettings, stage: Stage, machine: MachineLimits | None, missing: dict[str, str]
) -> GenerationLimits:
    spans, reason = _spans(stage)
    if reason is None and stage.n_parallel > 1 and shape.n_expert:
        reason = "several sequences take different experts, and which is not known"
    work = None if reason else generated(shape, settings, spans)
    weights = None if work is None else work.weights_bytes / stage.n_parallel
    kv = None if work is None else work.kv_bytes + work.state_bytes
    per_token = None if weights is None or kv is None else weights + kv
    achieved = None if per_token is None or stage.rate is None else per_token * stage.rate
    best, own = _of_machine(machine, "memory", stage.n_threads)
    reason = reason or (_unmeasured(machine, "memory") if best is None else None)
    if reason is not None:
        missing["generation"] = reason
    return GenerationLimits(
        n_threads=stage.n_threads,
        bytes_per_token=None if per_token is None else round(per_token),
        weights_bytes_per_token=None if weights is None else round(weights),
        kv_bytes_per_token=None if kv is None else round(kv),
        bytes_per_second=_rounded(achieved),
        bandwidth_bytes_per_second=_rounded(best),
        bandwidth_share=_share(achieved, best),
        bandwidth_share_of_threads=_share(achieved, own),
    )


def _prompt(
    shape: Shape, settings: MemorySettings, stage: Stage, machine: MachineLimits | None, missing: dict[str, str]
) -> PromptLimits:
    spans, reason = _spans(stage)
    work = None if reason else prompt(shape, settings, spans)
    achieved = None if work is None or stage.rate is None else work.operations * stage.rate
    n_batch = min(max((span.n for span in spans), default=1), settings.n_batch, settings.n_ubatch)
    reason = reason or (None if work is None else _why_not(work, n_batch, machine))
    peak = own = None
    if work is not None and machine is not None and reason is None:
        peak = _peak(work, machine)
        same = None if stage.n_threads is None else machine.with_threads(stage.n_threads)
        own = None if same is None else _mixed(work, same)
    if reason is not None:
        missing["prompt"] = reason
    return PromptLimits(
        n_threads=stage.n_threads,
        operations_per_token=None if work is None else round(work.operations),
        operations_per_second=_rounded(achieved),
        peak_operations_per_second=_rounded(peak),
        arithmetic=None if work is None or peak is None else _named(work, machine),
        arithmetic_share=_share(achieved, peak),
        arithmetic_share_of_threads=_share(achieved, own),
    )


def _stages(plan: RunPlan, record: Record, measured: Measured, answers: Sequence[AnswerResult]) -> tuple[Stage, Stage]:
    """Generation and prompt processing: at which positions, how fast, with how many threads."""
    own = plan.program.stages(record)
    if own is not None:
        return own
    n_threads, n_threads_batch = threads_of(record)
    if answers:
        prompts, texts = _positions(answers, history_kept=plan.run.history == "keep")
    else:
        prompts = ((0, measured.n_prompt),)
        texts = ((measured.n_prompt or 0, None if measured.n_prompt is None else measured.n_gen),)
    missing = measured.missing.get
    return (
        Stage(
            positions=texts,
            rate=measured.generation_per_second,
            n_threads=n_threads,
            reason=missing(GENERATION.name),
        ),
        Stage(
            positions=prompts,
            rate=measured.prompt_per_second,
            n_threads=n_threads_batch,
            reason=missing(PROMPT.name),
        ),
    )


def _positions(
    answers: Sequence[AnswerResult], *, history_kept: bool
) -> tuple[tuple[tuple[int, int | None], ...], tuple[tuple[int, int | None], ...]]:
    """Of a session's prompts and answers, which may stand in one context, one behind the other."""
    prompts: list[tuple[int, int | None]] = []
    texts: list[tuple[int, int | None]] = []
    end = 0
    for answer in answers:
        first = end if history_kept else 0
        prompts.append((first, answer.n_prompt))
        texts.append((first + (answer.n_prompt or 0), answer.n_gen))
        end = first + (answer.n_prompt or 0) + (answer.n_gen or 0)
    return tuple(prompts), tuple(texts)


def _spans(stage: Stage) -> tuple[tuple[Span, ...], str | None]:
    """Where its tokens stand, or why nothing can be said of their work."""
    if stage.rate is None:
        return (), stage.reason or "its speed is not known"
    spans = tuple(Span(first, n) for first, n in stage.positions if n)
    if not spans or any(n is None for _, n in stage.positions):
        return (), "the number of its tokens is not known"
    return spans, None


def _of_machine(
    machine: MachineLimits | None, name: LimitName, n_threads: int | None
) -> tuple[float | None, float | None]:
    """The best of all numbers of threads, and that of `n_threads`, where just that was measured."""
    if machine is None:
        return None, None
    measured = [machine.best(name), None if n_threads is None else machine.with_threads(n_threads)]
    best, own = (None if limits is None or (rate := limits.rate(name)) is None else rate.best for limits in measured)
    return best, own


def _unmeasured(machine: MachineLimits | None, name: LimitName) -> str:
    return HOW_TO_MEASURE if machine is None else machine.missing.get(name, "it could not be measured on this machine")


def _why_not(work: Work, n_batch: int, machine: MachineLimits | None) -> str | None:
    """Why nothing honest can be said of a prompt's share of the peak arithmetic."""
    if machine is None:
        return HOW_TO_MEASURE
    for name in sorted({_KINDS[kind] for kind in work.multiply_adds}):
        if machine.best(name) is None:
            return _unmeasured(machine, name)
    few = _FEW * sum(work.multiply_adds.values())
    for kind, count in work.multiply_adds.items():
        other = kind == "bf16" or (kind == "f16" and machine.architecture not in _F16_IS_F32)
        if other and count > few:
            return f"this CPU may have instructions for {kind.upper()}, which lcpp does not measure"
    peak, bandwidth = _peak(work, machine), _of_machine(machine, "memory", None)[0]
    if peak and bandwidth and n_batch * work.operations / peak < work.weights_bytes / bandwidth:
        return (
            f"a batch of {n_batch} tokens is done before its weights are read, so memory is the limit: "
            "take a longer prompt to see what the arithmetic gives"
        )
    return None


def _peak(work: Work, machine: MachineLimits) -> float | None:
    """The most operations a second that this machine can do of such a mixture."""
    return max((rate for limits in machine.threads if (rate := _mixed(work, limits)) is not None), default=None)


def _mixed(work: Work, limits: ThreadLimits) -> float | None:
    """Operations a second when each kind goes at its own peak."""
    seconds = 0.0
    for kind, count in work.multiply_adds.items():
        rate = limits.rate(_KINDS[kind])
        if rate is None:
            return None
        seconds += count / rate.best
    return work.operations / seconds if seconds else None


def _named(work: Work, machine: MachineLimits | None) -> str:
    """What the peak is of, for people: the kinds that make up more than a little."""
    kinds = {"int8": None if machine is None else machine.int8_kind, "f32": None}
    counts: dict[LimitName, float] = {}
    for kind, count in work.multiply_adds.items():
        counts[_KINDS[kind]] = counts.get(_KINDS[kind], 0.0) + count
    few = _FEW * sum(counts.values())
    names = sorted((name for name, count in counts.items() if count > few), key=lambda name: -counts[name])
    return " and ".join(f"{name} ({kinds[name]})" if kinds.get(name) else name for name in names)


def _notes(generation: GenerationLimits, machine: MachineLimits | None) -> Iterator[str]:
    if machine is None:
        return
    needed, cache, share = generation.bytes_per_token, machine.cache_bytes, generation.bandwidth_share or 0.0
    if needed and cache and needed <= cache:
        yield f"the weights fit the CPU's cache ({mib(cache)} MiB), so memory is not their limit"
    elif needed and cache and share > _NEAR and cache > _SAYS_NOTHING * needed:
        yield (
            f"up to {100 * cache / needed:.0f} % of what a token needs can stay in the CPU's cache "
            f"({mib(cache)} of {mib(needed)} MiB), so that more than 100 % is possible"
        )
    elif share > 1.0:
        yield "more than 100 %: the machine was disturbed or slower when its limits were measured"
    if machine.disturbed:
        yield "the machine was not quiet when its limits were measured (`lcpp doctor --limits` measures again)"


def _share(achieved: float | None, limit: float | None) -> float | None:
    return None if achieved is None or not limit else round(achieved / limit, 4)


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
