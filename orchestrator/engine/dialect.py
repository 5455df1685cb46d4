"""What differs between llama.cpp builds, in one table: program names, argument spelling, where the answer appears.

Each line of the table says since which build (`git rev-list --count`, written b3642) a value holds. A build is
asked what it knows (`capabilities`); only what it cannot say is looked up here. An unknown or future build gets the
newest dialect.
"""

from __future__ import annotations

import datetime
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, TypeVar

from orchestrator.errors import UsageError
from orchestrator.recipe.schema.recipe import Program, Purpose

T = TypeVar("T")
Value = str | int | float | bool
# How a program takes its settings.
#   options: by the options that upstream's programs share (examples/common.cpp, today common/arg.cpp).
#   bench: by options of llama-bench's own.
#   places: by their place on the command line.
#   words: llama-simple's own parser: -m, -n, -ngl, and the rest is the prompt.
Syntax = Literal["options", "bench", "places", "words"]


@dataclass(frozen=True)
class Since(Generic[T]):
    """Values of one trait over upstream's history: `(first build, value)`, oldest first."""

    steps: tuple[tuple[int, T], ...]

    def at(self, build: int) -> T:
        """The value that holds at `build` (the oldest one for builds before the table begins)."""
        index = bisect_right([first for first, _ in self.steps], build) - 1
        return self.steps[max(index, 0)][1]

    def firsts(self) -> set[int]:
        """The builds at which the value changes."""
        return {first for first, _ in self.steps}


