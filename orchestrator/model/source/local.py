"""`source: path`: a GGUF file on this machine."""

from __future__ import annotations

import difflib
from pathlib import Path

from orchestrator.errors import ModelError
from orchestrator.model.gguf.byte_source import unreadable
from orchestrator.model.source.model_files import ModelFile, ModelFiles
from orchestrator.model.source.split import part_names
from orchestrator.progress import Progress
from orchestrator.recipe.schema.recipe import PathModel
from orchestrator.workspace import Workspace


def locate(spec: PathModel, workspace: Workspace, progress: Progress, *, base: Path) -> ModelFiles:
    """Find the file (and the other parts of a split model); nothing is read yet.

    Raises:
        ModelError: it is missing, or is a directory.
    """
    try:
        first = base / Path(spec.path).expanduser()
    except RuntimeError as error:
        raise ModelError(f"the home directory in {spec.path!r} is unknown", hint="write the whole path") from error
    paths = [first.with_name(name) for name in part_names(first.name)]
    try:
        if first.is_dir():
            inside = sorted(file.name for file in first.glob("*.gguf"))
            hint = f"name the file; it holds {', '.join(inside[:8])}" if inside else "name the .gguf file itself"
            raise ModelError("the model is a directory", where=str(first), hint=hint)
        missing = [path for path in paths if not path.exists()]
        if missing:
            raise _missing(first, missing)
    except OSError as error:
        raise unreadable(first, error) from error
    return ModelFiles(
        parts=tuple(ModelFile(path=path) for path in paths),
        origin=str(first),
        revision=None,
        fetch_again="replace the file by the right one, or put the right values into the recipe: "
        "`lcpp recipe pin --update` does",
    )


def _missing(first: Path, missing: list[Path]) -> ModelError:
    if missing[0] != first:
        names = ", ".join(path.name for path in missing)
        return ModelError(
            f"the split model lacks {len(missing)} of its parts: {names}",
            where=str(first.parent),
            hint="put all parts into one folder",
        )
    if first.is_symlink():
        return ModelError(
            f"the model is a symbolic link to {first.readlink()}, which does not exist",
            where=str(first),
            hint="mend the link or name the file itself",
        )
    if not first.parent.is_dir():
        hint = f"there is no {first.parent}; a file of the hub is hub:OWNER/NAME/FILE.gguf, in a recipe `source: hub`"
        return ModelError("the model's folder does not exist", where=str(first), hint=hint)
    siblings = sorted(file.name for file in first.parent.iterdir() if file.suffix.lower() == ".gguf")
    near = difflib.get_close_matches(first.name, siblings, n=3, cutoff=0.4) or siblings[:5]
    hint = f"perhaps you meant {' or '.join(near)}" if near else f"there is no .gguf file in {first.parent}"
    return ModelError("the model file does not exist", where=str(first), hint=hint)
