"""From a result to its measurement: what statistics and the store need of it."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from orchestrator.machine.fingerprint import fingerprint
from orchestrator.result.measurement import Measurement
from orchestrator.result.registry import figures_of

if TYPE_CHECKING:
    # Only for the types: the schema is slow to import, and readers of the store do without it.
    from orchestrator.engine.build.manifest import Manifest
    from orchestrator.result.schema import Result

# The parts of a recipe that bear on what is measured.
_SECTIONS = ("engine", "model", "run")
_PROMPTS = ("prompt", "prompt_file", "prompts", "prompts_file", "system")


def measurement(result: Result, *, path: str | None = None) -> Measurement:
    """The measurement of a result. Pure.

    Args:
        path: where its JSON file is.
    """
    ran, part = result.ran, result.part
    made, model, process = ran.engine, ran.model, ran.process
    machine = fingerprint(ran.machine)
    return Measurement(
        id=result.id,
        name=result.name,
        started_at=utc(process.started_at),
        status=result.status,
        path=path,
        program=process.program,
        commit=made.commit,
        build_number=made.build_number,
        machine=machine.digest,
        machine_name=machine.name,
        model_sha256=model.sha256,
        model_name=model.name or model.path.rpartition("/")[2],
        recipe_digest=result.asked.recipe_digest,
        settings=dict(_settings(result)),
        environment=_environment(result, made),
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
    said = datetime.datetime.fromisoformat(moment.removesuffix("Z") + "+00:00" if moment.endswith("Z") else moment)
    if said.tzinfo is None:
        said = said.replace(tzinfo=datetime.timezone.utc)
    try:
        return said.astimezone(datetime.timezone.utc).isoformat(timespec="milliseconds")
    except OverflowError as error:
        raise ValueError(f"no such time: {moment}") from error


def setting_text(value: object) -> str:
    """A setting's value as a recipe or an override would write it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _settings(result: Result) -> Iterator[tuple[str, str]]:
    asked = result.asked.recipe.model_dump(mode="json", include=set(_SECTIONS))
    for section in _SECTIONS:
        for key, value in _flat(section, asked[section]):
            if key.removeprefix("run.") not in _PROMPTS:
                yield key, setting_text(value)


def _flat(prefix: str, table: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}.{key}", value)
        elif value is not None:
            yield f"{prefix}.{key}", value


def _environment(result: Result, made: Manifest) -> dict[str, str]:
    asked, machine = result.asked, result.ran.machine
    said = [asked.prompt, list(asked.prompts), asked.recipe.run.system]
    prompt = hashlib.sha256(json.dumps(said, ensure_ascii=True).encode()).hexdigest()
    return {
        "prompt_sha256": prompt[:16],
        "kernel": machine.kernel,
        "os": machine.os,
        "libc": machine.libc,
        "build.system": made.build_system,
        "build.compiler": made.compiler.cxx.version,
        "build.cpu_model": made.cpu_model,
        "build.cpu_flags": made.cpu_flags_digest,
        **{f"build.{name}": setting_text(value) for name, value in sorted(made.options.items())},
    }


def _text_sha256(result: Result) -> str | None:
    if result.dummy:
        return None
    text = result.text
    if text is None and result.answers:
        text = "\n".join(answer.text for answer in result.answers)
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()