def _since(*steps: tuple[int, T]) -> Since[T]:
    return Since(steps)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where a program of some era puts its answer.

    shape:
        stdout: alone on standard output.
        stdout_after_echo: on standard output, right behind the prompt.
        between_marks: in standard error, among the log lines (llama-simple b1283 to b3760).
        chat: on standard output, between the echo `> PROMPT` and the rate line (llama-cli since b7348).
        bench: standard output is llama-bench's JSON.
        batched-bench: a table, from b3676 on JSON lines; in standard error to b3760, then on standard output.
        perplexity: running values `[1]4.1234,…` on standard output; from b1068 on the final estimate behind them, from
            b3761 on in standard error.
    end_mark: what the program prints on standard output behind a text that the model ended itself.
    trailer: what the program prints on standard output behind every text (and the mark), to be taken off once.
    """

    shape: Literal["stdout", "stdout_after_echo", "between_marks", "chat", "bench", "batched-bench", "perplexity"]
    end_mark: str = ""
    trailer: str = ""


@dataclass(frozen=True)
class Flag:
    """A setting spelled `NAME VALUE`; `values`: those that it takes, when not all."""

    name: str
    values: tuple[Value, ...] | None = None

    def words(self, value: Value) -> tuple[str, ...] | None:
        """The words on the command line; None: it does not take this value."""
        return None if self.values is not None and value not in self.values else (self.name, str(value))


@dataclass(frozen=True)
class Choice:
    """A setting with words of its own for each value; a value without an entry cannot be had."""

    by_value: Mapping[Value, tuple[str, ...]]

    def words(self, value: Value) -> tuple[str, ...] | None:
        """The words on the command line (none for what is the default); None: it does not take this value."""
        return self.by_value.get(value)


Spelling = Flag | Choice
_CANNOT = Choice({})

FIRST_BUILD = 1012  # the first that reads GGUF, 2023-08-21
_NEWEST = 1_000_000

# --- programs

# File names, which are also the make goals and CMake targets. None: there is no such program.
_FILES: Mapping[Program, Since[str | None]] = {
    "llama-simple": _since((1012, "simple"), (3142, "llama-simple")),
    "llama-cli": _since((1012, "main"), (3142, "llama-cli")),
    "llama-completion": _since((1012, None), (7348, "llama-completion")),
    "llama-bench": _since((1012, "llama-bench")),
    "llama-batched-bench": _since((1012, None), (1366, "batched-bench"), (3142, "llama-batched-bench")),
    "llama-perplexity": _since((1012, "perplexity"), (3142, "llama-perplexity")),
}
_PURPOSES: Mapping[Purpose, Since[Program]] = {
    "complete": _since((1012, "llama-cli"), (7348, "llama-completion")),
    "chat": _since((1012, "llama-cli")),
    "bench": _since((1012, "llama-bench")),
    "batched-bench": _since((1012, "llama-batched-bench")),
    "perplexity": _since((1012, "llama-perplexity")),
}
# Up to b7347 llama-cli completes; from b7348 it is a chat program, from b9927 a client of its own HTTP server.
_CLI_IS_CHAT: Since[bool] = _since((1012, False), (7348, True))
_NEEDS_SERVER: Since[tuple[Program, ...]] = _since((1012, ()), (7348, ("llama-cli",)))
# Before, "<|im_start|>" in a prompt was tokenized as plain text, so a chat template said nothing to the model.
_READS_SPECIAL_TOKENS: Mapping[Program, int] = {"llama-simple": 3903, "llama-cli": 1385}

# --- where the answer is

# The prompt can be kept out of the output from b1855 on. Up to b3760 ` [end of text]` goes to standard error, from
# then on behind the text, with two line ends.
_COMPLETE_LAYOUT: Since[Layout] = _since(
    (1012, Layout(shape="stdout_after_echo")),
    (1855, Layout(shape="stdout")),
    (3761, Layout(shape="stdout", end_mark=" [end of text]\n", trailer="\n\n")),
)
_SIMPLE_LAYOUT: Since[Layout] = _since(
    (1012, Layout(shape="stdout")),
    (1283, Layout(shape="between_marks")),
    (3761, Layout(shape="stdout_after_echo", trailer="\n\n\n\n")),
    (3903, Layout(shape="stdout_after_echo", trailer="\n")),
)

# These print through a logger's thread, for which nothing waits at the end since b8970 (common/log.cpp).
_LOGGED: tuple[Program, ...] = ("llama-completion", "llama-batched-bench", "llama-perplexity")
_LOSES_OUTPUT: Since[bool] = _since((1012, False), (8970, True))

# --- flags that lcpp itself gives: what makes a program print the answer plainly, and the loader's lines at all

# Library lines are level 4 (trace) from b9151 on, and every line has its time and level before it.
_ALL_LINES = ("-lv", "4", "--no-log-prefix", "--no-log-timestamps")
# From b7407 on, programs load the model twice, to fit settings to the memory.
_AS_ASKED = ("-fit", "off")
_RAW = ("--no-display-prompt", "--no-escape", "-no-cnv")
_TURN = ("--single-turn", "--simple-io", "--no-escape")
_COMPLETE_FLAGS: Since[tuple[str, ...]] = _since(
    (1012, ()),
    (1855, ("--no-display-prompt",)),
    (3087, ("--no-display-prompt", "--no-escape")),
    (4475, _RAW),
    (7407, (*_RAW, *_AS_ASKED)),
    (9151, (*_RAW, *_AS_ASKED, *_ALL_LINES)),
)
# The chat program of b7348 and later: one question, plain terminal, loader lines in standard error.
_CHAT_FLAGS: Since[tuple[str, ...]] = _since(
    (7348, (*_TURN, "-lv", "3")),
    (7407, (*_TURN, *_AS_ASKED, "-lv", "3")),
    (9151, (*_TURN, *_AS_ASKED, *_ALL_LINES)),
)
_JSON = ("-o", "json")
_JSONL = ("--output-format", "jsonl")
_FLAGS: Mapping[Program, Since[tuple[str, ...]]] = {
    "llama-simple": _since((1012, ()), (3087, ("--no-escape",)), (3903, ())),
    # Without -pg, these builds run a test of their own beside those that are asked for.
    "llama-bench": _since((1012, _JSON), (2843, ("-pg", "0,0", *_JSON)), (2967, _JSON)),
    "llama-batched-bench": _since(
        (1012, ()), (3676, _JSONL), (7407, (*_JSONL, *_AS_ASKED)), (9151, (*_JSONL, *_AS_ASKED, *_ALL_LINES))
    ),
    # Escapes are read in the text of `-f` too.
    "llama-perplexity": _since(
        (1012, ()),
        (3087, ("--no-escape",)),
        (7407, ("--no-escape", *_AS_ASKED)),
        (9151, ("--no-escape", *_AS_ASKED, *_ALL_LINES)),
    ),
}
# Without these a program does not do what is asked at all, so they are given even where its help does not name them.
MUST_FLAGS = ("--single-turn", "-o")

# --- settings of a recipe, and how each program spells them

_SYNTAX: Mapping[Program, Since[Syntax]] = {
    "llama-simple": _since((1012, "places"), (3087, "options"), (3903, "words")),
    "llama-cli": _since((1012, "options")),
    "llama-completion": _since((1012, "options")),
    "llama-bench": _since((1012, "bench")),
    "llama-batched-bench": _since((1012, "places"), (3087, "options")),
    "llama-perplexity": _since((1012, "options")),
}
# From b3683 on help is made from the parser's own list of options; before it, some options were left out of it.
_HELP_IS_COMPLETE: Since[bool] = _since((1012, False), (3683, True))
_SAMPLING = ("temperature", "seed", "top_k", "top_p", "min_p", "repeat_penalty")
_SAMPLES: tuple[Program, ...] = ("llama-cli", "llama-completion")
_OLD_TYPES = ("f16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1")
_K, _V = "-ctk", "-ctv"


def _cache_type(flag: str, *, bench: bool) -> Since[Spelling]:
    """KV cache types; f16 is the default everywhere. llama-bench has no f32, and learned bf16 a little later."""
    f32 = () if bench else ("f32",)
    return _since(
        (1012, Choice({"f16": ()})),
        (1619, Flag(flag, _OLD_TYPES)),
        (1834, Flag(flag, (*f32, *_OLD_TYPES))),
        (2481, Flag(flag, (*f32, *_OLD_TYPES, "iq4_nl"))),
        (4051 if bench else 4039, Flag(flag, (*f32, *_OLD_TYPES, "iq4_nl", "bf16"))),
    )


_MODES: Mapping[Value, tuple[str, ...]] = {True: ("-lm", "mmap"), False: ("-lm", "none")}
_SPELLINGS: Mapping[Syntax, Mapping[str, Since[Spelling]]] = {
    "options": {
        "n_ctx": _since((1012, Flag("-c"))),
        "n_threads": _since((1012, Flag("-t"))),
        "n_threads_batch": _since((1012, _CANNOT), (1289, Flag("-tb"))),
        "n_batch": _since((1012, Flag("-b"))),
        "n_ubatch": _since((1012, _CANNOT), (2413, Flag("-ub"))),
        "type_k": _cache_type(_K, bench=False),
        "type_v": _cache_type(_V, bench=False),
        "flash_attn": _since(
            (1012, Choice({"off": ()})),
            (2771, Choice({"off": (), "on": ("-fa",)})),
            (6325, Flag("-fa", ("on", "off", "auto"))),
        ),
        "mmap": _since((1012, Choice({True: (), False: ("--no-mmap",)})), (10105, Choice(_MODES))),
        "n_chunks": _since((1012, Flag("--chunks"))),
        "temperature": _since((1012, Flag("--temp"))),
        "seed": _since((1012, Flag("--seed"))),
        "top_k": _since((1012, Flag("--top-k"))),
        "top_p": _since((1012, Flag("--top-p"))),
        "min_p": _since((1012, _CANNOT), (1448, Flag("--min-p"))),
        "repeat_penalty": _since((1012, Flag("--repeat-penalty"))),
    },
    "bench": {
        "n_threads": _since((1012, Flag("-t"))),
        "n_batch": _since((1012, Flag("-b"))),
        "n_ubatch": _since((1012, _CANNOT), (2413, Flag("-ub"))),
        "type_k": _cache_type(_K, bench=True),
        "type_v": _cache_type(_V, bench=True),
        "flash_attn": _since(
            (1012, Choice({"off": ()})),
            (2771, Choice({"off": ("-fa", "0"), "on": ("-fa", "1")})),
            (9437, Flag("-fa", ("on", "off", "auto"))),
        ),
        "mmap": _since(
            (1012, Choice({True: ()})),
            (2042, Choice({True: ("-mmp", "1"), False: ("-mmp", "0")})),
            (10105, Choice(_MODES)),
        ),
    },
    "words": {},
    "places": {},
}
# A value of each setting that is not the default anywhere, to see whether it can be given at all.
_PROBES: Mapping[str, Value] = {
    "n_ctx": 512,
    "n_threads": 1,
    "n_threads_batch": 1,
    "n_batch": 64,
    "n_ubatch": 64,
    "type_k": "q8_0",
    "type_v": "q8_0",
    "flash_attn": "on",
    "mmap": False,
    "n_chunks": 1,
    "temperature": 1.0,
    "seed": 1,
    "top_k": 1,
    "top_p": 0.5,
    "min_p": 0.5,
    "repeat_penalty": 1.5,
}
# batched-bench to b3086: what stands at which place behind the model.
_BATCHED_PLACES: Since[tuple[str, ...]] = _since(
    (1366, ("n_ctx", "is_pp_shared", "n_gpu_layers", "mul_mat_q", "n_prompt", "n_gen", "n_parallel")),
    (2303, ("n_ctx", "is_pp_shared", "n_gpu_layers", "n_prompt", "n_gen", "n_parallel")),
    (2613, ("n_ctx", "n_batch", "n_ubatch", "is_pp_shared", "n_gpu_layers", "n_prompt", "n_gen", "n_parallel")),
    (
        2771,
        (
            *("n_ctx", "n_batch", "n_ubatch", "flash_attn", "is_pp_shared", "n_gpu_layers"),
            *("n_prompt", "n_gen", "n_parallel"),
        ),
    ),
)
_FLASH_DEFAULT: Mapping[Syntax, Since[str]] = {
    "options": _since((1012, "off"), (6325, "auto")),
    "bench": _since((1012, "off"), (9437, "auto")),
    "places": _since((1012, "off")),
    "words": _since((1012, "off"), (6325, "auto")),
}

# Flash attention over a quantized KV cache; before, such programs abort.
_FLASH_QUANTIZED = 2936

# --- placing a llama.cpp whose build number is not known

# Commit dates of some builds (a shallow clone cannot count). The last one's number is reckoned from its date.
_DATES: tuple[tuple[int, str], ...] = (
    (1012, "2023-08-21"),
    (1289, "2023-09-28"),
    (1521, "2023-11-17"),
    (1665, "2023-12-21"),
    (1855, "2024-01-13"),
    (2122, "2024-02-11"),
    (2413, "2024-03-13"),
    (2709, "2024-04-21"),
    (3087, "2024-06-04"),
    (3142, "2024-06-13"),
    (3236, "2024-06-26"),
    (3470, "2024-07-27"),
    (3681, "2024-09-07"),
    (3761, "2024-09-15"),
    (3903, "2024-10-10"),
    (4014, "2024-11-02"),
    (4241, "2024-12-02"),
    (4475, "2025-01-13"),
    (4821, "2025-03-04"),
    (5064, "2025-04-07"),
    (5269, "2025-05-02"),
    (5922, "2025-07-17"),
    (6206, "2025-08-19"),
    (6569, "2025-09-24"),
    (6975, "2025-11-07"),
    (7348, "2025-12-10"),
    (7407, "2025-12-15"),
    (7728, "2026-01-14"),
    (8475, "2026-03-22"),
    (8834, "2026-04-18"),
    (9151, "2026-05-14"),
    (9829, "2026-06-28"),
    (10105, "2026-07-23"),
    (10587, "2026-08-22"),
    (11200, "2026-10-01"),
)
_LAST_KNOWN = _DATES[-1][0]

# What stands in the sources since which build: in one of these files, this text (nothing: the file itself).
_PARSER = ("common/arg.cpp", "common/common.cpp", "examples/common.cpp")
_LANDMARKS: tuple[tuple[int, tuple[str, ...], str], ...] = (
    (1012, ("llama.cpp",), "gguf_init_from_file"),
    (1283, ("llama.h", "include/llama.h"), "llama_decode("),
    (1289, _PARSER, "--threads-batch"),
    (1366, ("examples/batched-bench/batched-bench.cpp",), ""),
    (1448, _PARSER, "--min-p"),
    (1619, _PARSER, "--cache-type-k"),
    (1855, _PARSER, "--no-display-prompt"),
    (2413, _PARSER, "--ubatch-size"),
    (2613, ("examples/batched-bench/batched-bench.cpp",), "[N_BATCH]"),
    (2771, _PARSER, '"--flash-attn"'),
    (2817, _PARSER, "--conversation"),
    (3087, _PARSER, "--no-escape"),
    (3142, ("examples/main/CMakeLists.txt",), "llama-cli"),
    (3236, ("ggml/CMakeLists.txt",), ""),
    (3676, _PARSER, "--output-format"),
    (3716, ("common/arg.cpp",), ""),
    (3761, ("common/log.cpp",), ""),
    (3903, ("examples/simple/simple.cpp",), "-ngl"),
    (4408, ("src/llama-arch.cpp",), ""),
    (4475, _PARSER, "--no-conversation"),
    (4821, _PARSER, "--single-turn"),
    (5269, ("tools/CMakeLists.txt",), ""),
    (6325, ("include/llama.h",), "LLAMA_FLASH_ATTN_TYPE"),
    (7348, ("tools/completion/completion.cpp",), ""),
    (7407, _PARSER, '"--fit"'),
    (9151, _PARSER, "--no-log-prefix"),
    (9437, ("tools/llama-bench/llama-bench.cpp",), "<on|off|auto>"),
    (10105, _PARSER, "--load-mode"),
)
_MAX_SOURCE_BYTES = 4_000_000


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How the programs of one llama.cpp build are named, called and read.

    build: its number, as it is or as it was estimated; far above all for a build that the table does not know.
    known: counted: the number is the build's own. estimated: from the date or the sources. newer: past the table's end,
        or nothing is known; the newest entries are used.
    """

    build: int
    known: Literal["counted", "estimated", "newer"]
    cli_is_chat: bool
    complete_flags: tuple[str, ...]
    chat_flags: tuple[str, ...]

    @property
    def name(self) -> str:
        """The build, for people: b3642, about b3642, …"""
        if self.known == "newer":
            return "of an unknown build" if self.build == _NEWEST else f"b{self.build}"
        return f"b{self.build}" if self.known == "counted" else f"about b{self.build}"

    @property
    def note(self) -> str | None:
        """What the user should know when the table does not reach to this build."""
        if self.known != "newer":
            return None
        return (
            f"this llama.cpp ({self.name}) is newer than those that this lcpp knows (to about b{_LAST_KNOWN} of "
            f"{_DATES[-1][1]}), or its age is unknown: it is called and read like the newest"
        )

    def file_name(self, program: Program) -> str | None:
        """The program's file, make goal and CMake target in this build; None when it does not exist there."""
        return _FILES[program].at(self.build)

    def programs(self) -> tuple[Program, ...]:
        """The programs that this build has."""
        return tuple(program for program in _FILES if self.file_name(program) is not None)

    def program_for(self, wanted: Purpose | Program) -> Program:
        """The program that does what a recipe asks for.

        Raises:
            UsageError: this build does not have it.
        """
        by_purpose = [programs.at(self.build) for purpose, programs in _PURPOSES.items() if purpose == wanted]
        program = next(iter(by_purpose or [program for program in _FILES if program == wanted]))
        if self.file_name(program) is None:
            first = next(first for first, name in _FILES[program].steps if name is not None)
            use = (
                f"take `engine.ref: b{first}` or newer"
                if program == "llama-batched-bench"
                else "`run.program: complete` takes the program that does it in this llama.cpp"
            )
            raise UsageError(
                f"this llama.cpp ({self.name}) has no {program}: it came with b{first}", where="run.program", hint=use
            )
        return program

    def layout(self, program: Program) -> Layout:
        """Where `program` puts its answer when it is called with the flags of this dialect."""
        if program == "llama-bench":
            return Layout(shape="bench")
        if program == "llama-batched-bench":
            return Layout(shape="batched-bench")
        if program == "llama-perplexity":
            return Layout(shape="perplexity")
        if program == "llama-simple":
            return _SIMPLE_LAYOUT.at(self.build)
        if program == "llama-cli" and self.cli_is_chat:
            return Layout(shape="chat")
        return _COMPLETE_LAYOUT.at(self.build)

    def flags(self, program: Program) -> tuple[str, ...]:
        """The words that lcpp itself gives to `program`, for one run that is not a session."""
        if program in _FLAGS:
            return _FLAGS[program].at(self.build)
        return self.chat_flags if program == "llama-cli" and self.cli_is_chat else self.complete_flags

    def syntax(self, program: Program) -> Syntax:
        """How `program` takes its settings."""
        return _SYNTAX[program].at(self.build)

    def batched_places(self) -> tuple[str, ...]:
        """What stands behind the model on batched-bench's command line, where it takes settings by their places."""
        return _BATCHED_PLACES.at(self.build)

    def spell(self, program: Program, setting: str, value: Value) -> tuple[str, ...] | None:
        """The words that give `setting` to `program` (none where it is so anyway); None: it cannot be given."""
        return _spelled(program, setting, value, self.build)

    def settings(self, program: Program) -> tuple[str, ...]:
        """The settings of a recipe that can be given to `program`."""
        return tuple(name for name, value in _PROBES.items() if self.spell(program, name, value) is not None)

    def purposes(self, program: Program) -> tuple[Purpose, ...]:
        """What a recipe can ask for that `program` does."""
        return tuple(purpose for purpose, programs in _PURPOSES.items() if programs.at(self.build) == program)

    def special_tokens_since(self, program: Program) -> int | None:
        """The first build whose `program` reads special tokens in a prompt; None: this one does."""
        first = _READS_SPECIAL_TOKENS.get(program, FIRST_BUILD)
        return None if self.build >= first else first

    def flash_attn_default(self, program: Program) -> str:
        """on, off or auto: flash attention when nothing is said."""
        return _FLASH_DEFAULT[self.syntax(program)].at(self.build)

    def flash_quantized_since(self) -> int | None:
        """The first build with flash attention over a quantized KV cache; None: this one has it."""
        return None if self.build >= _FLASH_QUANTIZED else _FLASH_QUANTIZED

    def has_help(self, program: Program) -> bool:
        """Whether `program --help` lists its options."""
        return self.syntax(program) in ("options", "bench")

    def help_is_complete(self, program: Program) -> bool:
        """Whether an option that the help does not name is surely unknown."""
        return self.syntax(program) == "options" and _HELP_IS_COMPLETE.at(self.build)

    def loses_output(self, program: Program) -> bool:
        """Whether `program` may end before all that it said is printed."""
        return program in _LOGGED and _LOSES_OUTPUT.at(self.build)

    def needs_server(self, programs: Collection[Program]) -> bool:
        """Whether upstream builds one of `programs` only together with its server."""
        return any(program in _NEEDS_SERVER.at(self.build) for program in programs)


