"""llama-perplexity: how well a model predicts a text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.eras.dialect import Dialect
from orchestrator.eras.since import Since, gathered, since
from orchestrator.errors import UsageError
from orchestrator.parse.layout import Layout
from orchestrator.programs import defaults, options
from orchestrator.programs.protocol import Demand, Figures, Inputs, Pair, Stage, TextWay
from orchestrator.programs.spelling import Argument, Flag, SettingValue, Spellings, must, own, spelled
from orchestrator.recipe.schema.recipe import ProgramName, Purpose, RunSpec

if TYPE_CHECKING:
    # Types of what is read later; a program is planned and built without them, and start-up time counts.
    from orchestrator.parse.record import Record

NAME: ProgramName = "llama-perplexity"
FILE: Since[str | None] = since((1012, "perplexity"), (3142, "llama-perplexity"))
PURPOSES: Since[tuple[Purpose, ...]] = since((1012, ("perplexity",)))
TRIAL: tuple[str, ...] = ("--help",)
NEEDED = "a value for each chunk, and from b1068 on `Final estimate: PPL = …`"
COMPLETES = False
WORDS_BECOME = ""

# Escapes are read in the text of `-f` too.
_FLAGS = gathered((options.COMMON_PARSER_SINCE, options.NO_ESCAPE), *options.LOADER_STEPS)
_SPELLINGS: Spellings = {**options.COMMON, "n_chunks": since((1012, Flag("--chunks")))}
# Its own default context, in tokens: the length of a chunk.
_CHUNK = 512

has_help = defaults.lists_its_options
help_is_complete = defaults.common_help_is_complete
flash_attn_default = defaults.common_flash_attn_default
why_no_sampling = defaults.chooses_no_tokens
special_tokens_since = defaults.reads_special_tokens
refuse_text = defaults.reads_any_text
stands_in = defaults.does_it_itself
talk = defaults.holds_no_session
template = defaults.never
context_note = defaults.nothing_to_note
needs_server = defaults.never
loses_output = defaults.common_loses_output


def spell(setting: str, value: SettingValue, build: int) -> tuple[str, ...] | None:
    """The common options, and how many chunks."""
    return spelled(_SPELLINGS, setting, value, build)


def refuse(run: RunSpec, dialect: Dialect) -> None:
    """A text is judged as it is."""
    if defaults.is_chat(run):
        raise UsageError(
            "perplexity is of a text as it is: no chat template applies", where="run.mode: chat", hint="leave it out"
        )


def text_way(build: int) -> TextWay:
    """It reads its text from a file."""
    return "file"


def context(run: RunSpec, text_bytes: int, build: int, *, rendered: bool) -> int | None:
    """That of one chunk: as asked, or its own."""
    return _CHUNK if run.n_ctx == "auto" else run.n_ctx


def arguments(run: RunSpec, inputs: Inputs, build: int) -> list[Argument]:
    """The text in a file, in chunks."""
    chunks = () if run.n_chunks is None else (options.argument(_SPELLINGS, "n_chunks", run.n_chunks, build),)
    return [
        *(must("-m", str(inputs.model)), must("-c", str(inputs.n_ctx))),
        *own(_FLAGS.at(build)),
        *options.settings(run, _SPELLINGS, build),
        *chunks,
        must("-f", str(inputs.prompt_file)),
    ]


def layout(build: int) -> Layout:
    """Running values `[1]4.1234,…` on standard output; the final estimate behind them, from b3761 in standard error."""
    return Layout(shape="log")


def demand(run: RunSpec, prompt_bytes: int, build: int) -> Demand:
    """As many chunks side by side as fill a batch; of each, the logits of its second half are kept."""
    n_batch, n_ubatch = options.batch_sizes(run, build)
    chunk = _CHUNK if run.n_ctx == "auto" else run.n_ctx
    n_seq = max(1, n_batch // chunk)
    return Demand(
        n_ctx=n_seq * chunk,
        n_batch=n_batch,
        n_ubatch=n_ubatch,
        n_prompt=chunk,
        n_gen=0,
        n_seq=n_seq,
        kept_outputs=max(1, min(n_batch, n_seq * chunk) // 2),
    )


def is_whole(record: Record, build: int) -> bool:
    """The estimate over all chunks."""
    return record.perplexity is not None and record.perplexity.estimate is not None


def figures(record: Record) -> Figures:
    """Of the prompt alone: its timings count one evaluation that took no time."""
    values = defaults.timing_figures(record)
    if record.perplexity is None:
        return Figures(values=values)
    nothing = ("n_gen", "generation_per_second", "generation_ms")
    return Figures(
        values=values | dict.fromkeys(nothing),
        missing=dict.fromkeys(nothing, "llama-perplexity generates nothing"),
    )


def reported(run: RunSpec, record: Record) -> list[Pair]:
    """Its context holds several chunks side by side; a chunk is what was asked for."""
    n_ctx = None if record.perplexity is None else record.perplexity.n_ctx
    return [*defaults.reported_context(run, record, n_ctx), *defaults.reported_threads(run, record)]


def stages(record: Record) -> tuple[Stage, Stage] | None:
    """None that can be told."""
    if record.perplexity is None:
        return None
    return (
        Stage(reason="llama-perplexity generates nothing"),
        Stage(reason="llama-perplexity computes the output for some tokens alone, and which differs by build"),
    )
