"""Values are set in a recipe's text where they stand; everything else stays, byte for byte."""

from __future__ import annotations

import difflib
import os
import stat
from pathlib import Path

import pytest

from orchestrator.errors import RecipeError
from orchestrator.recipe.load import load
from orchestrator.recipe.matrix import load_cases
from orchestrator.recipe.pin import pin
from orchestrator.recipe.template import new_recipe

COMMIT, SHA256 = "1d1ccce67613674c75c9c7e3fa4c1e24e428ba48", "b1" * 32
VALUES: dict[str, str | int] = {
    "engine.ref": COMMIT,
    "model.revision": "a" * 40,
    "model.size_bytes": 4_000_000_000,
    "model.sha256": SHA256,
}
BLOCK = """\
# A recipe   with odd  spacing.
lcpp: 1   # the format

engine:
    ref: b3642
    build: make   # as then

model:  # which
  source: hub
  # The repository.
  repo: "a/b"
  file: m.gguf # the file
  # A comment behind the last key.

# About the run.
run:
  prompt: |
    model:
      revision: none of this
  n_predict: 5
"""


def pinned(tmp_path: Path, text: str, values: dict[str, str | int] = VALUES) -> str:
    """What becomes of a recipe; it is checked that it says what it should."""
    path = tmp_path / "r.yaml"
    path.write_bytes(text.encode())
    before = load(path)
    changes = pin(load_cases(path), values)
    assert {change.key for change in changes} <= set(values)
    recipe = load(path).recipe
    assert recipe.engine.ref == values.get("engine.ref", before.recipe.engine.ref)
    assert recipe.model.size_bytes == values.get("model.size_bytes")
    assert recipe.run == before.recipe.run
    assert pin(load_cases(path), values) == [], "a second time there is nothing to do"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["r.yaml"]
    return path.read_bytes().decode()


def changed_lines(before: str, after: str) -> list[str]:
    lines = difflib.ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True))
    return [line.rstrip("\r\n") for line in lines if line[0] in "+-"]


def test_comments_and_layout_stay(tmp_path: Path) -> None:
    assert changed_lines(BLOCK, pinned(tmp_path, BLOCK)) == [
        "-     ref: b3642",
        f"+     ref: {COMMIT} # b3642",
        f"+   revision: {'a' * 40}",
        "+   size_bytes: 4000000000",
        f"+   sha256: {SHA256}",
    ]


def test_values_that_are_there_are_replaced(tmp_path: Path) -> None:
    text = BLOCK.replace("  file:", "  revision: 'main'   # moves\n  size_bytes: 5\n  sha256: null\n  file:")
    after = pinned(tmp_path, text)
    assert f"  revision: {'a' * 40}   # moves\n" in after
    assert "  size_bytes: 4000000000\n" in after
    assert f"  sha256: {SHA256}\n" in after
    assert len(after.splitlines()) == len(text.splitlines())


@pytest.mark.parametrize(
    "text",
    [
        BLOCK.replace("\n", "\r\n"),
        "\ufeff" + BLOCK,
        BLOCK.replace("engine:\n    ref: b3642\n    build: make   # as then\n", ""),
        BLOCK.replace("engine:\n    ref: b3642\n    build: make   # as then\n", "engine:\n"),
        BLOCK.replace("engine:\n    ref: b3642\n    build: make   # as then\n", "engine: {}\n"),
        BLOCK.replace("ref: b3642", "ref:   # the default"),
        BLOCK.replace("ref: b3642", "ref: >-\n      b3642"),
        BLOCK.replace("ref: b3642", '"ref": "b3642"'),
        BLOCK.replace("file: m.gguf # the file", "file: >-\n    m.gguf"),
        "{lcpp: 1, model: {source: hub, repo: a/b, file: m.gguf}, run: {prompt: 'x: }'}}",
        "lcpp: 1\nrun: {prompt: ünï ☃ 🦙}\nmodel:\n  source: hub\n  repo: a/b\n  file: ☃🦙.gguf # ☃",
        "%YAML 1.1\n---\nlcpp: 1\nrun: {prompt: x}\nmodel: {source: hub,\n  repo: a/b,\n  file: m.gguf}\n...\n",
        "lcpp: 1\nrun: {prompt: x}\nmodel: {source: hub, repo: a/b, file: m.gguf}\nname: n",
        new_recipe("fresh"),
    ],
)
def test_many_ways_to_write_a_recipe(tmp_path: Path, text: str) -> None:
    values = VALUES
    if "source: package" in text:
        values = {key: value for key, value in VALUES.items() if key != "model.revision"}
    after = pinned(tmp_path, text, values)
    assert text.count("#") <= after.count("#")
    if "\r\n" in text:
        assert "\n" not in after.replace("\r\n", "")
    if text.startswith("\ufeff"):
        assert after.count("\ufeff") == 1


