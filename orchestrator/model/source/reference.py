"""The MODEL argument of the command line: one text that names a model, wherever it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from orchestrator.errors import UsageError
from orchestrator.recipe.schema.recipe import HubModel, ModelSpec, PackageModel, PathModel
from orchestrator.text.visible import shortened
from orchestrator.values import Value

if TYPE_CHECKING:
    from orchestrator.recipe.loaded import LoadedRecipe

FORMS = "hub:OWNER/NAME/FILE.gguf[@REVISION], package:NAME==VERSION/FILE.gguf, a path, or a recipe (.yaml)"

_HUB = re.compile(r"(?P<repo>[^/@]+/[^/@]+)/(?P<file>.+?\.gguf)(?:@(?P<revision>[^@]+))?", re.DOTALL)
_REPO = re.compile(r"(?:hub:)?(?P<repo>[^/@]+/[^/@]+?)/?(?:@(?P<revision>[^@]+))?", re.DOTALL)
_PAGE = re.compile(r"https?://[^/]+/(?P<repo>[^/]+/[^/]+)/(?:resolve|blob)/(?P<revision>[^/]+)/(?P<file>[^?#]+)")
_SHOWN = 200
_T = TypeVar("_T", HubModel, PackageModel, PathModel)


class ModelReference(Value):
    """What a MODEL argument names: the spec, the folder that a relative path in it counts from, and the recipe that
    it was taken from, if it was."""

    spec: ModelSpec
    base: Path
    recipe: LoadedRecipe | None = None


class RepoReference(Value):
    """A repository of the hub at a revision."""

    repo: str
    revision: str


def parse_reference(text: str, *, base: Path) -> ModelReference:
    """The model that `text` names, in one of `FORMS`. Nothing is fetched; a recipe is read and checked.

    Args:
        base: the folder that a relative path counts from, such as the current one.

    Raises:
        UsageError: it is none of these forms.
        RecipeError: the recipe is not good.
    """
    kind, colon, rest = text.partition(":")
    if colon and kind == "recipe":
        return _of_recipe(base / rest)
    if colon and kind == "hub":
        return ModelReference(spec=_hub(rest), base=base)
    if colon and kind == "package":
        return ModelReference(spec=_package(rest), base=base)
    if text.startswith(("http://", "https://")):
        raise _page(text)
    if text.lower().endswith((".yaml", ".yml")):
        return _of_recipe(base / text)
    if colon and kind != "path" and kind.isalpha() and not (base / text).exists():
        raise UsageError(f"models do not come from {_shown(kind)}: {_shown(text)}", hint=f"one of: {FORMS}")
    spec = _validated(text, PathModel, source="path", path=text.removeprefix("path:"))
    return ModelReference(spec=spec, base=base)


def parse_repo(text: str) -> RepoReference:
    """The repository that `hub:OWNER/NAME[@REVISION]` names; `hub:` may be left out.

    Raises:
        UsageError: it is not of that form.
    """
    match = _REPO.fullmatch(text)
    if match is None:
        if _HUB.fullmatch(text.removeprefix("hub:")):
            raise UsageError(
                f"{_shown(text)} names a file, not a repository",
                hint="leave the file's name out, or look at the one file with `lcpp model inspect`",
            )
        raise UsageError(f"{_shown(text)} names no repository", hint="write hub:OWNER/NAME[@REVISION]")
    named = {name: value for name, value in match.groupdict().items() if value is not None}
    # The schema's own rules for names are those of a file in the repository.
    spec = _validated(text, HubModel, source="hub", file="any.gguf", **named)
    return RepoReference(repo=spec.repo, revision=spec.revision)


def _of_recipe(path: Path) -> ModelReference:
    # Here: YAML is not needed for the other forms, and start-up time counts.
    from orchestrator.recipe.matrix import load_cases

    cases = load_cases(path).cases
    loaded = cases[0].loaded
    others = [case for case in cases if case.loaded.recipe.model != loaded.recipe.model]
    if others:
        raise UsageError(
            f"{_shown(str(path))} is of several models: its matrix sets them",
            hint=f"name one of them: {FORMS}",
        )
    return ModelReference(spec=loaded.recipe.model, base=loaded.base, recipe=loaded)


def _hub(rest: str) -> HubModel:
    match = _HUB.fullmatch(rest)
    if match is None:
        hint = "write hub:OWNER/NAME/FILE.gguf[@REVISION]"
        if _REPO.fullmatch(rest):
            hint += f"; `lcpp model list {_shown('hub:' + rest)}` shows the files of the repository"
        raise UsageError(f"{_shown('hub:' + rest)} names no .gguf file in a repository", hint=hint)
    named = {name: value for name, value in match.groupdict().items() if value is not None}
    return _validated(f"hub:{rest}", HubModel, source="hub", **named)


def _package(rest: str) -> PackageModel:
    package, slash, file = rest.partition("/")
    if not slash:
        hint = "write package:NAME==VERSION/FILE.gguf"
        raise UsageError(f"{_shown('package:' + rest)} names no file in a package", hint=hint)
    return _validated(f"package:{rest}", PackageModel, source="package", package=package, file=file)


def _page(text: str) -> UsageError:
    match = _PAGE.match(text)
    hint = f"one of: {FORMS}"
    if match is not None:
        hint = f"if it is a file of the hub, write {_shown('hub:{repo}/{file}@{revision}'.format(**match.groupdict()))}"
    return UsageError(f"a model is not named by an address: {_shown(text)}", hint=hint)


def _validated(text: str, kind: type[_T], **values: str) -> _T:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(key) for key in first["loc"])
        raise UsageError(
            f"{_shown(text)} names no model: its {name} is not well-formed ({first['msg']})", hint=f"one of: {FORMS}"
        ) from None


def _shown(text: str) -> str:
    return shortened(text, _SHOWN)
