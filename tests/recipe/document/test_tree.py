"""YAML that no recipe should hold: refused at once, with its place, by both of PyYAML's parsers."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

import pytest
import yaml

from orchestrator.recipe.document import tree as document

Problems = Callable[..., list[str]]


@pytest.fixture(params=["libyaml", "python"], autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs with the parser in C, where PyYAML has it, and with the one in Python."""
    if request.param == "python":
        monkeypatch.setattr(document, "_LOADER", yaml.SafeLoader)
    elif not yaml.__with_libyaml__:
        pytest.skip("this PyYAML has no libyaml")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "x.yaml:1:1: the recipe is empty"),
        ("# nothing\n", "x.yaml:1:1: the recipe is empty"),
        ("---\n", "the recipe is empty"),
        ("- a\n", "x.yaml:1:1: expected a mapping (`lcpp: 1`, `model: …`, `run: …`), found a list"),
        ("text", "x.yaml:1:1: expected a mapping (`lcpp: 1`, `model: …`, `run: …`), found a single value"),
        ("a:\n\tb: 1", "x.yaml:2:1: a tab cannot indent in YAML; use spaces"),
        ('lcpp: 1\nrun: {prompt: "x\n', "x.yaml:2:15: the quoted text that begins here is never closed"),
        ("a: [1,\n  2\n", "it began at x.yaml:1:4"),
        ("a: @x", "x.yaml:1:4: a value cannot begin with @; put it in quotes"),
        ("a: b: c", "x.yaml:1:5: this `:` would begin a mapping, and none can be here; put text with `: ` in quotes"),
        ("a: 1\n---\nb: 2", "x.yaml:2:1: a second document begins here; a recipe is one document"),
        ("a: \x01", "x.yaml:1:4: the character \\u0001 is not allowed in YAML text"),
        ("? [a]\n: b", "x.yaml:1:3: a key must be a single word, not a list or mapping"),
        ("a: &a [1, *a]", "the alias *a stands within what it stands for"),
        ("a: *b", "x.yaml:1:4: the alias *b has no anchor before it"),
        ("a:\n  " + "[" * 200, "x.yaml:2:102: nested too deeply (more than 100 levels)"),
        ("".join(" " * level + "a:\n" for level in range(200)), "x.yaml:100:100: nested too deeply"),
    ],
)
def test_what_cannot_be_read(text: str, problem: str, problems_of: Problems) -> None:
    (said,) = problems_of(text)
    assert problem in said
    assert said.startswith("x.yaml:")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            "description: !!python/object/apply:os.system [id]",
            "x.yaml:7:14: the tag !!python/object/apply:os.system is not allowed",
        ),
        ("description: !include /etc/passwd", "x.yaml:7:14: the tag !include is not allowed"),
        ("lcpp: 1", "x.yaml:7:1: the key lcpp is here twice; it was first given at x.yaml:1:1"),
        ("<<: {a: 1}", "x.yaml:7:1: merge keys (`<<`) are not part of the recipe format"),
    ],
)
def test_what_is_refused_beside_other_problems(line: str, problem: str, problems_of: Problems, good: str) -> None:
    lines = problems_of(f"{good}{line}\nunknown: 1\n")
    assert any(said.startswith(problem) for said in lines)
    assert "x.yaml:8:1: unknown: unknown key" in "\n".join(lines)


@pytest.mark.parametrize("line", ["name: !!str y", "name: ! y", "expect: !!map {text_contains: !!seq [a]}"])
def test_plain_tags_are_fine(line: str, load_text: Callable[..., object], good: str) -> None:
    load_text(f"{good}{line}\n")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b'lcpp: 1\nname: "\xe9"', "x.yaml:2:8: not UTF-8 text"),
        ("lcpp: 1".encode("utf-16"), "x.yaml:1:1: not UTF-8 text"),
        ("lcpp: \xe4\xf6 \x7f".encode(), "x.yaml:1:10: the character \\u007f is not allowed"),
    ],
)
def test_bytes_that_are_no_text(data: bytes, problem: str, problems_of: Problems) -> None:
    (said,) = problems_of(data)
    assert said.startswith(problem)


_LEVELS = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 12))
BOMBS = {
    "aliases": "l0: &l0 [a, a, a, a, a, a, a, a, a]\n" + _LEVELS,
    "alias of a long list": f"a: &a [{', '.join(['x'] * 7000)}]\nb: [*a, *a, *a]\n",
    "aliases that nest": "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 200)),
    "values": "[" + "a," * 25_000 + "]",
    "keys": "".join(f"k{n}: 1\n" for n in range(11_000)),
    "open lists": "[" * 30_000,
    "open mappings": "{a: " * 10_000,
    "anchors": "&a " * 30_000,
    "comment": "#" * 200_000,
    "long text": '"' + "a" * 100_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_take_neither_time_nor_memory(name: str, problems_of: Problems) -> None:
    problems_of("a: 1")  # what is made once
    tracemalloc.start()
    began = time.process_time()
    try:
        problems_of(BOMBS[name])
        assert time.process_time() - began < 20  # traced, and on a busy machine; without, below a second
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()
