"""What a command says: what it is for on standard output, all else on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, Literal, TypeVar

import click

from orchestrator.errors import LcppError, UsageError
from orchestrator.text.visible import visible

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from orchestrator.cli.output.progress import TerminalProgress

Form = Literal["people", "json", "markdown"]
T = TypeVar("T")


class Output:
    """The voice of one call.

    Standard output gets what the command is for: lines and tables for people, or one document. Standard error gets
    progress, messages and errors. Text for people is made visible on its way; a document goes out as it is, as its form
    has escapes of its own.

    Args:
        width: of lines for people, in characters; None: the terminal's.
    """

    def __init__(self, *, width: int | None = None) -> None:
        self.form: Form = "people"
        self._width = width
        self._console: Console | None = None
        self._progress: TerminalProgress | None = None
        self._has_document = False

    def choose(self, form: Form) -> None:
        """Take the form that an option asks for.

        Raises:
            UsageError: another option has asked for another one.
        """
        before, self.form = self.form, form
        if before not in ("people", form):
            # Whoever wants JSON gets it, this error included.
            self.form = "json"
            raise UsageError("`--json` and `--markdown` cannot be combined", hint="take one of them")

    # standard output

    def document(
        self,
        value: T,
        *,
        people: Callable[[T, Output], None],
        json: Callable[[T], str],
        markdown: Callable[[T], str] | None = None,
    ) -> None:
        """Print what the command is for, in the form that was asked for.

        Args:
            people: prints it by the other methods.
        """
        if self.form == "people":
            people(value, self)
        else:
            write = json if self.form == "json" or markdown is None else markdown
            self.raw_text(write(value))

    def raw_text(self, text: str, *, end: str = "\n") -> None:
        """Print a document as it is. Errors that come later are told on standard error alone."""
        self.close()
        self._has_document = True
        click.echo(f"{text}{end}", nl=False)

    def raw_bytes(self) -> BinaryIO:
        """Standard output for a document that is too long to be held."""
        self.close()
        self._has_document = True
        return sys.stdout.buffer

    def line(self, text: str = "") -> None:
        """Print a line for people."""
        self.close()
        click.echo(visible(text))

    def text(self, *parts: str | tuple[str, str], style: str = "", wrap: bool = False) -> None:
        """Print a text for people, with colours where there are any.

        Args:
            parts: each a text, or a text and its own style.
            wrap: break lines at words where they are longer than the terminal is wide.
        """
        from orchestrator.cli.output.table import visible_text  # rich is slow to import

        self.close()
        self.console.print(visible_text(*parts, style=style), soft_wrap=not wrap)

    def draw(self, drawing: RenderableType) -> None:
        """Print a table or another of rich's drawings, whose maker has made its texts visible."""
        self.close()
        self.console.print(drawing)

    @property
    def console(self) -> Console:
        """Standard output as rich sees it: how wide, in which colours."""
        if self._console is None:
            from rich.console import Console

            self._console = Console(width=self._width, highlight=False)
        return self._console

    @property
    def is_live(self) -> bool:
        """Whether a person sits before standard output, to whom things can be shown as they come."""
        return self.form == "people" and sys.stdout.isatty()

    # standard error

    @property
    def progress(self) -> TerminalProgress:
        """Where long work tells of itself."""
        if self._progress is None:
            from orchestrator.cli.output.progress import TerminalProgress

            self._progress = TerminalProgress(sys.stderr)
        return self._progress

    def message(self, text: str) -> None:
        """Tell something besides."""
        click.echo(visible(text), err=True)

    def error(self, error: LcppError, *, document: bool = True) -> None:
        """Tell why the command ends: as its document, when that is JSON and nothing is printed yet, and as a message.

        Args:
            document: whether standard output can take a document.
        """
        self.close()
        if self.form == "json" and document and not self._has_document:
            about = {"what": error.what, "where": error.where, "hint": error.hint, "exit_code": error.exit_code}
            self.raw_text(json_text({"error": about}))
        self._fault("error", str(error))

    def bug(self, text: str) -> None:
        """Tell of an error of ours."""
        self._fault("bug", text)

    def close(self) -> None:
        """Take what moves off the screen; the last stage is over."""
        if self._progress is not None:
            self._progress.close()

    def _fault(self, kind: str, text: str) -> None:
        click.echo(f"{click.style(f'{kind}:', fg='red', bold=True)} {visible(text)}", err=True)


def json_text(document: object) -> str:
    """A plain document as JSON."""
    import json  # most calls print none, and start-up time counts

    return json.dumps(document, ensure_ascii=False, indent=1)
