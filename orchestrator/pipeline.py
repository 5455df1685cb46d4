"""The walk from a recipe to a result, as a list of stages that one can read."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import orchestrator
from orchestrator.drive.command import Command, check, compose
from orchestrator.drive.conversation import check_session, compose_session
from orchestrator.drive.dialogue import Dialogue, OnTurn
from orchestrator.drive.notes import without
from orchestrator.drive.session import Limits, OnOutput, Session
from orchestrator.drive.transcript import Transcript
from orchestrator.engine.build.build import Engine
from orchestrator.engine.dialect import Dialect
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
from orchestrator.parse.parser import parse_run
from orchestrator.parse.record import Record
from orchestrator.progress import Progress
from orchestrator.recipe.load import LoadedRecipe
from orchestrator.recipe.schema.recipe import Program
from orchestrator.result import answers, figures, files, memory_fit, outcome, share
from orchestrator.result.differences import differences
from orchestrator.result.schema import (
    AnswerResult,
    Asked,
    ExperimentPart,
    Failure,
    Measured,
    ModelFacts,
    Process,
    Ran,
    Result,
)
from orchestrator.workspace import Workspace

# A program that loses its last lines does so now and then, on a busy machine.
_TRIES = 4


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """All that a recipe needs, on this disk, and what memory it will take."""

    loaded: LoadedRecipe
    engine: Engine
    model: Model
    program: Program
    memory: MemoryCheck

    @property
    def dummy(self) -> bool:
        """The weights are random: speed and memory are those of the real model, the text is noise."""
        return is_dummy(self.model.header.metadata)


@dataclass(frozen=True, kw_only=True)
class Outcome:
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
    recipe = loaded.recipe

    def choose(dialect: Dialect) -> Program:
        if loaded.prompts:
            return check_session(recipe.run, loaded.prompts, dialect)
        return check(recipe.run, dialect)

    def judge(shape: Shape, dialect: Dialect, program: Program) -> MemoryCheck:
        prompts = loaded.prompts or (loaded.prompt or "",)
        judged = check_memory(
            recipe.run,
            shape,
            build=dialect.build,
            program=program,
            prompt_bytes=max(len(prompt.encode()) for prompt in prompts),
            session_bytes=[len(prompt.encode()) for prompt in loaded.prompts],
            options=recipe.engine.options,
        )
        if not force:
            refuse(judged.fit)
        return judged

    shape: Shape | None = None
    if dummy_limit_bytes is None:
        dialect, guessed = known_dialect(recipe.engine, workspace, base=loaded.base)
        # What a guessed build cannot do, the real one perhaps can.
        program = dialect.program_for(recipe.run.program) if guessed else choose(dialect)
        shape = read_shape(recipe.model, workspace, progress, base=loaded.base)
        memory, judged_for = judge(shape, dialect, program), (dialect.build, program)
    engine = setup_engine(
        recipe.engine,
        lambda dialect: {choose(dialect)},
        workspace,
        progress,
        base=loaded.base,
        environment=environment,
    )
    program = choose(engine.dialect)
    if shape is not None:
        if (engine.dialect.build, program) != judged_for:
            memory = judge(shape, engine.dialect, program)
        model = fetch(recipe.model, workspace, progress, base=loaded.base)
    else:
        # Imported here: numpy and the quantization types, which a run of a real model does without.
        from orchestrator.model.dummy.make import make_dummy, plan_of
        from orchestrator.model.memory.shape import shape_of

        plan = plan_of(recipe.model, workspace, progress, base=loaded.base, checkout=engine.checkout.path)
        memory = judge(shape_of([plan.header()]), engine.dialect, program)
        model = make_dummy(plan, workspace, progress, limit_bytes=dummy_limit_bytes or 0)
    return Prepared(loaded=loaded, engine=engine, model=model, program=program, memory=memory)


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
    run = prepared.loaded.recipe.run
    notes: list[str] = []
    while True:
        with _held(prepared.model):
            watched = (guard or Guard()).watch(
                model_path=prepared.model.path, cpus=run.cpus, n_threads=run.n_threads, waited=waited
            )
            made = _once(prepared, workspace, environment, watch, on_turn, part, watched, tuple(notes))
        if not isinstance(made.error, OutputLostError) or len(notes) == _TRIES - 1:
            return made
        notes.append(f"run {made.result.id} lost its last lines, as this llama.cpp may: it was run again")


@contextlib.contextmanager
def _held(model: Model) -> Iterator[None]:
    """While it runs, nobody makes room by removing it."""
    if model.source != "dummy":
        yield
        return
    from orchestrator.model.dummy.cache import in_use  # as in `prepare`

    with in_use(model.path):
        yield


def _once(
    prepared: Prepared,
    workspace: Workspace,
    environment: Mapping[str, str],
    watch: Callable[[Command], OnOutput],
    on_turn: OnTurn | None,
    part: ExperimentPart | None,
    watched: Watched,
    notes: tuple[str, ...],
) -> Outcome:
    loaded, run = prepared.loaded, prepared.loaded.recipe.run
    run_id, folder = files.name_run(workspace, loaded.recipe.name or loaded.path.stem)
    dialogue: Dialogue | None = None
    if loaded.prompts:
        held = compose_session(run, loaded.prompts, prepared.engine, prepared.model, inherited=environment)
        command = held.command
        dialogue = Dialogue(
            loaded.prompts, held.talk, reset=run.history == "reset", n_predict=run.n_predict, on_turn=on_turn
        )
    else:
        command = compose(
            run,
            loaded.prompt,
            prepared.engine,
            prepared.model,
            folder=folder,
            inherited=environment,
            cache=workspace.prompts,
        )
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
        transcript = session.run(patience, watch(command), None if dialogue is None else dialogue.hold)
    said: tuple[AnswerResult, ...] = ()
    if dialogue is None:
        record = parse_run(transcript.stdout, transcript.stderr, command.layout, command.prompt)
        loses_output = prepared.engine.dialect.loses_output(command.program)
        error = outcome.failure(transcript, record, command.program, run, loses_output=loses_output)
        measured = figures.measure(record, transcript.peak_memory_bytes)
    else:
        said = answers.answers(dialogue.exchanges, run.n_predict)
        record = _record_of_session(transcript, command, said)
        error = answers.failure(transcript, record, command.program, run, said, n_prompts=len(loaded.prompts))
        measured = answers.total(said, figures.measure(record, transcript.peak_memory_bytes))
    memory = _memory(prepared, command, transcript, record, measured)
    limits = share.limits(
        prepared.memory.shape,
        prepared.memory.settings,
        record,
        measured,
        stored_limits(workspace),
        answers=said,
        history_kept=run.history == "keep",
    )
    expect = loaded.recipe.expect
    if prepared.dummy:
        expect = expect.model_copy(update={"text_contains": (), "text_matches": None})
        record = _without_text(record)
        said = tuple(one.model_copy(update={"text": ""}) for one in said)
    checks = figures.check(expect, record, measured, prepared.model.header.metadata)
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
            prompts=loaded.prompts,
        ),
        ran=_ran(prepared, command, transcript, machine),
        measured=measured,
        text=record.generation.text if dialogue is None else None,
        answers=said,
        checks=checks,
        differences=differences(run, command, record),
        memory=memory,
        limits=limits,
        noise=watched.noise(transcript, n_threads=record.n_threads),
        part=part,
        dummy=prepared.dummy,
        notes=(*prepared.engine.checkout.notes, *command.notes, *notes),
        record=record,
    )
    return Outcome(result=result, path=files.save(result, workspace), error=error)


def _memory(
    prepared: Prepared, command: Command, transcript: Transcript, record: Record, measured: Measured
) -> memory_fit.MemoryFit:
    """The estimate for the run as it was, beside what was measured."""
    judged = prepared.memory
    # The longest of a session's prompts counts, not their sum.
    n_prompt = None if prepared.loaded.prompts else measured.n_prompt
    estimate = judged.ran(n_ctx=command.n_ctx, n_prompt=n_prompt, n_gen=measured.n_gen)
    return memory_fit.compare(estimate, judged.fit.state, judged.fit.available, record, transcript.peak_memory_bytes)


def _without_text(record: Record) -> Record:
    """Without what random weights wrote: nobody shall take it for an answer."""
    return record.model_copy(update={"generation": record.generation.model_copy(update={"text": None})})


def _record_of_session(transcript: Transcript, command: Command, said: tuple[AnswerResult, ...]) -> Record:
    """The log's record; its text is that of all answers, one below the other."""
    record = parse_run(b"", without(transcript.stderr), command.layout, "")
    text = "\n".join(one.text for one in said)
    invalid = sum(one.n_invalid_bytes for one in said)
    generation = record.generation.model_copy(update={"text": text, "n_invalid_bytes": invalid, "end_of_text": None})
    return record.model_copy(update={"generation": generation})


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
