"""What llama-bench prints, in the formats that say something about a test: JSON, JSON lines, CSV, markdown."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from orchestrator.parse.record import BenchTest
from orchestrator.values import Value

_MOST_CELLS = 200
_MOST_BYTES = 1 << 24
# A commit's name may be all digits.
_TEXTS = ("build_commit", "cpu_info", "gpu_info", "model_filename", "model_type", "cpu_mask", "tensor_split")
_WHOLE = re.compile(r"-?\d{1,18}$", re.ASCII)
_REAL = re.compile(r"-?\d{1,18}\.\d{1,18}$", re.ASCII)
# Division by zero prints what JSON does not have.
_NOT_JSON = re.compile(rb'(": |\[ |, )-?(?:inf|nan)(?=\s*[,}\]])')
_NEXT_ROW = re.compile(r'\s*(?=\{")')
_TEST = re.compile(r"(?:pp ?(?P<pp>\d{1,9}))?\+?(?:tg ?(?P<tg>\d{1,9}))?(?: @ d(?P<depth>\d{1,9}))?$", re.ASCII)
_SPEED = re.compile(r"(?P<mean>\d{1,18}\.\d+|inf|-?nan) ± (?P<deviation>\d{1,18}\.\d+|inf|-?nan)$", re.ASCII)
_BUILD = re.compile(rb"build: (\w{1,40}) \(\d+\)$")


class Bench(Value):
    """The tests, why there are none where there should be some, and the output without them."""

    tests: tuple[BenchTest, ...] = ()
    missing: str | None = None
    rest: tuple[bytes, ...] = ()


class _ShiftedError(ValueError):
    """A row names a field twice."""


def read_bench(raw: bytes) -> Bench:
    """The tests in `raw`: llama-bench's standard output, or a log with it in it."""
    if (field := raw.find(b'"build_commit"')) >= 0 and (start := raw.rfind(b"{", 0, field)) >= 0:
        array = raw.rfind(b"[", 0, start)
        return _json(raw, start if array < 0 or raw[array + 1 : start].strip() else array)
    if (table := _line_start(raw, b"build_commit,")) is not None:
        return _csv(raw, table)
    if (table := _line_start(raw, b"| model ")) is not None:
        return _markdown(raw, table)
    return Bench(missing="llama-bench printed no test", rest=(raw,))


def _line_start(raw: bytes, sign: bytes) -> int | None:
    if raw.startswith(sign):
        return 0
    at = raw.find(b"\n" + sign)
    return None if at < 0 else at + 1


def _line_end(raw: bytes, at: int) -> int:
    end = raw.find(b"\n", at)
    return len(raw) if end < 0 else end + 1


def _json(raw: bytes, start: int) -> Bench:
    body = _NOT_JSON.sub(rb"\1null", raw[start : start + _MOST_BYTES])
    text = _valid(body)
    decoder = json.JSONDecoder(object_pairs_hook=_row)
    rows: list[Mapping[str, Any]] = []
    at = 0
    try:
        while True:
            value, at = decoder.raw_decode(text, at)
            tests = value if isinstance(value, list) else [value]
            rows += [row for row in tests if isinstance(row, dict) and "n_gen" in row]
            # JSON lines: one object after the other.
            behind = _NEXT_ROW.match(text, at)
            if isinstance(value, list) or behind is None:
                break
            at = behind.end()
    except _ShiftedError:
        return Bench(missing="this llama-bench names a field twice, so its values stand in the wrong fields")
    except (ValueError, RecursionError):
        if not rows:
            return Bench(missing="llama-bench's JSON is broken or cut short", rest=(raw[:start],))
    return _tests(rows, (raw[:start], body[len(text[:at].encode()) :], raw[start + _MOST_BYTES :]))


