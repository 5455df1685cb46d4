"""The `lcpp` command: its subcommands, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import errno
import io
import os
import sys
import tempfile
import traceback
from pathlib import Path

import click

import orchestrator
from orchestrator.cli.call import Call
from orchestrator.cli.lazy import LazyGroup
from orchestrator.errors import Interrupted, LcppError, WorkspaceError

_BUG_EXIT = 3

# Imported when called for, so that `lcpp --help` and a set-up with nothing to do start in a blink.
_COMMANDS = {
    "setup": ("orchestrator.cli.setup:setup", "Get and build llama.cpp, and fetch a recipe's model."),
    "run": ("orchestrator.cli.run:run", "Run a recipe; set up what is missing first."),
    "compare": ("orchestrator.cli.compare:compare", "Compare two settings of a recipe, or two stored selections."),
    "selftest": ("orchestrator.cli.selftest:selftest", "Find out which change this machine can resolve."),
    "parse": ("orchestrator.cli.parse:parse", "Turn a llama.cpp log into structured JSON."),
    "doctor": ("orchestrator.cli.doctor:doctor", "Show what this machine has and lacks, and what mends it."),
    "model": ("orchestrator.cli.model.group:model", "Inspect, list, fit, imitate and verify models."),
    "recipe": (
        "orchestrator.cli.recipe.group:recipe",
        "Check recipes, start a new one, pin one, print the JSON Schemas.",
    ),
    "results": ("orchestrator.cli.results.group:results", "List, show, export, import and remove results."),
    "report": ("orchestrator.cli.report:report", "Report on results: a page, plots, Markdown, JUnit, tables."),
    "engine": ("orchestrator.cli.engine.group:engine", "List and remove builds of llama.cpp."),
}


@click.group(cls=LazyGroup, lazy=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(orchestrator.__version__, prog_name="lcpp", message="%(prog)s %(version)s")
def cli() -> None:
    """How well does this model run on that machine, with that llama.cpp, and can I trust the number?

    Start with `lcpp run recipes/smoke.yaml`; `lcpp COMMAND --help` tells more about each command.
    """


def main() -> None:
    """Run `lcpp` and exit: 0 done, 1 a stage failed, 2 usage, 3 a bug, 4 unexpected, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that knows only ASCII, or a file name that is no text, is no reason to fail.
            stream.reconfigure(errors="backslashreplace")
    call = Call(os.environ)
    try:
        code = _run(call)
    except BrokenPipeError:
        # The reader of our output has gone (`lcpp … | head`): not an error, and nobody to tell.
        _silence()
        code = 1
    except Exception:  # noqa: BLE001 - the one place that turns any error into an exit
        code = _bug(call)
    sys.exit(code)


def _run(call: Call) -> int:
    """Run the command, tell of errors, and return the exit code."""
    try:
        code = cli.main(obj=call, prog_name="lcpp", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Exit as error:
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        hint = "what was finished is kept; run the same command again to go on"
        return _error(call, Interrupted("interrupted", hint=hint))
    except LcppError as error:
        return _error(call, error)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        # Who writes a file of ours tells of it by its name: this is our own output, as in `lcpp … > FILE`.
        full = WorkspaceError(
            f"cannot write the output: {os.strerror(error.errno).lower()}",
            where=error.filename or "standard output",
            hint="free some space, then run the same command again",
        )
        code = _error(call, full, document=False)
        # What could not be written would be tried again at the end.
        _silence()
        return code
    return code if isinstance(code, int) else 0


def _silence() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)


def _error(call: Call, error: LcppError, *, document: bool = True) -> int:
    call.output.error(error, document=document)
    return error.exit_code


def _bug(call: Call) -> int:
    handle, name = tempfile.mkstemp(prefix="lcpp-bug-", suffix=".log")
    with os.fdopen(handle, "w", encoding="utf-8") as log:
        log.write(f"lcpp {orchestrator.__version__}\n{' '.join(sys.argv)}\n\n{traceback.format_exc()}")
    last = traceback.format_exc().strip().splitlines()[-1]
    call.output.bug(f"lcpp itself failed: {last}\n  at: {Path(name)}\n  next: please report it with that file")
    return _BUG_EXIT
