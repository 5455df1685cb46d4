"""Whether a run ended well, and if not: what happened, where to look, what to do."""

from __future__ import annotations

import signal

from orchestrator.drive.transcript import Transcript
from orchestrator.errors import DriveError, Interrupted, LcppError, OutputLostError
from orchestrator.parse.record import Record
from orchestrator.programs.plan.kinds import RunPlan

_ERRORS_SHOWN = 4
_SIGNALS = {
    signal.SIGILL: (
        "it met an instruction that this CPU does not have",
        "build for this machine: remove the build with `lcpp engine remove`, then `lcpp setup`; or set "
        "`engine.options: {GGML_NATIVE: false}`",
    ),
    signal.SIGSEGV: (
        "it crashed (a bug in this llama.cpp, or a prompt or model that it cannot take)",
        "try a shorter prompt (llama-simple before b3903 takes 512 tokens), or another `engine.ref`",
    ),
    signal.SIGBUS: (
        "it read past the end of the model file, or the disk failed",
        "fetch the model again, and look at the disk's health",
    ),
    signal.SIGABRT: (
        "it gave up by itself: an assertion did not hold",
        "the log has the line of the assertion; try another `engine.ref` or smaller settings",
    ),
    signal.SIGKILL: (
        "it was killed from outside, most likely because memory ran out",
        "lower `run.n_ctx`, take a smaller quantization, or free memory (`lcpp doctor` shows what there is)",
    ),
}


def failure(transcript: Transcript, record: Record, plan: RunPlan) -> LcppError | None:
    """Why the run did not end well; None when it did."""
    program, loses_output = plan.name, plan.loses_output
    log = str(transcript.folder / "stderr.log")
    if transcript.stopped_by is not None:
        return _stopped(transcript, plan, log)
    quoted = _quoted(record)
    if transcript.signal is not None:
        name = signal.Signals(transcript.signal).name
        cause, hint = _SIGNALS.get(
            signal.Signals(transcript.signal), ("it was ended by a signal", "run it again; the log may tell more")
        )
        return DriveError(f"{program} died of {name}: {cause}{quoted}", where=log, hint=hint)
    if transcript.exit_code != 0:
        return DriveError(
            f"{program} ended with exit code {transcript.exit_code}{quoted}", where=log, hint=_advice(record)
        )
    # The total is the last line of the timings, and they are the last of what is printed.
    if plan.program.is_whole(record, plan.build) and not (loses_output and record.timings.total is None):
        return None
    what = f"{program} ended well, but what was needed is not in its output: {plan.program.NEEDED}{quoted}"
    if loses_output and record.context is not None:
        hint = "run it again when the machine is less busy: this llama.cpp may end before its last lines are printed"
        return OutputLostError(what, where=log, hint=hint)
    hint = "if this llama.cpp is newer than lcpp, try a newer lcpp; the transcript can be parsed again then"
    return DriveError(what, where=log, hint=hint)


def _stopped(transcript: Transcript, plan: RunPlan, log: str) -> LcppError:
    program, run = plan.name, plan.run
    kept = f"what it printed until then ({len(transcript.stdout) + len(transcript.stderr):,} bytes) is kept"
    if transcript.stopped_by == "interrupt":
        return Interrupted(
            f"stopped by Ctrl-C after {transcript.wall_s:.1f} s; {kept}",
            where=log,
            hint="run the same command again for a whole answer",
        )
    messages = {
        "timeout": (
            f"{program} took more than {run.timeout_s:g} s and was stopped",
            "ask for less (`run.n_predict`), or for more time: `-s run.timeout_s=…`",
        ),
        "idle_timeout": (
            f"{program} printed nothing for {run.idle_timeout_s:g} s and was stopped",
            "give it more time with `-s run.idle_timeout_s=…`, or more threads with `-s run.n_threads=…`",
        ),
        "output_limit": (
            f"{program} printed more than {run.max_output_bytes:,} bytes and was stopped",
            "if so much is right, raise `-s run.max_output_bytes=…`",
        ),
    }
    what, hint = messages[transcript.stopped_by or "timeout"]
    return DriveError(f"{what}; {kept}", where=log, hint=hint)


def _quoted(record: Record) -> str:
    if not record.errors:
        return ""
    return "; it said:\n" + "\n".join(f"    {line}" for line in record.errors[:_ERRORS_SHOWN])


def _advice(record: Record) -> str:
    errors = " ".join(record.errors)
    advice = (
        (
            "unknown model architecture",
            "this llama.cpp is older than the model's architecture: take a newer `engine.ref`",
        ),
        ("unknown pre-tokenizer", "this llama.cpp is older than the model's tokenizer: take a newer `engine.ref`"),
        ("not found", "this llama.cpp does not know a model of this shape: take a newer `engine.ref`"),
        ("failed to allocate", "memory is not enough: lower `run.n_ctx`, or take a smaller quantization"),
        ("unable to allocate", "memory is not enough: lower `run.n_ctx`, or take a smaller quantization"),
        ("n_kv_req > n_ctx", "raise `run.n_ctx`, or lower `run.n_predict`"),
        ("prompt is too long", "raise `run.n_ctx`"),
        (
            "you need at least",
            "give a longer text, or lower `run.n_ctx`: a perplexity takes two contexts of text at least",
        ),
        ("failed to decode the batch", "raise `run.n_ctx`: it must hold all sequences of the largest test"),
        ("argument", "`run.extra_args` has an option that this llama.cpp does not know"),
    )
    return next((hint for sign, hint in advice if sign in errors), "the log tells more")
