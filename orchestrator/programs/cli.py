"""llama-cli: up to b7347 the program `main`, which completes and chats; since then a chat program of its own."""

from __future__ import annotations

from orchestrator.eras.dialect import Dialect
from orchestrator.eras.since import Since, since
from orchestrator.errors import UsageError
from orchestrator.parse.layout import Layout
from orchestrator.programs import defaults, interactive, options
from orchestrator.programs.context import completion_context
from orchestrator.programs.protocol import Demand, Inputs, TextWay
from orchestrator.programs.spelling import Argument
from orchestrator.programs.talk import Talk
from orchestrator.recipe.schema.recipe import ProgramName, Purpose, RunSpec
from orchestrator.values import replace

NAME: ProgramName = "llama-cli"
# From b7348 on it only chats, from b9927 as a client of its own HTTP server.
CHATS_SINCE = 7348
_CHATS = since((1012, False), (CHATS_SINCE, True))
_CLIENT_SINCE = 9927
FILE: Since[str | None] = since((1012, "main"), (3142, "llama-cli"))
PURPOSES: Since[tuple[Purpose, ...]] = since((1012, ("complete", "chat")), (CHATS_SINCE, ("chat",)))
TRIAL: tuple[str, ...] = ("--version",)
NEEDED = defaults.TIMINGS_NEEDED
COMPLETES = False
WORDS_BECOME = ""

# The chat program: one question, plain terminal, loader lines in standard error.
_SINGLE_TURN = "--single-turn"
_TURN = (_SINGLE_TURN, "--simple-io", *options.NO_ESCAPE)
_CHAT_FLAGS: Since[tuple[str, ...]] = since(
    (CHATS_SINCE, (*_TURN, "-lv", "3")),
    (options.AS_ASKED_SINCE, (*_TURN, *options.AS_ASKED, "-lv", "3")),
    (options.ALL_LINES_SINCE, (*_TURN, *options.AS_ASKED, *options.ALL_LINES)),
)
# Before, `<|im_start|>` in a prompt was tokenized as plain text, so a chat template said nothing to the model.
_SPECIAL_TOKENS_SINCE = 1385
# It reserves logits only for the tokens that it samples.
_OUTPUTS_LIMITED: Since[bool] = since((1012, False), (9460, True))
_LEAD: Since[str] = since((CHATS_SINCE, "\n"), (_CLIENT_SINCE, ""))
_COMMANDS: Since[tuple[str, ...]] = since(
    (CHATS_SINCE, ("/exit", "/regen", "/clear", "/read ")), (8562, ("/exit", "/regen", "/clear", "/read ", "/glob "))
)
CLEAR_KEEPS_SYSTEM_SINCE = 8214

spell = interactive.spell
has_help = defaults.lists_its_options
help_is_complete = defaults.common_help_is_complete
flash_attn_default = defaults.common_flash_attn_default
why_no_sampling = defaults.chooses_no_tokens
refuse_text = defaults.reads_any_text
stands_in = defaults.does_it_itself
context_note = defaults.nothing_to_note
loses_output = defaults.never
is_whole = defaults.has_timings
figures = defaults.figures_of_one_text
reported = defaults.reported_of_one_text
stages = defaults.stages_of_one_text


def template(build: int) -> bool:
    """The chat program does."""
    return _CHATS.at(build)


def needs_server(build: int) -> bool:
    """The chat program holds one."""
    return _CHATS.at(build)


def refuse(run: RunSpec, dialect: Dialect) -> None:
    """The chat program takes no raw prompts."""
    if _CHATS.at(dialect.build) and not defaults.is_chat(run):
        raise UsageError(
            f"llama-cli of this llama.cpp ({dialect.name}) only chats: since b{CHATS_SINCE} it is another program",
            where="run.mode: raw",
            hint="`run.program: complete` (llama-completion there) takes raw prompts, or set `run.mode: chat`",
        )


def special_tokens_since(build: int) -> int | None:
    """See `_SPECIAL_TOKENS_SINCE`."""
    return None if build >= _SPECIAL_TOKENS_SINCE else _SPECIAL_TOKENS_SINCE


def text_way(build: int) -> TextWay:
    """`main` reads long prompts from a file."""
    return "argument" if _CHATS.at(build) else "either"


def context(run: RunSpec, text_bytes: int, build: int, *, rendered: bool) -> int | None:
    """The chat program puts the template around the prompt itself."""
    by_program = _CHATS.at(build)
    return completion_context(run, text_bytes, template=by_program or (not rendered and defaults.is_chat(run)))


def arguments(run: RunSpec, inputs: Inputs, build: int) -> list[Argument]:
    """A completion, or one turn of a chat."""
    if not _CHATS.at(build):
        return interactive.completion(run, inputs, build)
    turn = interactive.sized(run, inputs, build, _CHAT_FLAGS.at(build), _SINGLE_TURN)
    if run.system is not None:
        turn.append(Argument(words=("-sys", run.system), key="run.system"))
    return [*turn, interactive.prompted(inputs.text, inputs.prompt_file)]


def layout(build: int) -> Layout:
    """The chat program draws its answer between the prompt's echo and its rates."""
    return Layout(shape="chat") if _CHATS.at(build) else interactive.layout(build)


def talk(build: int) -> Talk | None:
    """The chat program takes commands, and forgets when it is told to."""
    if not _CHATS.at(build):
        return interactive.talk(build)
    return Talk(
        flags=tuple(flag for flag in _CHAT_FLAGS.at(build) if flag != _SINGLE_TURN),
        raw_flags=None,
        chat_flags=(),
        system_flag="-sys",
        lead=_LEAD.at(build),
        rates=True,
        commands=_COMMANDS.at(build),
        clear="/clear",
        clears_system=build < CLEAR_KEEPS_SYSTEM_SINCE,
        leave="/exit",
    )


def demand(run: RunSpec, prompt_bytes: int, build: int) -> Demand:
    """A completion's."""
    completion = interactive.demand(run, prompt_bytes, build, context(run, prompt_bytes, build, rendered=False))
    return replace(completion, outputs_limited=_CHATS.at(build) and _OUTPUTS_LIMITED.at(build))
