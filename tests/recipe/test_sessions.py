"""Recipes with several prompts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.recipe.load import LoadedRecipe

Load = Callable[..., LoadedRecipe]
Problems = Callable[..., list[str]]
HEAD = "lcpp: 1\nmodel: {source: path, path: model.gguf}\n"


def test_prompts_stand_in_the_recipe_or_in_a_file(load_text: Load, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("one\r\n\n  two \n", newline="")
    (tmp_path / "p.jsonl").write_text('"one"\n{"prompt": "two\\nlines", "id": 7}\n\n')
    listed = load_text(HEAD + "run: {prompts: [one, 'two']}\n")
    assert (listed.prompts, listed.prompt) == (("one", "two"), None)
    assert load_text(HEAD + "run: {prompts_file: p.txt}\n").prompts == ("one", "  two ")
    assert load_text(HEAD + "run: {prompts_file: p.jsonl}\n").prompts == ("one", "two\nlines")


def test_what_is_set_takes_the_place_of_the_prompts_of_the_file(load_text: Load, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("one\ntwo\n")
    for prompts in ("prompts: [one, two]", "prompts_file: p.txt"):
        alone = load_text(HEAD + f"run: {{{prompts}, history: keep}}\n", ["run.prompt=hi"])
        assert (alone.prompt, alone.prompts, alone.recipe.run.history) == ("hi", (), "reset")
        alone = load_text(HEAD + f"run: {{{prompts}}}\n", ["run.prompt_file=p.txt"])
        assert (alone.prompt, alone.prompts) == ("one\ntwo\n", ())
    for prompt in ("prompt: hi", "prompt_file: p.txt", "prompts: [a]"):
        session = load_text(HEAD + f"run: {{{prompt}}}\n", ["run.prompts_file=p.txt", "run.history=keep"])
        assert (session.prompt, session.prompts, session.recipe.run.history) == (None, ("one", "two"), "keep")
    session = load_text(HEAD + "run: {prompts: [a], history: keep}\n", ["run.prompts=[b]"])
    assert (session.prompts, session.recipe.run.history) == (("b",), "keep")


def test_what_is_set_beside_each_other_is_refused(problems_of: Problems) -> None:
    session = HEAD + "run: {prompts: [one, two], history: keep}\n"
    both = problems_of(session, ["run.prompt=hi", "run.prompts_file=p.txt"])
    assert [problem.partition(": run: ")[2] for problem in both] == ["give `prompt` or `prompts_file`, not both"]
    kept = problems_of(session, ["run.prompt=hi", "run.history=keep"])
    assert [problem.partition(": run: ")[2] for problem in kept] == ["`history` needs `prompts`"]


def test_the_digest_is_of_the_prompts_wherever_they_stand(load_text: Load, tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("one\ntwo\n")
    listed = load_text(HEAD + "run: {prompts: [one, two]}\n").digest
    assert load_text(HEAD + "run: {prompts_file: p.txt}\n").digest == listed
    assert load_text(HEAD + "run: {prompts: [one, two], history: reset}\n").digest == listed
    assert load_text(HEAD + "run: {prompts: [one, two], history: keep}\n").digest != listed
    assert load_text(HEAD + "run: {prompts: [one, three]}\n").digest != listed


def test_overrides_turn_a_session_into_a_run_and_back(load_text: Load) -> None:
    session = HEAD + "run: {prompts: [one, two], history: keep}\n"
    alone = load_text(session, ["run.prompts=null", "run.history=reset", "run.prompt=one"])
    assert (alone.prompt, alone.prompts) == ("one", ())
    back = load_text(HEAD + "run: {prompt: one}\n", ["run.prompt=null", "run.prompts=[a, b]"])
    assert (back.prompt, back.prompts) == (None, ("a", "b"))


@pytest.mark.parametrize(
    ("run", "told"),
    [
        ("{prompts: []}", "run.prompts"),
        ("{prompts: ['']}", "run.prompts"),
        ("{prompts: [a], prompt: b}", "not both"),
        ("{prompts: [a], prompts_file: b}", "not both"),
        ("{prompt: a, history: keep}", "`history` needs `prompts`"),
        ("{prompts: [a], history: forget}", "reset or keep"),
        ('{prompts: ["\\ud800"]}', "x.yaml"),
        ("{program: bench, prompts: [a]}", "a bench makes its own prompt"),
        ("{program: perplexity, prompts: [a]}", "of one text"),
        ("{prompts_file: absent.txt}", "there is no file"),
    ],
)
def test_what_is_no_session_is_refused(problems_of: Problems, run: str, told: str) -> None:
    assert any(told in line for line in problems_of(HEAD + f"run: {run}\n"))


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("p.txt", "\n \n", "has no prompts"),
        ("p.jsonl", '"one"\nnot json\n', "no JSON in line 2"),
        ("p.jsonl", '{"text": "one"}\n', "no prompt in line 1"),
        ("p.jsonl", '""\n', "no prompt in line 1"),
        ("p.jsonl", '"a\\u0000b"\n', "no prompt in line 1"),
        ("p.jsonl", '"half a pair: \\ud800"\n', "no prompt in line 1"),
        ("p.jsonl", "[" * 100_000, "no JSON in line 1"),
        ("p.jsonl", '["one"]\n', "no prompt in line 1"),
        ("p.txt", "one\n" * 10_001, "more than 10,000"),
    ],
)
def test_a_file_of_prompts_may_be_wrong(problems_of: Problems, tmp_path: Path, name: str, text: str, told: str) -> None:
    (tmp_path / name).write_text(text)
    assert any(told in line for line in problems_of(HEAD + f"run: {{prompts_file: {name}}}\n"))


def test_prompts_of_any_text_come_through(load_text: Load, tmp_path: Path) -> None:
    prompts = ["ümläut 漢字 🙂", "a\\b/", "two\nlines\n", "\t", "x" * 100_000]
    (tmp_path / "p.jsonl").write_text("\n".join(json.dumps(prompt) for prompt in prompts))
    assert list(load_text(HEAD + "run: {prompts_file: p.jsonl}\n").prompts) == prompts
