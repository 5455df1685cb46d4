"""The options that upstream's programs share (examples/common.cpp, today common/arg.cpp), and their defaults."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.eras.since import Since, since
from orchestrator.programs.spelling import CANNOT, Argument, Flag, SettingValue, Spelling, Spellings, Switch, spelled
from orchestrator.recipe.schema.recipe import RunSpec

# The settings of a recipe's `run`, in the order in which they are given.
SETTINGS = ("n_threads", "n_threads_batch", "n_batch", "n_ubatch", "type_k", "type_v", "flash_attn", "mmap")
SAMPLING = ("temperature", "seed", "top_k", "top_p", "min_p", "repeat_penalty")
_CACHE_TYPES = ("f16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1")
LOAD_MODES: Mapping[SettingValue, tuple[str, ...]] = {True: ("-lm", "mmap"), False: ("-lm", "none")}
LOAD_MODE_SINCE = 10105


def cache_type(flag: str, *, f32: bool, bf16_since: int) -> Since[Spelling]:
    """KV cache types; f16 is the default everywhere."""
    first = ("f32",) if f32 else ()
    return since(
        (1012, Switch({"f16": ()})),
        (1619, Flag(flag, _CACHE_TYPES)),
        (1834, Flag(flag, (*first, *_CACHE_TYPES))),
        (2481, Flag(flag, (*first, *_CACHE_TYPES, "iq4_nl"))),
        (bf16_since, Flag(flag, (*first, *_CACHE_TYPES, "iq4_nl", "bf16"))),
    )


FLASH_ATTN_SINCE = 2771
FLASH_ATTN_AUTO_SINCE = 6325
# Physical batches, apart from logical ones.
UBATCH_SINCE = 2413
N_THREADS: Since[Spelling] = since((1012, Flag("-t")))
N_BATCH: Since[Spelling] = since((1012, Flag("-b")))
N_UBATCH: Since[Spelling] = since((1012, CANNOT), (UBATCH_SINCE, Flag("-ub")))
COMMON: Spellings = {
    "n_ctx": since((1012, Flag("-c"))),
    "n_threads": N_THREADS,
    "n_threads_batch": since((1012, CANNOT), (1289, Flag("-tb"))),
    "n_batch": N_BATCH,
    "n_ubatch": N_UBATCH,
    "type_k": cache_type("-ctk", f32=True, bf16_since=4039),
    "type_v": cache_type("-ctv", f32=True, bf16_since=4039),
    "flash_attn": since(
        (1012, Switch({"off": ()})),
        (FLASH_ATTN_SINCE, Switch({"off": (), "on": ("-fa",)})),
        (FLASH_ATTN_AUTO_SINCE, Flag("-fa", ("on", "off", "auto"))),
    ),
    "mmap": since((1012, Switch({True: (), False: ("--no-mmap",)})), (LOAD_MODE_SINCE, Switch(LOAD_MODES))),
}
SAMPLERS: Spellings = {
    "temperature": since((1012, Flag("--temp"))),
    "seed": since((1012, Flag("--seed"))),
    "top_k": since((1012, Flag("--top-k"))),
    "top_p": since((1012, Flag("--top-p"))),
    "min_p": since((1012, CANNOT), (1448, Flag("--min-p"))),
    "repeat_penalty": since((1012, Flag("--repeat-penalty"))),
}

# Flash attention when nothing is asked for: of the library, which programs with the common options leave as it is.
FLASH_ATTN_DEFAULT: Since[str] = since((1012, "off"), (FLASH_ATTN_AUTO_SINCE, "auto"))
FLASH_ATTN_OFF: Since[str] = since((1012, "off"))
# Flash attention over a quantized KV cache; before, such programs abort.
FLASH_ATTN_QUANTIZED = 2936
# The batch sizes that programs take when none is asked for: logical, physical (None: there is but one).
BATCH_DEFAULT: Since[tuple[int, int | None]] = since((1012, (512, None)), (UBATCH_SINCE, (2048, 512)))
# From b3683 on help is made from the parser's own list of options; before it, some options were left out of it.
HELP_IS_COMPLETE: Since[bool] = since((1012, False), (3683, True))
# Some programs print through a logger's thread, for which nothing waits at the end since b8970 (common/log.cpp).
LOSES_OUTPUT: Since[bool] = since((1012, False), (8970, True))

# Most programs have the common parser from b3087 on. It reads escapes (`\\n`) in a prompt, unless this is given.
NO_ESCAPE = ("--no-escape",)
COMMON_PARSER_SINCE = 3087
# From b7407 on, programs load the model twice, to fit settings to the memory, unless they are told not to.
AS_ASKED = ("-fit", "off")
AS_ASKED_SINCE = 7407
# Library lines are level 4 (trace) from b9151 on, and every line has its time and level before it.
PLAIN_LINES = ("--no-log-prefix", "--no-log-timestamps")
ALL_LINES = ("-lv", "4", *PLAIN_LINES)
ALL_LINES_SINCE = 9151
# What makes a program of any era load the model as asked, and tell of it.
LOADER_STEPS = ((AS_ASKED_SINCE, AS_ASKED), (ALL_LINES_SINCE, ALL_LINES))


def batch_sizes(run: RunSpec, build: int) -> tuple[int, int]:
    """Tokens of a logical and a physical batch, as asked or by default."""
    logical, physical = BATCH_DEFAULT.at(build)
    n_batch = run.n_batch or logical
    if run.n_ubatch is not None:
        return n_batch, run.n_ubatch
    return n_batch, n_batch if physical is None else min(n_batch, physical)


def key_of(setting: str) -> str:
    """The recipe's key of a setting."""
    return f"run.sampling.{setting}" if setting in SAMPLING else f"run.{setting}"


def values_of(run: RunSpec) -> dict[str, SettingValue]:
    """The settings that the recipe gives a value to, sampling included where it is not the default."""
    values = {"n_ctx": None if run.n_ctx == "auto" else run.n_ctx}
    values |= {name: getattr(run, name) for name in (*SETTINGS, "n_chunks")}
    values |= {name: getattr(run.sampling, name) for name in ("top_k", "top_p", "min_p", "repeat_penalty")}
    return {name: value for name, value in values.items() if value is not None}


def settings(run: RunSpec, spellings: Spellings, build: int) -> list[Argument]:
    """The arguments of the settings that the recipe gives."""
    values = ((name, getattr(run, name)) for name in SETTINGS)
    return [argument(spellings, name, value, build) for name, value in values if value is not None]


def sampling(run: RunSpec, spellings: Spellings, build: int) -> list[Argument]:
    """The arguments of the recipe's sampling."""
    values = ((name, getattr(run.sampling, name)) for name in SAMPLING)
    return [argument(spellings, name, value, build) for name, value in values if value is not None]


def argument(spellings: Spellings, setting: str, value: SettingValue, build: int) -> Argument:
    """The argument of one setting; no words where it is so anyway."""
    return Argument(words=spelled(spellings, setting, value, build) or (), key=key_of(setting))
