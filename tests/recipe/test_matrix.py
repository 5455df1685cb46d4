"""A matrix's cases: which there are, what each says, and how wrong ones are told."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.errors import RecipeError
from orchestrator.recipe.load import LoadedRecipe, load
from orchestrator.recipe.matrix import Cases, load_cases

Load = Callable[..., LoadedRecipe]
Problems = Callable[..., list[str]]

MATRIX = """\
matrix:
  run.n_threads: [1, 2]
  run.n_predict: [16, 32, 64]
"""
QUICK = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture
def cases_of(load_text: Load, good: str) -> Callable[..., Cases]:
    """The cases of a recipe from what is added to the shortest one that is right."""

    def load_them(text: str, overrides: Sequence[str] = (), base: str = good) -> Cases:
        Path("x.yaml").write_text(base + text)
        return load_cases(Path("x.yaml"), overrides)

    return load_them


def _settings(cases: Cases) -> list[str]:
    return [" ".join(case.settings.values()) for case in cases.cases]


def test_the_last_key_changes_fastest(cases_of: Callable[..., Cases]) -> None:
    cases = cases_of(MATRIX + "exclude: [{run.n_predict: 64, run.n_threads: 1}]\nrepeat: 3\nwarmup: 1\n")
    assert _settings(cases) == ["1 16", "1 32", "2 16", "2 32", "2 64"]
    assert [case.index for case in cases.cases] == [0, 1, 2, 3, 4]
    assert cases.cases[4].settings == {"run.n_threads": "2", "run.n_predict": "64"}
    runs = [case.loaded.recipe.run for case in cases.cases]
    assert [(run.n_threads, run.n_predict) for run in runs] == [(1, 16), (1, 32), (2, 16), (2, 32), (2, 64)]
    assert (cases.repeat, cases.warmup, cases.name) == (3, 1, "x")
    assert cases.varied == ("run.n_threads", "run.n_predict")


def test_a_plain_recipe_is_one_case(cases_of: Callable[..., Cases], good: str, load_text: Load) -> None:
    plain = load_text(good)
    cases = cases_of("")
    (case,) = cases.cases
    assert (case.settings, case.loaded, cases.digest) == ({}, plain, plain.digest)
    assert (cases.repeat, cases.warmup, cases.varied) == (1, 0, ())
    again = cases_of("matrix:\nexclude:\nrepeat: 1\n")
    assert (again.cases[0].loaded, again.digest) == (plain, plain.digest)


def test_a_matrix_of_one_case_is_a_plain_recipe(load_text: Load, good: str) -> None:
    loaded = load_text(good + "matrix: {run.n_threads: [3]}\nrepeat: 4\n")
    plain = load_text(good + "  n_threads: 3\n")
    assert (loaded.recipe, loaded.digest) == (plain.recipe, plain.digest)


def test_where_one_run_is_wanted_a_case_must_be_chosen(problems_of: Problems, load_text: Load, good: str) -> None:
    assert problems_of(good + MATRIX) == [
        "this recipe has 6 cases (by run.n_threads, run.n_predict), and here one is wanted"
    ]
    with pytest.raises(RecipeError) as caught:
        load_text(good + MATRIX, ["run.n_predict=32"])
    assert caught.value.hint == "choose one, such as with -s run.n_threads=1"
    assert load_text(good + MATRIX, ["run.n_predict=32", "run.n_threads=1"]).recipe.run.n_predict == 32


def test_the_digest_of_all(cases_of: Callable[..., Cases]) -> None:
    texts = ["", "repeat: 2\n", "warmup: 1\n", MATRIX, MATRIX + "repeat: 2\n", MATRIX.replace("16", "17")]
    assert len({cases_of(text).digest for text in texts}) == len(texts)
    assert cases_of(MATRIX).digest == cases_of("# a comment\n" + MATRIX).digest


def test_the_command_line(cases_of: Callable[..., Cases]) -> None:
    assert _settings(cases_of(MATRIX, ["run.n_threads=2"])) == ["2 16", "2 32", "2 64"]
    fixed = cases_of(MATRIX, ["run.n_threads=5", "repeat=7"])
    assert _settings(fixed) == ["5 16", "5 32", "5 64"]
    assert fixed.varied == ("run.n_predict",)
    assert fixed.repeat == 7
    assert fixed.cases[0].loaded.recipe.run.n_threads == 5
    assert _settings(cases_of(MATRIX, ["run.n_threads=null"])) == ["null 16", "null 32", "null 64"]
    assert _settings(cases_of(MATRIX, ["matrix.run.n_threads=[4, 8]", "run.n_predict=1"])) == ["4 1", "8 1"]
    assert _settings(cases_of(MATRIX, ["matrix.run.n_threads=null"])) == ["16", "32", "64"]
    assert _settings(cases_of(MATRIX, ["matrix=null"])) == [""]
    assert _settings(cases_of("", ["matrix.run.n_threads=[1, 2]"])) == ["1", "2"]
    # The later of both.
    assert _settings(cases_of("", ["run.n_threads=3", "matrix.run.n_threads=[1, 2]"])) == ["1", "2"]
    assert _settings(cases_of("", ["matrix.run.n_threads=[1, 2]", "run.n_threads=3"])) == ["3"]
    # Of what a key lies in, the matrix sets its part.
    around = cases_of(MATRIX, ["run={prompt: Bye}"])
    assert {(case.loaded.prompt, case.loaded.recipe.run.n_threads) for case in around.cases} == {("Bye", 1), ("Bye", 2)}


def test_the_command_line_and_what_is_excluded(cases_of: Callable[..., Cases]) -> None:
    exclude = "exclude: [{run.n_threads: 1, run.n_predict: 64}]\n"
    assert _settings(cases_of(MATRIX + exclude, ["run.n_threads=1"])) == ["1 16", "1 32"]
    assert len(cases_of(MATRIX + exclude, ["run.n_threads=3"]).cases) == 3
    assert len(cases_of(MATRIX + exclude, ["matrix.run.n_threads=[3, 4]"]).cases) == 6
    assert len(cases_of(MATRIX + exclude, ["exclude=null"]).cases) == 6
    with pytest.raises(RecipeError, match="no case is left with what the command line sets"):
        cases_of(MATRIX + exclude, ["run.n_threads=1", "run.n_predict=64"])


def test_values_that_are_lists_and_mappings(cases_of: Callable[..., Cases]) -> None:
    cases = cases_of("""\
