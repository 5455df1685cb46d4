"""What most programs share; a module of a program takes it by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.eras.dialect import Dialect
from orchestrator.programs.options import FLASH_ATTN_DEFAULT, HELP_IS_COMPLETE, LOSES_OUTPUT
from orchestrator.programs.protocol import Figures, Number, Pair, Program, Stage, TextWay
from orchestrator.programs.talk import Talk
from orchestrator.recipe.schema.recipe import RunSpec

if TYPE_CHECKING:
    # Types of what is read later; a program is planned and built without them, and start-up time counts.
    from orchestrator.parse.record import Buffer, Record

# A token of a usual text has about so many bytes.
_BYTES_PER_TOKEN = 4
# The words of all eras for on and off; `auto` says nothing of what came of it.
_SWITCH = {
    **dict.fromkeys(("1", "true", "on", "enabled"), "on"),
    **dict.fromkeys(("0", "false", "off", "disabled"), "off"),
}
TIMINGS_NEEDED = "a line `… eval time = … ms / … runs`"


def is_chat(run: RunSpec) -> bool:
    """Whether the prompt goes to the model as a message in its chat template."""
    return run.mode == "chat" or run.program == "chat"


def which(name: str, dialect: Dialect) -> str:
    """A program of a build, for people."""
    return f"{name} of this llama.cpp ({dialect.name})"


def guessed_tokens(prompt_bytes: int) -> int:
    """About how many tokens a prompt of that length has."""
    return max(1, -(-prompt_bytes // _BYTES_PER_TOKEN))


def lists_its_options(build: int) -> bool:
    """`--help` lists them."""
    return True


def common_help_is_complete(build: int) -> bool:
    """The help of the common parser is made from its own list of options."""
    return HELP_IS_COMPLETE.at(build)


def never(build: int) -> bool:
    """In no build."""
    return False


def common_flash_attn_default(build: int) -> str:
    """As the library has it."""
    return FLASH_ATTN_DEFAULT.at(build)


def common_loses_output(build: int) -> bool:
    """It prints through the common logger."""
    return LOSES_OUTPUT.at(build)


def refuses_nothing(run: RunSpec, dialect: Dialect) -> None:
    """It does all that can be asked for."""


def reads_any_text(text: str, build: int) -> None:
    """No text is taken for anything else."""


def chooses_no_tokens(dialect: Dialect) -> str:
    """It measures, or judges a text that is there."""
    return "chooses no tokens: it has no sampling settings"


def reads_special_tokens(build: int) -> int | None:
    """It always did."""
    return None


def does_it_itself(run: RunSpec, n_prompts: int, dialect: Dialect) -> Program | None:
    """No other program does it better."""
    return None


def holds_no_session(build: int) -> Talk | None:
    """It asks once and ends."""
    return None


def takes_no_text(build: int) -> TextWay:
    """It makes its own."""
    return "none"


def nothing_to_note(run: RunSpec) -> str | None:
    """The context that is asked for needs no word."""
    return None


def stages_of_one_text(record: Record) -> tuple[Stage, Stage] | None:
    """The figures of one prompt and its answer tell them."""
    return None


def has_timings(record: Record, build: int) -> bool:
    """One of the rates that people look for is there."""
    return bool(record.timings.eval or record.timings.prompt_eval)


def timing_figures(record: Record) -> dict[str, Number]:
    """The figures of the loader's lines and of the timings block."""
    timings, context = record.timings, record.context
    prompt, generation = timings.prompt_eval, timings.eval
    return {
        "n_prompt": prompt.n if prompt else None,
        "n_gen": n_generated(record),
        "prompt_per_second": prompt.tokens_per_second if prompt else None,
        "generation_per_second": generation.tokens_per_second if generation else None,
        "load_ms": timings.load.ms if timings.load else None,
        "prompt_ms": prompt.ms if prompt else None,
        "generation_ms": generation.ms if generation else None,
        "sample_ms": next((part.ms for part in (timings.sample, timings.samplers) if part), None),
        "total_ms": timings.total.ms if timings.total else None,
        "n_ctx": (context.n_ctx if context else None) or record.generation.n_ctx,
        "weights_mib": _sum(record.weights.buffers),
        "kv_cache_mib": context.kv_cache.size_mib if context else None,
        "compute_mib": _sum(context.compute_buffers) if context else None,
        "output_mib": _sum(context.output_buffers) if context else None,
    }


def _sum(buffers: tuple[Buffer, ...]) -> float | None:
    return round(sum(buffer.size_mib for buffer in buffers), 2) if buffers else None


def figures_of_one_text(record: Record) -> Figures:
    """What the loader and the timings say."""
    return Figures(values=timing_figures(record))


def n_generated(record: Record) -> int | None:
    """Generated tokens, without the one that ends the text.

    llama-simple says it. The completion program evaluates one token less than it samples (the last is not fed
    back), and the last sampled one is the end mark where the model ended the text. The chat program counts what it
    decoded.
    """
    if record.decoded is not None:
        return record.decoded.n_tokens
    timing = record.timings.eval
    if timing is None or timing.n is None:
        return None
    if record.timings.load is None:
        return timing.n
    return timing.n if record.generation.end_of_text else timing.n + 1


def reported_context(run: RunSpec, record: Record, n_ctx: int | None) -> list[Pair]:
    """The pairs of the context's settings; `n_ctx`: as it is reported."""
    context = record.context
    pairs: list[Pair] = [("n_ctx", None if run.n_ctx == "auto" else run.n_ctx, n_ctx)]
    if context is not None:
        pairs += [
            ("n_batch", run.n_batch, context.n_batch),
            ("n_ubatch", run.n_ubatch, context.n_ubatch),
            ("type_k", run.type_k, context.kv_cache.k_type),
            ("type_v", run.type_v, context.kv_cache.v_type),
            ("flash_attn", run.flash_attn, switch(run.flash_attn, context.flash_attn)),
        ]
    return pairs


def reported_n_ctx(record: Record) -> int | None:
    """The context size, from the line before the text or else from the context block."""
    return record.generation.n_ctx or (None if record.context is None else record.context.n_ctx)


def reported_threads(run: RunSpec, record: Record) -> list[Pair]:
    """The pairs of the threads."""
    info = record.system_info
    if info is None:
        return []
    return [
        ("n_threads", run.n_threads, info.n_threads),
        ("n_threads_batch", run.n_threads_batch, info.n_threads_batch),
    ]


def reported_of_one_text(run: RunSpec, record: Record) -> list[Pair]:
    """Context, threads and length of a completion."""
    pairs = [*reported_context(run, record, reported_n_ctx(record)), *reported_threads(run, record)]
    # In a session, -n is not what one answer may have.
    if run.prompts is None and run.prompts_file is None:
        pairs.append(("n_predict", run.n_predict, record.generation.n_predict))
    return pairs


def reported_tests(wanted: set[str], ran: set[str]) -> list[Pair]:
    """The tests of a bench, where they are not those that were asked for; none at all is a failure, told elsewhere."""
    return [("tests", ", ".join(sorted(wanted)), ", ".join(sorted(ran)))] if ran else []


def switch(asked: str | None, reported: object) -> str | None:
    """What was reported, as on or off; None where it says nothing against what was asked."""
    if asked not in ("on", "off") or reported is None:
        return None
    return _SWITCH.get(str(reported).lower())


def threads_of(record: Record) -> tuple[int | None, int | None]:
    """Threads of generation and of prompt processing."""
    info = record.system_info
    n_threads = None if info is None else info.n_threads
    return n_threads, None if info is None else info.n_threads_batch or n_threads
