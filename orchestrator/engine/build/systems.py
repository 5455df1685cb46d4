"""The build systems of upstream, as modules of one shape in one plain dict."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from orchestrator.engine.build import cmake, make
from orchestrator.engine.build.job import Built, Job
from orchestrator.engine.build.manifest import BuildSystem
from orchestrator.errors import BuildError
from orchestrator.recipe.schema.recipe import EngineSpec, OptionValue
from orchestrator.values import Value


class System(Protocol):
    """What a module of a build system has."""

    def refuses(self, sources: Path, options: Mapping[str, OptionValue]) -> str | None:
        """Why it cannot build these sources with these options; None: it can."""

    def tools(self) -> tuple[str, ...]:
        """The tools it needs beside the compilers."""

    def build(self, job: Job) -> Built:
        """Build the job's targets."""


SYSTEMS: Mapping[BuildSystem, System] = {"make": make, "cmake": cmake}


class SystemChoice(Value):
    """The build system that was chosen, and what to tell the user of it."""

    name: BuildSystem
    note: str | None = None


def choose(spec: EngineSpec, sources: Path) -> SystemChoice:
    """The build system that `spec` asks for; `auto` is make where the Makefile still builds, else CMake.

    Raises:
        BuildError: the system that the recipe names cannot build these sources.
    """
    if spec.build == "auto":
        refusal = make.retired(sources) or make.refuses(sources, spec.options)
        if refusal is None:
            return SystemChoice(name="make")
        # That upstream has left make behind is no news; that options decide is.
        return SystemChoice(name="cmake", note=None if make.retired(sources) else f"building with CMake: {refusal}")
    if refusal := SYSTEMS[spec.build].refuses(sources, spec.options):
        raise BuildError(
            f"`build: {spec.build}` is not possible: {refusal}",
            where=str(sources),
            hint="use `build: auto` or `build: cmake`" if spec.build == "make" else "use `build: make`",
        )
    return SystemChoice(name=spec.build)
