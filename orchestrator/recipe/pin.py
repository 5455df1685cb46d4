"""Set values in a recipe's text where they stand, so that its comments and its layout stay as they are.

The parser's events tell where each value begins and ends; what is written goes to just there. Afterwards the text is
read again and must say what was wanted: whatever YAML allows, a recipe is never changed into another one.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from orchestrator.errors import RecipeError
from orchestrator.recipe.document.problem import quoted
from orchestrator.recipe.loaded import LoadedRecipe
from orchestrator.recipe.matrix import Cases, load_cases
from orchestrator.values import Struct, Value

Scalar = str | int
# What other YAML readers would take for a number or a truth value.
_NUMBER_LIKE = re.compile(r"[0-9]+(e[0-9]+)?")
_REMARKED = ("engine.ref", "model.revision")


class Change(Value):
    """A value that was set. `before` is what held until now, a default included; None: nothing."""

    key: str
    before: Scalar | None
    after: Scalar


def pin(cases: Cases, values: Mapping[str, Scalar]) -> list[Change]:
    """Write `values` (by key path, such as `engine.ref`) into the recipe's file, all at once or not at all.

    Args:
        cases: what the file says, without overrides; the values are to hold for each of its cases.

    Returns:
        What was changed; empty when all stood there already.

    Raises:
        RecipeError: the file is written in a way in which this cannot be done, or changed meanwhile, or may not be
            written.
    """
    loaded = cases.cases[0].loaded
    path = Path(os.path.realpath(loaded.path))
    raw = _read(path)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _by_hand(loaded.path, values) from None
    changes, edited = [], text
    for key, value in values.items():
        before = _value_of(loaded, key)
        now = _set(edited, key, value, remark=str(before) if before is not None and key in _REMARKED else None)
        if now is None:
            raise _by_hand(loaded.path, values)
        if now != edited:
            changes.append(Change(key=key, before=before, after=value))
        edited = now
    if edited == text:
        return []
    bom = b"\xef\xbb\xbf" if raw.startswith(b"\xef\xbb\xbf") else b""
    _replace(path, raw, bom + edited.encode(), cases, values)
    return changes


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _refused(path, error) from error


def _value_of(loaded: LoadedRecipe, key: str) -> Scalar | None:
    section, _, name = key.partition(".")
    value = getattr(getattr(loaded.recipe, section), name, None)
    return value if isinstance(value, str | int) else None


class _Value(Struct):
    """Where a value stands: `start` to before `end`. `entries` of a mapping, by key."""

    start: int
    end: int
    text: str | None = None
    style: str | None = None
    simple: bool = False
    flow: bool = False
    column: int = 0
    entries: dict[str, _Value] | None = None


class _Open(Struct):
    value: _Value
    is_table: bool
    key: tuple[str, int] | None = None


def _places(text: str) -> _Value | None:
    """The root of the document with the places of all that stands in it; None when it is no mapping."""
    opened: list[_Open] = []
    root: _Value | None = None

    def add(value: _Value) -> None:
        nonlocal root
        if not opened:
            root = value
            return
        parent = opened[-1]
        if not parent.is_table:
            return
        if parent.key is None:
            parent.key = (value.text or "", value.column)
            return
        name, value.column = parent.key
        assert parent.value.entries is not None
        parent.value.entries[name] = value
        parent.key = None

    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        # The pure Python parser's marks have an index; the C parser's count bytes in places.
        assert event.start_mark is not None
        assert event.end_mark is not None
        start, end, column = event.start_mark.index, event.end_mark.index, event.start_mark.column
        if isinstance(event, yaml.ScalarEvent):
            simple = event.anchor is None and event.tag is None
            add(_Value(start=start, end=end, text=event.value, style=event.style, simple=simple, column=column))
        elif isinstance(event, yaml.AliasEvent):
            add(_Value(start=start, end=end, simple=True))
        elif isinstance(event, yaml.CollectionStartEvent):
            table = isinstance(event, yaml.MappingStartEvent)
            value = _Value(start=start, end=end, flow=bool(event.flow_style), entries={} if table else None)
            opened.append(_Open(value, table))
        elif isinstance(event, yaml.CollectionEndEvent):
            done = opened.pop().value
            # A block's end mark is where the next thing begins, behind comments: its last value's end is meant.
            done.end = end if done.flow or not done.entries else _last(done).end
            add(done)
    return root if root is not None and root.entries is not None else None


def _last(table: _Value) -> _Value:
    assert table.entries
    return max(table.entries.values(), key=lambda value: value.end)


def _set(text: str, key: str, value: Scalar, remark: str | None) -> str | None:
    """The text with the value at `key`; None when it cannot be put there."""
    try:
        root = _places(text)
    except yaml.YAMLError:
        return None
    if root is None or root.entries is None:
        return None
    section, _, name = key.partition(".")
    table = root.entries.get(section)
    written = _written(value)
    if table is None:
        return _new_section(text, root, section, f"{name}: {written}")
    if table.entries is None:
        # `engine:` with nothing behind it.
        return _put(text, table, f"{{{name}: {written}}}") if table.text == "" and table.simple else None
    there = table.entries.get(name)
    if there is None:
        return _new_entry(text, table, f"{name}: {written}")
    if there.entries is not None or not there.simple:
        return None
    if there.text is not None and there.text == str(value):
        return text
    alone = not table.flow and _rest_of_line(text, there.end).strip() == "" and there.style not in ("|", ">")
    return _put(text, there, written + (f" # {remark}" if remark and alone else ""))


def _written(value: Scalar) -> str:
    return f'"{value}"' if isinstance(value, str) and _NUMBER_LIKE.fullmatch(value) else str(value)


def _put(text: str, there: _Value, new: str) -> str:
    """`new` in the place of a value."""
    if there.start == there.end:
        new = f" {new}"
    if there.style in ("|", ">"):
        new += _newline(text)
    return text[: there.start] + new + text[there.end :]


def _new_entry(text: str, table: _Value, line: str) -> str | None:
    """The text with one more entry in a mapping, behind its last one that is of a single value."""
    assert table.entries is not None
    if table.flow:
        if not table.entries:
            return text[: table.start + 1] + line + text[table.start + 1 :]
        end = _last(table).end
        return f"{text[:end]}, {line}{text[end:]}"
    if not table.entries:
        return None
    plain = [entry for entry in table.entries.values() if entry.entries is None and entry.text]
    after = max(plain or table.entries.values(), key=lambda entry: entry.end)
    return _new_line(text, after, line)


def _new_section(text: str, root: _Value, section: str, line: str) -> str | None:
    assert root.entries is not None
    after = root.entries.get("model") or (_last(root) if root.entries else None)
    if after is None:
        return None
    if root.flow:
        return f"{text[: after.end]}, {section}: {{{line}}}{text[after.end :]}"
    return _new_line(text, after, f"{section}:{_newline(text)}{' ' * after.column}  {line}")


def _new_line(text: str, after: _Value, line: str) -> str:
    """The text with a line behind the one in which `after` ends, at the same depth."""
    newline, indent = _newline(text), " " * after.column
    if text[: after.end].endswith(("\n", "\r")):
        return f"{text[: after.end]}{indent}{line}{newline}{text[after.end :]}"
    at = after.end + len(_rest_of_line(text, after.end))
    return f"{text[:at]}{newline}{indent}{line}{text[at:]}"


def _rest_of_line(text: str, start: int) -> str:
    rest = re.compile(r"[^\r\n]*").match(text, start)
    return rest.group() if rest else ""


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _replace(path: Path, before: bytes, after: bytes, cases: Cases, values: Mapping[str, Scalar]) -> None:
    """Put the new text in the file's place, when it says what it should and nobody changed the file meanwhile."""
    named = cases.cases[0].loaded.path
    staged: Path | None = None
    try:
        # With the recipe's own ending, and beside it: files that it names are looked for from there.
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
        staged = Path(name)
        with os.fdopen(handle, "wb") as out:
            out.write(after)
            out.flush()
            os.fsync(out.fileno())
        staged.chmod(stat.S_IMODE(path.stat().st_mode))
        if not _says(staged, cases, values):
            raise _by_hand(named, values)
        if path.read_bytes() != before:
            raise RecipeError("the recipe was changed while it was being pinned", where=str(named), hint="run it again")
        staged.rename(path)
        staged = None
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        if staged is not None:
            with contextlib.suppress(OSError):
                staged.unlink()


