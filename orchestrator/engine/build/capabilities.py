"""What a built program says that it can do: the options its `--help` names, and its `--version`.

Asked when it is first needed and kept beside the build's manifest. The file is derived: it is made again when it
cannot be read or the program has changed.
"""

import contextlib
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from orchestrator import process
from orchestrator.engine.build.manifest import ProgramFile
from orchestrator.engine.build.trial import version_in
from orchestrator.errors import WorkspaceError
from orchestrator.piece import Piece
from orchestrator.recipe.schema.recipe import ProgramName
from orchestrator.workspace import write_atomic

FILE_NAME = "capabilities.json"
_TIMEOUT_S = 10.0
_MAX_HELP = 1_000_000
_MAX_FILE_BYTES = 4_000_000
# An option's line begins near the margin; what stands deeper explains the option above.
_OPTION_LINE = re.compile(r"^ {0,9}(-{1,2}[A-Za-z].*)$", re.MULTILINE)
_EXPLANATION = re.compile(r"\s{2,}(?![\s-])")
_NAME = re.compile(r"(?<![\w<|-])--?[A-Za-z][\w-]*")


class Capabilities(Piece):
    """What one program says of itself. `options` is None when it has no help that lists them."""

    sha256: str
    options: frozenset[str] | None
    version: Annotated[str | None, Field(description="What --version prints; None: it does not know the option.")]

    def knows(self, option: str) -> bool:
        """Whether its help names the option; also when it has no help, as then nothing speaks against it."""
        return self.options is None or option in self.options


UNKNOWN = Capabilities(sha256="", options=None, version=None)


class _CapabilitiesFile(Piece):
    """The file."""

    # Raised when lcpp reads more out of a program, or differently.
    lcpp_capabilities: Literal[1] = 1
    programs: dict[str, Capabilities] = {}


def of_program(
    directory: Path, program: ProgramName, file: ProgramFile, environment: Mapping[str, str], *, has_help: bool
) -> Capabilities:
    """What `program` of the build in `directory` can do, asked of it once.

    Args:
        environment: what the program inherits.
        has_help: whether `--help` lists its options; a program that takes it for a prompt is not asked.

    Returns:
        `UNKNOWN` for a program that does not answer: then the table has to do.
    """
    programs = _read(directory).programs
    known = programs.get(program)
    if known is not None and known.sha256 == file.sha256:
        return known
    try:
        answer = ask(directory / file.file, file.sha256, environment, has_help=has_help)
    except (OSError, subprocess.TimeoutExpired):
        return UNKNOWN
    # A folder that cannot be written only means that the program is asked again.
    with contextlib.suppress(WorkspaceError, OSError):
        write(directory, {**programs, program: answer})
    return answer


def write(directory: Path, programs: Mapping[str, Capabilities]) -> None:
    """Keep what the programs of a build said."""
    write_atomic(directory / FILE_NAME, _CapabilitiesFile(programs=dict(programs)).model_dump_json(indent=1) + "\n")


def ask(file: Path, sha256: str, environment: Mapping[str, str], *, has_help: bool) -> Capabilities:
    """Run the program for its help and its version; some milliseconds.

    Raises:
        OSError: it cannot be started.
        subprocess.TimeoutExpired: it does not end.
    """
    # In an empty folder: old programs write logs to theirs.
    with tempfile.TemporaryDirectory(prefix="lcpp-ask-") as empty:

        def output_of(argument: str) -> str:
            finished = process.run([str(file), argument], cwd=Path(empty), env=environment, timeout_s=_TIMEOUT_S)
            # Some eras print their help in standard output, some in standard error.
            return f"{finished.stdout[:_MAX_HELP]}\n{finished.stderr[:_MAX_HELP]}"

        options = options_in(output_of("--help")) if has_help else frozenset()
        return Capabilities(sha256=sha256, options=options or None, version=version_in(output_of("--version")))


def options_in(text: str) -> frozenset[str]:
    """The names of all options that a help text explains."""
    heads = (_EXPLANATION.split(line[1], maxsplit=1)[0] for line in _OPTION_LINE.finditer(text))
    return frozenset(name for head in heads for name in _NAME.findall(head))


def _read(directory: Path) -> _CapabilitiesFile:
    try:
        with (directory / FILE_NAME).open("rb") as file:
            return _CapabilitiesFile.model_validate_json(file.read(_MAX_FILE_BYTES))
    except (OSError, ValidationError):
        return _CapabilitiesFile()
