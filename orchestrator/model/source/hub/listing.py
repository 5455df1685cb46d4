"""The GGUF files of a repository of the hub: sizes, quantization, and which of them this machine can hold."""

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from orchestrator.model.source.hub import errors as hub_errors
from orchestrator.model.source.hub.deadline import within
from orchestrator.model.source.hub.metadata import COMMIT
from orchestrator.model.source.split import split_name
from orchestrator.piece import Piece
from orchestrator.progress import Progress

FORMAT_VERSION = 1
Fits = Literal["fits", "tight", "does not fit"]

_DEADLINE_S = 40.0
_MAX_FILES = 50_000
# What a run needs besides the weights, at the least: a small context and the program itself.
_BESIDE_THE_WEIGHTS_BYTES = 512 * 1024 * 1024
_QUANTIZATION = re.compile(
    r"(?<![A-Za-z0-9])(?:UD-)?(IQ[1-4]_[A-Z]+|TQ[12]_0|MXFP4(?:_MOE)?|NVFP4|BF16|F(?:P)?16|F(?:P)?32|"
    r"Q[1-8]_(?:K(?:_(?:XL|S|M|L))?|[01](?:_[48]_[48])?))(?![A-Za-z0-9])",
    re.IGNORECASE,
)


class ListedModel(Piece):
    """One model: a file, or all files of a split one. `file` is what a recipe's `model.file` names."""

    file: str
    files: tuple[str, ...]
    size_bytes: Annotated[int | None, Field(description="Of all files; null when the hub does not say it of each.")]
    quantization: Annotated[str | None, Field(description="As the file's name says.")]
    complete: Annotated[bool, Field(description="False: files of the split model are missing in the repository.")]
    projector: Annotated[bool, Field(description="An image or audio projector (mmproj), no model by itself.")]
    fits: Annotated[Fits | None, Field(description="Its weights in the memory that is available now.")]


class Listing(Piece):
    """What `lcpp model list` shows."""

    lcpp_model_list: Annotated[Literal[1], Field(description="Version of this document's format.")] = 1
    repo: str
    revision: str
    available_bytes: Annotated[int | None, Field(description="Memory of this machine that is available now.")]
    models: tuple[ListedModel, ...]


class RepoFile(NamedTuple):
    """A file of a repository."""

    name: str
    size_bytes: int | None


def fits_by_size(available_bytes: int | None) -> Callable[[int], Fits | None]:
    """A judge of sizes: `tight` leaves less than 512 MiB for the context and all else; None when nothing is known."""

    def judge(size_bytes: int) -> Fits | None:
        if available_bytes is None:
            return None
        if size_bytes + _BESIDE_THE_WEIGHTS_BYTES <= available_bytes:
            return "fits"
        return "tight" if size_bytes <= available_bytes else "does not fit"

    return judge


def list_repository(
    repo: str,
    revision: str,
    progress: Progress,
    *,
    available_bytes: int | None,
    fits: Callable[[int], Fits | None] | None = None,
) -> Listing:
    """Ask the hub for the GGUF files of a repository.

    Args:
        available_bytes: the memory that is available here now; None: not known.
        fits: judges the size of a model; by default `fits_by_size`.

    Raises:
        ModelError: the hub does not say it; the message says why and what to do.
    """
    from huggingface_hub import HfApi  # slow to import

    progress.stage(f"ask {hub_errors.host()} for the files of {repo}")
    try:
        with hub_errors.retries_reported_to(progress):
            info = within(_DEADLINE_S, lambda: HfApi().model_info(repo, revision=revision, files_metadata=True))
    except hub_errors.failures() as error:
        raise hub_errors.explain(error, repo, "any file", revision) from error
    except (KeyError, TypeError, ValueError) as error:
        # The library takes the answer apart without looking.
        raise hub_errors.no_hub(error, repo) from error
    files = [
        RepoFile(str(sibling.rfilename), sibling.size if isinstance(sibling.size, int) and sibling.size >= 0 else None)
        for sibling in (info.siblings or [])[:_MAX_FILES]
        if str(sibling.rfilename).lower().endswith(".gguf")
    ]
    commit = info.sha if isinstance(info.sha, str) and COMMIT.match(info.sha) else revision
    judge = fits or fits_by_size(available_bytes)
    return Listing(repo=repo, revision=commit, available_bytes=available_bytes, models=tuple(_grouped(files, judge)))


def _grouped(files: Sequence[RepoFile], judge: Callable[[int], Fits | None]) -> list[ListedModel]:
    """Files of split models together, all by size."""
    groups: dict[tuple[str, int], list[tuple[int, RepoFile]]] = {}
    for file in files:
        split = split_name(file.name)
        key = (file.name, 0) if split is None else (split.stem, split.count)
        groups.setdefault(key, []).append((1 if split is None else split.number, file))
    models = [_model(sorted(group), max(count, 1), judge) for (_, count), group in groups.items()]
    return sorted(models, key=lambda model: (model.projector, model.size_bytes or 0, model.file))


def _model(group: list[tuple[int, RepoFile]], count: int, judge: Callable[[int], Fits | None]) -> ListedModel:
    files = [file for _, file in group]
    sizes = [file.size_bytes for file in files if file.size_bytes is not None]
    size = sum(sizes) if len(sizes) == len(files) else None
    base = files[0].name.rpartition("/")[2]
    # A folder is often named by what the files in it are.
    named = _QUANTIZATION.findall(base) or _QUANTIZATION.findall(files[0].name)
    projector = "mmproj" in base.lower()
    return ListedModel(
        file=files[0].name,
        files=tuple(file.name for file in files),
        size_bytes=size,
        quantization=named[-1].upper() if named else None,
        complete=[number for number, _ in group] == list(range(1, len(group) + 1)) and len(group) == count,
        projector=projector,
        fits=None if size is None or projector else judge(size),
    )
