"""From what a program printed to what the run says: its record, figures, answers, and whether it ended well. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.drive.command import Command
from orchestrator.drive.dialogue import Exchange
from orchestrator.drive.notes import without
from orchestrator.drive.transcript import Transcript
from orchestrator.errors import LcppError
from orchestrator.parse.parser import parse_run
from orchestrator.parse.record import Record
from orchestrator.programs.plan.kinds import SessionPlan
from orchestrator.result.run import answers as session_answers
from orchestrator.result.run import outcome
from orchestrator.result.run.measure import measure
from orchestrator.result.schema import AnswerResult, Measured
from orchestrator.values import Value


class Reading(Value):
    """What a transcript says.

    answers: of a session; empty for a single run.
    error: why the run did not end well; None: it did.
    """

    record: Record
    measured: Measured
    answers: tuple[AnswerResult, ...]
    error: LcppError | None


def read(command: Command, transcript: Transcript, exchanges: Sequence[Exchange]) -> Reading:
    """Read the transcript of a command.

    Args:
        exchanges: of a session, as they were told apart while it was held.
    """
    if isinstance(command.plan, SessionPlan):
        return _read_session(command.plan, transcript, exchanges)
    plan = command.plan
    record = parse_run(transcript.stdout, transcript.stderr, command.layout, command.prompt)
    return Reading(
        record=record,
        measured=measure(plan.program, record, transcript.peak_memory_bytes),
        answers=(),
        error=outcome.failure(transcript, record, plan),
    )


def _read_session(plan: SessionPlan, transcript: Transcript, exchanges: Sequence[Exchange]) -> Reading:
    answers = session_answers.answers_of(exchanges, plan.run.n_predict)
    record = _record(plan, transcript, answers)
    measured = measure(plan.program, record, transcript.peak_memory_bytes)
    return Reading(
        record=record,
        measured=session_answers.total(answers, measured),
        answers=answers,
        error=session_answers.failure(transcript, record, plan, answers),
    )


def _record(plan: SessionPlan, transcript: Transcript, answers: tuple[AnswerResult, ...]) -> Record:
    """The log's record; its text is that of all answers, one below the other."""
    record = parse_run(b"", without(transcript.stderr), plan.layout, "")
    text = "\n".join(answer.text for answer in answers)
    invalid = sum(answer.n_invalid_bytes for answer in answers)
    generation = record.generation.model_copy(update={"text": text, "n_invalid_bytes": invalid, "end_of_text": None})
    return record.model_copy(update={"generation": generation})


def without_text(reading: Reading) -> Reading:
    """Without what random weights wrote: nobody shall take it for an answer."""
    generation = reading.record.generation.model_copy(update={"text": None})
    return Reading(
        record=reading.record.model_copy(update={"generation": generation}),
        measured=reading.measured,
        answers=tuple(answer.model_copy(update={"text": ""}) for answer in reading.answers),
        error=reading.error,
    )
