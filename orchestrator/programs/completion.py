"""llama-completion: what llama-cli was up to b7347."""

from __future__ import annotations

from orchestrator.eras.dialect import Dialect
from orchestrator.eras.since import Since, since
from orchestrator.programs import cli, defaults, interactive
from orchestrator.programs.context import completion_context
from orchestrator.programs.protocol import Demand, Program, TextWay
from orchestrator.recipe.schema.recipe import ProgramName, Purpose, RunSpec

NAME: ProgramName = "llama-completion"
FILE: Since[str | None] = since((1012, None), (cli.CHATS_SINCE, "llama-completion"))
PURPOSES: Since[tuple[Purpose, ...]] = since((1012, ()), (cli.CHATS_SINCE, ("complete",)))
TRIAL: tuple[str, ...] = ("--version",)
NEEDED = defaults.TIMINGS_NEEDED
COMPLETES = False
WORDS_BECOME = ""

spell = interactive.spell
has_help = defaults.lists_its_options
help_is_complete = defaults.common_help_is_complete
flash_attn_default = defaults.common_flash_attn_default
refuse = defaults.refuses_nothing
why_no_sampling = defaults.chooses_no_tokens
special_tokens_since = defaults.reads_special_tokens
refuse_text = defaults.reads_any_text
template = defaults.never
context_note = defaults.nothing_to_note
layout = interactive.layout
talk = interactive.talk
needs_server = defaults.never
loses_output = defaults.common_loses_output
is_whole = defaults.has_timings
figures = defaults.figures_of_one_text
reported = defaults.reported_of_one_text
stages = defaults.stages_of_one_text
arguments = interactive.completion


def stands_in(run: RunSpec, n_prompts: int, dialect: Dialect) -> Program | None:
    """It cannot forget a conversation; the chat program can."""
    forgets = run.history == "reset" and n_prompts > 1
    return cli if run.program == "complete" and defaults.is_chat(run) and forgets else None


def text_way(build: int) -> TextWay:
    """It reads long prompts from a file."""
    return "either"


def context(run: RunSpec, text_bytes: int, build: int, *, rendered: bool) -> int | None:
    """As asked, or what is enough."""
    return completion_context(run, text_bytes, template=not rendered and defaults.is_chat(run))


def demand(run: RunSpec, prompt_bytes: int, build: int) -> Demand:
    """A completion's."""
    return interactive.demand(run, prompt_bytes, build, context(run, prompt_bytes, build, rendered=False))
