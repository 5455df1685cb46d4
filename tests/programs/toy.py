"""A program that upstream does not have: one file is all that it takes to add one.

This is what docs/programs.md shows.
"""

from __future__ import annotations

from typing import cast

from orchestrator.eras.since import Since, since
from orchestrator.parse.layout import Layout
from orchestrator.programs import defaults, options
from orchestrator.programs.protocol import Demand, Inputs, TextWay
from orchestrator.programs.spelling import Argument, SettingValue, must, spelled
from orchestrator.recipe.schema.recipe import ProgramName, Purpose, RunSpec

NAME = cast(ProgramName, "llama-toy")
FILE: Since[str | None] = since((1012, None), (5000, "llama-toy"))
PURPOSES: Since[tuple[Purpose, ...]] = since((1012, ()))
TRIAL: tuple[str, ...] = ("--version",)
NEEDED = defaults.TIMINGS_NEEDED
COMPLETES = False
WORDS_BECOME = ""

has_help = defaults.lists_its_options
help_is_complete = defaults.common_help_is_complete
flash_attn_default = defaults.common_flash_attn_default
refuse = defaults.refuses_nothing
why_no_sampling = defaults.chooses_no_tokens
special_tokens_since = defaults.reads_special_tokens
refuse_text = defaults.reads_any_text
stands_in = defaults.does_it_itself
talk = defaults.holds_no_session
template = defaults.never
context_note = defaults.nothing_to_note
needs_server = defaults.never
loses_output = defaults.never
is_whole = defaults.has_timings
figures = defaults.figures_of_one_text
reported = defaults.reported_of_one_text
stages = defaults.stages_of_one_text


def spell(setting: str, value: SettingValue, build: int) -> tuple[str, ...] | None:
    """The common options."""
    return spelled(options.COMMON, setting, value, build)


def text_way(build: int) -> TextWay:
    """On the command line."""
    return "argument"


def context(run: RunSpec, text_bytes: int, build: int, *, rendered: bool) -> int | None:
    """A byte for each token."""
    return text_bytes + run.n_predict if run.n_ctx == "auto" else run.n_ctx


def arguments(run: RunSpec, inputs: Inputs, build: int) -> list[Argument]:
    """Model, context, and the prompt behind `--say`."""
    return [must("-m", str(inputs.model)), must("-c", str(inputs.n_ctx)), must("--say", inputs.text)]


def layout(build: int) -> Layout:
    """Its answer has standard output to itself."""
    return Layout(shape="stdout")


def demand(run: RunSpec, prompt_bytes: int, build: int) -> Demand:
    """A completion's."""
    n_batch, n_ubatch = options.batch_sizes(run, build)
    return Demand(
        n_ctx=context(run, prompt_bytes, build, rendered=False),
        n_batch=n_batch,
        n_ubatch=n_ubatch,
        n_prompt=defaults.guessed_tokens(prompt_bytes),
        n_gen=run.n_predict,
    )
