"""YAML text → a tree of nodes that know where they were written.

Built from the parser's events, so nothing is constructed that a tag names, and size and depth are known before
they cost anything. What an unquoted scalar means is left open: `0123` is text where the schema wants text.
"""

from __future__ import annotations

import re
from typing import Protocol

import yaml

from orchestrator.recipe.document.problem import Malformed, Place, Problem, quoted
from orchestrator.values import Struct, Value, field

# Of the tree with aliases followed: an alias costs as much as what it stands for.
MAX_NODES = 20_000
MAX_DEPTH = 100

_LOADER = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_TEXT_TAGS = ("!", "tag:yaml.org,2002:str")
_PLAIN_TAGS = (None, *_TEXT_TAGS, "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
_NOT_PRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class _Mark(Protocol):
    """The part that the parsers' marks have in common."""

    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


class Scalar(Value, kw_only=False):
    """A single value. `plain`: it was not quoted, so it can be a number, a truth value or nothing."""

    text: str
    plain: bool
    place: Place


class Items(Value, kw_only=False):
    """A list."""

    items: tuple[Node, ...]
    place: Place


class Entry(Value, kw_only=False):
    """A key's value and where the key stands."""

    place: Place
    value: Node


class Table(Value, kw_only=False):
    """A mapping."""

    entries: dict[str, Entry]
    place: Place


Node = Scalar | Items | Table


class _Open(Struct):
    """A list or mapping whose end has not come yet."""

    place: Place
    anchor: str | None
    is_table: bool
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    key: Scalar | None = None
    size: int = 1
    height: int = 1

    def close(self) -> Node:
        return Table(self.entries, self.place) if self.is_table else Items(tuple(self.items), self.place)


class _Anchored(Value, kw_only=False):
    node: Node
    size: int
    height: int


def place_in(text: str, index: int, source: str) -> Place:
    """The line and column of a character of a file."""
    before = text[:index]
    return Place(source, before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1)


class _Composer:
    """Puts one document's events together."""

    def __init__(self, source: str, override: Place | None) -> None:
        self._source = source
        self._override = override
        self._open: list[_Open] = []
        self._anchors: dict[str, _Anchored | None] = {}  # None: not closed yet
        self._count = 0
        self.root: Node | None = None
        self.problems: list[Problem] = []

    def place(self, mark: _Mark | None) -> Place:
        if self._override is not None or mark is None:
            return self._override or Place(self._source, 1, 1)
        return Place(self._source, mark.line + 1, mark.column + 1)

    def feed(self, event: yaml.Event) -> None:
        place = self.place(event.start_mark)
        if isinstance(event, yaml.DocumentStartEvent):
            if self.root is not None:
                raise Malformed(Problem(place, "", "a second document begins here; a recipe is one document"))
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event.anchor or "", place)
        elif isinstance(event, yaml.ScalarEvent):
            self._check_tag(event.tag, place)
            plain = event.style in (None, "") and event.tag is None
            self._grow(1, 1, place)
            self._add(Scalar(event.value, plain, place), 1, 1, event.anchor)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._check_tag(event.tag, place)
            if event.anchor is not None:
                self._anchors[event.anchor] = None
            self._grow(1, 1, place)
            self._open.append(_Open(place, event.anchor, isinstance(event, yaml.MappingStartEvent)))
        elif isinstance(event, yaml.CollectionEndEvent):
            done = self._open.pop()
            self._add(done.close(), done.size, done.height, done.anchor)

    def _check_tag(self, tag: str | None, place: Place) -> None:
        if tag not in _PLAIN_TAGS:
            name = tag.replace("tag:yaml.org,2002:", "!!")
            self.problems.append(
                Problem(place, "", f"the tag {quoted(name)} is not allowed; a recipe is plain text, numbers and lists")
            )

    def _grow(self, size: int, height: int, place: Place) -> None:
        self._count += size
        if len(self._open) + height > MAX_DEPTH:
            raise Malformed(Problem(place, "", f"nested too deeply (more than {MAX_DEPTH} levels)"))
        if self._count > MAX_NODES:
            raise Malformed(Problem(place, "", f"too large: more than {MAX_NODES} values, with aliases followed"))

    def _alias(self, anchor: str, place: Place) -> None:
        if anchor not in self._anchors:
            raise Malformed(Problem(place, "", f"the alias *{quoted(anchor)} has no anchor before it"))
        anchored = self._anchors[anchor]
        if anchored is None:
            raise Malformed(Problem(place, "", f"the alias *{quoted(anchor)} stands within what it stands for"))
        self._grow(anchored.size, anchored.height, place)
        self._add(anchored.node, anchored.size, anchored.height, None)

    def _add(self, node: Node, size: int, height: int, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = _Anchored(node, size, height)
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        parent.size += size
        parent.height = max(parent.height, height + 1)
        if not parent.is_table:
            parent.items.append(node)
        elif parent.key is None:
            parent.key = self._key(node)
        else:
            self._add_entry(parent, parent.key, node)
            parent.key = None

    def _key(self, node: Node) -> Scalar:
        if not isinstance(node, Scalar):
            raise Malformed(Problem(node.place, "", "a key must be a single word, not a list or mapping"))
        return node

    def _add_entry(self, parent: _Open, key: Scalar, value: Node) -> None:
        if key.plain and key.text == "<<":
            message = "merge keys (`<<`) are not part of the recipe format; write the keys themselves"
            self.problems.append(Problem(key.place, "", message))
        elif key.text in parent.entries:
            first = parent.entries[key.text].place
            message = f"the key {quoted(key.text)} is here twice; it was first given at {first}"
            self.problems.append(Problem(key.place, "", message))
        else:
            parent.entries[key.text] = Entry(key.place, value)


def _syntax_problem(error: yaml.MarkedYAMLError, text: str, composer: _Composer) -> Problem:
    """What a person can do about the parser's complaint."""
    problem, context = error.problem or "", error.context or ""
    mark = error.problem_mark or error.context_mark
    if "quoted scalar" in context and "unexpected end of stream" in problem and error.context_mark is not None:
        return Problem(composer.place(error.context_mark), "", "the quoted text that begins here is never closed")
    place = composer.place(mark)
    if "cannot start any token" in problem and mark is not None:
        char = text[mark.index : mark.index + 1]
        if char == "\t":
            return Problem(place, "", "a tab cannot indent in YAML; use spaces")
        return Problem(place, "", f"a value cannot begin with {quoted(char)}; put it in quotes")
    if "mapping values are not allowed" in problem:
        return Problem(place, "", "this `:` would begin a mapping, and none can be here; put text with `: ` in quotes")
    details = ", ".join(part for part in (context, problem) if part)
    if error.context_mark is not None and error.context_mark.line != place.line - 1:
        details += f"; it began at {composer.place(error.context_mark)}"
    return Problem(place, "", f"not valid YAML: {quoted(details, 400)}")


def compose(text: str, source: str, problems: list[Problem], *, override: Place | None = None) -> Node | None:
    """The tree of one YAML document; None when it is empty.

    Args:
        text: the YAML.
        source: the file's name, for messages.
        problems: gets what is wrong but does not hinder reading on, such as a key that is there twice.
        override: the place of everything, when the text is from the command line.

    Raises:
        Malformed: it is not YAML, or larger or deeper than any recipe.
    """
    bad = _NOT_PRINTABLE.search(text)
    if bad is not None:
        place = override or place_in(text, bad.start(), source)
        raise Malformed(Problem(place, "", f"the character {quoted(bad.group())} is not allowed in YAML text"))
    composer = _Composer(source, override)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            composer.feed(event)
    except yaml.MarkedYAMLError as error:
        raise Malformed(_syntax_problem(error, text, composer)) from None
    finally:
        problems += composer.problems
    return composer.root
