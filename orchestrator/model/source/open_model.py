"""A model whose header can be read, wherever it is: nothing but the header comes over the network.

Only a model in a Python package is brought here whole, as package indexes have no other way.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from orchestrator.errors import ModelError
from orchestrator.model.gguf.byte_source import ByteSource, FileSource
from orchestrator.model.gguf.header import Header, read_header
from orchestrator.model.source.split import part_names
from orchestrator.progress import Progress
from orchestrator.recipe.schema.recipe import HubModel, ModelSpec, PackageModel
from orchestrator.values import Value
from orchestrator.workspace import Workspace


class OpenPart(Value):
    """One file of a model. `promised_sha256` is what the hub says of it; `path` is set when it is on this disk."""

    name: str
    source: ByteSource
    path: Path | None
    promised_sha256: str | None = None


class OpenModel(Value):
    """A model to read from: all its parts, in order. `origin` is for people, `revision` the hub's commit."""

    source: str
    origin: str
    revision: str | None
    parts: tuple[OpenPart, ...]

    @property
    def size_bytes(self) -> int:
        """The size of all parts together."""
        return sum(part.source.size_bytes for part in self.parts)

    def headers(self) -> tuple[Header, ...]:
        """The checked header of each part.

        Raises:
            ModelError: one is not sound, or cannot be had.
        """
        return tuple(read_header(part.source) for part in self.parts)


@contextlib.contextmanager
def open_model(spec: ModelSpec, workspace: Workspace, progress: Progress, *, base: Path) -> Iterator[OpenModel]:
    """Open the model that `spec` names, to read its header (`OpenModel.headers`) or any of its bytes.

    A file of the hub that was downloaded before is read from the hub's cache, any other by HTTP range; what came so is
    kept in the workspace.

    Args:
        base: the folder that a relative `path` counts from.

    Raises:
        ModelError: it cannot be had, or has another size or hash than the spec says.
        PackageIndexError, WorkspaceError: pip, or the disk, did not let us.
    """
    with contextlib.ExitStack() as stack:
        if isinstance(spec, HubModel):
            opened = _from_hub(spec, workspace, progress, stack)
        else:
            opened = _from_disk(spec, workspace, progress, base, stack)
        actual = opened.parts[0].source.size_bytes
        if spec.size_bytes not in (None, actual):
            raise ModelError(
                f"this is not the model that the recipe wants: its size is {actual}, the recipe says {spec.size_bytes}",
                where=opened.parts[0].source.name,
                hint="correct `size_bytes`, or name the right file",
            )
        yield opened


def _from_disk(
    spec: ModelSpec, workspace: Workspace, progress: Progress, base: Path, stack: contextlib.ExitStack
) -> OpenModel:
    if isinstance(spec, PackageModel):
        from orchestrator.model.source import package

        located = package.locate(spec, workspace, progress, base=base)
    else:
        from orchestrator.model.source import local

        located = local.locate(spec, workspace, progress, base=base)  # type: ignore[arg-type]  # not of the hub
    parts = [
        OpenPart(name=part.path.name, source=stack.enter_context(FileSource(part.path)), path=part.path)
        for part in located.parts
    ]
    return OpenModel(source=spec.source, origin=located.origin, revision=None, parts=tuple(parts))


def _from_hub(spec: HubModel, workspace: Workspace, progress: Progress, stack: contextlib.ExitStack) -> OpenModel:
    from orchestrator.model.source.hub import remote

    parts: list[OpenPart] = []
    revision = spec.revision
    for name in part_names(spec.file):
        part, revision = _hub_part(spec, name, revision, workspace, progress, stack)
        parts.append(part)
    stack.callback(remote.tidy, workspace)
    origin = f"hub:{spec.repo}/{spec.file}@{revision}"
    return OpenModel(source="hub", origin=origin, revision=revision, parts=tuple(parts))


def _hub_part(
    spec: HubModel,
    name: str,
    revision: str,
    workspace: Workspace,
    progress: Progress,
    stack: contextlib.ExitStack,
) -> tuple[OpenPart, str]:
    """One file, and its commit: all parts are of one commit, however the branch moves meanwhile."""
    from orchestrator.model.source.hub import metadata as hub_metadata
    from orchestrator.model.source.hub import remote

    try:
        file = remote.ask_file(spec.repo, name, revision, workspace, progress)
    except ModelError as refusal:
        # Before it was ever asked for here, another tool may have brought the whole file.
        cached = hub_metadata.in_cache(spec.repo, name, revision)
        commit = hub_metadata.commit_of(cached, name) if cached is not None else None
        if cached is None or commit is None:
            raise
        progress.note(f"{refusal.what}; using the copy of {name} in the cache")
        return OpenPart(name=name, source=stack.enter_context(FileSource(cached)), path=cached), commit
    hub_metadata.check_promises(spec, name, file.remote)
    source: ByteSource = (known := stack.enter_context(remote.RemoteSource(file, workspace, progress)))
    path = None
    # What is asked for by commit a second time needs neither the network nor the hub's library.
    if file.location is not None or not known.cached_bytes:
        path = hub_metadata.in_cache(spec.repo, name, file.commit)
    if path is not None:
        source = stack.enter_context(FileSource(path))
    else:
        progress.stage(f"read the header of {name}")
    return OpenPart(name=name, source=source, path=path, promised_sha256=file.sha256), file.commit
