"""Running a built program once, so that an illegal instruction or a missing library shows up now and explained."""

from __future__ import annotations

import re
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from orchestrator import process
from orchestrator.errors import BuildError
from orchestrator.programs.all_programs import PROGRAMS
from orchestrator.recipe.schema.recipe import ProgramName

_VERSION = re.compile(r"^version: .+$(?:\n^built with .+$)?", re.MULTILINE)
_MISSING = re.compile(r"error while loading shared libraries: (\S+):|Error loading shared library (\S+):")
_TIMEOUT_S = 30.0


def run(
    file: Path, program: ProgramName, environment: Mapping[str, str], *, timeout_s: float = _TIMEOUT_S
) -> str | None:
    """Run `file` once and return what it says of its version (None: it does not say).

    Raises:
        BuildError: it does not start, dies, or hangs; with the cause and what to do.
    """
    try:
        # In an empty folder: old programs look for a model in theirs, and write logs there.
        with tempfile.TemporaryDirectory(prefix="lcpp-trial-") as empty:
            argv = [str(file), *PROGRAMS[program].TRIAL]
            finished = process.run(argv, cwd=Path(empty), env=environment, timeout_s=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise BuildError(
            f"{file.name} was built, but does not end when asked for its version ({timeout_s:.0f} s)",
            where=str(file),
            hint="run it by hand to see what it waits for",
        ) from error
    except OSError as error:
        raise BuildError(
            f"{file.name} was built, but does not start: {error.strerror}",
            where=str(file),
            hint="vendor may lie on a file system that runs no programs (noexec): choose another with LCPP_VENDOR",
        ) from error
    output = f"{finished.stdout}\n{finished.stderr}".strip()
    if finished.returncode < 0:
        raise _died(file, -finished.returncode)
    if missing := _MISSING.search(output):
        raise BuildError(
            f"{file.name} was built, but does not start: the shared library {missing[1] or missing[2]} is missing",
            where=str(file),
            hint="install the package that has this library, or leave out the build option that asked for it",
        )
    if finished.returncode not in (0, 1) or not output:
        tail = "".join(f"\n    {line}" for line in output.splitlines()[-4:])
        raise BuildError(
            f"{file.name} was built, but fails when it is run (exit code {finished.returncode}):{tail}",
            where=str(file),
            hint="run it by hand to see more; `lcpp engine remove` and a new setup build it afresh",
        )
    return version_in(output)


def version_in(text: str) -> str | None:
    """The lines of `text` in which a program names its version; None when there are none."""
    version = _VERSION.search(text)
    return version[0] if version else None


def _died(file: Path, number: int) -> BuildError:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    hint = "run it by hand under a debugger; another commit or compiler may build a program that works"
    if number == signal.SIGILL:
        return BuildError(
            f"{file.name} was built, but this CPU does not know an instruction in it (SIGILL)",
            where=str(file),
            hint="the compiler took the CPU for a better one (virtual machines do this): build with "
            "`engine.options: {GGML_NATIVE: false}` and `engine.build: cmake`",
        )
    if number == signal.SIGKILL:
        hint = "something killed it, most often for lack of memory: free memory, then run it again"
    return BuildError(f"{file.name} was built, but dies when it is run ({name})", where=str(file), hint=hint)
