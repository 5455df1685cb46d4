"""Building with CMake, by Ninja when it is there: any upstream, and the only way from b4241 on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from orchestrator import toolchain
from orchestrator.engine.build.job import Built, Job
from orchestrator.errors import BuildError
from orchestrator.recipe.schema.recipe import OptionValue

# What makes every CMake era build on the CPU without network and without libraries that may be missing. An era that
# does not know one of these only says so.
_DEFAULTS: Mapping[str, OptionValue] = {
    "CMAKE_BUILD_TYPE": "Release",
    "BUILD_SHARED_LIBS": False,
    "LLAMA_BUILD_TESTS": False,
    "LLAMA_CURL": False,
    "LLAMA_OPENSSL": False,
    "LLAMA_BUILD_UI": False,
    "LLAMA_USE_PREBUILT_UI": False,
    "LLAMA_BUILD_APP": False,
}
_NINJA_STEP = re.compile(r"^\[(\d+)/(\d+)\] (.*)")
_MAKE_STEP = re.compile(r"^\[ *(\d+)%\] (.*)")
_FOLDER = "build"


def tools() -> tuple[str, ...]:
    """The tools it needs beside the compilers (and Ninja or make, whichever is there)."""
    return ("cmake",)


def refuses(sources: Path, options: Mapping[str, OptionValue]) -> str | None:
    """Why it cannot build these sources with these options; None: it can."""
    return None if (sources / "CMakeLists.txt").is_file() else "there is no CMakeLists.txt"


def build(job: Job) -> Built:
    """Configure `build/` in the tree, and build the targets there."""
    folder = job.tree / _FOLDER
    ninja = toolchain.locate("ninja", job.environment)
    maker = ninja or toolchain.need(("make",), "to build with CMake where Ninja is missing", job.environment)["make"]
    configure = (
        *(str(job.tools["cmake"]), "-S", str(job.tree), "-B", str(folder)),
        *("-G", "Ninja" if ninja else "Unix Makefiles", f"-DCMAKE_MAKE_PROGRAM={maker}"),
        f"-DCMAKE_C_COMPILER={job.compilers.c.path}",
        f"-DCMAKE_CXX_COMPILER={job.compilers.cxx.path}",
        *_definitions(job),
    )
    unused: list[str] = []
    listing = False

    def on_configure(line: str) -> None:
        nonlocal listing
        job.progress.advance(0, None, line.removeprefix("-- ").strip())
        if "Manually-specified variables were not used" in line:
            listing = True
        elif listing and line.startswith("--"):
            listing = False
        elif listing and line.strip():
            unused.append(line.strip())

    def on_build(line: str) -> None:
        if step := _NINJA_STEP.match(line):
            job.progress.advance(int(step[1]), int(step[2]), step[3])
        elif step := _MAKE_STEP.match(line):
            job.progress.advance(int(step[1]), 100, step[2])

    job.run(configure, on_configure, cwd=job.tree)
    # Ninja or make themselves, and not `cmake --build`: they stop their compilers when they are told to stop.
    compile_ = (str(maker), "-C", str(folder), f"-j{job.jobs}", *job.targets)
    job.run(compile_, on_build, cwd=job.tree)

    ignored = sorted(set(unused) & set(job.options))
    return Built(
        commands=(configure, compile_),
        files={target: _find(folder, target, job.log) for target in job.targets},
        libraries=tuple(sorted(path for path in folder.rglob("lib*.so*") if path.is_file())),
        notes=tuple(f"this llama.cpp does not know the build option {name}" for name in ignored),
    )


def _definitions(job: Job) -> list[str]:
    definitions: dict[str, OptionValue] = {**_DEFAULTS, "LLAMA_BUILD_SERVER": job.needs_server, **job.options}
    if job.build_number is not None:
        # A shallow checkout cannot count its commits.
        definitions.setdefault("LLAMA_BUILD_NUMBER", job.build_number)
    words = [f"-D{name}={_value(value)}" for name, value in definitions.items()]
    if definitions["BUILD_SHARED_LIBS"] is not False:
        # The programs and their libraries are moved to one folder together.
        words += ["-DCMAKE_BUILD_WITH_INSTALL_RPATH=ON", "-DCMAKE_INSTALL_RPATH=$ORIGIN"]
    if job.compilers.ccache is not None:
        words += [f"-DCMAKE_{language}_COMPILER_LAUNCHER={job.compilers.ccache}" for language in ("C", "CXX")]
    return words


def _value(value: OptionValue) -> str:
    if isinstance(value, bool):
        return "ON" if value else "OFF"
    return str(value)


def _find(folder: Path, target: str, log: Path) -> Path:
    """Where CMake put a program: `bin`, except where a project of its own mind says otherwise."""
    for place in (folder / "bin" / target, folder / target):
        if place.is_file():
            return place
    raise BuildError(
        f"CMake built {target}, but it is not in {folder / 'bin'}",
        where=str(log),
        hint="look for it in that folder's build log; an option may have moved it",
    )
