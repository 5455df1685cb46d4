"""A recipe's tree against the schema: what it says, or everything that is wrong with it in words for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from orchestrator.recipe.document.problem import Place, Problem, quoted
from orchestrator.recipe.document.suggest import did_you_mean, unknown_key
from orchestrator.recipe.document.tree import Items, Node, Scalar, Table
from orchestrator.recipe.document.value import described, plain_value, scalar_value
from orchestrator.recipe.schema.recipe import FORMAT_VERSION, Plan, Recipe, Spec
from orchestrator.recipe.schema.shape import ANYTHING, DictOf, Fields, Leaf, ListOf, Shape, Variants, recipe_shape
from orchestrator.values import Value, replace

# Words are put together only for so many, since «did you mean» takes time and nobody reads thousands.
_TRANSLATED = 500


_T = TypeVar("_T", bound=Spec)


def check(tree: Table) -> Recipe | list[Problem]:
    """The recipe, without what makes several runs of it, or all problems that the schema has with it."""
    newer = _newer_format(tree)
    if newer is not None:
        return [newer]
    entries = {key: entry for key, entry in tree.entries.items() if key not in Plan.model_fields}
    return _checked(replace(tree, entries=entries), Recipe)


def check_plan(tree: Table) -> Plan | list[Problem]:
    """What makes several runs of a recipe, or all problems with it; values in a matrix are not checked yet."""
    newer = _newer_format(tree)
    if newer is not None:
        return [newer]
    plan = {key: entry for key, entry in tree.entries.items() if key in Plan.model_fields}
    return _checked(replace(tree, entries=plan), Plan)


def _checked(tree: Table, model: type[_T]) -> _T | list[Problem]:
    try:
        return model.model_validate(plain_value(tree, recipe_shape()))
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
    by_key: dict[str, Problem] = {}
    for detail in details[:_TRANSLATED]:
        problem = _translate(detail, tree)
        # A union gives one error for each of its alternatives; to people it is one value and one problem.
        by_key.setdefault(problem.key, problem)
    return list(by_key.values())


def _newer_format(tree: Table) -> Problem | None:
    entry = tree.entries.get("lcpp")
    version = scalar_value(entry.value) if entry is not None and isinstance(entry.value, Scalar) else None
    if entry is None or not isinstance(version, int) or version <= FORMAT_VERSION:
        return None
    number = quoted(str(version), 20)
    message = f"this recipe needs a newer lcpp: it has format {number}, this lcpp reads {FORMAT_VERSION}; update lcpp"
    return Problem(entry.value.place, "lcpp", message)


class _Spot(Value):
    """Where in the tree an error is.

    Args:
        key: the key path, for people.
        name: the key itself.
        parent: the key path of what it stands in, whose shape is `container`.
        node: what stands there; None when the key is missing.
        key_place: where the key stands; for a key that is missing, the mapping that lacks it.
        is_key: the error is about the key and not its value.
    """

    key: str = ""
    name: str = ""
    parent: str = ""
    shape: Shape
    container: Shape
    node: Node | None
    key_place: Place
    is_key: bool = False

    @property
    def value_place(self) -> Place:
        return self.node.place if self.node is not None else self.key_place

    def below(self, name: str, shape: Shape) -> _Spot:
        """The value of a key of this mapping."""
        entry = self.node.entries.get(name) if isinstance(self.node, Table) else None
        return _Spot(
            key=f"{self.key}.{quoted(name)}" if self.key else quoted(name),
            name=name,
            parent=self.key,
            shape=shape,
            container=self.shape,
            node=entry.value if entry is not None else None,
            key_place=entry.place if entry is not None else self.key_place,
        )


def _locate(location: Sequence[int | str], tree: Table) -> _Spot:
    """Follow pydantic's location down the tree, past the names that it gives to alternatives of a union."""
    spot = _Spot(shape=recipe_shape(), container=recipe_shape(), node=tree, key_place=tree.place)
    for part in location:
        node, shape, container = spot.node, spot.shape, spot.container
        if part == "[key]" and isinstance(container, DictOf):
            spot = replace(spot, shape=container.key, is_key=True)
        elif isinstance(shape, Variants):
            spot = replace(spot, shape=shape.by_tag[str(part)])
        elif isinstance(shape, Fields):
            spot = spot.below(str(part), shape.fields.get(str(part), ANYTHING))
        elif isinstance(shape, DictOf):
            spot = spot.below(str(part), shape.value)
        elif isinstance(shape, ListOf) and isinstance(node, Items) and isinstance(part, int):
            item = node.items[part]
            key = f"{spot.key}[{part}]"
            spot = _Spot(key=key, shape=shape.item, container=shape, node=item, key_place=item.place)
    return spot


def _translate(detail: ErrorDetails, tree: Table) -> Problem:
    kind, context = detail["type"], detail.get("ctx", {})
    spot = _locate(detail["loc"], tree)
    if kind.startswith("union_tag") and isinstance(spot.shape, Variants):
        spot = spot.below(spot.shape.tag, spot.shape.fields[spot.shape.tag])
    if kind == "extra_forbidden" and isinstance(spot.container, Fields):
        return Problem(spot.key_place, spot.key, unknown_key(spot.name, spot.container, spot.parent))
    if spot.node is None:
        return Problem(spot.key_place, spot.key, f"missing; expected {spot.shape.expected}", is_about_mapping=True)
    if kind == "value_error":
        is_about_mapping = isinstance(spot.shape, Fields)
        place = spot.key_place if is_about_mapping else spot.value_place
        return Problem(place, spot.key, str(context["error"]), is_about_mapping)
    if kind == "argument":
        message = f"{described(spot.node, spot.shape)} may not be here: {detail['msg']}"
    elif kind == "too_short":
        message = "expected at least one value, found none"
    elif kind in ("string_too_long", "too_long"):
        unit = "characters" if kind == "string_too_long" else "values"
        message = f"expected at most {context['max_length']} {unit}, found more"
    else:
        return _wrong_value(spot, spot.node)
    return Problem(spot.value_place, spot.key, message)


def _wrong_value(spot: _Spot, node: Node) -> Problem:
    if spot.is_key:
        return Problem(spot.key_place, spot.key, f"not a key that can be here; expected {spot.shape.expected}")
    message = f"expected {spot.shape.expected}, found {described(node, spot.shape)}"
    if isinstance(spot.shape, Leaf) and isinstance(node, Scalar):
        message += did_you_mean(node.text, spot.shape.choices)
    return Problem(spot.value_place, spot.key, message)
