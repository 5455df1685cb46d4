"""Which results: how people name them, as conditions on the store.

    @smoke                     the newest group of the recipe `smoke`
    @smoke~2                   the second group before it
    20261122T2225              a result by its id, or the beginning of it
    model=smollm2,n_threads=2  filters; all must hold

A group is the runs of one case of one experiment, or one run by itself.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable

from orchestrator.errors import UsageError
from orchestrator.result.measurement import Measurement, utc
from orchestrator.result.store.database import Condition, Database
from orchestrator.result.store.rows import FIGURES, number_of

_OPERATORS = ("!=", "<=", ">=", "=", "<", ">")
_FILTER = re.compile(r"\s*([A-Za-z_][\w.-]*)\s*(!=|<=|>=|=|<|>)(.*)", re.DOTALL)
# A comma parts two filters where a key and an operator follow; values may hold commas.
_COMMA = re.compile(r",(?=\s*[A-Za-z_][\w.-]*\s*(?:!=|<=|>=|=|<|>))")
_NAMED = re.compile(r"@([A-Za-z0-9][A-Za-z0-9._-]*)(?:~(\d{1,9}))?")
_ID_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_AGO = re.compile(r"(\d{1,6})\s*(min|m|h|d|w)")
_SECONDS = {"m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_TEXTS = {"status": "status", "program": "program", "experiment": "experiment"}
_COUNTS = {"case": "case_number", "round": "round"}
_SWITCHES = {
    "warmup": "results.warmup",
    "dummy": "results.dummy",
    "disturbed": "results.disturbed IS NOT NULL",
    "imported": "results.file IN (SELECT id FROM files WHERE name GLOB 'imported/*')",
}
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_OTHERS = ("recipe", "model", "commit", "machine", "id", "file", "since", "until")
KEYS = (*_OTHERS, *_TEXTS, *_COUNTS, *_SWITCHES)
_SHOWN = 5


def select(database: Database, text: str) -> tuple[Measurement, ...]:
    """The results that a selection names; of a group, in the order in which they ran.

    Raises:
        UsageError: there are none, or it says no selection.
    """
    runs = database.find(conditions(database, [text]))
    if not runs:
        raise UsageError(f"no result is {text!r}", where=str(database.runs), hint=_hint(database, text))
    return tuple(reversed(runs))


def conditions(
    database: Database,
    texts: Iterable[str],
    *,
    now: datetime.datetime | None = None,
) -> tuple[Condition, ...]:
    """Selections as conditions; what is chosen meets all of them.

    Args:
        now: for times that are said as an age; the present when None.

    Raises:
        UsageError: a text says no selection, or names what is not there.
    """
    moment = now or datetime.datetime.now(datetime.timezone.utc)
    chosen: list[Condition] = []
    for text in texts:
        if not text.isprintable():
            raise UsageError(f"{text!r} is no selection of results", hint=_grammar())
        if _FILTER.fullmatch(text):
            chosen += [_filter(database, part, moment) for part in _COMMA.split(text)]
        elif text.startswith("@"):
            chosen.append(_group(database, text))
        else:
            chosen.append(_id(database, text))
    return tuple(chosen)


def _group(database: Database, text: str) -> Condition:
    """The N-th newest group of a recipe: newest experiment first, and of one experiment the last case first."""
    named = _NAMED.fullmatch(text)
    if named is None:
        raise UsageError(
            f"{text!r} names no group of results", hint="@RECIPE is its newest, @RECIPE~2 the second before it"
        )
    back, after = int(named[2] or 0), ("\uffff", "\uffff")
    recipe = database.values("SELECT id FROM recipes WHERE name = ?", (named[1],))
    seen: set[str] = set()
    groups = 0
    while recipe:
        # The newest runs first, some at a time: the groups that people name are among them.
        query = (
            "SELECT started_at, id, experiment FROM results WHERE recipe = ? AND (started_at, id) < (?, ?)"
            " ORDER BY started_at DESC, id DESC LIMIT 1000"
        )
        results = database.values(query, (recipe[0][0], *after))
        for started_at, ident, experiment in results:
            after = (str(started_at), str(ident))
            if experiment is None:
                cases: list[object] = [None]
            elif experiment in seen:
                continue
            else:
                seen.add(str(experiment))
                query_cases = (
                    "SELECT DISTINCT case_number FROM results WHERE experiment = ? AND recipe = ?"
                    " ORDER BY case_number DESC"
                )
                cases = [case for (case,) in database.values(query_cases, (experiment, recipe[0][0]))]
            if back < groups + len(cases):
                if experiment is None:
                    return Condition(sql="results.id = ?", values=(ident,))
                case = cases[back - groups]
                return Condition(
                    sql="results.experiment = ? AND results.case_number = ? AND results.recipe = ?",
                    values=(experiment, int(str(case)), recipe[0][0]),
                )
            groups += len(cases)
        if not results:
            break
    if not groups:
        raise UsageError(
            f"there is no result of a recipe {named[1]!r}", where=str(database.runs), hint=_recipes(database, named[1])
        )
    counted = "1 group" if groups == 1 else f"{groups} groups"
    raise UsageError(f"{text!r} goes too far back: there are {counted} of results of {named[1]}")


def _recipes(database: Database, name: str) -> str:
    from difflib import get_close_matches

    known = [
        str(recipe)
        for (recipe,) in database.values(
            "SELECT name FROM recipes WHERE id IN (SELECT recipe FROM results) ORDER BY name"
        )
    ]
    near = get_close_matches(name, known, n=_SHOWN) or known[:_SHOWN]
    return f"there are results of {', '.join(near)}" if near else "`lcpp run RECIPE` makes one"


def _id(database: Database, text: str) -> Condition:
    wanted = text.removesuffix(".json").rpartition("/")[2]
    if not _ID_PART.fullmatch(wanted):
        raise UsageError(f"{text!r} is no selection of results", hint=_grammar())
    if database.values("SELECT 1 FROM results WHERE id = ?", (wanted,)):
        return Condition(sql="results.id = ?", values=(wanted,))
    ids = [
        str(ident)
        for (ident,) in database.values(
            "SELECT id FROM results WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
            (wanted, wanted + "\uffff", _SHOWN + 1),
        )
    ]
    if not ids:
        raise UsageError(f"no result has an id that begins with {wanted!r}", where=str(database.runs), hint=_grammar())
    if len(ids) > 1:
        shown = ", ".join(ids[:_SHOWN]) + (", …" if len(ids) > _SHOWN else "")
        raise UsageError(f"several results have an id that begins with {wanted!r}: {shown}", hint="give more of it")
    return Condition(sql="results.id = ?", values=(ids[0],))


def _grammar() -> str:
    return "give @RECIPE, @RECIPE~N, the beginning of an id, or KEY=VALUE; `lcpp results list` shows what there is"


def _hint(database: Database, text: str) -> str:
    return _grammar() if database.count() else "there are no results yet: `lcpp run RECIPE` makes one"


def _filter(database: Database, text: str, now: datetime.datetime) -> Condition:
    parts = _FILTER.fullmatch(text)
    if parts is None:
        raise UsageError(f"{text!r} is no filter", hint="KEY=VALUE; also with != < <= > >=")
    key, operator, value = parts[1], parts[2], parts[3].strip()
    if key in KEYS:
        return _own(key, operator, value, now, text)
    if key in FIGURES:
        return _compared(f'results."{key}"', operator, _number(value, text))
    return _setting(database, key, operator, value, text)


def _own(key: str, operator: str, value: str, now: datetime.datetime, text: str) -> Condition:
    if key in ("since", "until"):
        _only_equal(operator, text)
        sign = ">=" if key == "since" else "<="
        return Condition(sql=f"results.started_at {sign} ?", values=(_time(value, now, end=key == "until"),))
    if key in _COUNTS:
        return _compared(f"results.{_COUNTS[key]}", operator, _number(value, text))
    wanted = _only_equal(operator, text, also_not=True)
    if key in _SWITCHES:
        if value.lower() not in (*_TRUE, *_FALSE):
            raise UsageError(f"{text!r}: expected true or false")
        wanted = wanted == (value.lower() in _TRUE)
        condition = Condition(sql=_SWITCHES[key])
    elif key in _TEXTS:
        condition = _text(f"ifnull(results.{_TEXTS[key]}, '')", value)
    else:
        condition = _place(key, value, text)
    return condition if wanted else Condition(sql=f"NOT ({condition.sql})", values=condition.values)


def _place(key: str, value: str, text: str) -> Condition:
    """What lies in a table of its own."""
    if key == "recipe":
        part = _text("name", value)
        return Condition(sql=f"results.recipe IN (SELECT id FROM recipes WHERE {part.sql})", values=part.values)
    if key == "id":
        return _beginning("results.id", value, text)
    if key == "file":
        part = _text("name", value)
        return Condition(sql=f"results.file IN (SELECT id FROM files WHERE {part.sql})", values=part.values)
    if key == "commit":
        numbered = re.fullmatch(r"b(\d{1,9})", value)
        if numbered:
            condition = Condition(sql="build_number = ?", values=(int(numbered[1]),))
        else:
            condition = _beginning('"commit"', value.lower(), text)
        return Condition(
            sql=f"results.engine IN (SELECT id FROM engines WHERE {condition.sql})", values=condition.values
        )
    digest = {"model": "sha256", "machine": "fingerprint"}[key]
    start = _beginning(digest, value.lower(), text)
    # A part of the name, without regard to case: names are long. With a * the whole name.
    name = Condition(sql="instr(lower(name), ?)", values=(value.lower(),)) if "*" not in value else _text("name", value)
    return Condition(
        sql=f"results.{key} IN (SELECT id FROM {key}s WHERE {name.sql} OR {start.sql})",
        values=(*name.values, *start.values),
    )


def _text(column: str, value: str) -> Condition:
    """A text that is equal, or that a pattern with * fits."""
    if "*" in value:
        # Brackets and question marks mean themselves.
        pattern = re.sub(r"[\[?]", lambda sign: f"[{sign[0]}]", value)
        return Condition(sql=f"{column} GLOB ?", values=(pattern,))
    return Condition(sql=f"{column} = ?", values=(value,))


def _beginning(column: str, value: str, text: str) -> Condition:
    if not value:
        raise UsageError(f"{text!r} has no value")
    return Condition(sql=f"{column} >= ? AND {column} < ?", values=(value, value + "\uffff"))


def _setting(database: Database, key: str, operator: str, value: str, text: str) -> Condition:
    names = _settings_named(database, key)
    if not names and (figure := _other_figure(database, key)) is not None:
        return _compared(f"json_extract(results.other_figures, '$.\"{figure}\"')", operator, _number(value, text))
    if not names:
        raise UsageError(f"no result has a setting or figure {key!r}", hint=_keys_near(database, key))
    if len(names) > 1:
        raise UsageError(f"{key!r} may be {' or '.join(names[:_SHOWN])}", hint="give the whole key")
    condition: Condition
    if operator in ("=", "!="):
        condition = _text("value", value)
        if (number := number_of(value)) is not None:
            condition = Condition(sql=f"{condition.sql} OR number = ?", values=(*condition.values, number))
    else:
        condition = _compared("number", operator, _number(value, text))
    inside = "NOT IN" if operator == "!=" else "IN"
    chosen = f"SELECT configuration FROM configuration_values WHERE key = ? AND ({condition.sql})"
    return Condition(sql=f"results.configuration {inside} ({chosen})", values=(names[0], *condition.values))


def _settings_named(database: Database, key: str) -> list[str]:
    """The settings of that key, or else those that end with it."""
    if database.values("SELECT 1 FROM configuration_values WHERE key = ? LIMIT 1", (key,)):
        return [key]
    return [name for name in _known_settings(database) if name.endswith(f".{key}")]


def _known_settings(database: Database) -> list[str]:
    # Skips from key to key along the index: there are few keys and many rows.
    query = (
        "WITH RECURSIVE keys (key) AS (SELECT min(key) FROM configuration_values UNION ALL"
        " SELECT (SELECT min(key) FROM configuration_values WHERE key > keys.key) FROM keys WHERE keys.key IS NOT NULL)"
        " SELECT key FROM keys WHERE key IS NOT NULL"
    )
    return [str(name) for (name,) in database.values(query)]


def _other_figure(database: Database, key: str) -> str | None:
    query = (
        "SELECT 1 FROM results, json_each(results.other_figures) AS figure"
        " WHERE results.other_figures IS NOT NULL AND figure.key = ? LIMIT 1"
    )
    return key if database.values(query, (key,)) else None


def _keys_near(database: Database, key: str) -> str:
    from difflib import get_close_matches

    known = [*KEYS, *FIGURES, *_known_settings(database)]
    tails = {name.rpartition(".")[2]: name for name in reversed(known)}
    near = get_close_matches(key, known, n=3) or [tails[tail] for tail in get_close_matches(key, tails, n=3)]
    return (
        f"perhaps {' or '.join(near)}" if near else f"keys are {', '.join(KEYS)}, the figures, and settings of recipes"
    )


def _compared(column: str, operator: str, number: float) -> Condition:
    sign = {"=": "=", "!=": "IS NOT"}.get(operator, operator)
    return Condition(sql=f"{column} {sign} ?", values=(number,))


def _only_equal(operator: str, text: str, *, also_not: bool = False) -> bool:
    if operator == "=" or (also_not and operator == "!="):
        return operator == "="
    raise UsageError(f"{text!r}: only = {'and != ' if also_not else ''}can be used with this key")


def _number(value: str, text: str) -> float:
    number = number_of(value)
    if number is None:
        raise UsageError(f"{text!r}: expected a number")
    return number


def _time(value: str, now: datetime.datetime, *, end: bool) -> str:
    """A time as the store writes it: a date or time in ISO 8601 (UTC when it says no zone), or an age such as 7d."""
    if age := _AGO.fullmatch(value):
        ago = datetime.timedelta(seconds=int(age[1]) * _SECONDS[age[2]])
        try:
            return utc((now - ago).isoformat())
        except OverflowError:
            return ""
    try:
        if end and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            return utc(f"{value}T23:59:59.999")
        return utc(value)
    except ValueError:
        raise UsageError(
            f"{value!r} is no time",
            hint="give a date (2026-11-22), a time (2026-11-22T18:30), or an age (30m, 12h, 7d)",
        ) from None
