"""Building with upstream's Makefile: the whole way up to b4240."""

from __future__ import annotations

import difflib
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from orchestrator import process
from orchestrator.engine.build.job import Built, Job
from orchestrator.recipe.schema.recipe import OptionValue

_REPLACED = "The Makefile build has been replaced by CMake"
_GATE = "LLAMA_MAKEFILE"
# A line that runs a compiler or linker, as make prints it.
_COMMAND = re.compile(r"^\S+ .*\s-o\s*\S+")


class _CannotExpressError(ValueError):
    """The Makefile has no variable that says what an option says."""


def tools() -> tuple[str, ...]:
    """The tools it needs beside the compilers."""
    return ("make",)


def retired(sources: Path) -> str | None:
    """Why upstream's Makefile does not build any more; None: it does."""
    text = _makefile(sources)
    if text is None:
        return "there is no Makefile"
    if _REPLACED in text:
        return "its Makefile has been replaced by CMake"
    if re.search(rf"^ifndef {_GATE}\b", text, re.MULTILINE):
        return "its Makefile is deprecated"
    return None


def refuses(sources: Path, options: Mapping[str, OptionValue]) -> str | None:
    """Why it cannot build these sources with these options; None: it can."""
    text = _makefile(sources)
    if text is None or _REPLACED in text:
        return retired(sources)
    try:
        _assignments(text, options)
    except _CannotExpressError as error:
        return str(error)
    return None


def build(job: Job) -> Built:
    """Build the targets, each by its name: the default goal would build dozens more."""
    text = _makefile(job.tree) or ""
    words = [str(job.tools["make"]), f"-j{job.jobs}"]
    launcher = "" if job.compilers.ccache is None else "ccache "
    words += [f"CC={launcher}{job.compilers.c.command}", f"CXX={launcher}{job.compilers.cxx.command}"]
    words += _assignments(text, job.options)
    if re.search(rf"^ifndef {_GATE}\b", text, re.MULTILINE) and _GATE not in job.options:
        words.append(f"{_GATE}=1")
    argv = (*words, *job.targets)

    total = _count(argv, job)
    n_lines = 0

    def on_line(line: str) -> None:
        nonlocal n_lines
        if _COMMAND.match(line):
            # make prints a command as it starts it: what was started before it is mostly done.
            n_lines += 1
            job.progress.advance(max(0, min(n_lines - job.jobs, total)), total, _about(line))

    job.run(argv, on_line, cwd=job.tree)
    job.progress.advance(total, total)
    return Built(commands=(argv,), files={target: job.tree / target for target in job.targets})


def _makefile(sources: Path) -> str | None:
    try:
        return (sources / "Makefile").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def _assignments(makefile: str, options: Mapping[str, OptionValue]) -> list[str]:
    """The options as make variables. make only asks whether a variable is set, so `false` needs its own spelling."""
    known = set(re.findall(r"\b(?:GGML|LLAMA)_[A-Z0-9_]+\b", makefile))
    words = []
    for name, value in options.items():
        prefix, _, rest = name.partition("_")
        opposite = f"{prefix}_NO_{rest}"
        if name in ("GGML_NATIVE", "LLAMA_NATIVE"):
            if value is False:
                raise _CannotExpressError(f"{name}: false, since its Makefile always builds for this machine's CPU")
        elif name == "CMAKE_BUILD_TYPE":
            if value != "Release":
                raise _CannotExpressError(f"CMAKE_BUILD_TYPE: {value}, since its Makefile builds a release only")
        elif name == "BUILD_SHARED_LIBS":
            if value is not False:
                raise _CannotExpressError("BUILD_SHARED_LIBS, since its Makefile links the programs statically")
        elif opposite in known and isinstance(value, bool):
            words += [] if value else [f"{opposite}=1"]
        elif name not in known:
            near = difflib.get_close_matches(name, sorted(known), n=1)
            meant = f" (did you mean {near[0]}?)" if near else ""
            raise _CannotExpressError(f"its Makefile knows no option {name}{meant}")
        elif value is not False:
            words.append(f"{name}={1 if value is True else value}")
    return words


def _count(argv: tuple[str, ...], job: Job) -> int:
    """How many commands make will run, asked of make itself."""
    # Imported here, as in `Job.run`.
    from orchestrator.engine.build.diagnosis import explain

    try:
        dry_run = process.run([*argv, "--dry-run"], cwd=job.tree, env=job.environment, timeout_s=120)
    except subprocess.TimeoutExpired as error:
        raise explain(argv, 1, [f"make --dry-run did not end: {error}"], job.log) from error
    if dry_run.returncode != 0:
        output = dry_run.stdout + dry_run.stderr
        with job.log.open("a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(argv)} --dry-run\n{output}\n")
        raise explain(argv, dry_run.returncode, output.splitlines(), job.log)
    return sum(1 for line in dry_run.stdout.splitlines() if _COMMAND.match(line))


def _about(line: str) -> str:
    output = re.search(r"\s-o\s*(\S+)", line)
    return output[1] if output else ""