matrix:
  run.cpus: [[1, 0], [0], null]
  model:
    - {source: path, path: a.gguf, size_bytes: 1}
    - {source: path, path: b.gguf}
exclude: [{run.cpus: null, model: {path: b.gguf, source: path}}]
""")
    labels = ["[1, 0] {path: a.gguf}", "[1, 0] {path: b.gguf}", "[0] {path: a.gguf}", "[0] {path: b.gguf}"]
    assert _settings(cases) == [*labels, "null {path: a.gguf}"]
    assert [case.loaded.recipe.run.cpus for case in cases.cases] == [(0, 1), (0, 1), (0,), (0,), None]
    assert [case.loaded.recipe.model.size_bytes for case in cases.cases] == [1, None, 1, None, 1]
    # A part of what the matrix sets as a whole, in each of its values.
    sized = cases_of("matrix: {model: [{source: path, path: a}, {source: path, path: b}]}\n", ["model.size_bytes=5"])
    assert {case.loaded.recipe.model.size_bytes for case in sized.cases} == {5}


def test_a_value_of_the_matrix_takes_the_place_of_what_goes_not_with_it(
    cases_of: Callable[..., Cases], tmp_path: Path
) -> None:
    (tmp_path / "p.txt").write_text("from a file")
    assert cases_of("matrix: {run.prompt_file: [p.txt]}\n").cases[0].loaded.prompt == "from a file"
    in_the_matrix_only = "lcpp: 1\nmodel: {source: path, path: a}\nrun: {}\nmatrix: {run.prompt: [a, b]}\n"
    assert [case.loaded.prompt for case in cases_of(in_the_matrix_only, base="").cases] == ["a", "b"]


def test_labels_are_short_and_each_another(cases_of: Callable[..., Cases]) -> None:
    long = "x" * 500
    (first, second) = _settings(cases_of(f"matrix: {{run.prompt: [{long}a, {long}b]}}\n"))
    assert first != second
    assert len(first) < 120
    assert _settings(cases_of("matrix: {run.system: ['null', null]}\n", ["run.mode=chat"])) == ['"null"', "null"]
    assert _settings(cases_of('matrix: {run.prompt: ["a\\e[2Jb"]}\n')) == ["a\\u001b[2Jb"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("matrix: {run.n_thread: [1]}", "8:10: matrix.run.n_thread: unknown key; did you mean n_threads?"),
        ("matrix: {n_threads: [1]}", "8:10: matrix.n_threads: unknown key; did you mean run.n_threads?"),
        ("matrix: {run.n_threads: 1}", "8:25: matrix.run.n_threads: expected a list, found 1"),
        ("matrix: {run.n_threads: []}", "8:25: matrix.run.n_threads: expected at least one value, found none"),
        ("matrix: [1]", "8:9: matrix: expected a mapping, found a list"),
        (
            "matrix: {run.n_threads: [1, 2, 1]}",
            "8:32: matrix.run.n_threads: the value 1 is here twice",
        ),
        (
            "matrix: {run.n_threads: [1, 0x1]}",
            "8:29: matrix.run.n_threads: the value 0x1 is here twice",
        ),
        (
            "matrix: {run.sampling.temperature: [1, 1.0]}",
            "8:40: matrix.run.sampling.temperature: with run.sampling.temperature=1.0 it is the same run as with "
            "run.sampling.temperature=1; leave one of them out",
        ),
        (
            "matrix:\n  run.n_threads:\n  - 1\n  - four",
            '11:5: run.n_threads: expected an integer from 1 to 4096, found the text "four"',
        ),
        (
            "matrix: {run.cpus: [[0, 1], [0, 0]]}",
            "8:29: run.cpus: CPU 0 is here twice",
        ),
        ("matrix: {name: [a]}", "8:10: matrix.name: this is the same for all cases and cannot be in a matrix"),
        ("matrix: {repeat: [1]}", "8:10: matrix.repeat: this is the same for all cases and cannot be in a matrix"),
        ("matrix: {matrix: [1]}", "8:10: matrix.matrix: this is the same for all cases and cannot be in a matrix"),
        ("matrix: {run.: [1]}", "8:10: matrix.run.: expected a key path such as run.n_threads"),
        ("matrix: {'': [1]}", "8:10: matrix.: expected a key path such as run.n_threads"),
        (
            'matrix: {"expect.metadata.\\e[2J": [1]}',
            "8:10: matrix.expect.metadata.\\u001b[2J: expected a key path such as run.n_threads",
        ),
        (
            "matrix: {run.sampling: [{}], run.sampling.seed: [1]}",
            "8:30: matrix.run.sampling.seed: one of this and run.sampling is part of the other",
        ),
        (
            "matrix: {run.n_threads.x: [1]}",
            "8:10: matrix.run.n_threads.x: there is nothing below a single value; "
            "expected there: an integer from 1 to 4096",
        ),
        (MATRIX + "exclude: [{}]", "11:11: exclude[0]: expected at least one value, found none"),
        (MATRIX + "exclude: {run.n_threads: 1}", "11:10: exclude: expected a list, found a mapping"),
        (
            MATRIX + "exclude: [{run.n_thread: 1}]",
            "11:12: exclude[0].run.n_thread: excludes nothing: the matrix has no such key; did you mean run.n_threads?",
        ),
        (
            MATRIX + "exclude: [{run.n_predict: 1}]",
            "11:27: exclude[0].run.n_predict: excludes nothing: 1 is not in the matrix, which has 16, 32, 64",
        ),
        (
            MATRIX + "exclude: [{run.n_threads: 1}, {run.n_threads: 1}]",
            "11:31: exclude[1]: the same is excluded twice",
        ),
        (MATRIX + "exclude: [{run.n_threads: 1}, {run.n_threads: 2}]", "11:10: exclude: no case is left"),
        (
            "exclude: [{run.n_threads: 1}]",
            "8:12: exclude[0].run.n_threads: excludes nothing: the matrix has no such key",
        ),
        ("repeat: 0", "8:9: repeat: expected an integer from 1 to 1000, found 0"),
        ("repat: 2", "8:1: repat: unknown key; did you mean repeat?"),
        (
            "matrix: {run.program: [complete, bench]}",
            "5:1: run: a bench makes its own prompt: leave `prompt` out and set `n_prompt` and `n_gen` "
            "(with run.program=bench)",
        ),
        (
            "matrix: {run.prompt_file: [nowhere.txt]}",
            "8:28: run.prompt_file: there is no file ",
        ),
    ],
)
def test_problems(text: str, problem: str, problems_of: Problems, good: str) -> None:
    (found,) = problems_of(good + "  # line 7\n" + text + "\n")
    assert found.startswith(f"x.yaml:{problem}")


def test_problems_of_the_matrix_and_of_the_rest_come_together(problems_of: Problems, good: str) -> None:
    text = good + "  n_batch: big\nmatrix: {run.n_thread: [1]}\n"
    assert problems_of(text, ["run.n_ubatch=0"]) == [
        "-s run.n_ubatch=0: run.n_ubatch: expected an integer from 1 to 1000000, found 0",
        'x.yaml:7:12: run.n_batch: expected an integer from 1 to 1000000, found the text "big"',
        "x.yaml:8:10: matrix.run.n_thread: unknown key; did you mean n_threads?",
    ]


def test_problems_that_an_override_makes_stand_there(problems_of: Problems, good: str) -> None:
    assert problems_of(good + MATRIX, ["run.history=keep"]) == ["-s run.history=keep: run: `history` needs `prompts`"]


def test_bounds(problems_of: Problems, good: str) -> None:
    hundred = ", ".join(map(str, range(1, 101)))
    many = f"matrix: {{run.n_threads: [{hundred}], run.n_predict: [{hundred}], run.n_gen: [1, 2]}}\n"
    assert problems_of(good + many) == [
        "x.yaml:7:9: matrix: the matrix has 20,000 cases, excluded ones with them; at most 10,000 can be"
    ]
    keys = ", ".join(f"expect.metadata.k{number}: [1]" for number in range(65))
    assert problems_of(good + f"matrix: {{{keys}}}\n") == ["x.yaml:7:9: matrix: expected at most 64 values, found more"]
    long = good.replace("Hello", "x" * 1_000_000) + f"matrix: {{run.n_threads: [{hundred}], run.n_gen: [{hundred}]}}\n"
    began = time.process_time()
    assert problems_of(long) == [
        "x.yaml:1:1: matrix: 10,000 cases with all their text are too large: more than 1,000,000,000 bytes"
    ]
    assert time.process_time() - began < 3


def test_many_wrong_cases_are_told_soon(problems_of: Problems, good: str) -> None:
    wrong = ", ".join(map(str, range(5000, 15_000)))
    began = time.process_time()
    assert len(problems_of(good + f"matrix: {{run.n_threads: [{wrong}]}}\n")) == 50
    assert time.process_time() - began < 3


def test_what_is_to_be_set_up(cases_of: Callable[..., Cases]) -> None:
    cases = cases_of(MATRIX.replace("run.n_predict: [16, 32, 64]", "engine.ref: [b3642, b4000]"))
    assert [loaded.recipe.engine.ref for loaded in cases.to_set_up] == ["b3642", "b4000"]
    assert len(cases_of("matrix: {run.program: [complete, llama-cli], run.n_threads: [1, 2]}\n").to_set_up) == 2


KEYS = ["run.n_threads", "run.n_predict", "run.sampling.seed", "expect.metadata.a.b", "run.extra_args", "run.prompt"]
values_of: dict[str, st.SearchStrategy[object]] = {key: st.integers(1, 4000) for key in KEYS} | {
    "run.extra_args": st.lists(st.sampled_from(["--keep", "5", "a b", "", "null", '"', "[x]"]), min_size=1, max_size=3),
    "run.prompt": st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8),
    "expect.metadata.a.b": st.integers() | st.booleans() | st.sampled_from(["1", "true", "null", "a: b", "~", "x, y"]),
}


@st.composite
def matrices(draw: st.DrawFn) -> tuple[dict[str, list[object]], list[dict[str, object]]]:
    keys = draw(st.lists(st.sampled_from(KEYS), unique=True, max_size=4))
    matrix: dict[str, list[object]] = {
        key: draw(st.lists(values_of[key], min_size=1, max_size=3, unique_by=json.dumps)) for key in keys
    }
    named = [key for key in keys if len(matrix[key]) > 1]
    items = st.lists(st.sampled_from(named), unique=True, min_size=1).flatmap(
        lambda chosen: st.fixed_dictionaries({key: st.sampled_from(matrix[key]) for key in chosen})
    )
    excludes = st.lists(items, max_size=3, unique_by=lambda item: json.dumps(item, sort_keys=True))
    return matrix, draw(excludes) if named else []


@QUICK
@given(given_=matrices())
def test_cases_are_the_product_without_what_is_excluded(
    given_: tuple[dict[str, list[object]], list[dict[str, object]]], tmp_path: Path, good: str
) -> None:
    matrix, exclude = given_
    wanted = [
        combination
        for values in itertools.product(*matrix.values())
        for combination in [dict(zip(matrix, values, strict=True))]
        if not any(all(_same(combination[key], value) for key, value in item.items()) for item in exclude)
    ]
    path = tmp_path / "x.yaml"
    # With a quoted text for each value, as JSON has them; YAML breaks lines at more characters, so those are escaped.
    path.write_text(good + _yaml({"matrix": matrix, "exclude": exclude}))
    if not wanted:
        with pytest.raises(RecipeError, match="no case is left"):
            load_cases(path)
        return
    cases = load_cases(path).cases
    assert len(cases) == len(wanted)
    assert len({case.loaded.digest for case in cases}) == len(cases)
    assert len({tuple(case.settings.items()) for case in cases}) == len(cases)
    plain = tmp_path / "plain.yaml"
    plain.write_text(good)
    for case, combination in zip(cases, wanted, strict=True):
        recipe = case.loaded.recipe
        assert list(case.settings) == list(combination)
        for key, value in combination.items():
            assert _same(_at(recipe.model_dump(mode="json"), key), value)
    # The last one, said on the command line.
    assert load(plain, cases[-1].loaded.overrides).digest == cases[-1].loaded.digest
    assert load(path, cases[-1].loaded.overrides).digest == cases[-1].loaded.digest


def _same(one: object, other: object) -> bool:
    return json.dumps(one) == json.dumps(other)


def _at(document: dict[str, object], key: str) -> object:
    found: object = document
    while key:
        assert isinstance(found, dict)
        name, _, rest = key.partition(".")
        name, rest = (key, "") if key in found else (name, rest)
        found, key = found[name], rest
    return found


def _yaml(document: object) -> str:
    return "".join(f"{key}: {_flow(value)}\n" for key, value in dict(document).items())  # type: ignore[call-overload]


def _flow(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str):
        return (
            '"' + "".join(char if char.isalnum() and char.isascii() else f"\\U{ord(char):08x}" for char in value) + '"'
        )
    return json.dumps(value)


@QUICK
@given(
    key=st.text(max_size=20) | st.sampled_from(["run", "run.", ".run", "run..x", "<<", "matrix.run.n_threads", "a.b"])
)
def test_hostile_keys(key: str, tmp_path: Path, good: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes((good + "matrix: {" + _flow(key) + ": [1, 2]}\n").encode(errors="surrogatepass"))
    with pytest.raises(RecipeError) as caught:
        load_cases(path)
    assert "x.yaml:" in caught.value.what
