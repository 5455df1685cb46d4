"""What a MODEL argument can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import RecipeError, UsageError
from orchestrator.model.source.reference import parse_reference, parse_repo
from orchestrator.recipe.schema.recipe import HubModel, PackageModel, PathModel

ROOT = Path(__file__).parents[3]
HERE = Path("/somewhere")


@pytest.mark.parametrize(
    ("text", "repo", "file", "revision"),
    [
        ("hub:a/b/c.gguf", "a/b", "c.gguf", "main"),
        ("hub:a/b/sub/c-00001-of-00002.gguf", "a/b", "sub/c-00001-of-00002.gguf", "main"),
        ("hub:a/b/c.gguf@v1.0", "a/b", "c.gguf", "v1.0"),
        ("hub:a/b/c.gguf@refs/pr/1", "a/b", "c.gguf", "refs/pr/1"),
        ("hub:a/b/c@2.gguf", "a/b", "c@2.gguf", "main"),
    ],
)
def test_hub(text: str, repo: str, file: str, revision: str) -> None:
    assert parse_reference(text, base=HERE).spec == HubModel(source="hub", repo=repo, file=file, revision=revision)


def test_package_and_paths() -> None:
    package = PackageModel(source="package", package="x==1.0", file="f.gguf")
    assert parse_reference("package:x==1.0/f.gguf", base=HERE).spec == package
    for text, path in (("m.gguf", "m.gguf"), ("path:m.gguf", "m.gguf"), ("/a/b:c.gguf", "/a/b:c.gguf")):
        named = parse_reference(text, base=HERE)
        assert (named.spec, named.base, named.recipe) == (PathModel(source="path", path=path), HERE, None)


def test_a_recipe_stands_for_its_model() -> None:
    for text in ("recipes/smoke.yaml", "recipe:recipes/smoke.yaml"):
        named = parse_reference(text, base=ROOT)
        assert isinstance(named.spec, PackageModel)
        assert named.spec.size_bytes == 98362432
        assert named.base == ROOT / "recipes"
        assert named.recipe is not None
    with pytest.raises(RecipeError, match="no recipe"):
        parse_reference("missing.yaml", base=HERE)


def test_a_recipe_with_a_matrix_stands_for_its_model_when_that_is_one(tmp_path: Path) -> None:
    text = "lcpp: 1\nmodel: {source: path, path: a.gguf}\nrun: {prompt: a}\n"
    (tmp_path / "one.yaml").write_text(text + "matrix: {run.n_threads: [1, 2]}\n")
    (tmp_path / "two.yaml").write_text(text + "matrix: {model.path: [a.gguf, b.gguf]}\n")
    assert parse_reference("one.yaml", base=tmp_path).spec == PathModel(source="path", path="a.gguf")
    with pytest.raises(UsageError, match="of several models"):
        parse_reference("two.yaml", base=tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hub:a/b", "lcpp model list"),
        ("hub:a/b/c.txt", "write hub:OWNER/NAME/FILE.gguf"),
        ("hub:a/b/c.gguf@", "write hub:"),
        ("hub:a/b/../c.gguf", "one of: hub:"),
        ("hub:a b/c/d.gguf", "one of: hub:"),
        ("package:x", "write package:"),
        ("package:x/f.gguf", "one of: hub:"),
        ("https://hub.example/a/b/resolve/main/c.gguf?download=true", "write hub:a/b/c.gguf@main"),
        ("https://hub.example/elsewhere", "one of: hub:"),
        ("", "one of: hub:"),
        ("a\0b", "one of: hub:"),
        ("hub:" + "a" * 1000 + "/b/c.gguf", "one of: hub:"),
    ],
)
def test_what_names_no_model(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_reference(text, base=HERE)
    assert words in str(caught.value.hint)
    assert len(str(caught.value)) < 1500


def test_repositories() -> None:
    named = parse_repo("hub:a/b@v2")
    assert (named.repo, named.revision) == ("a/b", "v2")
    assert parse_repo("a/b").revision == "main"
    for text in ("hub:a", "hub:a/b/c.gguf", "hub:a/..b", ""):
        with pytest.raises(UsageError):
            parse_repo(text)
