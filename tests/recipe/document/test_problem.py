"""How problems are written and put in order."""

from __future__ import annotations

from orchestrator.recipe.document.problem import Place, Problem, recipe_error


def test_a_place_on_the_command_line_has_no_line() -> None:
    assert str(Place("r.yaml", 3, 5)) == "r.yaml:3:5"
    assert str(Place("-s run.seed=1")) == "-s run.seed=1"


def test_a_problem_of_the_whole_file_has_no_key() -> None:
    assert str(Problem(Place("r.yaml", 1, 1), "run.seed", "missing")) == "r.yaml:1:1: run.seed: missing"
    assert str(Problem(Place("r.yaml", 1, 1), "", "empty")) == "r.yaml:1:1: empty"


def test_problems_come_once_and_in_the_order_of_the_file() -> None:
    problems = [Problem(Place("r.yaml", line, 1), "", "bad") for line in (10, 9, 10)]
    assert str(recipe_error(problems)).startswith("r.yaml:9:1: bad\nr.yaml:10:1: bad\n  next: ")


def test_fifty_problems_are_shown() -> None:
    problems = [Problem(Place("r.yaml", line, 1), "", "bad") for line in range(1, 51)]
    assert "more problems" not in str(recipe_error(problems))
    more = [*problems, Problem(Place("r.yaml", 51, 1), "", "bad"), Problem(Place("r.yaml", 52, 1), "", "bad")]
    assert "r.yaml:50:1: bad\n… and 2 more problems" in str(recipe_error(more))
