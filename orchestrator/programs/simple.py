"""llama-simple (`examples/simple`): one prompt, greedy, one answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.eras.dialect import Dialect
from orchestrator.eras.since import Since, since
from orchestrator.errors import UsageError
from orchestrator.parse.layout import Layout
from orchestrator.programs import defaults, options
from orchestrator.programs.context import completion_context
from orchestrator.programs.protocol import Demand, Inputs, TextWay
from orchestrator.programs.spelling import Argument, SettingValue, must, own, spelled
from orchestrator.recipe.schema.recipe import ProgramName, Purpose, RunSpec

if TYPE_CHECKING:
    # Types of what is read later; a program is planned and built without them, and start-up time counts.
    from orchestrator.parse.record import Record

NAME: ProgramName = "llama-simple"
FILE: Since[str | None] = since((1012, "simple"), (3142, "llama-simple"))
PURPOSES: Since[tuple[Purpose, ...]] = since((1012, ()))
# It has neither --version nor, later, --help: without arguments it prints its usage, or (b3087 to b3902) misses its
# default model; both exit with 1.
TRIAL: tuple[str, ...] = ()
NEEDED = defaults.TIMINGS_NEEDED
COMPLETES = True
WORDS_BECOME = "the prompt"

# By places: model and prompt; then the common options; then a parser of its own: -m, -n, -ngl, the rest is the prompt.
_OPTIONS_SINCE, _OWN_PARSER_SINCE = options.COMMON_PARSER_SINCE, 3903
_OWN_OPTIONS = ("-m", "-n", "-ngl")
_HAS_OPTIONS = since((1012, False), (_OPTIONS_SINCE, True), (_OWN_PARSER_SINCE, False))
# It prints its answer among the log lines of b1283 to b3760, and times itself from then on.
_TIMED_SINCE = 1283
_LAYOUT: Since[Layout] = since(
    (1012, Layout(shape="stdout", untimed=f"llama-simple times nothing before b{_TIMED_SINCE}")),
    (_TIMED_SINCE, Layout(shape="between_marks")),
    (3761, Layout(shape="stdout_after_echo", trailer="\n\n\n\n")),
    (_OWN_PARSER_SINCE, Layout(shape="stdout_after_echo", trailer="\n")),
)
# It sets the context itself: to so many tokens, or (0) to what prompt and answer need; None: it is asked for.
_OWN_CONTEXT: Since[int | None] = since(
    (1012, 512), (_TIMED_SINCE, 2048), (_OPTIONS_SINCE, None), (_OWN_PARSER_SINCE, 0)
)

flash_attn_default = defaults.common_flash_attn_default
refuse = defaults.refuses_nothing
stands_in = defaults.does_it_itself
talk = defaults.holds_no_session
template = defaults.never
context_note = defaults.nothing_to_note
needs_server = defaults.never
loses_output = defaults.never
figures = defaults.figures_of_one_text
reported = defaults.reported_of_one_text
stages = defaults.stages_of_one_text


def has_help(build: int) -> bool:
    """Where it has the common options."""
    return _HAS_OPTIONS.at(build)


def help_is_complete(build: int) -> bool:
    """Where it has the common options."""
    return _HAS_OPTIONS.at(build) and defaults.common_help_is_complete(build)


def spell(setting: str, value: SettingValue, build: int) -> tuple[str, ...] | None:
    """The common options, where it has them."""
    return spelled(options.COMMON, setting, value, build) if _HAS_OPTIONS.at(build) else None


def why_no_sampling(dialect: Dialect) -> str:
    """It takes the likeliest token."""
    return f"of this llama.cpp ({dialect.name}) is always greedy: it has no sampling settings"


def special_tokens_since(build: int) -> int | None:
    """Before, `<|im_start|>` in a prompt was plain text to it."""
    return None if build >= _OWN_PARSER_SINCE else _OWN_PARSER_SINCE


def text_way(build: int) -> TextWay:
    """On the command line."""
    return "argument"


def refuse_text(text: str, build: int) -> None:
    """A prompt that is one of its own options."""
    if build >= _OWN_PARSER_SINCE and text in _OWN_OPTIONS:
        raise UsageError(
            f"{NAME} would take the prompt {text!r} for an option", where="run.prompt", hint="use `complete`"
        )


def context(run: RunSpec, text_bytes: int, build: int, *, rendered: bool) -> int | None:
    """As other completions, where it can be asked for."""
    if _OWN_CONTEXT.at(build) is not None:
        return None
    return completion_context(run, text_bytes, template=not rendered and defaults.is_chat(run))


def arguments(run: RunSpec, inputs: Inputs, build: int) -> list[Argument]:
    """By places, by the common options, or by its own."""
    model, n_predict = str(inputs.model), str(run.n_predict)
    if build < _OPTIONS_SINCE:
        return [must(model, inputs.text)]
    if not _HAS_OPTIONS.at(build):
        return [must("-m", model), must("-n", n_predict), must(inputs.text)]
    return [
        *(must("-m", model), must("-n", n_predict), must("-c", str(inputs.n_ctx))),
        *own(options.NO_ESCAPE),
        *options.settings(run, options.COMMON, build),
        must("-p", inputs.text),
    ]


def layout(build: int) -> Layout:
    """On standard output, then among the log lines, then on standard output behind the prompt."""
    return _LAYOUT.at(build)


def demand(run: RunSpec, prompt_bytes: int, build: int) -> Demand:
    """Its context is its own business in most builds; it never makes windows smaller."""
    own_context = _OWN_CONTEXT.at(build)
    n_batch, n_ubatch = options.batch_sizes(run, build)
    n_prompt = defaults.guessed_tokens(prompt_bytes)
    if own_context is None:
        n_ctx = context(run, prompt_bytes, build, rendered=False)
    elif own_context == 0:
        # The whole prompt is one batch.
        n_ctx, n_batch, n_ubatch = n_prompt + run.n_predict - 1, n_prompt, min(n_ubatch, n_prompt)
    else:
        n_ctx = own_context
    return Demand(
        n_ctx=n_ctx,
        n_batch=n_batch,
        n_ubatch=n_ubatch,
        n_prompt=n_prompt,
        n_gen=run.n_predict,
        full_window=True,
        fixed_context=own_context is not None,
    )


def is_whole(record: Record, build: int) -> bool:
    """Its timings; or its text, where it times nothing."""
    if build < _TIMED_SINCE:
        return record.generation.echo is not None and record.generation.text is not None
    return defaults.has_timings(record, build)
