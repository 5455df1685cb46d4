"""A result as statistics and the store see it: what was measured, and all that must be the same to compare two."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from orchestrator.machine.fingerprint import fingerprint
from orchestrator.result.registry import figures_of
from orchestrator.values import Value

if TYPE_CHECKING:
    # Only for the types: the schema is slow to import, and readers of the store do without it.
    from orchestrator.engine.build.manifest import Manifest
    from orchestrator.result.schema import Result

# In the environment: of all that is asked.
PROMPT_HASH = "prompt_sha256"
# The parts of a recipe that bear on what is measured.
_SECTIONS = ("engine", "model", "run")
_PROMPTS = ("prompt", "prompt_file", "prompts", "prompts_file", "system")


class Measurement(Value):
    """One run, flat and small: a row of the store.

    Args:
        id: the result's.
        name: the recipe's.
        started_at: UTC, ISO 8601.
        status: ok, unexpected or failed.
        path: the result's JSON file; None when it came from elsewhere.
        program: llama-simple, …
        commit: of llama.cpp, 40 hex digits; None for a build whose commit is not known.
        machine: fingerprint of what bears on speed; equal for equal machines.
        settings: flattened keys of the recipe (`run.n_threads`, `engine.build.native`, …) as text, without prompts.
        environment: further facts that a fair comparison holds constant or names (compiler, build flags, kernel, …).
        figures: by their names in `registry`; only those that are known.
        experiment: id of the experiment that the run is part of; None for a run by itself.
        case: which of its cases, 0-based; `case_settings` is what sets it apart.
        round: 0-based.
        warmup: to warm the machine up; never counts.
        disturbed: why it does not count; empty when it does.
        dummy: ran on dummy weights; its speed counts, its text does not.
        text_sha256: of the generated text's UTF-8, hex; None for a bench or with dummy weights.
    """

    id: str
    name: str
    started_at: str
    status: str
    path: str | None
    program: str
    commit: str | None
    build_number: int | None
    machine: str
    machine_name: str
    model_sha256: str
    model_name: str
    recipe_digest: str
    settings: Mapping[str, str]
    environment: Mapping[str, str]
    figures: Mapping[str, float]
    experiment: str | None = None
    case: int = 0
    case_settings: Mapping[str, str]
    round: int = 0
    warmup: bool = False
    disturbed: tuple[str, ...] = ()
    dummy: bool = False
    text_sha256: str | None = None

    @property
    def counts(self) -> bool:
        """Whether statistics may use it."""
        return self.status != "failed" and not self.warmup and not self.disturbed


def measurement_of(result: Result, *, path: str | None = None) -> Measurement:
    """The measurement of a result. Pure.

    Args:
        path: where its JSON file is.
    """
    ran, part = result.ran, result.part
    engine, model, process = ran.engine, ran.model, ran.process
    machine = fingerprint(ran.machine)
    return Measurement(
        id=result.id,
        name=result.name,
        started_at=utc(process.started_at),
        status=result.status,
        path=path,
        program=process.program,
        commit=engine.commit,
        build_number=engine.build_number,
        machine=machine.digest,
        machine_name=machine.name,
        model_sha256=model.sha256,
        model_name=model.name or model.path.rpartition("/")[2],
        recipe_digest=result.asked.recipe_digest,
        settings=dict(_settings(result)),
        environment=_environment(result, engine),
        figures=figures_of(result),
        experiment=None if part is None else part.experiment,
        case=0 if part is None else part.case,
        case_settings={} if part is None else dict(part.settings),
        round=0 if part is None else part.round,
        warmup=part is not None and part.warmup,
        disturbed=() if result.noise is None else result.noise.disturbed,
        dummy=result.dummy,
        text_sha256=_text_sha256(result),
    )


def utc(moment: str) -> str:
    """An ISO 8601 time as UTC with milliseconds, so that text sorts as time; without a zone it is UTC.

    Raises:
        ValueError: it is no such time.
    """
    # Python 3.10 does not know `Z`.
    time = datetime.datetime.fromisoformat(moment.removesuffix("Z") + "+00:00" if moment.endswith("Z") else moment)
    if time.tzinfo is None:
        time = time.replace(tzinfo=datetime.timezone.utc)
    try:
        return time.astimezone(datetime.timezone.utc).isoformat(timespec="milliseconds")
    except OverflowError as error:
        raise ValueError(f"no such time: {moment}") from error


def setting_text(value: object) -> str:
    """A setting's value as a recipe or an override would write it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _settings(result: Result) -> Iterator[tuple[str, str]]:
    recipe = result.asked.recipe.model_dump(mode="json", include=set(_SECTIONS))
    for section in _SECTIONS:
        for key, value in _flat(section, recipe[section]):
            if key.removeprefix("run.") not in _PROMPTS:
                yield key, setting_text(value)


def _flat(prefix: str, table: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}.{key}", value)
        elif value is not None:
            yield f"{prefix}.{key}", value


def _environment(result: Result, engine: Manifest) -> dict[str, str]:
    asked, machine = result.asked, result.ran.machine
    texts = [asked.prompt, list(asked.prompts), asked.recipe.run.system]
    prompt = hashlib.sha256(json.dumps(texts, ensure_ascii=True).encode()).hexdigest()
    return {
        PROMPT_HASH: prompt[:16],
        "kernel": machine.kernel,
        "os": machine.os,
        "libc": machine.libc,
        # The same machine in a container that allows less of it. Results of before do not say it.
        **({} if machine.cores_limit is None else {"cores_limit": f"{machine.cores_limit:.4g}"}),
        "build.system": engine.build_system,
        "build.compiler": engine.compiler.cxx.version,
        "build.cpu_model": engine.cpu_model,
        "build.cpu_flags": engine.cpu_flags_digest,
        **{f"build.{name}": setting_text(value) for name, value in sorted(engine.options.items())},
    }


def _text_sha256(result: Result) -> str | None:
    if result.dummy:
        return None
    text = result.text
    if text is None and result.answers:
        text = "\n".join(answer.text for answer in result.answers)
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()
