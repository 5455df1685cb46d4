"""llama-batched-bench: the speed of several sequences side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from orchestrator.eras.dialect import Dialect
from orchestrator.eras.since import Since, gathered, since
from orchestrator.errors import UsageError
from orchestrator.parse.layout import Layout
from orchestrator.programs import defaults, options
from orchestrator.programs.protocol import Demand, Figures, Inputs, Number, Pair, Stage
from orchestrator.programs.spelling import Argument, SettingValue, must, own, spelled
from orchestrator.recipe.schema.recipe import ProgramName, Purpose, RunSpec

if TYPE_CHECKING:
    # Types of what is read later; a program is planned and built without them, and start-up time counts.
    from orchestrator.parse.record import BatchedTest, Record

NAME: ProgramName = "llama-batched-bench"
_FIRST = 1366
FILE: Since[str | None] = since((1012, None), (_FIRST, "batched-bench"), (3142, "llama-batched-bench"))
PURPOSES: Since[tuple[Purpose, ...]] = since((1012, ("batched-bench",)))
TRIAL: tuple[str, ...] = ("--help",)
NEEDED = "a table with the columns PP, TG, B, … and the timings behind it"
COMPLETES = False
WORDS_BECOME = "its figures"

# To b3086: what stands at which place behind the model.
_PLACES: Since[tuple[str, ...]] = since(
    (_FIRST, ("n_ctx", "is_pp_shared", "n_gpu_layers", "mul_mat_q", "n_prompt", "n_gen", "n_parallel")),
    (2303, ("n_ctx", "is_pp_shared", "n_gpu_layers", "n_prompt", "n_gen", "n_parallel")),
    (2613, ("n_ctx", "n_batch", "n_ubatch", "is_pp_shared", "n_gpu_layers", "n_prompt", "n_gen", "n_parallel")),
    (
        options.FLASH_ATTN_SINCE,
        (
            *("n_ctx", "n_batch", "n_ubatch", "flash_attn", "is_pp_shared", "n_gpu_layers"),
            *("n_prompt", "n_gen", "n_parallel"),
        ),
    ),
)
# At the places that no recipe sets: the program's own defaults.
_FILLINGS: Mapping[str, str] = {
    "is_pp_shared": "0",
    "n_gpu_layers": "0",
    "mul_mat_q": "1",
    "n_batch": "2048",
    "n_ubatch": "512",
}
_FLAGS = gathered((3676, ("--output-format", "jsonl")), *options.LOADER_STEPS)
# What it warms up with, in tokens.
_WARM_UP = 16

flash_attn_default = defaults.common_flash_attn_default
why_no_sampling = defaults.chooses_no_tokens
special_tokens_since = defaults.reads_special_tokens
refuse_text = defaults.reads_any_text
text_way = defaults.takes_no_text
stands_in = defaults.does_it_itself
talk = defaults.holds_no_session
template = defaults.never
needs_server = defaults.never
loses_output = defaults.common_loses_output


def has_help(build: int) -> bool:
    """Where it has options."""
    return build >= options.COMMON_PARSER_SINCE


def help_is_complete(build: int) -> bool:
    """Where it has options."""
    return has_help(build) and defaults.common_help_is_complete(build)


def spell(setting: str, value: SettingValue, build: int) -> tuple[str, ...] | None:
    """The common options; before, what has a place."""
    if has_help(build):
        return spelled(options.COMMON, setting, value, build)
    return () if setting in _PLACES.at(build) and value != "auto" else None


def refuse(run: RunSpec, dialect: Dialect) -> None:
    """It generates behind a prompt."""
    if run.n_prompt == 0:
        raise UsageError(f"{NAME} needs a prompt", where="run.n_prompt", hint="set it to 1 or more, or use `bench`")


def context(run: RunSpec, text_bytes: int, build: int, *, rendered: bool) -> int | None:
    """As asked, or that in which all sequences of the largest test have room."""
    return _needed(run)[1] if run.n_ctx == "auto" else run.n_ctx


def context_note(run: RunSpec) -> str | None:
    """Where the recipe's own context has no room for the largest test."""
    longest, needed = _needed(run)
    if run.n_ctx == "auto" or run.n_ctx >= needed:
        return None
    return (
        f"n_ctx {run.n_ctx} has no room for {max(run.n_parallel)} sequences of {longest} tokens ({needed}): "
        f"{NAME} leaves out tests that do not fit"
    )


