"""What differs between llama.cpp builds, in one table: program names, argument spelling, where the answer appears.

Each line of the table says since which build (`git rev-list --count`, written b3642) a value holds. A build is
asked what it is; only what it cannot say is looked up here. An unknown or future build gets the newest dialect.
"""

from __future__ import annotations

import datetime
from bisect import bisect_right
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from orchestrator.errors import UsageError
from orchestrator.recipe.schema import Program, Purpose

T = TypeVar("T")


@dataclass(frozen=True)
class Since(Generic[T]):
    """Values of one trait over upstream's history: `(first build, value)`, oldest first."""

    steps: tuple[tuple[int, T], ...]

    def at(self, build: int) -> T:
        """The value that holds at `build` (the oldest one for builds before the table begins)."""
        index = bisect_right([first for first, _ in self.steps], build) - 1
        return self.steps[max(index, 0)][1]


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
    end_mark: what the program prints on standard output behind a text that the model ended itself.
    trailer: what the program prints on standard output behind every text (and the mark), to be taken off once.
    """

    shape: Literal["stdout", "stdout_after_echo", "between_marks", "chat", "bench"]
    end_mark: str = ""
    trailer: str = ""


FIRST_BUILD = 1012  # the first that reads GGUF, 2023-08-21
_NEWEST = 1_000_000

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
# b3903 gave llama-simple a parser of its own that knows -m, -n, -ngl and takes the rest for the prompt.
_SIMPLE_SYNTAX: Since[Literal["positional", "flags", "words"]] = _since(
    (1012, "positional"), (3087, "flags"), (3903, "words")
)
# Up to b3760 ` [end of text]` goes to standard error, from then on behind the text, with two line ends.
_COMPLETE_LAYOUT: Since[Layout] = _since(
    (1012, Layout(shape="stdout")),
    (3761, Layout(shape="stdout", end_mark=" [end of text]\n", trailer="\n\n")),
)
_SIMPLE_LAYOUT: Since[Layout] = _since(
    (1012, Layout(shape="stdout")),
    (1283, Layout(shape="between_marks")),
    (3761, Layout(shape="stdout_after_echo", trailer="\n")),
)
# Up to b7347 llama-cli completes; from b7348 it is a chat program, from b9927 a client of its own HTTP server.
_CLI_IS_CHAT: Since[bool] = _since((1012, False), (7348, True))
_NEEDS_SERVER: Since[tuple[Program, ...]] = _since((1012, ()), (7348, ("llama-cli",)))
# Arguments that make llama-cli (later llama-completion) complete a raw prompt, print the answer alone on stdout
# and every loader line on stderr.
_COMPLETE_FLAGS: Since[tuple[str, ...]] = _since(
    (1012, ()),
    (1855, ("--no-display-prompt",)),
    (3087, ("--no-display-prompt", "--no-escape")),
    (4475, ("--no-display-prompt", "--no-escape", "-no-cnv")),
    (7407, ("--no-display-prompt", "--no-escape", "-no-cnv", "-fit", "off")),
    (
        9151,
        (
            *("--no-display-prompt", "--no-escape", "-no-cnv", "-fit", "off"),
            *("-lv", "4", "--no-log-prefix", "--no-log-timestamps"),
        ),
    ),
)
# The same for the chat program of b7348 and later: one question, plain terminal, loader lines on stderr.
_CHAT_FLAGS: Since[tuple[str, ...]] = _since(
    (7348, ("--single-turn", "--simple-io", "--no-escape", "-lv", "3")),
    (7407, ("--single-turn", "--simple-io", "--no-escape", "-fit", "off", "-lv", "3")),
    (
        9151,
        (
            *("--single-turn", "--simple-io", "--no-escape", "-fit", "off"),
            *("-lv", "4", "--no-log-prefix", "--no-log-timestamps"),
        ),
    ),
)
# Before b3903 llama-simple tokenized "<|im_start|>" as plain text, so a chat template said nothing to the model.
_SIMPLE_READS_SPECIAL_TOKENS: Since[bool] = _since((1012, False), (3903, True))
_HAS_UBATCH: Since[bool] = _since((1012, False), (2413, True))

# Commit dates of some builds, to place a commit whose number is not known (a shallow clone cannot count).
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
)


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How the programs of one llama.cpp build are named, called and read."""

    build: int
    simple_syntax: Literal["positional", "flags", "words"]
    simple_reads_special_tokens: bool
    cli_is_chat: bool
    complete_flags: tuple[str, ...]
    chat_flags: tuple[str, ...]
    has_ubatch: bool

    def file_name(self, program: Program) -> str | None:
        """The program's file, make goal and CMake target in this build; None when it does not exist there."""
        return _FILES[program].at(self.build)

    def program_for(self, wanted: Purpose | Program) -> Program:
        """The program that does what a recipe asks for.

        Raises:
            UsageError: it is named, and this build does not have it.
        """
        for purpose, programs in _PURPOSES.items():
            if purpose == wanted:
                return programs.at(self.build)
        program = next(program for program in _FILES if program == wanted)
        if self.file_name(program) is None:
            first = next(first for first, name in _FILES[program].steps if name is not None)
            raise UsageError(
                f"this llama.cpp (b{self.build}) has no {program}: it came with b{first}",
                where="run.program",
                hint="`run.program: complete` takes the program that does it in this llama.cpp",
            )
        return program

    def layout(self, program: Program) -> Layout:
        """Where `program` puts its answer when it is called with the flags of this dialect."""
        if program == "llama-bench":
            return Layout(shape="bench")
        if program == "llama-simple":
            return _SIMPLE_LAYOUT.at(self.build)
        if program == "llama-cli" and self.cli_is_chat:
            return Layout(shape="chat")
        return _COMPLETE_LAYOUT.at(self.build)

    def needs_server(self, programs: Collection[Program]) -> bool:
        """Whether upstream builds one of `programs` only together with its server."""
        return any(program in _NEEDS_SERVER.at(self.build) for program in programs)


def estimate_build(commit_date: datetime.date) -> int:
    """The number of the build of that day, by interpolation: right to a few builds; far after the table, newest."""
    dates = [datetime.date.fromisoformat(day) for _, day in _DATES]
    index = bisect_right(dates, commit_date)
    if index == 0:
        return FIRST_BUILD
    if index == len(dates):
        return _NEWEST
    (low, _), (high, _) = _DATES[index - 1], _DATES[index]
    share = (commit_date - dates[index - 1]) / (dates[index] - dates[index - 1])
    return low + int((high - low) * share)


def dialect_for(build_number: int | None, commit_date: datetime.date | None) -> Dialect:
    """The dialect of a build, by its number, else by its date, else the newest."""
    build = build_number
    if build is None:
        build = _NEWEST if commit_date is None else estimate_build(commit_date)
    return Dialect(
        build=build,
        simple_syntax=_SIMPLE_SYNTAX.at(build),
        simple_reads_special_tokens=_SIMPLE_READS_SPECIAL_TOKENS.at(build),
        cli_is_chat=_CLI_IS_CHAT.at(build),
        complete_flags=_COMPLETE_FLAGS.at(build),
        chat_flags=_CHAT_FLAGS.at(build),
        has_ubatch=_HAS_UBATCH.at(build),
    )
