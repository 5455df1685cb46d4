"""From a recipe's file and the command line's overrides to its cases, or all that is wrong with them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator.recipe.axes import Axis, Choice, axes_of, choices, is_fixed
from orchestrator.recipe.check import check, check_plan
from orchestrator.recipe.document.problem import Malformed, Problem, quoted, recipe_error
from orchestrator.recipe.document.tree import Table
from orchestrator.recipe.loaded import LoadedRecipe, Source, Texts, finish, read_source
from orchestrator.recipe.overrides import Setting, apply, is_within, read_overrides
from orchestrator.values import Value, replace

# Each case is checked and hashed with all its text.
MAX_BYTES_IN_ALL = 1_000_000_000
# Problems of so many cases are told; the rest are most likely the same.
_MAX_FAILING = 50


class Case(Value):
    """One combination of a recipe's matrix.

    Args:
        index: its number, from 0, in the order in which the last key of the matrix changes fastest.
        settings: the matrix's keys and their values in this case, as short texts; empty when there is no matrix.
        loaded: the recipe of this case alone. Its digest is that of a recipe without a matrix that says the same.
    """

    index: int
    settings: Mapping[str, str]
    loaded: LoadedRecipe


class Cases(Value):
    """What a recipe's file asks for: one case or more.

    Args:
        repeat: how often each case is run and measured, at least 1.
        warmup: how often each is run before that.
        varied: the keys of the matrix that have more than one value, in its order.
        name: the recipe's.
        digest: SHA-256 (hex) of all cases, `repeat` and `warmup`; of one case that is run once, the recipe's own.
    """

    cases: tuple[Case, ...]
    repeat: int
    warmup: int
    varied: tuple[str, ...]
    name: str
    digest: str

    @property
    def is_many(self) -> bool:
        """Whether it asks for more than one run."""
        return len(self.cases) > 1 or self.repeat > 1 or self.warmup > 0

    @property
    def to_set_up(self) -> tuple[LoadedRecipe, ...]:
        """One recipe for each engine, model and kind of run among the cases: with these set up, all are."""
        by_need: dict[tuple[object, ...], LoadedRecipe] = {}
        for case in self.cases:
            recipe, run = case.loaded.recipe, case.loaded.recipe.run
            kind = (run.program, run.mode, run.history, bool(case.loaded.prompts))
            by_need.setdefault((recipe.engine.model_dump_json(), recipe.model, *kind), case.loaded)
        return tuple(by_need.values())


def load_cases(path: Path, overrides: Sequence[str] = ()) -> Cases:
    """Read and check the recipe in `path`, changed by `overrides` (each `key.path=value`).

    An override of a key of the matrix leaves that key this one value.

    Raises:
        RecipeError: with everything that is wrong, each problem with its place.
    """
    source = read_source(path)
    problems = list(source.problems)
    settings = read_overrides(overrides, problems)
    whole = apply(source.tree, settings)
    matrix_problems: list[Problem] = []
    plan = check_plan(whole)
    if isinstance(plan, list):
        raise recipe_error([*problems, *plan, *_of_values(whole)])
    axes = axes_of(whole, matrix_problems)
    chosen = [] if matrix_problems else choices(whole, axes, settings, matrix_problems)
    if matrix_problems:
        raise recipe_error([*problems, *matrix_problems, *_of_values(whole)])
    open_axes = [axis for axis in axes if not is_fixed(axis.key, settings)]
    cases = _Loader(source, settings, open_axes).load(chosen, problems)
    if problems:
        raise recipe_error(problems)
    return Cases(
        cases=cases,
        repeat=plan.repeat,
        warmup=plan.warmup,
        varied=tuple(axis.key for axis in open_axes if len(axis.settings) > 1),
        name=cases[0].loaded.recipe.name or "",
        digest=_digest(cases, plan.repeat, plan.warmup),
    )


def _of_values(tree: Table) -> list[Problem]:
    """What is wrong with single values of a recipe, while it is not known what its cases are."""
    checked = check(tree)
    return [problem for problem in checked if not problem.is_about_mapping] if isinstance(checked, list) else []


class _Loader:
    """Loads the cases of one file."""

    def __init__(self, source: Source, settings: Sequence[Setting], axes: Sequence[Axis]) -> None:
        self._source = source
        self._texts = Texts(source.base)
        keys = [axis.key for axis in axes]
        # An override of a part of what the matrix sets as a whole changes that part in each of its values.
        self._last = [
            setting for setting in settings if any(is_within(setting.key, key) for key in keys if key != setting.key)
        ]
        self._first = [setting for setting in settings if setting not in self._last]

    def load(self, chosen: Sequence[Choice], problems: list[Problem]) -> tuple[Case, ...]:
        """All cases; `problems` gets what is wrong with them."""
        cases: list[Case] = []
        seen: dict[str, Choice] = {}
        failing: list[tuple[Choice, list[Problem]]] = []
        spent = self._source.size_bytes * len(chosen)
        for choice in chosen:
            if len(failing) == _MAX_FAILING or spent > MAX_BYTES_IN_ALL:
                break
            loaded = self._load_case(choice)
            if isinstance(loaded, list):
                failing.append((choice, loaded))
                continue
            spent += sum(map(len, (loaded.prompt or "", *loaded.prompts)))
            same = seen.setdefault(loaded.digest, choice)
            if same is not choice:
                failing.append((choice, [_same(choice, same)]))
            cases.append(Case(index=len(cases), settings=choice.labels, loaded=loaded))
        if spent > MAX_BYTES_IN_ALL and len(chosen) > 1:
            message = f"{len(chosen):,} cases with all their text are too large: more than {MAX_BYTES_IN_ALL:,} bytes"
            problems.append(Problem(self._source.tree.place, "matrix", message))
        problems += _distinct(failing, len(chosen))
        return tuple(cases)

    def _load_case(self, choice: Choice) -> LoadedRecipe | list[Problem]:
        settings = [*self._first, *choice.settings, *self._last]
        tree = apply(self._source.tree, settings)
        checked = check(tree)
        if isinstance(checked, list):
            return self._blamed(checked, choice)
        try:
            return finish(checked, self._source, tree, self._texts, [setting.text for setting in settings])
        except Malformed as error:
            return [error.problem]

    def _blamed(self, problems: list[Problem], choice: Choice) -> list[Problem]:
        """The problems, with what the file alone would not have laid at the door of the override that made it."""
        given = [*self._first, *self._last]
        if not given or not any(problem.is_about_mapping for problem in problems):
            return problems
        alone = check(apply(self._source.tree, choice.settings))
        known = set(alone) if isinstance(alone, list) else set()
        return [
            problem if not problem.is_about_mapping or problem in known else _at_override(problem, given)
            for problem in problems
        ]


def _at_override(problem: Problem, given: Sequence[Setting]) -> Problem:
    """The problem at the place of the last override that has to do with its mapping."""
    top = problem.key.partition(".")[0]
    for setting in reversed(given):
        if not top or setting.key.partition(".")[0] == top:
            return replace(problem, place=setting.place)
    return problem


def _same(choice: Choice, other: Choice) -> Problem:
    differ = [setting for setting in choice.settings if setting not in other.settings]
    message = f"with {_shown(choice)} it is the same run as with {_shown(other)}; leave one of them out"
    return Problem(differ[-1].place, f"matrix.{quoted(differ[-1].key)}", message)


def _distinct(failing: Sequence[tuple[Choice, list[Problem]]], n_cases: int) -> list[Problem]:
    """Each problem once; one that some cases do not have, and that is not of a value of the matrix, with a case."""
    having: dict[Problem, list[Choice]] = {}
    for choice, problems in failing:
        for problem in problems:
            having.setdefault(problem, []).append(choice)
    distinct = []
    for problem, choices_with in having.items():
        first = choices_with[0]
        general = len(choices_with) in (n_cases, _MAX_FAILING)
        if general or any(problem.place == setting.place for setting in first.settings):
            distinct.append(problem)
        else:
            distinct.append(replace(problem, message=f"{problem.message} (with {_shown(first)})"))
    return distinct


def _shown(choice: Choice) -> str:
    return quoted(", ".join(f"{key}={value}" for key, value in choice.labels.items()), 300)


def _digest(cases: Sequence[Case], repeat: int, warmup: int) -> str:
    digests = [case.loaded.digest for case in cases]
    if digests[1:] or repeat > 1 or warmup > 0:
        document = {"cases": digests, "repeat": repeat, "warmup": warmup}
        return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    return digests[0]
