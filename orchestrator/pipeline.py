"""The walk from a recipe to a result, as a list of stages that one can read."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import orchestrator
from orchestrator.drive.command import Command, check, compose
from orchestrator.drive.session import Limits, OnOutput, Session
from orchestrator.drive.transcript import Transcript
from orchestrator.engine.build import Engine
from orchestrator.engine.setup import setup_engine
from orchestrator.errors import LcppError
from orchestrator.model.fetch import Model, fetch
from orchestrator.parse.parser import parse_run
from orchestrator.progress import Progress
from orchestrator.recipe.load import LoadedRecipe
from orchestrator.recipe.schema import Program
from orchestrator.result import figures, outcome, store
from orchestrator.result.machine import Machine, observe
from orchestrator.result.schema import Asked, Failure, ModelFacts, Process, Ran, Result
from orchestrator.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """All that a recipe needs, on this disk."""

    loaded: LoadedRecipe
    engine: Engine
    model: Model
    program: Program


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A run's result, where it was written, and the error that it ended with, if any."""

    result: Result
    path: Path
    error: LcppError | None


def prepare(
    loaded: LoadedRecipe, workspace: Workspace, progress: Progress, *, environment: Mapping[str, str]
) -> Prepared:
    """Set up what is missing: engine, then model."""
    recipe = loaded.recipe
    engine = setup_engine(
        recipe.engine,
        lambda dialect: {check(recipe.run, dialect)},
        workspace,
        progress,
        base=loaded.base,
        environment=environment,
    )
    model = fetch(recipe.model, workspace, progress, base=loaded.base)
    return Prepared(loaded=loaded, engine=engine, model=model, program=check(recipe.run, engine.dialect))


def execute(
    prepared: Prepared,
    workspace: Workspace,
    *,
    environment: Mapping[str, str],
    watch: Callable[[Command], OnOutput],
) -> Outcome:
    """Run the program, keep the transcript, read it, write the result.

    Args:
        environment: lcpp's own.
        watch: given the command, returns what is called with each piece of output as it comes.
    """
    loaded, run = prepared.loaded, prepared.loaded.recipe.run
    run_id, folder = store.name_run(workspace, loaded.recipe.name or loaded.path.stem)
    command = compose(
        run,
        loaded.prompt,
        prepared.engine,
        prepared.model,
        folder=folder,
        inherited=environment,
        cache=workspace.prompts,
    )
    store.open_run(folder, command.prompt_file, command.prompt)
    machine = observe()
    limits = Limits(timeout_s=run.timeout_s, idle_timeout_s=run.idle_timeout_s, max_output_bytes=run.max_output_bytes)
    with Session(command.argv, environment=command.environment, folder=folder) as session:
        transcript = session.run(limits, watch(command))
    record = parse_run(transcript.stdout, transcript.stderr, command.layout, command.prompt)
    error = outcome.failure(transcript, record, command.program, run)
    measured = figures.measure(record, transcript.peak_memory_bytes)
    checks = figures.check(loaded.recipe.expect, record, measured, prepared.model.header.metadata)
    result = Result(
        lcpp_result=1,
        id=run_id,
        name=loaded.recipe.name or loaded.path.stem,
        lcpp_version=orchestrator.__version__,
        status="failed" if error else "ok" if all(one.ok for one in checks) else "unexpected",
        failure=None if error is None else Failure(what=error.what, where=error.where, hint=error.hint),
        asked=Asked(
            recipe=loaded.recipe,
            recipe_file=str(loaded.path),
            recipe_digest=loaded.digest,
            overrides=loaded.overrides,
            prompt=loaded.prompt,
        ),
        ran=_ran(prepared, command, transcript, machine),
        measured=measured,
        text=record.generation.text,
        checks=checks,
        notes=prepared.engine.checkout.notes,
        record=record,
    )
    return Outcome(result=result, path=store.save(result, workspace), error=error)


def _ran(prepared: Prepared, command: Command, transcript: Transcript, machine: Machine) -> Ran:
    model = prepared.model
    return Ran(
        engine=prepared.engine.manifest,
        model=ModelFacts(
            source=model.source,
            origin=model.origin,
            revision=model.revision,
            path=str(model.path),
            sha256=model.sha256,
            size_bytes=model.size_bytes,
            architecture=model.header.architecture,
            name=model.header.name,
            file_type=model.header.file_type_name,
            n_params=model.header.n_params,
            n_tensors=model.header.n_tensors,
        ),
        machine=machine,
        process=Process(
            program=command.program,
            argv=transcript.argv,
            environment=dict(command.environment),
            started_at=transcript.started_at,
            wall_s=round(transcript.wall_s, 6),
            cpu_s=transcript.cpu_s,
            peak_memory_bytes=transcript.peak_memory_bytes,
            exit_code=transcript.exit_code,
            signal=None if transcript.signal is None else signal.Signals(transcript.signal).name,
            stopped_by=transcript.stopped_by,
            transcript=transcript.folder.name,
        ),
    )
