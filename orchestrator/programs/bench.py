"""llama-bench: the speed of prompt processing and of token generation, over repetitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.eras.since import Since, since
from orchestrator.parse.layout import Layout
from orchestrator.programs import defaults, options
from orchestrator.programs.protocol import Demand, Figures, Inputs, Number, Pair, Stage
from orchestrator.programs.spelling import CANNOT, Argument, Flag, SettingValue, Spellings, Switch, must, own, spelled
from orchestrator.recipe.schema.recipe import ProgramName, Purpose, RunSpec

if TYPE_CHECKING:
    # Types of what is read later; a program is planned and built without them, and start-up time counts.
    from orchestrator.parse.record import BenchTest, Record

NAME: ProgramName = "llama-bench"
FILE: Since[str | None] = since((1012, "llama-bench"))
PURPOSES: Since[tuple[Purpose, ...]] = since((1012, ("bench",)))
TRIAL: tuple[str, ...] = ("--help",)
NEEDED = "a JSON array of tests on stdout"
COMPLETES = False
WORDS_BECOME = ""

_OUTPUT = "-o"
_JSON = (_OUTPUT, "json")
# Without -pg, some builds run a test of their own beside those that are asked for.
_FLAGS: Since[tuple[str, ...]] = since((1012, _JSON), (2843, ("-pg", "0,0", *_JSON)), (2967, _JSON))
# It says off when nothing is asked for, whatever the library's default, until it takes words.
_FLASH_ATTN_WORDS_SINCE = 9437
_FLASH_ATTN_DEFAULT: Since[str] = since((1012, "off"), (_FLASH_ATTN_WORDS_SINCE, "auto"))
# Options of its own; it has no f32 cache, and learned bf16 a little later.
_SPELLINGS: Spellings = {
    "n_threads": options.N_THREADS,
    "n_batch": options.N_BATCH,
    "n_ubatch": options.N_UBATCH,
    "type_k": options.cache_type("-ctk", f32=False, bf16_since=4051),
    "type_v": options.cache_type("-ctv", f32=False, bf16_since=4051),
    "flash_attn": since(
        (1012, Switch({"off": ()})),
        (options.FLASH_ATTN_SINCE, Switch({"off": ("-fa", "0"), "on": ("-fa", "1")})),
        (_FLASH_ATTN_WORDS_SINCE, Flag("-fa", ("on", "off", "auto"))),
    ),
    "mmap": since(
        (1012, Switch({True: ()})),
        (2042, Switch({True: ("-mmp", "1"), False: ("-mmp", "0")})),
        (options.LOAD_MODE_SINCE, Switch(options.LOAD_MODES)),
    ),
    "n_threads_batch": since((1012, CANNOT)),
}

has_help = defaults.lists_its_options
help_is_complete = defaults.never
refuse = defaults.refuses_nothing
why_no_sampling = defaults.chooses_no_tokens
special_tokens_since = defaults.reads_special_tokens
refuse_text = defaults.reads_any_text
text_way = defaults.takes_no_text
stands_in = defaults.does_it_itself
talk = defaults.holds_no_session
template = defaults.never
context_note = defaults.nothing_to_note
needs_server = defaults.never
loses_output = defaults.never


def spell(setting: str, value: SettingValue, build: int) -> tuple[str, ...] | None:
    """Its own options."""
    return spelled(_SPELLINGS, setting, value, build)


def flash_attn_default(build: int) -> str:
    """off for longer than elsewhere."""
    return _FLASH_ATTN_DEFAULT.at(build)


def context(run: RunSpec, text_bytes: int, build: int, *, rendered: bool) -> int | None:
    """Each test has what it needs."""
    return None


def arguments(run: RunSpec, inputs: Inputs, build: int) -> list[Argument]:
    """Two tests: prompt processing, and generation."""
    return [
        *(must("-m", str(inputs.model)), must("-p", str(run.n_prompt)), must("-n", str(run.n_gen))),
        must("-r", str(run.n_repetitions)),
        *options.settings(run, _SPELLINGS, build),
        *own(_FLAGS.at(build), needed=(_OUTPUT,)),
    ]


def layout(build: int) -> Layout:
    """Figures alone, as JSON."""
    return Layout(shape="json")


def demand(run: RunSpec, prompt_bytes: int, build: int) -> Demand:
    """The longer of its two tests."""
    n_batch, n_ubatch = options.batch_sizes(run, build)
    return Demand(
        n_ctx=max(run.n_prompt, run.n_gen, 1),
        n_batch=n_batch,
        n_ubatch=n_ubatch,
        n_prompt=max(run.n_prompt, 1),
        n_gen=run.n_gen,
        fixed_context=True,
    )


def is_whole(record: Record, build: int) -> bool:
    """Some test."""
    return bool(record.bench)


def figures(record: Record) -> Figures:
    """Of each kind the last test."""
    if not record.bench:
        return defaults.figures_of_one_text(record)
    values: dict[str, Number] = {}
    for test in record.bench:
        if not (test.n_prompt and test.n_gen):
            values |= figures_of(test, test.avg_ts, None if test.avg_ns is None else test.avg_ns / 1e6)
    return Figures(values=values, absent="llama-bench does not report it")


def figures_of(test: BenchTest, rate: float | None, ms: float | None) -> dict[str, Number]:
    """The figures of one test, or of one of its repetitions.

    Args:
        rate: tokens per second.
        ms: how long it took.
    """
    if test.n_gen == 0:
        return {"n_prompt": test.n_prompt, "prompt_per_second": rate, "prompt_ms": ms}
    if test.n_prompt == 0:
        return {"n_gen": test.n_gen, "generation_per_second": rate, "generation_ms": ms}
    # The one behind the other (`-pg`): llama-bench tells no times of them apart.
    return {"n_prompt": test.n_prompt, "n_gen": test.n_gen, "prompt_and_generation_per_second": rate}


def reported(run: RunSpec, record: Record) -> list[Pair]:
    """Of each test its settings; and the tests themselves."""
    pairs: list[Pair] = []
    for test in record.bench:
        pairs += [
            ("n_threads", run.n_threads, test.n_threads),
            ("n_batch", run.n_batch, test.n_batch),
            ("n_ubatch", run.n_ubatch, test.n_ubatch),
            ("type_k", run.type_k, test.fields.get("type_k")),
            ("type_v", run.type_v, test.fields.get("type_v")),
            ("flash_attn", run.flash_attn, defaults.switch(run.flash_attn, test.fields.get("flash_attn"))),
            ("mmap", _word(run.mmap), _word(_mapped(test))),
            ("n_repetitions", run.n_repetitions, len(test.samples_ns) or None),
        ]
    wanted = {_test_name(*test) for test in ((run.n_prompt, 0), (0, run.n_gen)) if any(test)}
    return [*pairs, *defaults.reported_tests(wanted, {_test_name(test.n_prompt, test.n_gen) for test in record.bench})]


def _test_name(n_prompt: int, n_gen: int) -> str:
    """As llama-bench itself names a test: pp512, tg128, pp512+tg128."""
    return "+".join(word for word, n in ((f"pp{n_prompt}", n_prompt), (f"tg{n_gen}", n_gen)) if n)


def _mapped(test: BenchTest) -> bool | None:
    mode = test.fields.get("load_mode")
    if isinstance(mode, str):
        return None if mode == "auto" else mode.startswith("mmap")
    mapped = test.fields.get("use_mmap")
    return None if mapped is None else str(mapped).lower() in ("1", "true")


def _word(value: bool | None) -> str | None:
    return None if value is None else str(value).lower()


def stages(record: Record) -> tuple[Stage, Stage] | None:
    """Of each kind the last test, as the figures are."""
    generation = processing = Stage(reason="llama-bench was not asked for it")
    for test in record.bench:
        if test.n_prompt == 0 and test.n_gen:
            positions = ((test.n_depth, test.n_gen),)
            generation = Stage(positions=positions, rate=test.avg_ts, n_threads=test.n_threads)
        if test.n_gen == 0 and test.n_prompt:
            positions = ((test.n_depth, test.n_prompt),)
            processing = Stage(positions=positions, rate=test.avg_ts, n_threads=test.n_threads)
    return generation, processing