def when(program: Program, setting: str, value: Value) -> str:
    """In which builds `program` takes that setting, in words such as `since b1289`; empty: in none."""
    spelled_in = [table[setting] for table in _SPELLINGS.values() if setting in table]
    turns = [_FILES[program].firsts(), _SYNTAX[program].firsts(), _BATCHED_PLACES.firsts()]
    firsts = sorted(set().union(*turns, *(table.firsts() for table in spelled_in)))
    return _ranges(firsts, lambda build: _spelled(program, setting, value, build) is not None)


def _spelled(program: Program, setting: str, value: Value, build: int) -> tuple[str, ...] | None:
    if _FILES[program].at(build) is None:
        return None
    if setting in _SAMPLING and program not in _SAMPLES:
        return None
    if setting == "n_chunks" and program != "llama-perplexity":
        return None
    syntax = _SYNTAX[program].at(build)
    if syntax == "places":
        has_place = program == "llama-batched-bench" and setting in _BATCHED_PLACES.at(build)
        return () if has_place and value != "auto" else None
    spelling = _SPELLINGS[syntax].get(setting)
    return None if spelling is None else spelling.at(build).words(value)


def _ranges(firsts: Iterable[int], holds: Callable[[int], bool]) -> str:
    words: list[str] = []
    start: int | None = None
    for first in firsts:
        if holds(first) == (start is not None):
            continue
        if start is None:
            start = first
        else:
            words.append(f"up to b{first - 1}" if start == FIRST_BUILD else f"from b{start} to b{first - 1}")
            start = None
    if start is not None:
        words.append("always" if start == FIRST_BUILD else f"since b{start}")
    return " and ".join(words)


