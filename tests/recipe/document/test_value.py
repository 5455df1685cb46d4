"""What the scalars of a document mean, and how a value is written on the command line."""

from __future__ import annotations

import math

import pytest

from orchestrator.recipe.document.problem import Place
from orchestrator.recipe.document.tree import Entry, Items, Node, Scalar, Table
from orchestrator.recipe.document.value import described, is_nothing, scalar_value, written
from orchestrator.recipe.schema.shape import ANYTHING

PLACE = Place("r.yaml", 1, 1)


def plain(text: str) -> Scalar:
    return Scalar(place=PLACE, text=text, plain=True)


def in_quotes(text: str) -> Scalar:
    return Scalar(place=PLACE, text=text, plain=False)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("", None), ("~", None), ("NULL", None), ("True", True), ("false", False), ("yes", "yes"), ("off", "off")),
        *(("-12", -12), ("0o17", 15), ("0x1F", 31), ("012", 12), ("1_000", "1_000"), ("1:30", "1:30")),
        *(("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0), ("-.inf", -math.inf), (".INF", math.inf), ("1.2.3", "1.2.3")),
    ],
)
def test_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    assert (scalar_value(plain(text)), type(scalar_value(plain(text)))) == (value, type(value))
    assert scalar_value(in_quotes(text)) == text


def test_nan_is_no_number_and_an_integer_of_more_digits_than_any_is_a_float() -> None:
    assert math.isnan(float(str(scalar_value(plain(".nan")))))
    assert isinstance(scalar_value(plain("9" * 300)), int)
    assert isinstance(scalar_value(plain("9" * 301)), float)


def test_nothing_is_only_what_is_not_in_quotes() -> None:
    assert is_nothing(plain("null"))
    assert not is_nothing(in_quotes(""))
    assert not is_nothing(plain("false"))


@pytest.mark.parametrize(
    ("node", "text", "words"),
    [
        (plain("~"), "null", "nothing"),
        (plain("12"), "12", "12"),
        (in_quotes("12"), '"12"', 'the text "12"'),
        (in_quotes("two words"), '"two words"', 'the text "two words"'),
        (in_quotes('a"\n'), r'"a\"\u000a"', r'the text "a"\u000a"'),
        (Items(place=PLACE, items=(plain("1"), in_quotes("b"))), "[1, b]", "a list"),
        (Table(place=PLACE, entries={"k": Entry(place=PLACE, value=plain("v"))}), "{k: v}", "a mapping"),
    ],
)
def test_a_value_as_an_override_and_in_a_message(node: Node, text: str, words: str) -> None:
    assert written(node, ANYTHING) == text
    assert described(node, ANYTHING) == words


def test_what_is_not_there_is_written_as_null() -> None:
    assert written(None, ANYTHING) == "null"
