"""Files in the runs folder that the store has rows of: results, single measurements, outputs of llama-bench.

<id>.json                   a result of this machine
imported/<id>.json          a result or a measurement that came from elsewhere
imported/llama-bench-*      what llama-bench printed, byte for byte
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from orchestrator.result.measurement import Measurement, measurement_of, utc
from orchestrator.result.reading import UnreadableResult, parse_result, read_bytes
from orchestrator.result.store.rows import check
from orchestrator.values import Value, replace

IMPORTED = "imported"
SUFFIXES = (".json", ".jsonl")
_FIELDS = Measurement.__struct_fields__
HEAD_BYTES = 4096
_MEASUREMENT_MARK, _RESULT_MARK = "lcpp_measurement", "lcpp_result"


class Document(Value):
    """What a file holds: `is_result` when it is one whole result."""

    is_result: bool
    measurements: tuple[Measurement, ...]


def read(folder: Path, name: str) -> Document:
    """Read and check the file `name` under the runs folder.

    Raises:
        UnreadableResult: it is none of ours, or cannot be read; with the reason.
    """
    path = folder / name
    raw = read_bytes(path)
    if name != path.name and not is_ours(raw[:HEAD_BYTES]):
        return parse_llama_bench(raw)
    document = parse(raw, str(path))
    if path.stem != document.measurements[0].id:
        raise UnreadableResult("its name is not that of the result in it", where=str(path))
    return document


def is_ours(head: bytes) -> bool:
    """Whether a file that begins so was written by lcpp: its mark stands first in a document."""
    return any(f'"{mark}"'.encode() in head for mark in (_RESULT_MARK, _MEASUREMENT_MARK))


def parse(raw: bytes, path: str | None) -> Document:
    """Read and check one result or measurement.

    Raises:
        UnreadableResult: it is neither; with the reason.
    """
    # The mark stands at the beginning of what lcpp writes; a result's schema takes long to import.
    is_result = f'"{_MEASUREMENT_MARK}"'.encode() not in raw[:100]
    try:
        measurement = measurement_of(parse_result(raw), path=path) if is_result else _measurement(raw)
        check(measurement)
    except RecursionError:
        raise UnreadableResult("it is nested too deeply") from None
    except ValueError as error:
        raise UnreadableResult(str(error)) from None
    return Document(is_result=is_result, measurements=(measurement,))


def parse_llama_bench(raw: bytes) -> Document:
    """Read and check what llama-bench printed.

    Raises:
        UnreadableResult: it is no such thing; with the reason.
    """
    # Imported here: it is rare, and models of llama-bench's output are slow to import.
    from orchestrator.result.llama_bench import measurements

    try:
        document = Document(is_result=False, measurements=tuple(measurements(raw)))
        for measurement in document.measurements:
            check(measurement)
    except (ValueError, RecursionError) as error:
        raise UnreadableResult(str(error)) from None
    return document


def _measurement(raw: bytes) -> Measurement:
    document = json.loads(raw)
    if not isinstance(document, dict) or document.pop(_MEASUREMENT_MARK, None) != 1:
        raise ValueError("it is no measurement of lcpp")
    unknown = sorted(set(document) - set(_FIELDS))
    if unknown:
        raise ValueError(f"a measurement of lcpp has no {unknown[0][:100]!r}")
    try:
        measurement = msgspec.convert({**document, "path": None}, Measurement)
    except msgspec.ValidationError as error:
        raise ValueError(f"it is no measurement of lcpp: {error}"[:300]) from None
    return replace(measurement, started_at=utc(measurement.started_at))


def as_document(measurement: Measurement) -> dict[str, Any]:
    """A measurement as a JSON document that `parse` reads."""
    values: dict[str, Any] = {_MEASUREMENT_MARK: 1}
    for name in _FIELDS:
        value = getattr(measurement, name)
        if name != "path":
            values[name] = dict(value) if isinstance(value, dict) else value
    return values
