"""The walk from a recipe to a result, as a list of stages that one can read."""

from __future__ import annotations

import contextlib
import functools
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import orchestrator
from orchestrator.drive.command import Command, compose
from orchestrator.drive.dialogue import Dialogue, Exchange, OnTurn
from orchestrator.drive.session import Limits, OnOutput, Session
from orchestrator.drive.transcript import Transcript
from orchestrator.engine.build.build import Engine
from orchestrator.engine.known import known_dialect
from orchestrator.engine.setup import setup_engine
from orchestrator.errors import LcppError, OutputLostError
from orchestrator.machine.facts import Machine, observe
from orchestrator.machine.limits.stored import stored_limits
from orchestrator.model.dummy.mark import is_dummy
from orchestrator.model.memory.check import MemoryCheck, check_memory, read_shape
from orchestrator.model.memory.shape import Shape
from orchestrator.model.memory.verdict import refuse
from orchestrator.model.source.fetch import Model, fetch
from orchestrator.noise.guard import Guard, Waited, Watched
from orchestrator.programs.plan.kinds import RunPlan, SessionPlan
from orchestrator.programs.plan.make import outline, plan
from orchestrator.progress import Progress
from orchestrator.recipe.load import LoadedRecipe
from orchestrator.result import expectations, files, memory_fit
from orchestrator.result.differences import differences
from orchestrator.result.run import share
from orchestrator.result.run.read import Reading, read, without_text
from orchestrator.result.schema import Asked, ExperimentPart, Failure, ModelFacts, Process, Ran, Result
from orchestrator.values import Value
from orchestrator.workspace import Workspace

# A program that loses its last lines does so now and then, on a busy machine.
_TRIES = 4


class Prepared(Value):
    """All that a recipe needs, on this disk, how it will run, and what memory it will take."""

    loaded: LoadedRecipe
    engine: Engine
    model: Model
    plan: RunPlan
    memory: MemoryCheck

    @property
    def dummy(self) -> bool:
        """The weights are random: speed and memory are those of the real model, the text is noise."""
        return is_dummy(self.model.header.metadata)


class Outcome(Value):
    """A run's result, where it was written, and the error that it ended with, if any."""

    result: Result
    path: Path
    error: LcppError | None


def prepare(
    loaded: LoadedRecipe,
    workspace: Workspace,
    progress: Progress,
    *,
    environment: Mapping[str, str],
    dummy_limit_bytes: int | None = None,
    force: bool = False,
) -> Prepared:
    """Set up what is missing: engine, then model. What cannot fit the memory is refused before anything is fetched.

    Args:
        dummy_limit_bytes: make a dummy of the model and run that; so much may all dummies take on the disk.
        force: run also what does not fit.

    Raises:
        FitError: the run needs more memory than there is.
        LcppError: of the stage that failed.
    """
    run, prompt, prompts = loaded.recipe.run, loaded.prompt, loaded.prompts
    planned = functools.cache(lambda dialect: plan(run, dialect, prompt=prompt, prompts=prompts))
    early = None
    if dummy_limit_bytes is None:
        dialect, guessed = known_dialect(loaded.recipe.engine, workspace, base=loaded.base)
        # What a guessed build cannot do, the real one perhaps can.
        first = outline(run, dialect, prompt=prompt, prompts=prompts) if guessed else planned(dialect)
        shape = read_shape(loaded.recipe.model, workspace, progress, base=loaded.base)
        early = _judged(loaded, first, shape, force=force)
    engine = setup_engine(
        loaded.recipe.engine,
        lambda dialect: {planned(dialect).name},
        workspace,
        progress,
        base=loaded.base,
        environment=environment,
    )
    final = planned(engine.dialect)
    if early is None:
        model, memory = _dummy(loaded, engine, final, workspace, progress, dummy_limit_bytes or 0, force=force)
    else:
        memory = early if final == first else _judged(loaded, final, shape, force=force)
        model = fetch(loaded.recipe.model, workspace, progress, base=loaded.base)
    return Prepared(loaded=loaded, engine=engine, model=model, plan=final, memory=memory)


