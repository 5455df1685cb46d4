"""The one family of errors that lcpp raises on purpose.

Each message has three parts: what happened, where (a file and line, a command, a log), and what to do next.
The exit code of the process stands on the class. Anything that is not an `LcppError` is a bug of ours (exit 3).
"""

from __future__ import annotations

from typing import ClassVar


class LcppError(Exception):
    """A stage failed for a known reason.

    Args:
        what: what happened, one or more sentences.
        where: the file and line, command or log that it is about.
        hint: what the user can do next.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        parts = [self.what]
        if self.where:
            parts.append(f"  at: {self.where}")
        if self.hint:
            parts.append(f"  next: {self.hint}")
        return "\n".join(parts)


class UsageError(LcppError):
    """The command line asks for something that does not exist or cannot be combined."""

    exit_code = 2


class RecipeError(LcppError):
    """The recipe is not valid; nothing was started."""

    exit_code = 2


class WorkspaceError(LcppError):
    """The disk does not let us keep what we make (full, read-only, not a directory)."""


class SourceError(LcppError):
    """A llama.cpp at the wanted commit cannot be had."""


class ToolchainError(LcppError):
    """A tool that the build needs is missing or does not work."""


class BuildError(LcppError):
    """llama.cpp did not build, or what was built does not start."""


class PackageIndexError(LcppError):
    """pip could not bring a distribution from the package index."""


class ModelError(LcppError):
    """The model cannot be had, or is not a whole GGUF with the wanted content."""


class DriveError(LcppError):
    """An upstream program could not be started, was stopped, or died."""


class OutputLostError(DriveError):
    """A program ended well before all that it had to print was printed; another run may be whole."""


class ParseError(LcppError):
    """The text does not hold the lines that were needed."""


class ExpectationError(LcppError):
    """What the recipe expects does not hold."""

    exit_code = 4


class IncomparableError(LcppError):
    """Two sets of results differ in more than in what is to be compared."""


class Interrupted(LcppError):
    """The user pressed Ctrl-C."""

    exit_code = 130
