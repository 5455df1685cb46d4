"""`-s key.path=value`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.recipe.load import LoadedRecipe
from orchestrator.recipe.schema.recipe import HubModel, PackageModel, PathModel

Load = Callable[..., LoadedRecipe]
Problems = Callable[..., list[str]]

PACKAGE = """\
lcpp: 1
model:
  source: package
  package: a==1
  file: a.gguf
  size_bytes: 5
run:
  prompt_file: p.txt
  n_predict: 7
"""


def test_values_have_types(load_text: Load, good: str) -> None:
    overrides = [
        "run.n_predict=64",
        "run.sampling.temperature=0.5",
        "run.program=chat",
        "run.extra_args=[--keep, '5', \"x y\"]",
        "engine.options={GGML_A: true, GGML_B: 5, GGML_C: x}",
        "engine.options.GGML_D=off",
        "expect.metadata.general.architecture=llama",
        "expect.metadata.llama.block_count=32",
        "run.n_ctx=4096",
    ]
    loaded = load_text(good, overrides)
    run, recipe = loaded.recipe.run, loaded.recipe
    assert (run.n_predict, run.sampling.temperature, run.program, run.n_ctx) == (64, 0.5, "chat", 4096)
    assert run.extra_args == ("--keep", "5", "x y")
    assert recipe.engine.options == {"GGML_A": True, "GGML_B": 5, "GGML_C": "x", "GGML_D": False}
    assert recipe.expect.metadata == {"general.architecture": "llama", "llama.block_count": 32}
    assert loaded.overrides == tuple(overrides)


@pytest.mark.parametrize(
    ("given", "prompt"),
    [
        ("42", "42"),
        ("1e5", "1e5"),
        ("true", "true"),
        ("a: b # c", "a: b # c"),
        ("[a, b", "[a, b"),
        ('"in quotes"', "in quotes"),
        (r'"two\nlines"', "two\nlines"),
        ("'single'", "single"),
        ('"Yes," she said', '"Yes," she said'),
        ("a=b", "a=b"),
        ("  spaces ", "  spaces "),
        ("two\n\tlines", "two\n\tlines"),
        ("été 🎉", "été 🎉"),
    ],
)
def test_text_is_taken_as_written(given: str, prompt: str, load_text: Load, good: str) -> None:
    assert load_text(good, [f"run.prompt={given}"]).prompt == prompt


def test_null_resets_to_the_default(load_text: Load) -> None:
    base = PACKAGE.replace("prompt_file: p.txt", "prompt: a") + "expect: {metadata: {a.b: 1, c: 2}}\n"
    reset = ["run.n_predict=null", "model.size_bytes=~", "expect.metadata.a.b=", "engine=null"]
    recipe = load_text(base, reset).recipe
    assert recipe.run.n_predict == 128
    assert recipe.model.size_bytes is None
    assert recipe.expect.metadata == {"c": 2}


def test_later_ones_win(load_text: Load, good: str) -> None:
    assert load_text(good, ["run.n_predict=1", "run={prompt: a}", "run.n_predict=3"]).recipe.run.n_predict == 3
    assert load_text(good, ["run.n_predict=1", "run={prompt: a}"]).recipe.run.n_predict == 128


def test_the_prompt_takes_the_place_of_a_prompt_file_and_back(load_text: Load, good: str, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("from the file")
    loaded = load_text(PACKAGE, ["run.prompt=from the command line"])
    assert (loaded.prompt, loaded.recipe.run.prompt_file) == ("from the command line", None)
    loaded = load_text(good, ["run.prompt_file=p.txt"])
    assert (loaded.prompt, loaded.recipe.run.prompt) == ("from the file", None)


def test_another_source_of_the_model(load_text: Load) -> None:
    base = PACKAGE.replace("prompt_file: p.txt", "prompt: a")
    to_path = ["model.path=/a.gguf", "model.source=path"]
    for overrides in (to_path, to_path[::-1]):
        assert load_text(base, overrides).recipe.model == PathModel(source="path", path="/a.gguf", size_bytes=5)
    hub = load_text(base, ["model.source=hub", "model.repo=a/b"]).recipe.model
    assert hub == HubModel(source="hub", repo="a/b", file="a.gguf", size_bytes=5)
    whole = load_text(base, ["model={source: path, path: b.gguf}"]).recipe.model
    assert whole == PathModel(source="path", path="b.gguf")
    same = load_text(base, ["model.source=package", "model.package=b==2"]).recipe.model
    assert same == PackageModel(source="package", package="b==2", file="a.gguf", size_bytes=5)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("run.n_predict=abc", 'run.n_predict: expected an integer from 1 to 1000000, found the text "abc"'),
        ("run.n_predict=0", "run.n_predict: expected an integer from 1 to 1000000, found 0"),
        ("run.n_predict=[1]", "run.n_predict: expected an integer from 1 to 1000000, found a list"),
        ("run.n_predcit=5", "run.n_predcit: unknown key; did you mean n_predict?"),
        ("n_predict=5", "n_predict: unknown key; did you mean run.n_predict?"),
        ("runn.n_predict=5", "runn: unknown key; did you mean run?"),
        (
            "run.n_predict.x=5",
            "run.n_predict.x: there is nothing below a single value; expected there: an integer from 1 to 1000000",
        ),
        ("run.extra_args.0=a", "run.extra_args.0: a list is replaced as a whole: KEY=[a, b]"),
        ("run.extra_args=--keep", 'run.extra_args: expected a list, found the text "--keep"'),
        ("engine.build=mak", 'engine.build: expected auto, make or cmake, found the text "mak"; did you mean make?'),
        ("model.source=hub", "model.repo: missing; expected OWNER/NAME"),
        ("run.prompt=null", "run: `prompt` or `prompt_file` is needed"),
        ("run.program=bench", "run: a bench makes its own prompt: leave `prompt` out and set `n_prompt` and `n_gen`"),
        ("engine.path=/x", "engine: `path` is only used with `source: path`"),
        ("run.n_predict", "expected key.path=value, such as run.n_predict=64"),
        ("=5", "expected key.path=value, such as run.n_predict=64"),
        ("run.n_batch=[1", "not valid YAML: "),
        ("run.n_batch=\ud800", "the character \\ud800 is not allowed in YAML text"),
        ("run.extra_args=[!!python/name:os.system x]", "the tag !!python/name:os.system is not allowed"),
        ("lcpp=2", "lcpp: this recipe needs a newer lcpp: it has format 2, this lcpp reads 1; update lcpp"),
    ],
)
def test_problems_stand_at_the_override(override: str, message: str, problems_of: Problems) -> None:
    base = PACKAGE.replace("prompt_file: p.txt", "prompt: a")
    shown = override.replace("\ud800", "\\ud800")
    (problem,) = problems_of(base, [override])
    assert problem.startswith(f"-s {shown}: {message}")


def test_text_that_cannot_be_sent_is_a_problem(problems_of: Problems, good: str) -> None:
    # Bytes of the command line that are not UTF-8 come as lone surrogates.
    (problem,) = problems_of(good, ["run.prompt=\udcff"])
    assert problem == '-s run.prompt=\\udcff: run.prompt: expected text, found the text "\\udcff"'


def test_problems_of_the_file_stay_at_their_lines(problems_of: Problems, good: str) -> None:
    text = good.replace("  prompt: Hello", "  mode: chat") + "nmae: x\n"
    assert problems_of(text, ["run.n_predict=5", "engine.ref=-x"]) == [
        '-s engine.ref=-x: engine.ref: expected a tag, branch or commit of llama.cpp, found the text "-x"',
        "x.yaml:5:1: run: `prompt` or `prompt_file` is needed",
        "x.yaml:7:1: nmae: unknown key; did you mean name?",
    ]


def test_long_overrides_are_shortened(problems_of: Problems, good: str) -> None:
    (problem,) = problems_of(good, ["run.n_predict=" + "x\n" * 500])
    assert len(problem) < 300
