"""The result of a run: what was asked, what ran, what was measured. One JSON document, with a published JSON Schema.

Units stand in the names (`_ms`, `_s`, `_mib`, `_bytes`, `_per_second`: tokens a second). A figure that is None has its
reason in `missing`.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from orchestrator.engine.build.manifest import Manifest
from orchestrator.machine.facts import Machine
from orchestrator.noise.document import Noise
from orchestrator.parse.record import Record
from orchestrator.piece import Piece
from orchestrator.recipe.schema.recipe import ProgramName, Recipe
from orchestrator.result.differences import Difference
from orchestrator.result.limits import RunLimits
from orchestrator.result.memory_fit import MemoryFit
from orchestrator.result.registry import FIGURES

FORMAT_VERSION = 1


class Asked(Piece):
    """The recipe, after overrides."""

    recipe: Recipe
    recipe_file: str
    recipe_digest: Annotated[str, Field(description="SHA-256 of the recipe's content and prompt, in hex.")]
    overrides: tuple[str, ...]
    prompt: str | None
    prompts: Annotated[tuple[str, ...], Field(description="Of a session.")] = ()


class ModelFacts(Piece):
    """The model file that ran."""

    source: str
    origin: str
    revision: str | None
    path: str
    sha256: str
    size_bytes: int
    architecture: str | None
    name: str | None
    file_type: str | None
    n_params: int
    n_tensors: int


class Process(Piece):
    """How the program ran and ended. Exactly one of exit_code and signal is set."""

    program: ProgramName
    argv: tuple[str, ...]
    environment: dict[str, str]
    started_at: Annotated[str, Field(description="UTC, ISO 8601.")]
    wall_s: float
    cpu_s: float | None
    peak_memory_bytes: Annotated[int | None, Field(description="The program's VmHWM.")]
    exit_code: int | None
    signal: str | None
    stopped_by: Annotated[str | None, Field(description="The limit or key with which lcpp stopped it.")]
    transcript: Annotated[str, Field(description="Folder of the raw output, beside this file.")]


class Ran(Piece):
    """What ran, on what, where."""

    engine: Manifest
    model: ModelFacts
    machine: Machine
    process: Process


def _meaning(figure: str) -> Any:
    return Field(description=FIGURES[figure].meaning)


class Measured(Piece):
    """The figures people look for first. For a bench: the means over its repetitions. For a session: of all answers."""

    n_prompt: Annotated[int | None, _meaning("n_prompt")] = None
    n_gen: Annotated[int | None, _meaning("n_gen")] = None
    prompt_per_second: Annotated[float | None, _meaning("prompt_per_second")] = None
    generation_per_second: Annotated[float | None, _meaning("generation_per_second")] = None
    load_ms: Annotated[float | None, _meaning("load_ms")] = None
    prompt_ms: Annotated[float | None, _meaning("prompt_ms")] = None
    generation_ms: Annotated[float | None, _meaning("generation_ms")] = None
    sample_ms: Annotated[float | None, _meaning("sample_ms")] = None
    total_ms: Annotated[float | None, _meaning("total_ms")] = None
    n_ctx: Annotated[int | None, _meaning("n_ctx")] = None
    weights_mib: Annotated[float | None, _meaning("weights_mib")] = None
    kv_cache_mib: Annotated[float | None, _meaning("kv_cache_mib")] = None
    compute_mib: Annotated[float | None, _meaning("compute_mib")] = None
    output_mib: Annotated[float | None, _meaning("output_mib")] = None
    peak_memory_bytes: Annotated[int | None, _meaning("peak_memory_bytes")] = None
    missing: Annotated[dict[str, str], Field(description="For each figure that is None: why.")] = {}


class AnswerResult(Piece):
    """One prompt of a session and what came of it."""

    prompt: str
    text: Annotated[str, Field(description="The generated text, exactly; of a broken answer, what came of it.")]
    whole: Annotated[bool, Field(description="The answer came to its end.")]
    error: Annotated[str | None, Field(description="What the program said in place of an answer.")] = None
    ended_by: Annotated[
        Literal["end", "limit"] | None, Field(description="end: the model ended the text. limit: n_predict did.")
    ] = None
    n_prompt: Annotated[int | None, Field(description="Prompt tokens that were processed, without cached ones.")] = None
    n_gen: Annotated[int | None, Field(description="Generated tokens, without the one that ends the text.")] = None
    prompt_per_second: float | None = None
    generation_per_second: float | None = None
    prompt_ms: float | None = None
    generation_ms: float | None = None
    first_output_s: Annotated[
        float | None, Field(description="From the prompt to the first output, by lcpp's own clock.")
    ] = None
    wall_s: Annotated[float, Field(description="From the prompt to the next prompt mark, by lcpp's own clock.")]
    n_invalid_bytes: Annotated[int, Field(description="Bytes of the text that are not UTF-8, shown as U+FFFD.")] = 0
    missing: Annotated[dict[str, str], Field(description="For each figure that is None: why.")] = {}


class Check(Piece):
    """One thing that the recipe expects."""

    name: str
    expected: str
    found: str
    ok: bool


class Failure(Piece):
    """Why a run did not end well."""

    what: str
    where: str | None
    hint: str | None


class ExperimentPart(Piece):
    """Which part of an experiment a run is."""

    experiment: Annotated[str, Field(description="Id, shared by all its runs.")]
    kind: Literal["repeat", "sweep", "compare", "selftest"]
    case: Annotated[int, Field(ge=0, description="Which of its cases.")] = 0
    settings: Annotated[dict[str, str], Field(description="The keys and values that set the case apart.")] = {}
    round: Annotated[int, Field(ge=0, description="In a round, each case runs once.")] = 0
    warmup: Annotated[bool, Field(description="Ran only to warm the machine up.")] = False


class Result(Piece):
    """One run."""

    lcpp_result: Literal[1]
    id: str
    name: Annotated[str, Field(description="The recipe's name.")]
    lcpp_version: str
    status: Annotated[
        Literal["ok", "unexpected", "failed"],
        Field(description="ok; unexpected: it ran, and a check of `expect` does not hold; failed: see `failure`."),
    ]
    failure: Failure | None
    asked: Asked
    ran: Ran
    measured: Measured
    text: Annotated[str | None, Field(description="The generated text, exactly; None for a session: see `answers`.")]
    answers: Annotated[tuple[AnswerResult, ...], Field(description="Of a session, in order; as far as it came.")] = ()
    checks: tuple[Check, ...]
    differences: Annotated[
        tuple[Difference, ...], Field(description="Settings that the program reports otherwise than they were asked.")
    ] = ()
    memory: Annotated[
        MemoryFit | None, Field(description="What memory was estimated before the run, beside what was measured.")
    ] = None
    limits: Annotated[RunLimits | None, Field(description="How close it came to what the machine can do.")] = None
    noise: Annotated[Noise | None, Field(description="What disturbed the run.")] = None
    part: Annotated[ExperimentPart | None, Field(description="Of an experiment.")] = None
    dummy: Annotated[
        bool, Field(description="It ran on dummy weights: speed and memory are real, and there is no text.")
    ] = False
    notes: Annotated[tuple[str, ...], Field(description="Fall-backs taken on the way.")]
    record: Record


def json_schema() -> dict[str, Any]:
    """The result format as a JSON Schema (draft 2020-12)."""
    schema = Result.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "lcpp result"}
