"""What is set in a recipe's tree before anything is checked: by `-s key.path=value`, or by a matrix."""

from __future__ import annotations

from collections.abc import Sequence, Set

from orchestrator.recipe.document.problem import Malformed, Place, Problem, quoted
from orchestrator.recipe.document.suggest import unknown_key
from orchestrator.recipe.document.tree import Entry, Node, Scalar, Table, compose
from orchestrator.recipe.document.value import chosen, is_nothing
from orchestrator.recipe.schema.shape import DictOf, Fields, Leaf, Shape, Variants, recipe_shape
from orchestrator.values import Value, replace

# What is asked, of which a recipe says one; the latter make a session.
_SESSIONS = ("prompts", "prompts_file")
_PROMPTS = ("prompt", "prompt_file", *_SESSIONS)


class Setting(Value):
    """A key's new value.

    Args:
        place: where it was given.
        key: the key path.
        node: the value; None: the key is reset to its default.
        text: `key.path=value`, as it was given or could be.
    """

    place: Place
    key: str
    node: Node | None
    text: str


def is_within(key: str, other: str) -> bool:
    """Whether the key path is `other` itself or something below it."""
    return key == other or key.startswith(f"{other}.")


def read_overrides(overrides: Sequence[str], problems: list[Problem]) -> list[Setting]:
    """What the command line sets, in its order; `problems` gets what cannot be set."""
    settings = []
    for override in overrides:
        place = Place(f"-s {quoted(override, 100)}")
        key, equals, text = override.partition("=")
        if not equals or not key:
            problems.append(Problem(place, "", "expected key.path=value, such as run.n_predict=64"))
            continue
        try:
            node = _value(text, shape_at(key, place), place, problems)
        except Malformed as error:
            problems.append(error.problem)
        else:
            settings.append(Setting(place=place, key=key, node=node, text=override))
    return settings


def shape_at(key: str, place: Place) -> Shape:
    """What stands at a key path.

    Raises:
        Malformed: no recipe has that key; the problem has `place`.
    """
    shape: Shape = recipe_shape()
    rest = key
    while rest:
        if isinstance(shape, Fields | Variants):
            name = rest.partition(".")[0]
            if name not in shape.fields:
                parent = key[: len(key) - len(rest)].rstrip(".")
                where = f"{parent}.{name}".lstrip(".")
                raise Malformed(Problem(place, quoted(where), unknown_key(name, shape, parent)))
        elif isinstance(shape, Leaf):
            message = f"there is nothing below a single value; expected there: {shape.expected}"
            raise Malformed(Problem(place, quoted(key), message))
        elif not isinstance(shape, DictOf):
            raise Malformed(Problem(place, quoted(key), "a list is replaced as a whole: KEY=[a, b]"))
        _, rest, shape = _step(shape, rest)
    return shape


def apply(tree: Table, settings: Sequence[Setting]) -> Table:
    """The tree with all that is set in it, later settings over earlier ones."""
    changed: Node | None = tree
    for setting in settings:
        changed = _set(changed, recipe_shape(), setting.key, setting)
    assert isinstance(changed, Table)
    return _without_replaced(changed, tree, {setting.place for setting in settings})


def node_at(tree: Table, key: str) -> Node | None:
    """What the tree has at a key path that is one of the recipe's; None when there is nothing."""
    node: Node | None = tree
    shape: Shape = recipe_shape()
    while key:
        name, key, shape = _step(shape, key)
        entry = node.entries.get(name) if isinstance(node, Table) else None
        node = entry.value if entry is not None else None
    return None if isinstance(node, Scalar) and is_nothing(node) else node


def _step(shape: Shape, path: str) -> tuple[str, str, Shape]:
    """The first key of a path within a mapping, the rest of the path, and what stands at that key."""
    if isinstance(shape, DictOf):
        # Such keys have dots of their own (general.architecture): the rest of the path is one key.
        return path, "", shape.value
    assert isinstance(shape, Fields | Variants)
    name, _, below = path.partition(".")
    return name, below, shape.fields[name]


def _set(node: Node | None, shape: Shape, path: str, setting: Setting) -> Node | None:
    """`node` with the setting's value at `path` below it; None when it is reset."""
    if not path:
        return setting.node
    name, below, child = _step(shape, path)
    if node is None or (isinstance(node, Scalar) and is_nothing(node)):
        node = Table({}, setting.place)
    if not isinstance(node, Table):
        return node  # the file has something else here, which is a problem of its own
    before = node.entries.get(name)
    value = _set(before.value if before else None, child, below, setting)
    entries = dict(node.entries)
    if value is None:
        entries.pop(name, None)
    else:
        # In its old place when it has one: the order of a matrix means something.
        entries[name] = Entry(before.place if before and below else setting.place, value)
    return replace(node, entries=entries)


def _value(text: str, shape: Shape, place: Place, problems: list[Problem]) -> Node | None:
    """What the text behind `=` says; None when it is null, which means the default."""
    bare = Scalar(text, True, place)
    if is_nothing(bare):
        return None
    if isinstance(shape, Leaf) and shape.is_text:
        return _quoted(text, place, problems) or replace(bare, plain=False)
    node = compose(text, "", problems, override=place)
    return None if isinstance(node, Scalar) and is_nothing(node) else node


def _quoted(text: str, place: Place, problems: list[Problem]) -> Scalar | None:
    """The text within quotes, when the whole of it stands in quotes."""
    if not text.startswith(("'", '"')):
        return None
    try:
        node = compose(text, "", problems, override=place)
    except Malformed:
        return None  # `"Yes," she said` is text that begins with a quote
    return node if isinstance(node, Scalar) else None


def _without_replaced(tree: Table, original: Table, given: Set[Place]) -> Table:
    """The tree without what stood in the file and makes no sense beside what was set at one of the places `given`."""
    model, run = tree.entries.get("model"), tree.entries.get("run")
    entries = dict(tree.entries)
    if model is not None and isinstance(model.value, Table):
        entries["model"] = replace(model, value=_without_other_source(model.value, original, given))
    if run is not None and isinstance(run.value, Table):
        entries["run"] = replace(run, value=_with_one_prompt(run.value, given))
    return replace(tree, entries=entries)


def _without_other_source(model: Table, original: Table, given: Set[Place]) -> Table:
    """A model from another source leaves behind the keys that only the file's source has."""
    shape = recipe_shape().fields["model"]
    source = model.entries.get("source")
    before = original.entries.get("model")
    if not isinstance(shape, Variants) or source is None or source.place not in given or before is None:
        return model
    fits, fitted = chosen(model, shape), chosen(before.value, shape)
    if fits is None or fitted is None:
        return model
    only_before = fitted.fields.keys() - fits.fields.keys()
    entries = {key: entry for key, entry in model.entries.items() if key not in only_before or entry.place in given}
    return replace(model, entries=entries)


def _with_one_prompt(run: Table, given: Set[Place]) -> Table:
    """What was set as the prompt, or as a session's prompts, takes the place of what the file says of either.

    The history of a session goes with its prompts.
    """
    new = {key for key in _PROMPTS if key in run.entries and run.entries[key].place in given}
    if not new:
        return run
    replaced = {*_PROMPTS} if new & {*_SESSIONS} else {*_PROMPTS, "history"}
    entries = {key: entry for key, entry in run.entries.items() if key not in replaced or entry.place in given}
    return replace(run, entries=entries)
