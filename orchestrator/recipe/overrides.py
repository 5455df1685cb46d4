"""`-s key.path=value`: what the command line changes in a recipe's tree, before anything is checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestrator.recipe.document import Entry, Node, Scalar, Table, compose
from orchestrator.recipe.problem import Malformed, Place, Problem, visible
from orchestrator.recipe.shape import DictOf, Fields, Leaf, Shape, Variants, recipe_shape
from orchestrator.recipe.suggest import unknown_key
from orchestrator.recipe.value import chosen, is_nothing


def place_of(override: str) -> Place:
    """How messages name an override."""
    return Place(f"-s {visible(override, 100)}")


def key_of(override: str) -> str:
    """The key path that an override sets."""
    return override.partition("=")[0]


def apply(tree: Table, overrides: Sequence[str], problems: list[Problem]) -> Table:
    """The tree with all overrides in it, later ones over earlier ones; `problems` gets what cannot be done."""
    changed = tree
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key:
            message = "expected key.path=value, such as run.n_predict=64"
            problems.append(Problem(place_of(override), "", message))
            continue
        try:
            changed = _Setter(place_of(override), key, text).apply(changed, problems)
        except Malformed as error:
            problems.append(error.problem)
    return _without_replaced(changed, tree)


class _Setter:
    """One override on its way down the tree."""

    def __init__(self, place: Place, key: str, text: str) -> None:
        self._place = place
        self._key = key
        self._text = text

    def apply(self, tree: Table, problems: list[Problem]) -> Table:
        changed = self._set(tree, recipe_shape(), self._key, problems)
        return changed if isinstance(changed, Table) else tree

    def _fail(self, message: str, key: str | None = None) -> Malformed:
        return Malformed(Problem(self._place, visible(self._key if key is None else key), message))

    def _set(self, node: Node | None, shape: Shape, rest: str, problems: list[Problem]) -> Node | None:
        """`node` with the value at `rest` below it; None when it is reset."""
        if not rest:
            return self._value(shape, problems)
        if isinstance(shape, DictOf):
            # Such keys have dots of their own (general.architecture): the rest of the path is one key.
            name, below, child = rest, "", shape.value
        elif isinstance(shape, Fields | Variants):
            name, _, below = rest.partition(".")
            if name not in shape.fields:
                parent = self._key[: len(self._key) - len(rest)].rstrip(".")
                raise self._fail(unknown_key(name, shape, parent), f"{parent}.{name}".lstrip("."))
            child = shape.fields[name]
        elif isinstance(shape, Leaf):
            raise self._fail(f"there is nothing below a single value; expected there: {shape.expected}")
        else:
            raise self._fail("a list is replaced as a whole: KEY=[a, b]")
        if node is None or (isinstance(node, Scalar) and is_nothing(node)):
            node = Table({}, self._place)
        if not isinstance(node, Table):
            return node  # the file has something else here, which is a problem of its own
        before = node.entries.get(name)
        value = self._set(before.value if before else None, child, below, problems)
        entries = {key: entry for key, entry in node.entries.items() if key != name}
        if value is not None:
            entries[name] = Entry(before.place if before and below else self._place, value)
        return replace(node, entries=entries)

    def _value(self, shape: Shape, problems: list[Problem]) -> Node | None:
        """What the text behind `=` says; None when it is null, which means the default."""
        bare = Scalar(self._text, True, self._place)
        if is_nothing(bare):
            return None
        if isinstance(shape, Leaf) and shape.is_text:
            return self._quoted(problems) or replace(bare, plain=False)
        node = compose(self._text, "", problems, override=self._place)
        return None if isinstance(node, Scalar) and is_nothing(node) else node

    def _quoted(self, problems: list[Problem]) -> Scalar | None:
        """The text within quotes, when the whole of it stands in quotes."""
        if not self._text.startswith(("'", '"')):
            return None
        try:
            node = compose(self._text, "", problems, override=self._place)
        except Malformed:
            return None  # `"Yes," she said` is text that begins with a quote
        return node if isinstance(node, Scalar) else None


def _without_replaced(tree: Table, original: Table) -> Table:
    """The tree without what stood in the file and makes no sense beside what an override has set."""
    model, run = tree.entries.get("model"), tree.entries.get("run")
    entries = dict(tree.entries)
    if model is not None and isinstance(model.value, Table):
        entries["model"] = replace(model, value=_without_other_source(model.value, original))
    if run is not None and isinstance(run.value, Table):
        entries["run"] = replace(run, value=_with_one_prompt(run.value))
    return replace(tree, entries=entries)


def _without_other_source(model: Table, original: Table) -> Table:
    """A model from another source leaves behind the keys that only the file's source has."""
    shape = recipe_shape().fields["model"]
    source = model.entries.get("source")
    before = original.entries.get("model")
    if not isinstance(shape, Variants) or source is None or not source.place.is_override or before is None:
        return model
    fits, fitted = chosen(model, shape), chosen(before.value, shape)
    if fits is None or fitted is None:
        return model
    only_before = fitted.fields.keys() - fits.fields.keys()
    kept = {key: entry for key, entry in model.entries.items() if key not in only_before or entry.place.is_override}
    return replace(model, entries=kept)


def _with_one_prompt(run: Table) -> Table:
    """A prompt from the command line takes the place of a prompt file, and the other way round."""
    for given, other in (("prompt", "prompt_file"), ("prompt_file", "prompt")):
        new, old = run.entries.get(given), run.entries.get(other)
        if new is not None and new.place.is_override and old is not None and not old.place.is_override:
            return replace(run, entries={key: entry for key, entry in run.entries.items() if key != other})
    return run
