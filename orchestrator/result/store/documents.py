"""Files in the runs folder that the store has rows of: results, single measurements, outputs of llama-bench.

<id>.json                   a result of this machine
imported/<id>.json          a result or a measurement that came from elsewhere
imported/llama-bench-*      what llama-bench printed, byte for byte
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.result.measured_result import measurement, utc
from orchestrator.result.measurement import Measurement
from orchestrator.result.store.rows import check

IMPORTED = "imported"
SUFFIXES = (".json", ".jsonl")
# A result holds the text and all that was read of the log; one beyond this is not ours.
MAX_FILE_BYTES = 256 * 1024 * 1024
_FIELDS = tuple(field.name for field in dataclasses.fields(Measurement))
HEAD_BYTES = 4096
_MEASUREMENT_MARK, _RESULT_MARK = "lcpp_measurement", "lcpp_result"


@dataclass(frozen=True, kw_only=True)
class Document:
    """What a file holds: `is_result` when it is one whole result."""

    is_result: bool
    measurements: tuple[Measurement, ...]


def read(folder: Path, name: str) -> Document:
    """Read and check the file `name` under the runs folder.

    Raises:
        ValueError: it is none of ours; with the reason.
        OSError: it cannot be read.
    """
    path = folder / name
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ValueError(f"larger than {MAX_FILE_BYTES // 2**20} MiB, which no result is")
    raw = path.read_bytes()
    if name != path.name and not is_ours(raw[:HEAD_BYTES]):
        # Imported here: it is rare, and models of llama-bench's output are slow to import.
        from orchestrator.result.llama_bench import measurements

        found = Document(is_result=False, measurements=tuple(measurements(raw)))
        for one in found.measurements:
            check(one)
        return found
    found = parse(raw, str(path))
    if path.stem != found.measurements[0].id:
        raise ValueError("its name is not that of the result in it")
    return found


def is_ours(head: bytes) -> bool:
    """Whether a file that begins so was written by lcpp: its mark stands first in a document."""
    return any(f'"{mark}"'.encode() in head for mark in (_RESULT_MARK, _MEASUREMENT_MARK))


def parse(raw: bytes, path: str | None) -> Document:
    """Read and check one result or measurement.

    Raises:
        ValueError: it is neither; with the reason.
    """
    # The mark stands at the beginning of what lcpp writes; a result's schema takes long to import.
    if f'"{_MEASUREMENT_MARK}"'.encode() in raw[:100]:
        one, is_result = _measurement(raw), False
    else:
        one, is_result = _result(raw, path), True
    check(one)
    return Document(is_result=is_result, measurements=(one,))


def _result(raw: bytes, path: str | None) -> Measurement:
    # Imported here: see `parse`.
    from pydantic import ValidationError

    from orchestrator.result.schema import Result

    try:
        return measurement(Result.model_validate_json(raw), path=path)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"it is no result of lcpp: {place + ': ' if place else ''}{first['msg']}"[:300]) from None


def _measurement(raw: bytes) -> Measurement:
    from pydantic import TypeAdapter, ValidationError

    try:
        document = json.loads(raw)
        if not isinstance(document, dict) or document.pop(_MEASUREMENT_MARK, None) != 1:
            raise ValueError("it is no measurement of lcpp")
        unknown = sorted(set(document) - set(_FIELDS))
        if unknown:
            raise ValueError(f"a measurement of lcpp has no {unknown[0][:100]!r}")
        one = TypeAdapter(Measurement).validate_python({**document, "path": None})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"it is no measurement of lcpp: {place}: {first['msg']}"[:300]) from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return dataclasses.replace(one, started_at=utc(one.started_at))


def as_document(one: Measurement) -> dict[str, Any]:
    """A measurement as a JSON document that `parse` reads."""
    values: dict[str, Any] = {_MEASUREMENT_MARK: 1}
    for name in _FIELDS:
        value = getattr(one, name)
        if name != "path":
            values[name] = dict(value) if isinstance(value, dict) else value
    return values
