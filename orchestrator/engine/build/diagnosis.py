"""Why a build failed: the compiler's own words, and the likely remedy."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from pathlib import Path

from orchestrator.errors import BuildError

_SHOWN = 4
# What to show, best first: the compiler, the linker, CMake, make.
_TELLING = (
    re.compile(r"No space left on device|Disk quota exceeded"),
    re.compile(r"^[^\s:][^:]*:\d+(?::\d+)?: (?:fatal )?error: "),
    re.compile(r"^\S*(?:cc1|cc1plus|gcc|g\+\+|c\+\+|cc|clang|clang\+\+|as|nvcc)(?:-\d+)?: (?:fatal )?error: "),
    re.compile(r"undefined reference to|^\S*ld(?:\.\w+)?: (?!warning)"),
    re.compile(r"CMake Error"),
    re.compile(r"\*\*\* "),
    re.compile(r"^(?:ninja: )?(?:fatal )?error: ", re.IGNORECASE),
)
# Sign in the output → what to do. The first that is found counts.
_REMEDIES: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"No space left on device|Disk quota exceeded"),
        "the disk is full: free some space (`lcpp engine list` shows what builds take), then run it again",
    ),
    (
        re.compile(r"Killed signal terminated program|virtual memory exhausted|Cannot allocate memory|out of memory"),
        "the compiler ran out of memory: close other programs or give the machine more (1.5 GB for each job), "
        "then run it again",
    ),
    (
        re.compile(r"Could NOT find CURL|curl/curl\.h: No such file"),
        "libcurl is missing: leave LLAMA_CURL out of `engine.options`, or install its development package",
    ),
    (
        re.compile(r"The Makefile build (is deprecated|has been replaced)"),
        "this llama.cpp no longer builds by make: use `build: auto` or `build: cmake`",
    ),
    (
        re.compile(r"C\+\+17|-std=c\+\+17|'(?:string_view|optional|variant)' in namespace 'std'|std::filesystem"),
        "this llama.cpp needs a C++17 compiler (GCC 8 or newer): install a newer one",
    ),
    (
        re.compile(r"bad value \(|unrecognized command[- ]line option|unsupported option|unknown target CPU"),
        "the compiler does not know a flag that this build uses: install a newer compiler, or set "
        "`engine.options: {GGML_NATIVE: false}`",
    ),
    (
        re.compile(r"error: (?:'__m\d|AVX|inlining failed|target specific option mismatch)"),
        "the compiler is too old for this CPU's instructions: install a newer one, or set "
        "`engine.options: {GGML_NATIVE: false}`",
    ),
    (
        re.compile(r"CMake \d[\d.]* or higher is required"),
        'this CMake is too old: install a newer one (pip install "lcpp[cmake]")',
    ),
    (
        re.compile(r"No CMAKE_C(?:XX)?_COMPILER could be found|is not able to compile a simple test program"),
        "the compiler does not work: try it on a small program; `lcpp doctor` shows which one is used",
    ),
    (
        re.compile(r"fatal error: (?:stdio|stdlib|string|math|assert|vector|cstdio|algorithm)(?:\.h)?: No such file"),
        "the compiler's own headers are missing: install the C and C++ development packages (libc6-dev, g++; "
        "musl-dev on Alpine)",
    ),
    (
        re.compile(r"fatal error: linux/\S+: No such file"),
        "the kernel's headers are missing: install linux-libc-dev (linux-headers on Alpine)",
    ),
    (
        re.compile(r"fatal error: \S+: No such file or directory|Could NOT find|Could not find a package"),
        "a library that a build option asks for is missing: install its development package or drop the option",
    ),
    (
        re.compile(r"No rule to make target|unknown target"),
        "this llama.cpp has no such program: check `run.program` and `engine.programs` against the commit",
    ),
    (
        re.compile(r"undefined reference"),
        "it did not link: with `build: make` try `build: cmake`; with options, try without them",
    ),
)

_NO_REMEDY = (
    "read the log's first error; another `engine.ref`, a newer compiler (CC and CXX name it) or `build: cmake` may "
    "do better"
)


def explain(argv: Sequence[str], returncode: int, lines: Sequence[str], log: Path) -> BuildError:
    """The error for a build command that failed.

    Args:
        returncode: negative for a signal.
        lines: what it printed, as much as was kept.
        log: where all of it is.
    """
    telling = next((matching for sign in _TELLING if (matching := [line for line in lines if sign.search(line)])), [])
    if telling and "CMake Error" in telling[0]:
        # CMake tells what is wrong on the lines after.
        start = list(lines).index(telling[0])
        telling = [line for line in lines[start : start + 8] if line.strip()]
    if not telling:
        telling = [line for line in lines if line.strip()][-_SHOWN:]
    how = f"failed (exit code {returncode})" if returncode >= 0 else f"was ended by {_signal_name(-returncode)}"
    shown = "".join(f"\n    {line.strip()[:300]}" for line in dict.fromkeys(telling[:_SHOWN]))
    text = "\n".join(lines)
    hint = next((remedy for sign, remedy in _REMEDIES if sign.search(text)), _NO_REMEDY)
    if returncode == -signal.SIGKILL:
        hint = "something killed it, most often for lack of memory: free memory, then run it again"
    return BuildError(f"building llama.cpp: {Path(argv[0]).name} {how}:{shown}", where=str(log), hint=hint)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