def _valid(raw: bytes) -> str:
    """`raw` as text, up to the first byte that is not UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        return raw[: error.start].decode()


def _row(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    # b5212 to b5220 list a part of the fields twice.
    if len(row) < len(pairs) and "n_gen" in row:
        raise _ShiftedError
    return row


def _csv(raw: bytes, start: int) -> Bench:
    # Imported here: lcpp itself asks for JSON, and start-up time counts.
    import csv

    block: list[str] = []
    at = start
    while at < len(raw) and (at == start or raw[at : at + 1] == b'"'):
        end = _line_end(raw, at)
        block.append(raw[at:end].decode(errors="replace"))
        at = end
    try:
        rows = [
            {key: value if key in _TEXTS else _typed(value) for key, value in row.items()}
            for row in csv.DictReader(block, restkey="")
        ]
    except (csv.Error, TypeError):
        rows = []
    return _tests(rows, (raw[:start], raw[at:]))


def _typed(text: str | None) -> int | float | str | None:
    if text is None:
        return None
    if _WHOLE.match(text):
        return int(text)
    return float(text) if _REAL.match(text) else text


def _markdown(raw: bytes, start: int) -> Bench:
    names: list[str] = []
    rows: list[dict[str, Any]] = []
    at = start
    while at < len(raw) and raw[at : at + 1] == b"|":
        end = _line_end(raw, at)
        cells = [cell.strip() for cell in raw[at:end].decode(errors="replace").strip().strip("|").split("|")]
        at = end
        if not names:
            names = cells[:_MOST_CELLS]
        elif len(cells) == len(names) and (row := _markdown_row(dict(zip(names, cells, strict=True)))) is not None:
            rows.append(row)
    rest = raw[at:]
    if built := _BUILD.match(rest.strip()[:100].split(b"\n")[0]):
        for row in rows:
            row["build_commit"] = built[1].decode()
        rest = rest.replace(built[0], b"", 1)
    return _tests(rows, (raw[:start], rest))


def _markdown_row(cells: dict[str, str]) -> dict[str, Any] | None:
    test, speed = _TEST.match(cells.get("test", "")), _SPEED.match(cells.get("t/s", ""))
    if test is None or speed is None:
        return None
    named: dict[str, Any] = {key: value for key, value in cells.items() if key not in ("test", "t/s")}
    named |= {name: _typed(cells[name]) for name in ("n_batch", "n_ubatch") if name in cells}
    return {
        **named,
        "model_type": cells.get("model"),
        "n_threads": _typed(cells.get("threads", cells.get("n_threads"))),
        "n_prompt": int(test["pp"] or 0),
        "n_gen": int(test["tg"] or 0),
        "n_depth": int(test["depth"] or 0),
        "avg_ts": float(speed["mean"]),
        "stddev_ts": float(speed["deviation"]),
    }


def _tests(rows: Iterable[Mapping[str, Any]], rest: tuple[bytes, ...]) -> Bench:
    try:
        tests = tuple(_test(row) for row in rows)
    except (ValidationError, KeyError, TypeError, ValueError):
        return Bench(missing="a test of llama-bench lacks a field, or has a strange value in one", rest=rest)
    return Bench(tests=tests, missing=None if tests else "llama-bench printed no test", rest=rest)


def _test(row: Mapping[str, Any]) -> BenchTest:
    return BenchTest(
        build_commit=row.get("build_commit"),
        model_type=row.get("model_type"),
        n_threads=row.get("n_threads"),
        n_batch=row.get("n_batch"),
        n_ubatch=row.get("n_ubatch"),
        n_prompt=row["n_prompt"],
        n_gen=row["n_gen"],
        n_depth=row.get("n_depth", 0),
        avg_ns=row.get("avg_ns"),
        stddev_ns=row.get("stddev_ns"),
        avg_ts=_finite(row["avg_ts"]),
        stddev_ts=_finite(row.get("stddev_ts")),
        samples_ns=tuple(row.get("samples_ns", ())),
        samples_ts=tuple(row.get("samples_ts", ())),
        fields={key: _finite(value) if isinstance(value, float) else value for key, value in row.items() if key},
    )


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
