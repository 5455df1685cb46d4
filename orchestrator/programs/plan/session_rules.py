"""What a session can be asked for: everything that it cannot do is an error before anything runs."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.eras.dialect import Dialect
from orchestrator.eras.since import NEWEST
from orchestrator.errors import UsageError
from orchestrator.programs import cli, interactive
from orchestrator.programs.defaults import is_chat, which
from orchestrator.programs.protocol import Program
from orchestrator.programs.talk import Talk
from orchestrator.recipe.schema.recipe import RunSpec


def check_session(program: Program, run: RunSpec, prompts: Sequence[str], dialect: Dialect) -> Talk:
    """How the session is held.

    Raises:
        UsageError: it cannot be.
    """
    talk = program.talk(dialect.build)
    if talk is None:
        raise _holds_none(program, dialect)
    name = which(program.NAME, dialect)
    _check_template(run, talk, name)
    if run.history == "reset" and len(prompts) > 1:
        _check_reset(run, talk, name, dialect)
    for number, prompt in enumerate(prompts, 1):
        if why := unsayable(prompt, talk):
            raise UsageError(
                f"prompt {number} cannot be asked in a session with {name}: {why}",
                where="run.prompts" if run.prompts_file is None else "run.prompts_file",
                hint="change the prompt, or ask it by itself with `run.prompt`",
            )
    return talk


def _holds_none(program: Program, dialect: Dialect) -> UsageError:
    if program.talk(interactive.TALKS_SINCE) or program.talk(NEWEST):
        what = f"{which(program.NAME, dialect)} holds no sessions: they came with b{interactive.TALKS_SINCE}"
        since = f"`engine.ref: b{interactive.TALKS_SINCE}` or newer"
        return UsageError(
            what, where="run.prompts", hint=f"take {since}, or run each prompt by itself with `run.prompt`"
        )
    return UsageError(
        f"{program.NAME} holds no sessions: it asks once and ends",
        where="run.prompts",
        hint="`run.program: complete` or `chat` takes a program that holds one",
    )


def _check_template(run: RunSpec, talk: Talk, name: str) -> None:
    if is_chat(run) and talk.chat_flags is None:
        first = interactive.TALKS_IN_TEMPLATE_SINCE
        raise UsageError(
            f"sessions with {name} send prompts as they are: with the chat template since b{first}",
            where="run.mode: chat",
            hint=f"set `run.mode: raw`, or take `engine.ref: b{first}` or newer",
        )
    if not is_chat(run) and talk.raw_flags is None:
        last, again = interactive.TALKS_IN_TEMPLATE_SINCE - 1, interactive.TALKS_RAW_AGAIN_SINCE
        raise UsageError(
            f"sessions with {name} put prompts into the chat template: as they are up to b{last}, and since b{again}",
            where="run.mode: raw",
            hint=f"set `run.mode: chat`, or take `engine.ref: b{again}` or newer",
        )


def _check_reset(run: RunSpec, talk: Talk, name: str, dialect: Dialect) -> None:
    if talk.clear is None:
        newer = f"`engine.ref: b{cli.CHATS_SINCE}` or newer"
        if is_chat(run) and dialect.build >= cli.CHATS_SINCE:
            newer = "`run.program: chat`"
        raise UsageError(
            f"{name} cannot forget a conversation: llama-cli can, since b{cli.CHATS_SINCE}, in chat mode",
            where="run.history: reset",
            hint=f"set `run.history: keep`, or take {newer}",
        )
    if talk.clears_system and run.system is not None:
        first = cli.CLEAR_KEEPS_SYSTEM_SINCE
        raise UsageError(
            f"{name} forgets the system message together with the conversation: it keeps it since b{first}",
            where="run.system",
            hint=f"set `run.history: keep`, or take `engine.ref: b{first}` or newer",
        )


def check_beginning(run: RunSpec, talk: Talk, dialect: Dialect, *, adds_bos: bool) -> None:
    """A session of some builds begins with at least one token.

    Args:
        adds_bos: the model puts one before every text.

    Raises:
        UsageError: there would be none.
    """
    chat = is_chat(run)
    has_token = adds_bos or (chat and (run.system is not None or talk.own_system))
    if not talk.needs_tokens or has_token or (chat and not talk.needs_system):
        return
    newer = f"set `run.system`, or take `engine.ref: b{interactive.WAITS_SINCE}` or newer"
    raise UsageError(
        f"this llama.cpp ({dialect.name}) begins a session with at least one token, and this model has none for the "
        "beginning of a text",
        where="run.prompts",
        hint=newer if chat else "set `run.mode: chat`",
    )


def unsayable(prompt: str, talk: Talk) -> str | None:
    """Why `prompt` cannot be typed to the program so that it arrives exactly; None: it can."""
    for command in talk.commands:
        if prompt.startswith(command):
            return f"the program would take it for its command {command.strip()}"
    try:
        size = len(prompt.encode())
    except UnicodeEncodeError:
        return "it has half of a surrogate pair, which is no UTF-8 text"
    if talk.slash and size < 2:
        return f"the program takes a prompt of one byte for an empty line (b{interactive.LINE_SINCE} and later do not)"
    return None