def groups(flags: Iterable[str]) -> list[tuple[str, ...]]:
    """The words of a command line, each option together with its values."""
    parts: list[list[str]] = []
    for word in flags:
        if word.startswith("-") or not parts:
            parts.append([word])
        else:
            parts[-1].append(word)
    return [tuple(part) for part in parts]


def estimate_build(commit_date: datetime.date) -> int:
    """The number of the build of that day, by interpolation: right to a few builds; after the table's end, newest."""
    dates = [datetime.date.fromisoformat(day) for _, day in _DATES]
    index = bisect_right(dates, commit_date)
    if index == 0:
        return FIRST_BUILD
    if index == len(dates):
        return _LAST_KNOWN if commit_date == dates[-1] else _NEWEST
    (low, _), (high, _) = _DATES[index - 1], _DATES[index]
    share = (commit_date - dates[index - 1]) / (dates[index] - dates[index - 1])
    return low + int((high - low) * share)


def bounds_from_sources(sources: Path) -> tuple[int, int]:
    """The first and last build that a llama.cpp directory can be, by what stands in its sources.

    The last one is far above all when every landmark is there, and when none is (then nothing is known).
    """
    kept: dict[str, str | None] = {}

    def text_of(name: str) -> str | None:
        if name not in kept:
            try:
                with (sources / name).open("rb") as file:
                    kept[name] = file.read(_MAX_SOURCE_BYTES).decode(errors="replace")
            except OSError:
                kept[name] = None
        return kept[name]

    def is_there(names: tuple[str, ...], text: str) -> bool:
        return any(content is not None and text in content for content in map(text_of, names))

    present = [first for first, names, text in _LANDMARKS if is_there(names, text)]
    if not present:
        return (FIRST_BUILD, _NEWEST)
    later = [first for first, _, _ in _LANDMARKS if first > present[-1]]
    return (present[-1], min(later) - 1 if later else _NEWEST)


