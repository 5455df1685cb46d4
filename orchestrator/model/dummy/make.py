"""A dummy in place of a model: the same header, random weights, so that speed and memory are those of the model."""

from __future__ import annotations

from pathlib import Path

from orchestrator.errors import ModelError
from orchestrator.model.check.verdict import judge
from orchestrator.model.dummy.cache import DEFAULT_LIMIT_BYTES, ensure
from orchestrator.model.dummy.plan import DummyPlan, plan_like
from orchestrator.model.dummy.presets import preset_of_file, preset_plan
from orchestrator.model.source.fetch import Model
from orchestrator.model.source.open_model import open_model
from orchestrator.progress import Progress
from orchestrator.recipe.schema.recipe import HubModel, ModelSpec, PackageModel
from orchestrator.workspace import Workspace

SOURCE = "dummy"


def plan_of(
    spec: ModelSpec, workspace: Workspace, progress: Progress, *, base: Path, checkout: Path | None = None
) -> DummyPlan:
    """The plan of a dummy of the model that `spec` names; of a model on the hub only the header is fetched.

    When the hub does not answer, and the file is of a model that there is a preset of, it is the preset's.

    Args:
        base: the folder that a relative `path` counts from.
        checkout: the llama.cpp whose tokenizer a preset takes first.

    Raises:
        ModelError: its header cannot be had, and there is no preset of it; or it is not sound.
    """
    try:
        with open_model(spec, workspace, progress, base=base) as opened:
            name = Path(spec.file if isinstance(spec, HubModel | PackageModel) else spec.path).name
            return plan_like(name, opened.origin, [part.source for part in opened.parts])
    except ModelError as refusal:
        if not isinstance(spec, HubModel) or _has_answered(refusal):
            raise
        known = preset_of_file(Path(spec.file).name)
        if known is None:
            raise
        preset, mix = known
        progress.note(f"{refusal.what}; the dummy is made from the preset {preset.name} ({mix})")
        return preset_plan(preset, workspace, mix=mix, checkout=checkout)


def make_dummy(
    plan: DummyPlan, workspace: Workspace, progress: Progress, *, limit_bytes: int = DEFAULT_LIMIT_BYTES
) -> Model:
    """The dummy as a model that is ready to run, from the cache or written now.

    Its `source` is `dummy`; hold `store.in_use(model.path)` while a program runs it.

    Args:
        limit_bytes: how much all dummies together may take on the disk.

    Raises:
        ModelError: there is no room for it.
        WorkspaceError: the disk refuses.
    """
    written = ensure(plan, workspace, progress, limit_bytes=limit_bytes)
    verdict = judge(written.path, workspace, progress, sha256=written.sha256)
    return Model(
        path=written.path,
        parts=(written.path,),
        sha256=verdict.sha256,
        size_bytes=verdict.size_bytes,
        source=SOURCE,
        origin=f"dummy of {plan.origin}",
        revision=None,
        header=verdict.header,
    )


def _has_answered(refusal: ModelError) -> bool:
    """Whether it is the hub that has said no: there is no such file, or not for everybody. A preset would hide that.

    A bare "forbidden" may come from a proxy on the way, and counts as no answer.
    """
    cause = refusal.__cause__
    if cause is None:
        return True
    # Imported here: slow, and a request that failed has imported it already.
    from huggingface_hub import errors

    return isinstance(
        cause,
        errors.RepositoryNotFoundError
        | errors.RevisionNotFoundError
        | errors.EntryNotFoundError
        | errors.HFValidationError,
    )
