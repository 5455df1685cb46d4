"""Results out of the store, for other programs: CSV, JSON lines, Parquet.

CSV and Parquet are flat: a row a run, a column for each figure, and one for each setting and fact that any chosen run
has. JSON lines are whole results, which `imports` reads on another machine.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

from orchestrator.errors import UsageError
from orchestrator.progress import Progress
from orchestrator.result.measurement import Measurement
from orchestrator.result.reading import UnreadableResult, read_json
from orchestrator.result.store.database import Condition, Database
from orchestrator.result.store.documents import as_document
from orchestrator.result.store.rows import FIGURES, number_of

Format = Literal["csv", "jsonl", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)
_TEXTS = (
    "id",
    "name",
    "started_at",
    "status",
    "program",
    "commit",
    "machine",
    "machine_name",
    "model_name",
    "model_sha256",
    "recipe_digest",
    "experiment",
    "text_sha256",
)
_WHOLE_NUMBERS = ("build_number", "case", "round")
_SWITCHES = ("warmup", "dummy")
_BATCH = 5_000
# A cell that begins with one of these is a formula to a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def export(
    database: Database, conditions: Sequence[Condition], file: BinaryIO, form: Format, progress: Progress
) -> int:
    """Write what meets all conditions to `file`, the oldest first; returns how many.

    Raises:
        UsageError: for Parquet, when pyarrow is not installed.
    """
    runs = database.stream(conditions)
    if form == "jsonl":
        return _jsonl(runs, file, progress)
    columns = _columns(database, conditions)
    if form == "parquet":
        return _parquet(runs, columns, file)
    return _csv(runs, columns, file)


def _columns(database: Database, conditions: Sequence[Condition]) -> tuple[str, ...]:
    """The figures, settings and facts that any of the chosen has, each with its prefix."""
    where = " AND ".join(f"({condition.sql})" for condition in conditions) or "1"
    values = tuple(value for condition in conditions for value in condition.values)
    keys = database.values(
        "SELECT DISTINCT kind, key FROM configuration_values WHERE configuration IN"
        f" (SELECT results.configuration FROM results WHERE {where}) ORDER BY kind DESC, key",
        values,
    )
    others = database.values(
        "SELECT DISTINCT figure.key FROM results, json_each(results.other_figures) AS figure"
        f" WHERE results.other_figures IS NOT NULL AND {where} ORDER BY 1",
        values,
    )
    figures = [*FIGURES, *(str(name) for (name,) in others)]
    return (*(f"figure.{name}" for name in figures), *(f"{kind}.{key}" for kind, key in keys))


def _row(run: Measurement, columns: Iterable[str]) -> Iterator[str | float | None]:
    for column in columns:
        kind, _, name = column.partition(".")
        if kind == "figure":
            yield run.figures.get(name)
        else:
            yield (run.settings if kind == "setting" else run.environment).get(name)


def _csv(runs: Iterator[Measurement], columns: tuple[str, ...], file: BinaryIO) -> int:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text)
    plain = (*_TEXTS, *_WHOLE_NUMBERS, *_SWITCHES)
    writer.writerow([*plain, "disturbed", *columns])
    count = 0
    for run in runs:
        cells = [*(getattr(run, name) for name in plain), "; ".join(run.disturbed), *_row(run, columns)]
        writer.writerow([_cell(cell) for cell in cells])
        count += 1
    text.flush()
    text.detach()
    return count


def _cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula; numbers are as they were."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.startswith(_FORMULA) and number_of(value) is None:
        return f"'{value}"
    return value


def _jsonl(runs: Iterator[Measurement], file: BinaryIO, progress: Progress) -> int:
    count = 0
    for run in runs:
        file.write(_document(run, progress) + b"\n")
        count += 1
    return count


def _document(run: Measurement, progress: Progress) -> bytes:
    """The run's whole result in a line; its measurement where there is no result."""
    if run.path is not None:
        try:
            return json.dumps(read_json(Path(run.path)), ensure_ascii=False, separators=(",", ":")).encode()
        except (UnreadableResult, ValueError, RecursionError):
            pass
        progress.note(f"the file of {run.id} cannot be read: only its measurement is written")
    return json.dumps(as_document(run), ensure_ascii=False, separators=(",", ":")).encode()


def _parquet(runs: Iterator[Measurement], columns: tuple[str, ...], file: BinaryIO) -> int:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UsageError(
            "Parquet needs pyarrow, which is not installed", hint="pip install 'lcpp[parquet]', or take csv or jsonl"
        ) from None
    label = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    kinds = {
        **dict.fromkeys(_TEXTS, label),
        "id": pyarrow.string(),
        "started_at": pyarrow.timestamp("ms", tz="UTC"),
        **dict.fromkeys(_WHOLE_NUMBERS, pyarrow.int64()),
        **dict.fromkeys(_SWITCHES, pyarrow.bool_()),
        "disturbed": pyarrow.list_(pyarrow.string()),
        **{name: pyarrow.float64() if name.startswith("figure.") else label for name in columns},
    }
    schema = pyarrow.schema(list(kinds.items()))
    count = 0
    with pyarrow.parquet.ParquetWriter(file, schema) as writer:
        while batch := list(islice(runs, _BATCH)):
            lists: list[list[Any]] = [[getattr(run, name) for run in batch] for name in (*_TEXTS, *_WHOLE_NUMBERS)]
            lists += [[getattr(run, name) for run in batch] for name in _SWITCHES]
            lists.append([list(run.disturbed) for run in batch])
            lists += [list(column) for column in zip(*(_row(run, columns) for run in batch), strict=True)]
            arrays = [_array(pyarrow, values, kind) for values, kind in zip(lists, kinds.values(), strict=True)]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
            count += len(batch)
    return count


def _array(pyarrow: Any, values: list[Any], kind: Any) -> Any:
    if pyarrow.types.is_timestamp(kind):
        return pyarrow.array([value.replace("+00:00", "Z") for value in values], pyarrow.string()).cast(kind)
    if pyarrow.types.is_dictionary(kind):
        return pyarrow.array(values, pyarrow.string()).dictionary_encode().cast(kind)
    return pyarrow.array(values, kind)