def dialect_for(build_number: int | None, commit_date: datetime.date | None, sources: Path | None = None) -> Dialect:
    """The dialect of a build, by its number, else by its date and what its sources hold, else the newest.

    Args:
        sources: the llama.cpp directory, read only when the number is not known.
    """
    build = build_number
    if build is None:
        low, high = (FIRST_BUILD, _NEWEST) if sources is None else bounds_from_sources(sources)
        if commit_date is not None:
            build = min(max(estimate_build(commit_date), low), high)
        else:
            build = high if high == _NEWEST else low
    return Dialect(
        build=build,
        known="newer" if build > _LAST_KNOWN else "estimated" if build_number is None else "counted",
        cli_is_chat=_CLI_IS_CHAT.at(build),
        complete_flags=_COMPLETE_FLAGS.at(build),
        chat_flags=_CHAT_FLAGS.at(build),
    )


# --- sessions: several prompts on one loaded model


@dataclass(frozen=True, kw_only=True)
class Talk:
    """How a program is talked to, prompt by prompt.

    flags: what makes it hold a session on a plain terminal.
    raw_flags, chat_flags: more of them, for prompts as they are and for the model's chat template; None: it cannot.
    system_flag: the option that takes the system message; None: there is none.
    own_system: it gives the model a system message of its own where the recipe gives none.
    mark: what it prints when it waits for a prompt.
    lead: what it prints between a prompt and its answer.
    end_mark: what it prints behind an answer that the model ended itself; nothing behind one that it cut.
    rates: it prints its rates behind each answer.
    slash: a prompt is ended with `/` and a line end; else with a line end only, which it takes off.
    commands: what it takes for a command of its own at the beginning of a prompt.
    clear: the command that forgets the conversation; None: it cannot.
    clears_system: that forgets the system message too.
    leave: the command that ends it; None: Ctrl-C does (exit code 130).
    notes_in: where it notes each token and each end mark: a file in its folder, or stderr; None: it tells figures.
    budget: -n is not of each answer: it counts the prompts too, and what one answer leaves goes to the next.
    needs_tokens: it does not begin without any token (a BOS, a system message), needs_system: in chat mode neither.
    """

    flags: tuple[str, ...]
    raw_flags: tuple[str, ...] | None
    chat_flags: tuple[str, ...] | None
    system_flag: str | None
    own_system: bool = False
    mark: str = "\n> "
    lead: str = ""
    end_mark: str = ""
    rates: bool = False
    slash: bool = False
    commands: tuple[str, ...] = ()
    clear: str | None = None
    clears_system: bool = False
    leave: str | None = None
    notes_in: str | None = None
    budget: bool = False
    needs_tokens: bool = False
    needs_system: bool = False


