"""From a recipe with several prompts to the command line of a session, or an error before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.drive.command import Command, Part, check, child_environment, completion_parts, settle
from orchestrator.drive.dialogue import unsayable
from orchestrator.engine.build.build import Engine
from orchestrator.engine.dialect import (
    CLEAR_KEEPS_SYSTEM_SINCE,
    CLEAR_SINCE,
    SESSIONS_SINCE,
    Dialect,
    Layout,
    Talk,
    groups,
    talk_with,
)
from orchestrator.errors import UsageError
from orchestrator.model.source.fetch import Model
from orchestrator.recipe.context import session_context
from orchestrator.recipe.schema.recipe import Program, RunSpec

# Without these it would not be the session that is meant, so they are given whatever the help says.
_MUST = ("-cnv", "--simple-io", "--in-prefix")


@dataclass(frozen=True, kw_only=True)
class SessionCommand:
    """A session, ready to start, and how its program is talked to."""

    command: Command
    talk: Talk


def compose_session(
    run: RunSpec, prompts: Sequence[str], engine: Engine, model: Model, *, inherited: Mapping[str, str]
) -> SessionCommand:
    """The command line of a program that is asked all `prompts`.

    Args:
        inherited: lcpp's own environment; the child gets what it needs of it.

    Raises:
        UsageError: this llama.cpp cannot do what is asked; the message says since when one can, or what to use.
    """
    dialect = engine.dialect
    program, talk = _check(run, prompts, dialect)
    chat = _is_chat(run)
    if talk.needs_tokens and not model.header.add_bos and not (chat and (run.system is not None or talk.own_system)):
        _check_beginning(chat=chat, talk=talk, dialect=dialect)
    n_ctx = session_context(run, [len(prompt.encode()) for prompt in prompts], template=chat, budget=talk.budget)
    more = (talk.chat_flags if chat else talk.raw_flags) or ()
    parts = completion_parts(run, program, model, n_ctx, dialect, ())
    parts += [Part(words=words, optional=words[0] not in _MUST) for words in groups((*talk.flags, *more))]
    notes = []
    if chat and run.system is not None and talk.system_flag is not None:
        parts.append(Part(words=(talk.system_flag, run.system), key="run.system"))
    elif chat and talk.own_system:
        notes.append(f'{program} of this llama.cpp ({dialect.name}) begins with "You are a helpful assistant"')
    environment = child_environment(inherited)
    argv, unknown = settle(parts, run.extra_args, program, engine, environment)
    return SessionCommand(
        command=Command(
            program=program,
            argv=argv,
            environment=environment,
            layout=Layout(shape="stdout"),
            prompt="",
            n_ctx=n_ctx,
            notes=(*([dialect.note] if dialect.note else ()), *notes, *unknown),
        ),
        talk=talk,
    )


def check_session(run: RunSpec, prompts: Sequence[str], dialect: Dialect) -> Program:
    """The program for a session in a llama.cpp of that dialect; everything that it cannot do is an error here.

    Raises:
        UsageError: as `compose_session`.
    """
    return _check(run, prompts, dialect)[0]


def _is_chat(run: RunSpec) -> bool:
    return run.mode == "chat" or run.program == "chat"


def _check(run: RunSpec, prompts: Sequence[str], dialect: Dialect) -> tuple[Program, Talk]:
    chat, resets = _is_chat(run), run.history == "reset" and len(prompts) > 1
    if run.program == "complete" and chat and resets and dialect.cli_is_chat:
        # The completion program cannot forget a conversation, the chat program can.
        run = run.model_copy(update={"program": "llama-cli"})
    program = check(run, dialect)
    talk = talk_with(program, dialect)
    which = f"{program} of this llama.cpp ({dialect.name})"
    if talk is None:
        if program in ("llama-cli", "llama-completion"):
            what = f"{which} holds no sessions: they came with b{SESSIONS_SINCE}"
            hint = f"take `engine.ref: b{SESSIONS_SINCE}` or newer, or run each prompt by itself with `run.prompt`"
        else:
            what = f"{program} holds no sessions: it asks once and ends"
            hint = "`run.program: complete` or `chat` takes a program that holds one"
        raise UsageError(what, where="run.prompts", hint=hint)
    if chat and talk.chat_flags is None:
        raise UsageError(
            f"sessions with {which} send prompts as they are: with the chat template since b3222",
            where="run.mode: chat",
            hint="set `run.mode: raw`, or take `engine.ref: b3222` or newer",
        )
    if not chat and talk.raw_flags is None:
        raise UsageError(
            f"sessions with {which} put prompts into the chat template: as they are up to b3221, and since b3267",
            where="run.mode: raw",
            hint="set `run.mode: chat`, or take `engine.ref: b3267` or newer",
        )
    if resets and talk.clear is None:
        newer = "`run.program: chat`" if dialect.cli_is_chat and chat else f"`engine.ref: b{CLEAR_SINCE}` or newer"
        raise UsageError(
            f"{which} cannot forget a conversation: llama-cli can, since b{CLEAR_SINCE}, in chat mode",
            where="run.history: reset",
            hint=f"set `run.history: keep`, or take {newer}",
        )
    if resets and talk.clears_system and run.system is not None:
        raise UsageError(
            f"{which} forgets the system message together with the conversation: it keeps it since "
            f"b{CLEAR_KEEPS_SYSTEM_SINCE}",
            where="run.system",
            hint=f"set `run.history: keep`, or take `engine.ref: b{CLEAR_KEEPS_SYSTEM_SINCE}` or newer",
        )
    for number, prompt in enumerate(prompts, 1):
        if why := unsayable(prompt, talk):
            raise UsageError(
                f"prompt {number} cannot be asked in a session with {which}: {why}",
                where="run.prompts" if run.prompts_file is None else "run.prompts_file",
                hint="change the prompt, or ask it by itself with `run.prompt`",
            )
    return program, talk


def _check_beginning(*, chat: bool, talk: Talk, dialect: Dialect) -> None:
    if chat and not talk.needs_system:
        return
    raise UsageError(
        f"this llama.cpp ({dialect.name}) begins a session with at least one token, and this model has none for the "
        "beginning of a text",
        where="run.prompts",
        hint="set `run.system`, or take `engine.ref: b4799` or newer" if chat else "set `run.mode: chat`",
    )
