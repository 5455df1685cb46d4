"""Find out which bytes a recipe means today: the engine's full commit, the model's commit, size and hash."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orchestrator.engine.source.obtain import obtain
from orchestrator.model.source.fetch import fetch
from orchestrator.progress import Progress
from orchestrator.recipe.loaded import LoadedRecipe
from orchestrator.recipe.matrix import Cases
from orchestrator.recipe.schema.recipe import EngineSpec, HubModel, ModelSpec
from orchestrator.workspace import Workspace


def find_pins(cases: Cases, workspace: Workspace, progress: Progress, *, update: bool) -> dict[str, str | int]:
    """What to write into the recipe, by key path (`engine.ref`, `model.revision`, `model.size_bytes`, `model.sha256`).

    The hub tells size and hash of a large file without its download; any other model is fetched and hashed. What a
    matrix sets is left out, with a note.

    Args:
        update: follow what moved: pins that the recipe has already are found anew; otherwise they must still hold.

    Raises:
        LcppError: the engine or the model cannot be had, or is another than the recipe's own pins say.
    """
    loaded = cases.cases[0].loaded
    recipe = loaded.recipe
    pins: dict[str, str | int] = {}
    in_matrix = list(_pinned_by_hand(cases))
    for key in in_matrix:
        progress.note(f"`{key}` is in the matrix: pin its values there yourself")
    if not any(key.startswith("engine") for key in in_matrix):
        commit = _engine_commit(recipe.engine, loaded, workspace, progress)
        pins |= {} if commit is None else {"engine.ref": commit}
    if any(key.startswith("model") for key in in_matrix):
        return pins
    model = recipe.model.model_copy(update={"sha256": None, "size_bytes": None}) if update else recipe.model
    pins |= {f"model.{name}": value for name, value in _model_pins(model, loaded, workspace, progress).items()}
    return pins


def _pinned_by_hand(cases: Cases) -> Iterator[str]:
    """The keys of the matrix that say which engine or model it is."""
    for key in cases.cases[0].settings:
        section, _, name = key.partition(".")
        if section == "model" or (section == "engine" and name in ("", "ref", "source", "remote", "path")):
            yield key


def _engine_commit(spec: EngineSpec, loaded: LoadedRecipe, workspace: Workspace, progress: Progress) -> str | None:
    if spec.source == "path":
        progress.note("the engine is a directory of yours: there is no commit to pin it to")
        return None
    return obtain(spec, workspace, progress, base=loaded.base).commit


def _model_pins(
    spec: ModelSpec, loaded: LoadedRecipe, workspace: Workspace, progress: Progress
) -> Mapping[str, str | int]:
    if isinstance(spec, HubModel):
        from orchestrator.model.source.hub.metadata import check_promises  # here: only for models of the hub
        from orchestrator.model.source.hub.remote import ask_file

        file = ask_file(spec.repo, spec.file, spec.revision, workspace, progress)
        check_promises(spec, spec.file, file.remote)
        if file.sha256 is not None:
            return {"revision": file.commit, "size_bytes": file.size_bytes, "sha256": file.sha256}
        spec = spec.model_copy(update={"revision": file.commit})
    model = fetch(spec, workspace, progress, base=loaded.base)
    pins: dict[str, str | int] = {"size_bytes": model.parts[0].stat().st_size, "sha256": model.sha256}
    return pins if model.revision is None else {"revision": model.revision, **pins}