SESSIONS_SINCE = 2817
CLEAR_SINCE = 7348
CLEAR_KEEPS_SYSTEM_SINCE = 8214
_CNV = ("-cnv", "--simple-io", "--no-display-prompt")
_CNV_PLAIN = (*_CNV, "--no-escape")
# -lv: what the old program tells of each token is for debugging, and its level has had three numbers.
_SESSION_FLAGS: Since[tuple[str, ...]] = _since(
    (SESSIONS_SINCE, _CNV),
    (3087, _CNV_PLAIN),
    (3761, (*_CNV_PLAIN, "-lv", "1")),
    (7217, (*_CNV_PLAIN, "-lv", "4")),
    (7407, (*_CNV_PLAIN, "-fit", "off", "-lv", "4")),
    (9151, (*_CNV_PLAIN, "-fit", "off", "-lv", "5", "--no-log-prefix", "--no-log-timestamps")),
)
# A prefix, even an empty one, turns the chat template off from b3267 on.
_SESSION_RAW: Since[tuple[str, ...] | None] = _since((SESSIONS_SINCE, ()), (3222, None), (3267, ("--in-prefix", "")))
_SESSION_CHAT: Since[tuple[str, ...] | None] = _since((SESSIONS_SINCE, None), (3222, ()))
_SESSION_SYSTEM: Since[str | None] = _since((SESSIONS_SINCE, None), (3222, "-p"), (4797, "-sys"))
_SESSION_OWN_SYSTEM: Since[bool] = _since((SESSIONS_SINCE, False), (4475, True), (4799, False))
_SESSION_SLASH: Since[bool] = _since((SESSIONS_SINCE, True), (5155, False))
_SESSION_NOTES: Since[str] = _since((SESSIONS_SINCE, "main.log"), (3761, "stderr"))
# In chat mode it waits for the first prompt from b4799 on.
_SESSION_NEEDS_TOKENS: Since[bool] = _since((SESSIONS_SINCE, False), (3383, True))
_SESSION_NEEDS_SYSTEM: Since[bool] = _since((SESSIONS_SINCE, False), (3383, True), (4799, False))
_CHAT_LEAD: Since[str] = _since((7348, "\n"), (9927, ""))
_CHAT_COMMANDS: Since[tuple[str, ...]] = _since(
    (7348, ("/exit", "/regen", "/clear", "/read ")), (8562, ("/exit", "/regen", "/clear", "/read ", "/glob "))
)


