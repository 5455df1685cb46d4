"""Building a checkout, once for each set of inputs, and giving back what was built."""

from __future__ import annotations

import datetime
import time
from collections.abc import Collection, Mapping
from pathlib import Path

import orchestrator
from orchestrator import toolchain
from orchestrator.engine.build import capabilities, manifest, tree, trial
from orchestrator.engine.build.capabilities import Capabilities
from orchestrator.engine.build.inputs import BuildInputs
from orchestrator.engine.build.job import Built, Job
from orchestrator.engine.build.manifest import CompilerFacts, CompilersUsed, Manifest
from orchestrator.engine.build.systems import SYSTEMS, choose
from orchestrator.engine.source.checkout import Checkout
from orchestrator.eras.dialect import Dialect, dialect_for
from orchestrator.errors import BuildError, ToolchainError
from orchestrator.machine import cpu as machine_cpu
from orchestrator.machine.jobs import jobs
from orchestrator.programs.all_programs import PROGRAMS
from orchestrator.progress import Progress
from orchestrator.recipe.schema.recipe import EngineSpec, ProgramName
from orchestrator.toolchain import Compilers
from orchestrator.values import Value
from orchestrator.workspace import Workspace, disk_errors, lock

LOG = "build.log"


class Engine(Value):
    """A finished build. `key` names it in `lcpp engine`; `reused`: nothing had to be built."""

    directory: Path
    manifest: Manifest
    dialect: Dialect
    checkout: Checkout
    key: str
    reused: bool

    def program(self, name: ProgramName) -> Path:
        """The file of a program.

        Raises:
            BuildError: it was not built.
        """
        built = self.manifest.programs.get(name)
        if built is None:
            raise BuildError(
                f"{name} is not among the programs of this build",
                where=str(self.directory),
                hint=f"add `{name}` to `engine.programs` and run `lcpp setup` again",
            )
        return self.directory / built.file

    def capabilities(self, name: ProgramName, environment: Mapping[str, str]) -> Capabilities:
        """What a program says that it can do; asked of it when that is first needed, then kept.

        Args:
            environment: what it inherits when it is asked.

        Raises:
            BuildError: it was not built.
        """
        self.program(name)
        file, has_help = self.manifest.programs[name], PROGRAMS[name].has_help(self.dialect.build)
        return capabilities.of_program(self.directory, name, file, environment, has_help=has_help)


def build(
    checkout: Checkout,
    spec: EngineSpec,
    programs: Collection[ProgramName],
    workspace: Workspace,
    progress: Progress,
    *,
    environment: Mapping[str, str] | None = None,
) -> Engine:
    """Build `programs` (and those that `spec` adds) of a checkout, or find them built.

    Args:
        environment: what the tools inherit, with CC and CXX to choose the compilers; None: the process's own,
            whose CC and CXX do not count.

    Raises:
        ToolchainError: a tool is missing.
        BuildError: it cannot be built, does not compile, or what was built does not start.
        WorkspaceError: the disk refuses.
    """
    dialect = dialect_of(checkout)
    targets = {name: _file_name(name, dialect, checkout) for name in sorted({*programs, *spec.programs})}
    chosen = choose(spec, checkout.path)
    inputs = BuildInputs(checkout=checkout, system=chosen.name, options=spec.options, cpu=machine_cpu.read())

    def engine(directory: Path, manifest: Manifest, *, reused: bool) -> Engine:
        key = directory.name
        return Engine(
            directory=directory, manifest=manifest, dialect=dialect, checkout=checkout, key=key, reused=reused
        )

    try:
        compilers = toolchain.compilers(environment)
    except ToolchainError:
        # A machine that only runs what was built elsewhere needs no compiler.
        for directory in sorted(workspace.builds.glob(f"{inputs.key_prefix}*")):
            finished = _finished(directory, targets)
            if finished is not None and inputs.match(finished):
                return engine(directory, finished, reused=True)
        raise
    directory = workspace.builds / inputs.key(compilers)
    if (finished := _finished(directory, targets)) is not None:
        return engine(directory, finished, reused=True)
    if chosen.note:
        progress.note(chosen.note)
    with lock(directory, progress, f"the build {directory.name}"), disk_errors("build", directory):
        if (finished := _finished(directory, targets)) is not None:
            # Another process built it while this one waited.
            return engine(directory, finished, reused=True)
        new = _build_missing(inputs, compilers, targets, dialect, directory, progress, environment)
        manifest.write(directory, new)
    return engine(directory, new, reused=False)


def _finished(directory: Path, programs: Collection[ProgramName]) -> Manifest | None:
    """The manifest of the build in `directory`, when it has all these programs."""
    finished = manifest.read(directory)
    return finished if finished is not None and set(programs) <= set(finished.programs) else None


