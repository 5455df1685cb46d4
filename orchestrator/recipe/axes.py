"""A recipe's `matrix` and `exclude`: which values go together in a case."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence, Set
from hashlib import sha256
from math import prod

from orchestrator.recipe.document.problem import Malformed, Place, Problem, quoted
from orchestrator.recipe.document.suggest import did_you_mean
from orchestrator.recipe.document.tree import Items, Node, Scalar, Table
from orchestrator.recipe.document.value import is_nothing, plain_value, written
from orchestrator.recipe.overrides import Setting, is_within, node_at, shape_at
from orchestrator.recipe.schema.recipe import SAME_FOR_ALL, Plan
from orchestrator.recipe.schema.shape import Leaf, Shape
from orchestrator.values import Value

MAX_CASES = 10_000
_LABEL_CHARACTERS = 80
_KEY_CHARACTERS = 200
_FIXED = -1


class Axis(Value):
    """A key of the matrix.

    Args:
        settings: the key with each of its values.
        labels: the values as short texts, each another.
        by_value: the index of each value.
    """

    key: str
    shape: Shape
    settings: tuple[Setting, ...]
    labels: tuple[str, ...]
    by_value: Mapping[str, int]

    def index(self, node: Node | None) -> int | None:
        """Which of its values is the same as this one."""
        return self.by_value.get(_canonical(node, self.shape))


class Choice(Value):
    """One combination of the matrix: its labels by key, and what it sets."""

    labels: dict[str, str]
    settings: tuple[Setting, ...]


def axes_of(tree: Table, problems: list[Problem]) -> list[Axis]:
    """The keys of the matrix in their order; `problems` gets those that cannot be.

    Args:
        tree: of the recipe; its `matrix` is known to be lists of values.
    """
    axes: list[Axis] = []
    matrix = node_at(tree, "matrix")
    for key, entry in matrix.entries.items() if isinstance(matrix, Table) else ():
        assert isinstance(entry.value, Items)
        try:
            axes.append(_axis(key, entry.place, entry.value, axes))
        except Malformed as error:
            problems.append(error.problem)
    return axes


def choices(tree: Table, axes: Sequence[Axis], settings: Sequence[Setting], problems: list[Problem]) -> list[Choice]:
    """The combinations that are not excluded; the last key changes fastest. `problems` gets what is wrong with it.

    A key that a setting gives a value has only that value.

    Args:
        tree: of the recipe, with all settings in it.
        settings: what the command line set, in its order.
    """
    n_problems_before = len(problems)
    fixed = {axis.key for axis in axes if is_fixed(axis.key, settings)}
    excludes = _excludes(tree, axes, settings, problems)
    domains: list[Sequence[int]] = []
    for axis in axes:
        if axis.key in fixed:
            index = axis.index(node_at(tree, axis.key))
            domains.append([_FIXED if index is None else index])
        else:
            domains.append(range(len(axis.settings)))
    matrix = node_at(tree, "matrix")
    count = prod(len(domain) for domain in domains)
    if count > MAX_CASES and matrix is not None:
        message = f"the matrix has {count:,} cases, excluded ones with them; at most {MAX_CASES:,} can be"
        problems.append(Problem(matrix.place, "matrix", message))
    if len(problems) > n_problems_before:
        return []
    combinations = [indices for indices in itertools.product(*domains) if not _is_excluded(indices, excludes)]
    if not combinations:
        by = " with what the command line sets" if fixed else ""
        exclude = node_at(tree, "exclude")
        assert exclude is not None
        problems.append(Problem(exclude.place, "exclude", f"no case is left{by}"))
    return [_choice(indices, axes, fixed, tree) for indices in combinations]


def is_fixed(key: str, settings: Sequence[Setting]) -> bool:
    """Whether the command line gives a key of the matrix one value, and did not give it a list afterwards."""
    fixed = False
    for setting in settings:
        if setting.key == key:
            fixed = True
        elif setting.key in ("matrix", f"matrix.{key}"):
            fixed = False
    return fixed


def _axis(key: str, place: Place, values: Items, others: Sequence[Axis]) -> Axis:
    named = f"matrix.{quoted(key)}"
    if key in Plan.model_fields or key in SAME_FOR_ALL:
        raise Malformed(Problem(place, named, "this is the same for all cases and cannot be in a matrix"))
    try:
        shape = shape_at(key, place)
    except Malformed as error:
        raise Malformed(Problem(place, named, error.problem.message)) from None
    # The free keys of `expect.metadata` could hold anything; this is shown to people.
    if not key or key.endswith(".") or not key.isprintable() or len(key) > _KEY_CHARACTERS:
        raise Malformed(Problem(place, named, "expected a key path such as run.n_threads"))
    around = next((other.key for other in others if is_within(key, other.key) or is_within(other.key, key)), None)
    if around is not None:
        raise Malformed(Problem(place, named, f"one of this and {quoted(around)} is part of the other"))
    by_value: dict[str, int] = {}
    for index, node in enumerate(values.items):
        if by_value.setdefault(_canonical(node, shape), index) != index:
            raise Malformed(Problem(node.place, named, f"the value {quoted(written(node, shape))} is here twice"))
    settings = tuple(_setting(key, node, shape) for node in values.items)
    return Axis(key=key, shape=shape, settings=settings, labels=_labels(values.items, shape), by_value=by_value)


def _setting(key: str, node: Node, shape: Shape) -> Setting:
    nothing = isinstance(node, Scalar) and is_nothing(node)
    return Setting(place=node.place, key=key, node=None if nothing else node, text=f"{key}={written(node, shape)}")


def _canonical(node: Node | None, shape: Shape) -> str:
    return json.dumps(None if node is None else plain_value(node, shape), sort_keys=True)


def _labels(nodes: Sequence[Node | None], shape: Shape) -> tuple[str, ...]:
    """Short texts for values, as people would write them, each another."""
    shown = [node.text if isinstance(node, Scalar) and node.text else written(node, shape) for node in nodes]
    telling = _telling_key(nodes)
    if telling is not None:
        shown = [written(node.entries[telling].value, Leaf(())) for node in nodes if isinstance(node, Table)]
        shown = [f"{{{telling}: {text}}}" for text in shown]
    if len(set(shown)) < len(shown):
        shown = [written(node, shape) for node in nodes]
    short = [quoted(text, _LABEL_CHARACTERS) for text in shown]
    if len(set(short)) < len(short):
        # Long texts that begin alike.
        short = [f"{start} #{_digest(text)}" for start, text in zip(short, shown, strict=True)]
    return tuple(short)


def _digest(text: str) -> str:
    return sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]


def _telling_key(nodes: Sequence[Node | None]) -> str | None:
    """The first key of mappings that has another value in each."""
    tables = [node for node in nodes if isinstance(node, Table)]
    if len(tables) < len(nodes) or len(nodes) < 2:
        return None
    for key in tables[0].entries:
        values = {written(table.entries[key].value, Leaf(())) for table in tables if key in table.entries}
        if len(values) == len(tables):
            return key
    return None


# Value indices that are excluded, by the indices of the keys that they are for.
_Excludes = dict[tuple[int, ...], set[tuple[int, ...]]]


def _is_excluded(indices: tuple[int, ...], excludes: _Excludes) -> bool:
    return any(tuple(indices[key] for key in keys) in values for keys, values in excludes.items())


def _excludes(tree: Table, axes: Sequence[Axis], settings: Sequence[Setting], problems: list[Problem]) -> _Excludes:
    excludes: _Excludes = {}
    exclude = node_at(tree, "exclude")
    # With another matrix from the command line, what the file excludes need not be in it.
    lenient = any(is_within(setting.key, "matrix") for setting in settings)
    for number, item in enumerate(exclude.items if isinstance(exclude, Items) else ()):
        assert isinstance(item, Table)
        try:
            chosen = _excluded(item, f"exclude[{number}]", axes)
        except Malformed as error:
            if not lenient or item.place.is_override:
                problems.append(error.problem)
            continue
        keys = tuple(sorted(chosen))
        values = tuple(chosen[key] for key in keys)
        known = excludes.setdefault(keys, set())
        if values in known:
            problems.append(Problem(item.place, f"exclude[{number}]", "the same is excluded twice"))
        known.add(values)
    return excludes


def _excluded(item: Table, named: str, axes: Sequence[Axis]) -> dict[int, int]:
    """What an item excludes: the index of a value by the index of its key."""
    by_key = {axis.key: number for number, axis in enumerate(axes)}
    chosen: dict[int, int] = {}
    for key, entry in item.entries.items():
        where = f"{named}.{quoted(key)}"
        if key not in by_key:
            guess = did_you_mean(key, by_key)
            raise Malformed(Problem(entry.place, where, f"excludes nothing: the matrix has no such key{guess}"))
        axis = axes[by_key[key]]
        index = axis.index(entry.value)
        if index is None:
            value = quoted(written(entry.value, axis.shape))
            has = quoted(", ".join(axis.labels), 200)
            message = f"excludes nothing: {value} is not in the matrix, which has {has}"
            raise Malformed(Problem(entry.value.place, where, message))
        chosen[by_key[key]] = index
    return chosen


def _choice(indices: Sequence[int], axes: Sequence[Axis], fixed: Set[str], tree: Table) -> Choice:
    labels, settings = {}, []
    for axis, index in zip(axes, indices, strict=True):
        labels[axis.key] = axis.labels[index] if index != _FIXED else _labels([node_at(tree, axis.key)], axis.shape)[0]
        if axis.key not in fixed:
            settings.append(axis.settings[index])
    return Choice(labels=labels, settings=tuple(settings))