def talk_with(program: Program, dialect: Dialect) -> Talk | None:
    """How a session is held with `program`; None: it holds none in this build."""
    build = dialect.build
    if program == "llama-cli" and dialect.cli_is_chat:
        return Talk(
            flags=tuple(flag for flag in dialect.chat_flags if flag != "--single-turn"),
            raw_flags=None,
            chat_flags=(),
            system_flag="-sys",
            lead=_CHAT_LEAD.at(build),
            rates=True,
            commands=_CHAT_COMMANDS.at(build),
            clear="/clear",
            clears_system=build < CLEAR_KEEPS_SYSTEM_SINCE,
            leave="/exit",
        )
    if program not in ("llama-cli", "llama-completion") or build < SESSIONS_SINCE:
        return None
    return Talk(
        flags=_SESSION_FLAGS.at(build),
        raw_flags=_SESSION_RAW.at(build),
        chat_flags=_SESSION_CHAT.at(build),
        system_flag=_SESSION_SYSTEM.at(build),
        own_system=_SESSION_OWN_SYSTEM.at(build),
        end_mark="\n",
        slash=_SESSION_SLASH.at(build),
        notes_in=_SESSION_NOTES.at(build),
        budget=True,
        needs_tokens=_SESSION_NEEDS_TOKENS.at(build),
        needs_system=_SESSION_NEEDS_SYSTEM.at(build),
    )