def test_numbers_of_digits_alone_are_quoted(tmp_path: Path) -> None:
    digits = "1" * 40
    assert f'ref: "{digits}" # b3642' in pinned(tmp_path, BLOCK, {**VALUES, "engine.ref": digits})


@pytest.mark.parametrize(
    "text",
    [
        BLOCK.replace("ref: b3642", "ref: &here b3642").replace(
            "prompt: |", "system: *here\n  mode: chat\n  prompt: |"
        ),
        BLOCK.replace("ref: b3642", "ref: !!str b3642"),
        "lcpp: 1\nrun: {prompt: x}\nmodel: &m {source: hub, repo: a/b, file: m.gguf}\nengine: &e {}\n",
        "? lcpp\n: 1\n? run\n: prompt: x\n? model\n: source: hub\n  repo: a/b\n  file: m.gguf\n",
    ],
)
def test_what_cannot_be_done_changes_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError) as caught:
        pin(load_cases(path), VALUES)
    assert f"engine.ref: {COMMIT}" in str(caught.value.hint)
    assert path.read_text() == text
    assert sorted(each.name for each in tmp_path.iterdir()) == ["r.yaml"]


def test_links_and_modes_stay(tmp_path: Path) -> None:
    real = tmp_path / "real.yaml"
    real.write_text(BLOCK)
    real.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to("real.yaml")
    pin(load_cases(link), VALUES)
    assert link.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert load(real).recipe.engine.ref == COMMIT


def test_a_recipe_that_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(BLOCK)
    loaded = load_cases(path)
    path.write_text(BLOCK.replace("n_predict: 5", "n_predict: 6"))
    with pytest.raises(RecipeError):
        pin(loaded, VALUES)
    assert "b3642" in path.read_text()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(BLOCK)
    loaded = load_cases(path)
    tmp_path.chmod(0o500)
    with pytest.raises(RecipeError, match="permission denied"):
        pin(loaded, VALUES)
    tmp_path.chmod(0o700)


MATRIX = (
    BLOCK
    + """\
matrix: # two of each
  run.n_threads: [1, 2]
  engine.build: [make, cmake]
repeat: 3
"""
)


def test_a_recipe_with_a_matrix(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(MATRIX)
    assert [change.key for change in pin(load_cases(path), VALUES)] == list(VALUES)
    assert path.read_text().endswith(MATRIX[MATRIX.index("matrix:") :])
    cases = load_cases(path).cases
    assert len(cases) == 4
    assert {case.loaded.recipe.engine.ref for case in cases} == {COMMIT}
    assert {case.loaded.recipe.model.sha256 for case in cases} == {SHA256}


@pytest.mark.parametrize("refs", ["[b3642, b3643]", "[b3642]"])
def test_what_the_matrix_sets_is_not_pinned_beside_it(refs: str, tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(BLOCK + f"matrix: {{engine.ref: {refs}}}\n")
    before = path.read_bytes()
    with pytest.raises(RecipeError):
        pin(load_cases(path), VALUES)
    assert path.read_bytes() == before