def _says(path: Path, cases: Cases, values: Mapping[str, Scalar]) -> bool:
    """Whether the recipe in `path` has the cases that were loaded, but for `values`."""
    try:
        now = load_cases(path)
    except RecipeError:
        return False
    if (now.repeat, now.warmup, len(now.cases)) != (cases.repeat, cases.warmup, len(cases.cases)):
        return False
    for is_now, was in zip(now.cases, cases.cases, strict=True):
        wanted = was.loaded.recipe
        for key, value in values.items():
            section, _, name = key.partition(".")
            part = getattr(wanted, section).model_copy(update={name: value})
            wanted = wanted.model_copy(update={section: part})
        if is_now.loaded.recipe.model_copy(update={"name": wanted.name}) != wanted:
            return False
    return True


def _by_hand(path: Path, values: Mapping[str, Scalar]) -> RecipeError:
    return RecipeError(
        "the recipe is written in a way in which these values cannot be put into it",
        where=quoted(str(path), 300),
        hint=f"write them yourself:\n    {_listed(values.items())}",
    )


def _listed(items: Iterable[tuple[str, Scalar]]) -> str:
    return "\n    ".join(f"{key}: {_written(value)}" for key, value in items)


def _refused(path: Path, error: OSError) -> RecipeError:
    reason = (error.strerror or str(error)).lower()
    return RecipeError(
        f"cannot write the recipe: {reason}", where=quoted(str(path), 300), hint="pin a copy of your own"
    )
