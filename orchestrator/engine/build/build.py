"""Building a checkout, once for each set of inputs, and giving back what was built."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import os
import shutil
import time
from collections.abc import Collection, Mapping
from pathlib import Path

import orchestrator
from orchestrator import toolchain
from orchestrator.engine.build import capabilities, manifest, trial
from orchestrator.engine.build.capabilities import Capabilities
from orchestrator.engine.build.job import Built, Job
from orchestrator.engine.build.manifest import BuildSystem, CompilerFacts, CompilersUsed, Manifest, ProgramFile
from orchestrator.engine.build.systems import SYSTEMS, choose
from orchestrator.engine.source.checkout import Checkout
from orchestrator.eras.dialect import Dialect, dialect_for
from orchestrator.errors import BuildError, ToolchainError
from orchestrator.machine import cpu as machine_cpu
from orchestrator.machine.cpu import Cpu
from orchestrator.machine.jobs import jobs
from orchestrator.programs.all_programs import PROGRAMS
from orchestrator.progress import Progress
from orchestrator.recipe.schema.recipe import EngineSpec, Program
from orchestrator.toolchain import Compilers
from orchestrator.values import Value
from orchestrator.workspace import Workspace, disk_errors, lock, staged

LOG = "build.log"
# There while a compiler may be writing to the tree: a tree with it cannot be trusted.
MARKER = "building"
# Part of the key: raise it when lcpp builds otherwise from the same inputs.
_WAY_OF_BUILDING = 1


class Engine(Value):
    """A finished build. `key` names it in `lcpp engine`; `reused`: nothing had to be built."""

    directory: Path
    manifest: Manifest
    dialect: Dialect
    checkout: Checkout
    key: str
    reused: bool

    def program(self, name: Program) -> Path:
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

    def capabilities(self, name: Program, environment: Mapping[str, str]) -> Capabilities:
        """What a program says that it can do; asked of it when that is first needed, then kept.

        Args:
            environment: what it inherits when it is asked.

        Raises:
            BuildError: it was not built.
        """
        self.program(name)
        file, has_help = self.manifest.programs[name], PROGRAMS[name].has_help(self.dialect.build)
        return capabilities.of(self.directory, name, file, environment, has_help=has_help)


def build(
    checkout: Checkout,
    spec: EngineSpec,
    programs: Collection[Program],
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
    wanted = tuple(sorted({*programs, *spec.programs}))
    files = {program: _file_name(program, dialect, checkout) for program in wanted}
    choice = choose(spec, checkout.path)
    cpu = machine_cpu.read()
    try:
        compilers = toolchain.compilers(environment)
    except ToolchainError:
        # A machine that only runs what was built elsewhere needs no compiler.
        found = _built_by_any_compiler(checkout, spec, choice.name, cpu, wanted, workspace, dialect)
        if found is None:
            raise
        return found
    key = _key(checkout, spec, choice.name, compilers, cpu)
    directory = workspace.builds / key
    kept = manifest.read(directory)
    if kept is not None and set(wanted) <= set(kept.programs):
        return Engine(directory=directory, manifest=kept, dialect=dialect, checkout=checkout, key=key, reused=True)

    if choice.note:
        progress.note(choice.note)
    with lock(directory, progress, f"the build {key}"), disk_errors("build", directory):
        kept = manifest.read(directory)
        missing = [program for program in wanted if kept is None or program not in kept.programs]
        if kept is not None and not missing:
            # Another process built it while this one waited.
            return Engine(directory=directory, manifest=kept, dialect=dialect, checkout=checkout, key=key, reused=True)
        system = SYSTEMS[choice.name]
        tools = toolchain.need(system.tools(), f"to build llama.cpp with {choice.name}", environment)
        clean = {**toolchain.clean_environment(environment), "GIT_CEILING_DIRECTORIES": str(directory)}
        begun = time.monotonic()
        _prepare_tree(directory, checkout, progress)
        number = "" if checkout.build_number is None else f" b{checkout.build_number}"
        progress.stage(f"build llama.cpp{number} ({checkout.fingerprint[:12]}) by {choice.name}: {', '.join(missing)}")
        (directory / MARKER).touch()
        built = system.build(
            Job(
                tree=directory / "tree",
                targets=tuple(files[program] for program in missing),
                options=spec.options,
                compilers=compilers,
                tools=tools,
                needs_server=any(
                    PROGRAMS[name].needs_server(dialect.build) for name in (*wanted, *(kept.programs if kept else ()))
                ),
                build_number=checkout.build_number,
                jobs=jobs(),
                environment=clean,
                log=directory / LOG,
                progress=progress,
            )
        )
        (directory / MARKER).unlink()
        progress.stage("check that it starts")
        stored = {program: _store(directory, built.files[files[program]]) for program in missing}
        libraries = tuple(_store(directory, library) for library in built.libraries)
        said = [trial.run(directory / stored[program].file, program, clean) for program in missing]
        made = _describe(checkout, spec, choice.name, compilers, cpu, built)
        made = made.model_copy(
            update={
                "programs": {**(kept.programs if kept else {}), **stored},
                "libraries": libraries,
                "version_output": next(filter(None, said), kept.version_output if kept else None),
                "commands": ((*kept.commands, *built.commands) if kept else built.commands),
                "duration_s": round(time.monotonic() - begun + (kept.duration_s if kept else 0), 3),
            }
        )
        manifest.write(directory, made)
    return Engine(directory=directory, manifest=made, dialect=dialect, checkout=checkout, key=key, reused=False)


def dialect_of(checkout: Checkout) -> Dialect:
    """The dialect of a checkout, by its build number, or else its date and what stands in its sources."""
    return dialect_for(checkout.build_number, _day(checkout.commit_date), checkout.path)


def dialect_of_build(directory: Path, kept: Manifest) -> Dialect:
    """The same of a finished build, whose checkout may be gone."""
    return dialect_for(kept.build_number, _day(kept.commit_date), directory / "tree")


def _day(commit_date: str | None) -> datetime.date | None:
    return None if commit_date is None else datetime.date.fromisoformat(commit_date[:10])


def _file_name(program: Program, dialect: Dialect, checkout: Checkout) -> str:
    name = PROGRAMS[program].FILE.at(dialect.build)
    if name is None:
        raise BuildError(
            f"llama.cpp {checkout.ref} has no {program}",
            where="engine.programs or run.program",
            hint="`run.program: complete` takes the program that does it in that llama.cpp",
        )
    return name


def _identity(checkout: Checkout, spec: EngineSpec, system: BuildSystem, cpu: Cpu) -> dict[str, object]:
    return {
        "fingerprint": checkout.fingerprint,
        "system": system,
        "options": dict(spec.options),
        "cpu": [cpu.model, cpu.features_digest],
    }


def _key(checkout: Checkout, spec: EngineSpec, system: BuildSystem, compilers: Compilers, cpu: Cpu) -> str:
    tools = [[str(compiler.path), compiler.version] for compiler in (compilers.c, compilers.cxx)]
    inputs = {**_identity(checkout, spec, system, cpu), "compilers": tools, "way": _WAY_OF_BUILDING}
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:12]
    return f"{(checkout.commit or checkout.fingerprint)[:12]}-{system}-{digest}"


def _built_by_any_compiler(
    checkout: Checkout,
    spec: EngineSpec,
    system: BuildSystem,
    cpu: Cpu,
    wanted: Collection[Program],
    workspace: Workspace,
    dialect: Dialect,
) -> Engine | None:
    prefix = f"{(checkout.commit or checkout.fingerprint)[:12]}-{system}-"
    for directory in sorted(workspace.builds.glob(f"{prefix}*")):
        kept = manifest.read(directory)
        if kept is None or not set(wanted) <= set(kept.programs):
            continue
        same = {
            "fingerprint": kept.fingerprint,
            "system": kept.build_system,
            "options": kept.options,
            "cpu": [kept.cpu_model, kept.cpu_flags_digest],
        }
        if same == _identity(checkout, spec, system, cpu):
            return Engine(
                directory=directory,
                manifest=kept,
                dialect=dialect,
                checkout=checkout,
                key=directory.name,
                reused=True,
            )
    return None


def _prepare_tree(directory: Path, checkout: Checkout, progress: Progress) -> None:
    """A copy of the checkout to build in: the one that is there, unless a build in it did not end well."""
    tree = directory / "tree"
    directory.mkdir(parents=True, exist_ok=True)
    if (directory / MARKER).exists() and tree.exists():
        discard(tree)
    (directory / MARKER).unlink(missing_ok=True)
    if tree.exists():
        return
    progress.stage("copy the sources")
    with staged(tree) as stage:
        _copy_tree(checkout.path, stage)
        alternates = stage / ".git/objects/info/alternates"
        if alternates.exists():
            # One folder deeper than the checkout.
            alternates.write_text(f"../{alternates.read_text()}")


def _copy_tree(source: Path, goal: Path) -> None:
    """Copy files, links and modes. Unlike `shutil.copytree`, a full disk stays the `OSError` that it is."""
    for folder, folders, names in os.walk(source):
        here = goal / Path(folder).relative_to(source)
        here.mkdir(exist_ok=True)
        # A link to a folder is listed among the folders.
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in (*names, *links):
            shutil.copy2(Path(folder) / name, here / name, follow_symlinks=False)


def discard(path: Path) -> None:
    """Remove a folder so that it is gone at once: what still writes by the old name does not write into a new one."""
    away = path.with_name(f".{path.name}.gone")
    shutil.rmtree(away, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        path.rename(away)
    shutil.rmtree(away, ignore_errors=True)


def _store(directory: Path, file: Path) -> ProgramFile:
    """Copy a built file to `bin/`, where later builds in the tree do not change it."""
    goal = directory / "bin" / file.name
    goal.parent.mkdir(exist_ok=True)
    stage = goal.with_name(f".{goal.name}.part")
    try:
        shutil.copy2(file, stage)
        stage.replace(goal)
    finally:
        stage.unlink(missing_ok=True)
    with goal.open("rb") as content:
        whole = hashlib.sha256()
        while chunk := content.read(1024 * 1024):
            whole.update(chunk)
    return ProgramFile(file=str(goal.relative_to(directory)), sha256=whole.hexdigest(), size_bytes=goal.stat().st_size)


def _describe(
    checkout: Checkout, spec: EngineSpec, system: BuildSystem, compilers: Compilers, cpu: Cpu, built: Built
) -> Manifest:
    c, cxx = compilers.c, compilers.cxx
    return Manifest(
        commit=checkout.commit,
        build_number=checkout.build_number,
        commit_date=checkout.commit_date,
        source=checkout.source,
        remote=checkout.remote,
        fingerprint=checkout.fingerprint,
        build_system=system,
        options=dict(spec.options),
        commands=built.commands,
        compiler=CompilersUsed(
            c=CompilerFacts(path=str(c.path), version=c.version),
            cxx=CompilerFacts(path=str(cxx.path), version=cxx.version),
            ccache=None if compilers.ccache is None else str(compilers.ccache),
        ),
        cpu_model=cpu.model,
        cpu_flags_digest=cpu.features_digest,
        built_at=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        duration_s=0.0,
        programs={},
        version_output=None,
        lcpp_version=orchestrator.__version__,
        notes=(*checkout.notes, *built.notes),
    )
