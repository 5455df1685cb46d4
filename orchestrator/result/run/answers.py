"""From the exchanges of a session to its answers with their figures, and to the figures of the whole."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from orchestrator.drive.dialogue import Exchange
from orchestrator.drive.transcript import Transcript
from orchestrator.errors import DriveError, LcppError
from orchestrator.parse.record import Record, SlotTiming, Timing
from orchestrator.parse.slots import parse_slot_timings
from orchestrator.programs.plan.kinds import SessionPlan
from orchestrator.result.run import outcome
from orchestrator.result.schema import AnswerResult, Measured

_FIGURES = (
    "n_prompt",
    "n_gen",
    "prompt_per_second",
    "generation_per_second",
    "prompt_ms",
    "generation_ms",
    "first_output_s",
    "ended_by",
)


def answers_of(exchanges: Iterable[Exchange], n_predict: int) -> tuple[AnswerResult, ...]:
    """What came of each prompt, each missing figure with its reason."""
    return tuple(_answer(exchange, n_predict) for exchange in exchanges)


def _answer(exchange: Exchange, n_predict: int) -> AnswerResult:
    timings = parse_slot_timings(exchange.log)
    slot = timings[-1] if timings else None
    prompt, generation = _timing(slot, "prompt_eval"), _timing(slot, "eval")
    text = exchange.text.decode(errors="replace")
    n_prompt, n_gen, ended = exchange.n_prompt, exchange.n_gen, exchange.ended
    if slot is not None and exchange.whole:
        n_prompt, n_gen = prompt.n, generation.n
        if n_gen is not None:
            # The program counts the token that ends the text too.
            ended = "end" if n_gen < n_predict else "limit"
            n_gen -= ended == "end"
    failed = exchange.rates is not None and slot is None and max(exchange.rates) <= 0
    figures: dict[str, object] = {
        "n_prompt": n_prompt,
        "n_gen": n_gen,
        "prompt_per_second": prompt.tokens_per_second if slot else _rate(exchange, 0),
        "generation_per_second": generation.tokens_per_second if slot else _rate(exchange, 1),
        "prompt_ms": prompt.ms,
        "generation_ms": generation.ms,
        "first_output_s": None if exchange.first_at_s is None else round(exchange.first_at_s - exchange.sent_at_s, 6),
        "ended_by": ended,
    }
    return AnswerResult.model_validate(
        {
            **figures,
            "prompt": exchange.prompt,
            "text": "" if failed else text,
            "n_invalid_bytes": _invalid(exchange.text),
            "whole": exchange.whole and not failed,
            "error": text.strip() if failed else None,
            "wall_s": round(exchange.done_at_s - exchange.sent_at_s, 6),
            "missing": {name: _reason(exchange, name) for name in _FIGURES if figures[name] is None},
        }
    )


def _timing(slot: SlotTiming | None, name: str) -> Timing:
    timing = None if slot is None else getattr(slot, name)
    return timing if isinstance(timing, Timing) else Timing()


def _rate(exchange: Exchange, index: int) -> float | None:
    """As printed with one decimal behind the answer."""
    value = None if exchange.rates is None else exchange.rates[index]
    return value if value is not None and math.isfinite(value) and value > 0 else None


def _invalid(data: bytes) -> int:
    try:
        data.decode()
    except UnicodeDecodeError:
        return len(data) - len(data.decode(errors="ignore").encode())
    return 0


def _reason(exchange: Exchange, name: str) -> str:
    if not exchange.whole:
        return "the session ended before the answer did"
    if name == "first_output_s":
        return "nothing was printed"
    if name in ("n_prompt", "n_gen", "ended_by"):
        return "the program did not note it"
    return "this program reports speeds only of the whole session, or not at all"


def total(answers: Sequence[AnswerResult], measured: Measured) -> Measured:
    """The figures of a session: sums over its answers, and rates over them; what no answer has stays as it was."""
    figures = measured.model_dump(exclude={"missing"})
    for name in ("n_prompt", "n_gen"):
        counts = [getattr(answer, name) for answer in answers]
        # What the program counts over all is not the sum of tokens of prompts and answers.
        figures[name] = sum(counts) if counts and None not in counts else None
    pairs = (
        ("prompt_ms", "n_prompt", "prompt_per_second"),
        ("generation_ms", "n_gen", "generation_per_second"),
    )
    for duration, count, rate in pairs:
        spent_ms = [getattr(answer, duration) for answer in answers]
        tokens = [getattr(answer, count) for answer in answers]
        if answers and None not in spent_ms and None not in tokens:
            figures[duration] = round(sum(spent_ms), 2)
            figures[rate] = round(1e3 * sum(tokens) / sum(spent_ms), 2) if sum(spent_ms) else None
    if all(figures[name] is not None for name in ("prompt_ms", "generation_ms")) and figures["load_ms"] is None:
        # A server counts each answer by itself, so the last line of totals is not of all.
        figures["total_ms"] = round(figures["prompt_ms"] + figures["generation_ms"], 2)
    reasons = {**measured.missing, "n_prompt": "not every answer has it", "n_gen": "not every answer has it"}
    missing = {name: reasons.get(name, "not every answer has it") for name, value in figures.items() if value is None}
    return Measured.model_validate({**figures, "missing": missing})


def failure(
    transcript: Transcript,
    record: Record,
    plan: SessionPlan,
    answers: Sequence[AnswerResult],
) -> LcppError | None:
    """Why a session did not end well; None when every prompt was answered, however the program left then."""
    n_prompts = len(plan.prompts)
    answered = f"{sum(answer.whole for answer in answers)} of {n_prompts} prompts were answered"
    ended = all(answer.whole or answer.error for answer in answers)
    if transcript.stopped_by is None and len(answers) == n_prompts and ended:
        refused = next(((number, answer) for number, answer in enumerate(answers, 1) if answer.error), None)
        if refused is None:
            return None
        return DriveError(
            f"{answered}: to prompt {refused[0]} {plan.name} said: {refused[1].error}",
            where=str(transcript.folder / "stdout.log"),
            hint="raise `run.n_ctx` where it says that the context is too small; else the log tells more",
        )
    error = None
    if transcript.stopped_by is not None or transcript.exit_code != 0:
        error = outcome.failure(transcript, record, plan)
    if error is None:
        return DriveError(
            f"{plan.name} ended by itself: {answered}",
            where=str(transcript.folder / "stderr.log"),
            hint="the log tells more; where the context was full, raise `run.n_ctx`",
        )
    return type(error)(f"{error.what}; {answered}", where=error.where, hint=error.hint)
