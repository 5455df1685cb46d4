"""The manifest: what was built, from what, how and where. It goes into every result."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError

from orchestrator.piece import Piece
from orchestrator.recipe.schema.recipe import OptionValue, ProgramName
from orchestrator.workspace import write_atomic

FILE_NAME = "manifest.json"
BuildSystem = Literal["make", "cmake"]
_Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class ProgramFile(Piece):
    """A built file; `file` is relative to the build's directory."""

    file: str
    sha256: _Sha256
    size_bytes: Annotated[int, Field(ge=0)]


class CompilerFacts(Piece):
    """A compiler: where it is, and the first line of its --version."""

    path: str
    version: str


class CompilersUsed(Piece):
    """The compilers of a build. `ccache` is its path when it was used."""

    c: CompilerFacts
    cxx: CompilerFacts
    ccache: str | None = None


class Manifest(Piece):
    """What one build is. Commands are argument lists, in the order in which they ran."""

    commit: str | None
    build_number: int | None
    commit_date: str | None
    source: Literal["git", "package", "path"]
    remote: str
    fingerprint: str
    build_system: BuildSystem
    options: dict[str, OptionValue]
    commands: tuple[tuple[str, ...], ...]
    compiler: CompilersUsed
    cpu_model: str
    cpu_flags_digest: str
    built_at: Annotated[str, Field(description="When the newest program was built, ISO 8601, UTC.")]
    duration_s: Annotated[float, Field(description="Wall time of all building, in seconds.")]
    programs: dict[ProgramName, ProgramFile]
    libraries: tuple[ProgramFile, ...] = ()
    version_output: str | None
    lcpp_version: str
    notes: tuple[str, ...] = ()

    def is_whole(self, directory: Path) -> bool:
        """Whether all files that it lists are there, the programs with their sizes.

        A library may have been built again since, when a program was added.
        """
        try:
            programs = all((directory / item.file).stat().st_size == item.size_bytes for item in self.programs.values())
        except OSError:
            return False
        return programs and all((directory / item.file).exists() for item in self.libraries)


def read(directory: Path) -> Manifest | None:
    """The manifest of a finished build; None when it is not finished, not readable, or misses files."""
    try:
        manifest = Manifest.model_validate_json((directory / FILE_NAME).read_bytes())
    except (OSError, ValidationError):
        return None
    return manifest if manifest.is_whole(directory) else None


def write(directory: Path, manifest: Manifest) -> None:
    """Write the manifest, which is what makes a build finished."""
    write_atomic(directory / FILE_NAME, manifest.model_dump_json(indent=1) + "\n")
