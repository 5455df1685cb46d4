"""The upstream programs, as modules of one shape in one plain dict."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.eras.dialect import Dialect
from orchestrator.eras.placing import LAST_KNOWN
from orchestrator.eras.since import FIRST_BUILD, in_words
from orchestrator.errors import UsageError
from orchestrator.programs import batched_bench, bench, cli, completion, perplexity, simple
from orchestrator.programs.protocol import Program
from orchestrator.programs.spelling import SettingValue
from orchestrator.recipe.schema.recipe import ProgramName, Purpose

_MODULES: tuple[Program, ...] = (simple, cli, completion, bench, batched_bench, perplexity)
PROGRAMS: Mapping[ProgramName, Program] = {module.NAME: module for module in _MODULES}
# What `lcpp setup` without a recipe builds.
FIRST_SET: tuple[ProgramName, ...] = (simple.NAME, cli.NAME, bench.NAME)

# A value of each setting that is not the default anywhere, to see whether it can be given at all.
_PROBES: Mapping[str, SettingValue] = {
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


def program_for(wanted: Purpose | ProgramName, dialect: Dialect) -> Program:
    """The program of a build that does what a recipe asks for.

    Raises:
        UsageError: this build does not have it.
    """
    program = next(
        (
            program
            for name, program in PROGRAMS.items()
            if name == wanted or wanted in program.PURPOSES.at(dialect.build)
        )
    )
    if program.FILE.at(dialect.build) is None:
        first = program.FILE.first(lambda name: name is not None)
        use = "`run.program: complete` takes the program that does it in this llama.cpp"
        if program.PURPOSES.at(dialect.build):
            use = f"take `engine.ref: b{first}` or newer"
        raise UsageError(
            f"this llama.cpp ({dialect.name}) has no {program.NAME}: it came with b{first}",
            where="run.program",
            hint=use,
        )
    return program


def settings_of(program: Program, dialect: Dialect) -> tuple[str, ...]:
    """The settings of a recipe that can be given to a program."""
    return tuple(name for name, value in _PROBES.items() if spell(program, name, value, dialect.build) is not None)


def spell(program: Program, setting: str, value: SettingValue, build: int) -> tuple[str, ...] | None:
    """The words that give a setting to a program (none where it is so anyway); None: it cannot be given."""
    return None if program.FILE.at(build) is None else program.spell(setting, value, build)


def when(program: Program, setting: str, value: SettingValue) -> str:
    """In which builds a program takes that setting, in words such as `since b1289`; empty: in none."""
    builds = range(FIRST_BUILD, LAST_KNOWN + 1)
    return in_words(builds, lambda build: spell(program, setting, value, build) is not None)
