"""The schema as a tree to walk beside a document: which keys a mapping has, and what a value is to a person."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Annotated, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from orchestrator.recipe.schema.recipe import Means, RecipeFile
from orchestrator.values import Value, replace


class Leaf(Value, kw_only=False):
    """A single value.

    Args:
        words: what is expected, such as `an integer ≥ 1`; alternatives, of which one holds.
        choices: the texts among the alternatives that are given by name.
        is_text: only text will do, so an unquoted `1e5` is text as well.
    """

    words: tuple[str, ...]
    choices: tuple[str, ...] = ()
    is_text: bool = False

    @property
    def expected(self) -> str:
        return one_of(self.words)


class ListOf(Value, kw_only=False):
    """A list of one kind of values."""

    item: Shape
    expected: str = "a list"


class DictOf(Value, kw_only=False):
    """A mapping whose keys are free within what `key` says."""

    key: Leaf
    value: Shape
    expected: str = "a mapping"


class Fields(Value, kw_only=False):
    """A mapping with fixed keys. `when` says of a variant when it is the one."""

    fields: Mapping[str, Shape]
    when: str = ""
    expected: str = "a mapping"


class Variants(Value, kw_only=False):
    """A mapping whose keys depend on the value of one of them, the tag."""

    tag: str
    by_tag: Mapping[str, Fields]
    expected: str = "a mapping"

    @property
    def fields(self) -> Mapping[str, Shape]:
        """The keys of all variants, for where it is not known which one it is."""
        every = {name: shape for variant in self.by_tag.values() for name, shape in variant.fields.items()}
        tags = tuple(self.by_tag)
        return {**every, self.tag: Leaf(words=tags, choices=tags, is_text=True)}


Shape = Leaf | ListOf | DictOf | Fields | Variants

ANYTHING = Leaf(words=("a value",))


@cache
def recipe_shape() -> Fields:
    """The shape of a whole recipe file."""
    return _fields(RecipeFile)


def one_of(words: Sequence[str]) -> str:
    """`a, b or c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def paths_to(name: str, shape: Shape, path: str = "") -> Iterator[str]:
    """The key paths of all fields called `name`."""
    if isinstance(shape, Fields | Variants):
        for key, child in shape.fields.items():
            here = f"{path}.{key}" if path else key
            if key == name:
                yield here
            yield from paths_to(name, child, here)


def _fields(model: type[BaseModel]) -> Fields:
    return Fields(
        {name: _shape(info.annotation, info.metadata, info.discriminator) for name, info in model.model_fields.items()}
    )


def _shape(annotation: object, metadata: Sequence[object], discriminator: object = None) -> Shape:
    if get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        inner = [part for item in more for part in (item.metadata if isinstance(item, FieldInfo) else [item])]
        return _shape(annotation, [*inner, *metadata])
    arguments = get_args(annotation)
    if get_origin(annotation) is dict:
        key = _shape(arguments[0], ())
        assert isinstance(key, Leaf)
        return DictOf(key, _shape(arguments[1], ()))
    if get_origin(annotation) is tuple:
        return ListOf(_shape(arguments[0], ()))
    if get_origin(annotation) in (Union, types.UnionType):
        return _union([part for part in arguments if part is not type(None)], metadata, discriminator)
    if arguments == () and isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _fields(annotation)
    return _leaf(annotation, metadata)


def _union(parts: Sequence[object], metadata: Sequence[object], discriminator: object) -> Shape:
    shapes = [_shape(part, metadata) for part in parts]
    if isinstance(discriminator, str):
        tagged = [(_tag(shape, discriminator), shape) for shape in shapes if isinstance(shape, Fields)]
        when = f" with `{discriminator}: {{}}`"
        return Variants(discriminator, {tag: replace(shape, when=when.format(tag)) for tag, shape in tagged})
    if len(shapes) == 1:
        return shapes[0]
    leaves = [shape for shape in shapes if isinstance(shape, Leaf)]
    assert len(leaves) == len(shapes), "a field is one kind of mapping or list, or a single value"
    return Leaf(
        words=tuple(word for leaf in leaves for word in leaf.words),
        choices=tuple(choice for leaf in leaves for choice in leaf.choices),
        is_text=all(leaf.is_text for leaf in leaves),
    )


def _tag(variant: Fields, discriminator: str) -> str:
    tag = variant.fields[discriminator]
    assert isinstance(tag, Leaf)
    return tag.choices[0]


def _leaf(annotation: object, metadata: Sequence[object]) -> Leaf:
    means = next((item.words for item in metadata if isinstance(item, Means)), None)
    if get_origin(annotation) is Literal:
        choices = tuple(value for value in get_args(annotation) if isinstance(value, str))
        words = (means,) if means else tuple(str(value) for value in get_args(annotation))
        return Leaf(words, choices, is_text=bool(choices))
    if annotation is object:
        return ANYTHING
    if annotation is str:
        return Leaf((means or "text",), is_text=True)
    if annotation is bool:
        return Leaf(("true", "false"))
    noun = "an integer" if annotation is int else "a number"
    return Leaf((noun + _bounds(metadata),))


def _bounds(metadata: Sequence[object]) -> str:
    low = next((item.ge for item in metadata if isinstance(item, annotated_types.Ge)), None)
    above = next((item.gt for item in metadata if isinstance(item, annotated_types.Gt)), None)
    high = next((item.le for item in metadata if isinstance(item, annotated_types.Le)), None)
    if low is not None and high is not None:
        return f" from {low} to {high}"
    if low is not None:
        return f" ≥ {low}"
    return (f" above {above}" if above is not None else "") + (f", at most {high}" if high is not None else "")
