"""«Did you mean …»."""

from __future__ import annotations

from orchestrator.recipe.document.suggest import close_to, did_you_mean, unknown_key
from orchestrator.recipe.schema.shape import recipe_shape

NAMES = ["threads", "threads_batch", "Seed"]


def test_the_closest_names_come_first_and_no_more_than_wanted() -> None:
    assert close_to("thread", NAMES, 2) == ["threads", "threads_batch"]
    assert close_to("thread", NAMES) == ["threads"]
    assert close_to("quux", NAMES, 2) == []


def test_case_does_not_matter_and_the_name_is_as_it_is() -> None:
    assert close_to("SEDE", NAMES) == ["Seed"]


def test_names_that_are_too_long_are_not_compared() -> None:
    assert close_to("x" * 80, ["x" * 79]) == ["x" * 79]
    assert close_to("x" * 81, ["x" * 80]) == []


def test_what_is_said_of_it() -> None:
    assert did_you_mean("sed", NAMES) == "; did you mean Seed?"
    assert did_you_mean("quux", NAMES) == ""


def test_an_unknown_key_names_a_near_one_or_its_place_elsewhere_or_all() -> None:
    recipe = recipe_shape()
    assert unknown_key("modle", recipe, "") == "unknown key; did you mean model?"
    assert unknown_key("n_predict", recipe, "") == "unknown key; did you mean run.n_predict?"
    assert unknown_key("quux", recipe, "").startswith(f"unknown key; a recipe has {next(iter(recipe.fields))}, ")