def _needed(run: RunSpec) -> tuple[int, int]:
    """The tokens of the longest sequence, and of the context in which all of them have room."""
    longest = max(run.n_prompt + run.n_gen, _WARM_UP)
    return longest, max(run.n_parallel) * longest


def arguments(run: RunSpec, inputs: Inputs, build: int) -> list[Argument]:
    """By places, or by options."""
    parallel = ",".join(map(str, run.n_parallel))
    if not has_help(build):
        given = {name: str(getattr(run, name)) for name in ("n_batch", "n_ubatch") if getattr(run, name) is not None}
        values = {
            **_FILLINGS,
            **given,
            "flash_attn": "1" if run.flash_attn == "on" else "0",
            "n_ctx": str(inputs.n_ctx),
            "n_prompt": str(run.n_prompt),
            "n_gen": str(run.n_gen),
            "n_parallel": parallel,
        }
        return [must(str(inputs.model), *(values[name] for name in _PLACES.at(build)))]
    return [
        *(must("-m", str(inputs.model)), must("-c", str(inputs.n_ctx))),
        *own(_FLAGS.at(build)),
        *options.settings(run, options.COMMON, build),
        *(must("-npp", str(run.n_prompt)), must("-ntg", str(run.n_gen)), must("-npl", parallel)),
    ]


def layout(build: int) -> Layout:
    """A table, then JSON lines; in standard error to b3760, then on standard output."""
    return Layout(shape="log")


def demand(run: RunSpec, prompt_bytes: int, build: int) -> Demand:
    """All sequences of the largest test."""
    n_batch, n_ubatch = options.batch_sizes(run, build)
    return Demand(
        n_ctx=context(run, prompt_bytes, build, rendered=True),
        n_batch=n_batch,
        n_ubatch=n_ubatch,
        n_prompt=run.n_prompt,
        n_gen=run.n_gen,
        n_seq=max(run.n_parallel),
    )


def is_whole(record: Record, build: int) -> bool:
    """The timings stand behind the table: without them its end may be missing."""
    return bool(record.batched and record.timings.load)


def _fastest(record: Record) -> tuple[BatchedTest, BatchedTest]:
    """The test with the fastest prompt processing, and that with the fastest generation, over all sequences."""
    tests = record.batched
    return max(tests, key=lambda test: test.speed_pp or 0.0), max(tests, key=lambda test: test.speed_tg or 0.0)


def figures(record: Record) -> Figures:
    """The fastest test of each kind, its speed over all sequences together, its tokens those of one sequence."""
    values = defaults.timing_figures(record)
    if not record.batched:
        return Figures(values=values)
    prompt, generation = _fastest(record)
    if prompt.n_prompt:
        values |= {"n_prompt": prompt.n_prompt, "prompt_per_second": prompt.speed_pp, "prompt_ms": _ms(prompt.t_pp_s)}
    if generation.n_gen:
        values |= {
            "n_gen": generation.n_gen,
            "generation_per_second": generation.speed_tg,
            "generation_ms": _ms(generation.t_tg_s),
        }
    return Figures(values=values)


def _ms(seconds: float | None) -> Number:
    return None if seconds is None else round(seconds * 1e3, 3)


def reported(run: RunSpec, record: Record) -> list[Pair]:
    """The context, and the tests."""
    wanted = {_test_name(n, run.n_prompt, run.n_gen) for n in run.n_parallel}
    ran = {_test_name(test.n_parallel, test.n_prompt, test.n_gen) for test in record.batched}
    pairs = defaults.reported_context(run, record, defaults.reported_n_ctx(record))
    return [*pairs, *defaults.reported_tests(wanted, ran)]


def _test_name(n_parallel: int, n_prompt: int, n_gen: int) -> str:
    return f"{n_parallel}x(pp{n_prompt}+tg{n_gen})"


def stages(record: Record) -> tuple[Stage, Stage] | None:
    """Of each kind the fastest test, as the figures are."""
    if not record.batched:
        return None
    prompt, generation = _fastest(record)
    n_threads, n_threads_batch = defaults.threads_of(record)
    return (
        Stage(
            positions=((generation.n_prompt, generation.n_gen),),
            rate=generation.speed_tg,
            n_threads=n_threads,
            n_parallel=max(1, generation.n_parallel),
        ),
        Stage(positions=((0, prompt.n_prompt),), rate=prompt.speed_pp, n_threads=n_threads_batch),
    )