def _judged(loaded: LoadedRecipe, planned: RunPlan, shape: Shape, *, force: bool) -> MemoryCheck:
    memory = check_memory(planned, shape, options=loaded.recipe.engine.options)
    if not force:
        refuse(memory.fit)
    return memory


def _dummy(
    loaded: LoadedRecipe,
    engine: Engine,
    planned: RunPlan,
    workspace: Workspace,
    progress: Progress,
    limit_bytes: int,
    *,
    force: bool,
) -> tuple[Model, MemoryCheck]:
    """A model of the same shape with random weights, unless it does not fit."""
    # Imported here: numpy and the quantization types, which a run of a real model does without.
    from orchestrator.model.dummy.make import make_dummy, plan_of
    from orchestrator.model.memory.shape import shape_of

    dummy = plan_of(loaded.recipe.model, workspace, progress, base=loaded.base, checkout=engine.checkout.path)
    memory = _judged(loaded, planned, shape_of([dummy.header()]), force=force)
    return make_dummy(dummy, workspace, progress, limit_bytes=limit_bytes), memory


def execute(
    prepared: Prepared,
    workspace: Workspace,
    *,
    environment: Mapping[str, str],
    watch: Callable[[Command], OnOutput],
    on_turn: OnTurn | None = None,
    part: ExperimentPart | None = None,
    guard: Guard | None = None,
    waited: Waited | None = None,
) -> Outcome:
    """Run the program, keep the transcript, read it, write the result; again when the program lost its last lines.

    Args:
        environment: lcpp's own.
        watch: given the command, returns what is called with each piece of output as it comes.
        on_turn: told of each prompt of a session before it is asked.
        part: of which experiment this run is one; None: it is by itself.
        guard: tells what disturbed the run; None: with its defaults.
        waited: how the wait for a quiet machine went, if anybody waited.
    """
    run = prepared.plan.run
    notes: list[str] = []
    while True:
        with _in_use(prepared.model):
            watched = (guard or Guard()).watch(
                model_path=prepared.model.path, cpus=run.cpus, n_threads=run.n_threads, waited=waited
            )
            driven = _drive(prepared, workspace, environment, watch, on_turn, watched)
        outcome = _conclude(prepared, driven, workspace, part, watched, tuple(notes))
        if not isinstance(outcome.error, OutputLostError) or len(notes) == _TRIES - 1:
            return outcome
        notes.append(f"run {outcome.result.id} lost its last lines, as this llama.cpp may: it was run again")


@contextlib.contextmanager
def _in_use(model: Model) -> Iterator[None]:
    """While it runs, nobody makes room by removing it."""
    if model.source != "dummy":
        yield
        return
    from orchestrator.model.dummy.cache import in_use  # as in `_dummy`

    with in_use(model.path):
        yield


class _Driven(Value):
    """A program that has run: how it was called, what it printed, and what came of each prompt of a session."""

    id: str
    command: Command
    machine: Machine
    transcript: Transcript
    exchanges: tuple[Exchange, ...]


def _drive(
    prepared: Prepared,
    workspace: Workspace,
    environment: Mapping[str, str],
    watch: Callable[[Command], OnOutput],
    on_turn: OnTurn | None,
    watched: Watched,
) -> _Driven:
    """Run the program once; its transcript is on the disk before anything is made of it."""
    planned, run = prepared.plan, prepared.plan.run
    run_id, folder = files.name_run(workspace, _name(prepared.loaded))
    command = compose(
        planned, prepared.engine, prepared.model, folder=folder, inherited=environment, cache=workspace.prompts
    )
    dialogue = Dialogue(planned, on_turn=on_turn) if isinstance(planned, SessionPlan) else None
    files.open_run(folder, command.prompt_file, command.prompt_file_text)
    machine = observe()
    patience = Limits(timeout_s=run.timeout_s, idle_timeout_s=run.idle_timeout_s, max_output_bytes=run.max_output_bytes)
    with (
        watched,
        Session(
            command.argv,
            environment=command.environment,
            folder=folder,
            talks=dialogue is not None,
            cpus=run.cpus,
            on_sample=watched.sample,
        ) as session,
    ):
        transcript = session.run(patience, watch(command), dialogue.hold if dialogue else None)
    exchanges = tuple(dialogue.exchanges) if dialogue else ()
    return _Driven(id=run_id, command=command, machine=machine, transcript=transcript, exchanges=exchanges)