def _build_missing(
    inputs: BuildInputs,
    compilers: Compilers,
    targets: Mapping[ProgramName, str],
    dialect: Dialect,
    directory: Path,
    progress: Progress,
    environment: Mapping[str, str] | None,
) -> Manifest:
    """Build the programs that `directory` lacks, beside those it has. Call it with its lock held."""
    earlier = manifest.read(directory)
    already = earlier.programs if earlier is not None else {}
    missing = {name: file for name, file in targets.items() if name not in already}
    checkout, system = inputs.checkout, SYSTEMS[inputs.system]
    tools = toolchain.need(system.tools(), f"to build llama.cpp with {inputs.system}", environment)
    clean = {**toolchain.clean_environment(environment), "GIT_CEILING_DIRECTORIES": str(directory)}
    begin = time.monotonic()
    tree.prepare(directory, checkout, progress)
    number = "" if checkout.build_number is None else f" b{checkout.build_number}"
    progress.stage(f"build llama.cpp{number} ({checkout.fingerprint[:12]}) by {inputs.system}: {', '.join(missing)}")
    with tree.being_built(directory) as sources:
        built = system.build(
            Job(
                tree=sources,
                targets=tuple(missing.values()),
                options=inputs.options,
                compilers=compilers,
                tools=tools,
                needs_server=any(PROGRAMS[name].needs_server(dialect.build) for name in (*targets, *already)),
                build_number=checkout.build_number,
                jobs=jobs(),
                environment=clean,
                log=directory / LOG,
                progress=progress,
            )
        )
    progress.stage("check that it starts")
    programs = {name: tree.install(directory, built.files[file]) for name, file in missing.items()}
    libraries = tuple(tree.install(directory, library) for library in built.libraries)
    versions = [trial.run(directory / programs[name].file, name, clean) for name in missing]
    new = _describe(inputs, compilers, built).model_copy(
        update={
            "programs": programs,
            "libraries": libraries,
            "version_output": next(filter(None, versions), None),
            "duration_s": round(time.monotonic() - begin, 3),
        }
    )
    return new if earlier is None else _added(new, earlier)


def _added(new: Manifest, earlier: Manifest) -> Manifest:
    """The manifest of a build that had programs before these."""
    return new.model_copy(
        update={
            "programs": {**earlier.programs, **new.programs},
            "version_output": new.version_output or earlier.version_output,
            "commands": (*earlier.commands, *new.commands),
            "duration_s": round(earlier.duration_s + new.duration_s, 3),
        }
    )


def dialect_of(checkout: Checkout) -> Dialect:
    """The dialect of a checkout, by its build number, or else its date and what stands in its sources."""
    return dialect_for(checkout.build_number, _day(checkout.commit_date), checkout.path)


def dialect_of_build(directory: Path, manifest: Manifest) -> Dialect:
    """The same of a finished build, whose checkout may be gone."""
    return dialect_for(manifest.build_number, _day(manifest.commit_date), directory / "tree")


def _day(commit_date: str | None) -> datetime.date | None:
    return None if commit_date is None else datetime.date.fromisoformat(commit_date[:10])


def _file_name(program: ProgramName, dialect: Dialect, checkout: Checkout) -> str:
    name = PROGRAMS[program].FILE.at(dialect.build)
    if name is None:
        raise BuildError(
            f"llama.cpp {checkout.ref} has no {program}",
            where="engine.programs or run.program",
            hint="`run.program: complete` takes the program that does it in that llama.cpp",
        )
    return name


def _describe(inputs: BuildInputs, compilers: Compilers, built: Built) -> Manifest:
    checkout, c, cxx = inputs.checkout, compilers.c, compilers.cxx
    return Manifest(
        commit=checkout.commit,
        build_number=checkout.build_number,
        commit_date=checkout.commit_date,
        source=checkout.source,
        remote=checkout.remote,
        fingerprint=checkout.fingerprint,
        build_system=inputs.system,
        options=dict(inputs.options),
        commands=built.commands,
        compiler=CompilersUsed(
            c=CompilerFacts(path=str(c.path), version=c.version),
            cxx=CompilerFacts(path=str(cxx.path), version=cxx.version),
            ccache=None if compilers.ccache is None else str(compilers.ccache),
        ),
        cpu_model=inputs.cpu.model,
        cpu_flags_digest=inputs.cpu.features_digest,
        built_at=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        duration_s=0.0,
        programs={},
        version_output=None,
        lcpp_version=orchestrator.__version__,
        notes=(*checkout.notes, *built.notes),
    )
