"""Measurements in the tables of the store, and back."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import apsw

from orchestrator.result.measurement import Measurement
from orchestrator.result.registry import columns

# The figures that have a column of their own; others lie together in `other_figures`.
FIGURES = columns()
_COLUMNS = (
    "id",
    "file",
    "recipe",
    "machine",
    "engine",
    "model",
    "configuration",
    "program",
    "started_at",
    "status",
    "experiment",
    "case_number",
    "case_settings",
    "round",
    "warmup",
    "disturbed",
    "dummy",
    "text_sha256",
    *FIGURES,
    "other_figures",
)
_INSERT = f"INSERT INTO results ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
_SELECT = (
    f"SELECT files.name, files.is_result, {', '.join(f'results.{name}' for name in _COLUMNS)}"
    " FROM results JOIN files ON files.id = results.file "
)
# Behind the name and kind of the file.
_FIRST_FIGURE = _COLUMNS.index(FIGURES[0]) + 2
_MOST_KNOWN = 1_000

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", re.ASCII)
_STATES = ("ok", "unexpected", "failed")
_LONGEST_TEXT = 20_000
_MOST_KEYS = 1_000
_LARGEST_COUNT = 2**53
_NO_BUILD_NUMBER = -1


def check(run: Measurement) -> None:
    """Refuse a measurement that the store cannot hold: it may come from a file that anybody wrote.

    Raises:
        ValueError: with the reason.
    """
    if not _ID.fullmatch(run.id):
        raise ValueError("its id is not one of lcpp")
    if run.status not in _STATES:
        raise ValueError("its status is none that lcpp knows")
    counts = (run.case, run.round, run.build_number or 0)
    if not all(0 <= count < _LARGEST_COUNT for count in counts):
        raise ValueError("a number in it is out of range")
    mappings = (run.settings, run.environment, run.case_settings)
    if any(len(mapping) > _MOST_KEYS for mapping in (*mappings, run.figures)):
        raise ValueError(f"it has more than {_MOST_KEYS} settings or figures")
    texts = [run.name, run.program, run.commit, run.machine, run.machine_name, run.model_sha256, run.model_name]
    texts += [run.recipe_digest, run.experiment, run.text_sha256, *run.disturbed, *run.figures]
    texts += [text for mapping in mappings for pair in mapping.items() for text in pair]
    for text in texts:
        if text is not None and len(text) > _LONGEST_TEXT:
            raise ValueError(f"a text in it is longer than {_LONGEST_TEXT:,} characters")
        try:
            (text or "").encode()
        except UnicodeEncodeError:
            raise ValueError("a text in it is no text") from None
    if not all(math.isfinite(value) for value in run.figures.values()):
        raise ValueError("a figure in it is not a finite number")


def insert(connection: apsw.Connection, run: Measurement, file: int) -> None:
    """Add a checked measurement that came from the file of that number.

    Raises:
        apsw.ConstraintError: the store has its id.
    """
    case_settings = _compact(run.case_settings)
    engine = (run.commit or "", _NO_BUILD_NUMBER if run.build_number is None else run.build_number)
    row: list[apsw.SQLiteValue] = [
        run.id,
        file,
        _id_of(connection, "recipes", ("name",), (run.name,)),
        _id_of(connection, "machines", ("fingerprint", "name"), (run.machine, run.machine_name)),
        _id_of(connection, "engines", ('"commit"', "build_number"), engine),
        _id_of(connection, "models", ("sha256", "name"), (run.model_sha256, run.model_name)),
        _configuration(connection, run),
        run.program,
        run.started_at,
        run.status,
        run.experiment,
        run.case,
        case_settings,
        run.round,
        int(run.warmup),
        json.dumps(run.disturbed, ensure_ascii=False) if run.disturbed else None,
        int(run.dummy),
        run.text_sha256,
    ]
    row += [run.figures.get(name) for name in FIGURES]
    others = {name: value for name, value in sorted(run.figures.items()) if name not in FIGURES}
    row.append(_compact(others) if others else None)
    connection.execute(_INSERT, row)


def _id_of(
    connection: apsw.Connection, table: str, names: tuple[str, ...], values: tuple[apsw.SQLiteValue, ...]
) -> int:
    """The number of a row of a small table; made when it is not there."""
    where = " AND ".join(f"{name} = ?" for name in names)
    known = connection.execute(f"SELECT id FROM {table} WHERE {where}", values).fetchone()
    if known is None:
        listed, marks = ", ".join(names), ", ".join("?" * len(names))
        connection.execute(f"INSERT INTO {table} ({listed}) VALUES ({marks})", values)
        return int(connection.last_insert_rowid())
    return int(known[0])


def _configuration(connection: apsw.Connection, run: Measurement) -> int:
    settings, environment = _compact(run.settings), _compact(run.environment)
    identity = "\0".join((run.recipe_digest, settings, environment))
    digest = hashlib.sha256(identity.encode()).hexdigest()
    known = connection.execute("SELECT id FROM configurations WHERE sha256 = ?", (digest,)).fetchone()
    if known is not None:
        return int(known[0])
    connection.execute(
        "INSERT INTO configurations (sha256, recipe_digest, settings, environment) VALUES (?, ?, ?, ?)",
        (digest, run.recipe_digest, settings, environment),
    )
    configuration = int(connection.last_insert_rowid())
    kinds = (("setting", run.settings), ("environment", run.environment))
    connection.executemany(
        "INSERT INTO configuration_values VALUES (?, ?, ?, ?, ?)",
        [
            (configuration, kind, key, value, number_of(value))
            for kind, mapping in kinds
            for key, value in mapping.items()
        ],
    )
    return configuration


def number_of(text: str) -> float | None:
    """The finite number that a setting is; None when it is none."""
    if len(text) > 40:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _compact(mapping: Mapping[str, object]) -> str:
    return json.dumps(mapping, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def select(
    connection: apsw.Connection, folder: Path, clauses: str, parameters: tuple[apsw.SQLiteValue, ...]
) -> Iterator[Measurement]:
    """The measurements of the rows that `clauses` (WHERE … ORDER BY … LIMIT …) choose.

    Args:
        folder: of the runs; the store has names relative to it.
    """
    recipes = _Table(connection, "SELECT name FROM recipes WHERE id = ?")
    machines = _Table(connection, "SELECT fingerprint, name FROM machines WHERE id = ?")
    engines = _Table(connection, 'SELECT "commit", build_number FROM engines WHERE id = ?')
    models = _Table(connection, "SELECT sha256, name FROM models WHERE id = ?")
    configurations = _Configurations(connection)
    for row in connection.execute(_SELECT + clauses, parameters):
        file, is_result, ident, _, recipe, machine, engine, model, configuration = row[:9]
        program, started_at, status, experiment, case, case_settings, round_ = row[9:16]
        warmup, disturbed, dummy, text_sha256 = row[16:_FIRST_FIGURE]
        figures = {name: value for name, value in zip(FIGURES, row[_FIRST_FIGURE:-1], strict=True) if value is not None}
        if row[-1] is not None:
            figures |= json.loads(row[-1])
        digest, settings, environment = configurations[configuration]
        fingerprint, machine_name = machines[machine]
        commit, build_number = engines[engine]
        sha256, model_name = models[model]
        yield Measurement(
            id=ident,
            name=recipes[recipe][0],
            started_at=started_at,
            status=status,
            path=str(folder / file) if is_result else None,
            program=program,
            commit=commit or None,
            build_number=None if build_number == _NO_BUILD_NUMBER else build_number,
            machine=fingerprint,
            machine_name=machine_name,
            model_sha256=sha256,
            model_name=model_name,
            recipe_digest=digest,
            settings=settings,
            environment=environment,
            figures=figures,
            experiment=experiment,
            case=case,
            case_settings=json.loads(case_settings),
            round=round_,
            warmup=bool(warmup),
            disturbed=tuple(json.loads(disturbed)) if disturbed else (),
            dummy=bool(dummy),
            text_sha256=text_sha256,
        )


class _Table:
    """Rows of a small table, kept once read."""

    def __init__(self, connection: apsw.Connection, query: str) -> None:
        self._connection, self._query = connection, query
        self._known: dict[int, tuple[Any, ...]] = {}

    def __getitem__(self, number: int) -> tuple[Any, ...]:
        if number not in self._known:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[number] = tuple(self._connection.execute(self._query, (number,)).fetchall()[0])
        return self._known[number]


class _Configurations:
    """Recipe digest, settings and environment, kept once read."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._known: dict[int, tuple[str, dict[str, str], dict[str, str]]] = {}

    def __getitem__(self, number: int) -> tuple[str, dict[str, str], dict[str, str]]:
        if number not in self._known:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            query = "SELECT recipe_digest, settings, environment FROM configurations WHERE id = ?"
            row: tuple[Any, ...] = self._connection.execute(query, (number,)).fetchall()[0]
            digest, settings, environment = row
            self._known[number] = (digest, json.loads(settings), json.loads(environment))
        return self._known[number]
