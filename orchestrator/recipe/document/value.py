"""What the scalars of a document mean: YAML 1.2's core schema, except where the recipe wants text."""

from __future__ import annotations

import re

from orchestrator.recipe.document.problem import quoted
from orchestrator.recipe.document.tree import Entry, Items, Node, Scalar, Table
from orchestrator.recipe.schema.shape import ANYTHING, DictOf, Fields, Leaf, ListOf, Shape, Variants
from orchestrator.values import replace

PlainValue = None | bool | int | float | str | list["PlainValue"] | dict[str, "PlainValue"]

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
# More digits than any integer here can have are left to the floats: Python itself refuses to read thousands.
_INTEGER = re.compile(r"[-+]?[0-9]{1,300}")
_OCTAL = re.compile(r"0o[0-7]{1,300}")
_HEX = re.compile(r"0x[0-9a-fA-F]{1,300}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
# What needs no quotes within a list or mapping in one line; all that can be a number or a truth value is among it.
_PLAIN_WORD = re.compile(r"[A-Za-z0-9_.+~/=][A-Za-z0-9_.+~/=@-]*|-[A-Za-z0-9_.+~/=][A-Za-z0-9_.+~/=@-]*")
_SPECIAL = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(?:nan|NaN|NAN)")


def is_nothing(scalar: Scalar) -> bool:
    """It is YAML's null: the key counts as left out."""
    return scalar.plain and scalar.text in _WORDS and _WORDS[scalar.text] is None


def scalar_value(scalar: Scalar) -> PlainValue:
    """The value of a scalar where the schema leaves the type open."""
    text = scalar.text
    if not scalar.plain:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text) or _HEX.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    special = _SPECIAL.fullmatch(text)
    if special is None:
        return text
    return float(f"{special[1]}inf") if special[2] else float("nan")


def chosen(node: Node, shape: Variants) -> Fields | None:
    """The variant that the tag in `node` names; None when there is no such tag."""
    tag = node.entries.get(shape.tag) if isinstance(node, Table) else None
    return shape.by_tag.get(tag.value.text) if tag is not None and isinstance(tag.value, Scalar) else None


def fixed(node: Node, shape: Shape) -> Shape:
    """`shape`, or the variant of it that `node` has chosen."""
    return (chosen(node, shape) or shape) if isinstance(shape, Variants) else shape


def plain_value(node: Node, shape: Shape) -> PlainValue:
    """The node as plain Python values for the schema to check; keys without a value count as left out."""
    if isinstance(node, Scalar):
        if isinstance(shape, Leaf) and shape.is_text and not is_nothing(node):
            return node.text
        return scalar_value(node)
    if isinstance(node, Items):
        item = shape.item if isinstance(shape, ListOf) else ANYTHING
        return [plain_value(child, item) for child in node.items]
    inner = fixed(node, shape)
    if isinstance(inner, Fields | Variants):
        return {
            key: plain_value(entry.value, inner.fields.get(key, ANYTHING))
            for key, entry in node.entries.items()
            if not (key in inner.fields and _is_empty(entry))
        }
    child = inner.value if isinstance(inner, DictOf) else ANYTHING
    return {key: plain_value(entry.value, child) for key, entry in node.entries.items()}


def _is_empty(entry: Entry) -> bool:
    return isinstance(entry.value, Scalar) and is_nothing(entry.value)


def described(node: Node, shape: Shape) -> str:
    """What stands there, for a message."""
    if isinstance(node, Items):
        return "a list"
    if isinstance(node, Table):
        return "a mapping"
    value = plain_value(node, shape)
    if value is None:
        return "nothing"
    return f'the text "{quoted(node.text)}"' if isinstance(value, str) else quoted(node.text)


def written(node: Node | None, shape: Shape) -> str:
    """The value as the text of an override (`-s KEY=…`) that says the same; `null` when there is none."""
    if node is None or (isinstance(node, Scalar) and is_nothing(node)):
        return "null"
    if isinstance(node, Scalar) and isinstance(shape, Leaf) and shape.is_text:
        as_it_is = not node.text.startswith(("'", '"')) and not is_nothing(replace(node, plain=True))
        return node.text if as_it_is else _quoted(node.text)
    return _flow(node)


def _flow(node: Node) -> str:
    """YAML in one line."""
    if isinstance(node, Items):
        return f"[{', '.join(_flow(item) for item in node.items)}]"
    if isinstance(node, Table):
        return f"{{{', '.join(f'{_word(key)}: {_flow(entry.value)}' for key, entry in node.entries.items())}}}"
    if is_nothing(node):
        return "null"
    if not node.plain:
        means_itself = isinstance(scalar_value(replace(node, plain=True)), str)
        return _word(node.text) if means_itself else _quoted(node.text)
    return _word(node.text)


def _word(text: str) -> str:
    return text if _PLAIN_WORD.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    return '"' + "".join(_escaped(char) for char in text) + '"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if char.isprintable():
        return char
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"