def _conclude(
    prepared: Prepared,
    driven: _Driven,
    workspace: Workspace,
    part: ExperimentPart | None,
    watched: Watched,
    notes: tuple[str, ...],
) -> Outcome:
    """Read what was printed, hold it against what was asked and estimated, and write the result."""
    loaded, planned, shape = prepared.loaded, prepared.plan, prepared.memory.shape
    reading = read(driven.command, driven.transcript, driven.exchanges)
    memory = _memory(prepared, driven, reading)
    limits = share.limits(
        planned,
        shape,
        prepared.memory.settings,
        reading.record,
        reading.measured,
        stored_limits(workspace, driven.machine),
        answers=reading.answers,
    )
    expect, error = loaded.recipe.expect, reading.error
    if prepared.dummy:
        expect = expect.model_copy(update={"text_contains": (), "text_matches": None})
        reading = without_text(reading)
    record = reading.record
    checks = expectations.check(expect, record, reading.measured, prepared.model.header.metadata)
    result = Result(
        lcpp_result=1,
        id=driven.id,
        name=_name(loaded),
        lcpp_version=orchestrator.__version__,
        status="failed" if error else "ok" if all(check.ok for check in checks) else "unexpected",
        failure=None if error is None else Failure(what=error.what, where=error.where, hint=error.hint),
        asked=_asked(loaded),
        ran=_ran(prepared, driven),
        measured=reading.measured,
        text=None if isinstance(planned, SessionPlan) else record.generation.text,
        answers=reading.answers,
        checks=checks,
        differences=differences(planned, record),
        memory=memory,
        limits=limits,
        noise=watched.noise(driven.transcript, n_threads=record.n_threads),
        part=part,
        dummy=prepared.dummy,
        notes=(*prepared.engine.checkout.notes, *driven.command.notes, *notes),
        record=record,
    )
    return Outcome(result=result, path=files.save(result, workspace), error=error)


def _name(loaded: LoadedRecipe) -> str:
    return loaded.recipe.name or loaded.path.stem


def _memory(prepared: Prepared, driven: _Driven, reading: Reading) -> memory_fit.MemoryFit:
    """The estimate for the run as it was, beside what was measured."""
    memory, measured = prepared.memory, reading.measured
    # The longest of a session's prompts counts, not their sum.
    n_prompt = None if isinstance(prepared.plan, SessionPlan) else measured.n_prompt
    estimate = memory.ran(n_ctx=driven.command.n_ctx, n_prompt=n_prompt, n_gen=measured.n_gen)
    peak_bytes = driven.transcript.peak_memory_bytes
    return memory_fit.compare(estimate, memory.fit.state, memory.fit.available, reading.record, peak_bytes)


def _asked(loaded: LoadedRecipe) -> Asked:
    return Asked(
        recipe=loaded.recipe,
        recipe_file=str(loaded.path),
        recipe_digest=loaded.digest,
        overrides=loaded.overrides,
        prompt=loaded.prompt,
        prompts=loaded.prompts,
    )


def _ran(prepared: Prepared, driven: _Driven) -> Ran:
    command, transcript = driven.command, driven.transcript
    return Ran(
        engine=prepared.engine.manifest,
        model=_model_facts(prepared.model),
        machine=driven.machine,
        process=Process(
            program=command.plan.name,
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


def _model_facts(model: Model) -> ModelFacts:
    return ModelFacts(
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
    )
