"""From a recipe and a llama.cpp to the plan of its run; everything that cannot be done is an error here."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.eras.dialect import Dialect
from orchestrator.errors import UsageError
from orchestrator.programs import options
from orchestrator.programs.all_programs import program_for, when
from orchestrator.programs.defaults import is_chat, which
from orchestrator.programs.plan.kinds import OneShot, RunPlan, SessionPlan
from orchestrator.programs.plan.session_rules import check_session
from orchestrator.programs.protocol import Program
from orchestrator.programs.spelling import SettingValue
from orchestrator.recipe.schema.recipe import RunSpec, Sampling

_UNQUANTIZED = (None, "f32", "f16", "bf16")
_ELSEWHERE = "`run.program: complete` can"
# Settings of which some values can be had in a build and others not.
_BY_VALUE = ("type_k", "type_v", "flash_attn", "mmap")


def plan(run: RunSpec, dialect: Dialect, *, prompt: str | None = None, prompts: Sequence[str] = ()) -> RunPlan:
    """How `run` is done in a llama.cpp of that dialect.

    Args:
        prompt: the text of one prompt; None for a bench and for a session.
        prompts: those of a session.

    Raises:
        UsageError: it cannot do what is asked; the message says since when one can, or what to use.
    """
    program = _program(run, len(prompts), dialect)
    _check(program, run, dialect)
    if not prompts:
        return OneShot(program=program, run=run, dialect=dialect, prompt=prompt or "")
    talk = check_session(program, run, prompts, dialect)
    return SessionPlan(program=program, run=run, dialect=dialect, prompts=tuple(prompts), talk=talk)


def outline(run: RunSpec, dialect: Dialect, *, prompt: str | None = None, prompts: Sequence[str] = ()) -> RunPlan:
    """The same without a look at what cannot be done: for estimates, where the build is but guessed.

    Raises:
        UsageError: there is no such program.
    """
    program = _program(run, len(prompts), dialect)
    talk = program.talk(dialect.build) if prompts else None
    if talk is None:
        longest = max((prompt or "", *prompts), key=lambda text: len(text.encode(errors="replace")))
        return OneShot(program=program, run=run, dialect=dialect, prompt=longest)
    return SessionPlan(program=program, run=run, dialect=dialect, prompts=tuple(prompts), talk=talk)


def _program(run: RunSpec, n_prompts: int, dialect: Dialect) -> Program:
    program = program_for(run.program, dialect)
    return program.stands_in(run, n_prompts, dialect) or program


def _check(program: Program, run: RunSpec, dialect: Dialect) -> None:
    program.refuse(run, dialect)
    _check_template(program, run, dialect)
    _check_sampling(program, run, dialect)
    for setting, value in options.values_of(run).items():
        _check_setting(program, setting, value, dialect)
    if run.extra_args and not program.has_help(dialect.build):
        newer = f"leave them out, or take `engine.ref: b{options.COMMON_PARSER_SINCE}` or newer"
        raise UsageError(
            f"{which(program.NAME, dialect)} has no options: extra arguments would become part of "
            f"{program.WORDS_BECOME}",
            where="run.extra_args",
            hint=_ELSEWHERE if program.COMPLETES else newer,
        )
    _check_quantized(program, run, dialect)


def _check_template(program: Program, run: RunSpec, dialect: Dialect) -> None:
    first = program.special_tokens_since(dialect.build)
    if first is None or not is_chat(run):
        return
    also = program_for("complete", dialect).special_tokens_since(dialect.build)
    raise UsageError(
        f"{which(program.NAME, dialect)} reads special tokens as plain text, so a chat template would say nothing to "
        f"the model (b{first} and later read them)",
        where="run.mode: chat",
        hint=f"take `engine.ref: b{first}` or newer, or use `mode: raw`" if also else _ELSEWHERE,
    )


def _check_sampling(program: Program, run: RunSpec, dialect: Dialect) -> None:
    if run.sampling == Sampling(seed=run.sampling.seed) or program.spell("temperature", 0.0, dialect.build) is not None:
        return
    raise UsageError(
        f"{program.NAME} {program.why_no_sampling(dialect)}",
        where="run.sampling",
        hint="leave `sampling` out; `run.program: complete` has it",
    )


def _check_setting(program: Program, setting: str, value: SettingValue, dialect: Dialect) -> None:
    if program.spell(setting, value, dialect.build) is not None:
        return
    # A value that is not taken, of a setting that is: say both.
    what = f"{setting}: {_written(value)}" if setting in _BY_VALUE else setting
    can = when(program, setting, value)
    complete = program_for("complete", dialect)
    hint = "leave it out"
    if complete is not program and complete.spell(setting, value, dialect.build) is not None:
        hint = "`run.program: complete` can in this llama.cpp" if program.COMPLETES else hint
    elif can:
        hint = f"leave it out, or take an `engine.ref` that can ({can})"
    raise UsageError(
        f"{what} cannot be set for {which(program.NAME, dialect)}{f': it can {can}' if can else ', nor in any other'}",
        where=options.key_of(setting),
        hint=hint,
    )


def _check_quantized(program: Program, run: RunSpec, dialect: Dialect) -> None:
    """A quantized V cache needs flash attention, which could not read quantized ones when it was new."""
    flash = (run.flash_attn or program.flash_attn_default(dialect.build)) != "off"
    quantized = [name for name in ("type_k", "type_v") if getattr(run, name) not in _UNQUANTIZED]
    since = options.FLASH_ATTN_QUANTIZED
    too_old = dialect.build < since
    if quantized and flash and too_old:
        raise UsageError(
            f"flash attention of this llama.cpp ({dialect.name}) reads no quantized KV cache: it does since b{since}",
            where=f"run.{quantized[0]}",
            hint=f"leave out {' and '.join(quantized)} or flash_attn, or take `engine.ref: b{since}` or newer",
        )
    if "type_v" in quantized and not flash:
        hint = "set `run.flash_attn: on`, or `type_k` alone"
        if too_old:
            hint = f"set `type_k` alone, or take `engine.ref: b{since}` or newer with `run.flash_attn: on`"
        raise UsageError(
            f"{which(program.NAME, dialect)} quantizes the V cache only with flash attention",
            where="run.type_v",
            hint=hint,
        )


def _written(value: SettingValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
