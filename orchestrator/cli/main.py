"""The `lcpp` command: its subcommands, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import traceback
from pathlib import Path

import click

import orchestrator
from orchestrator.cli.settings import Settings
from orchestrator.errors import Interrupted, LcppError

_BUG_EXIT = 3

# Imported when called for, so that `lcpp --help` and a set-up with nothing to do start in a blink.
_COMMANDS = {
    "setup": ("orchestrator.cli.setup:setup", "Get and build llama.cpp, and fetch a recipe's model."),
    "run": ("orchestrator.cli.run:run", "Run a recipe; set up what is missing first."),
    "parse": ("orchestrator.cli.parse:parse", "Turn a llama.cpp log into structured JSON."),
    "doctor": ("orchestrator.cli.doctor:doctor", "Show what this machine has and lacks, and what mends it."),
    "recipe": ("orchestrator.cli.recipe:recipe", "Check recipes, start a new one, print the JSON Schemas."),
    "engine": ("orchestrator.cli.engine:engine", "List and remove builds of llama.cpp."),
}


class _Lazy(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}:{attribute} is no command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, short) for name, (_, short) in _COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(orchestrator.__version__, prog_name="lcpp", message="%(prog)s %(version)s")
def cli() -> None:
    """How well does this model run on that machine, with that llama.cpp, and can I trust the number?

    Start with `lcpp run recipes/smoke.yaml`; `lcpp COMMAND --help` tells more about each command.
    """


def main() -> None:
    """Run `lcpp` and exit: 0 done, 1 a stage failed, 2 usage, 3 a bug, 4 unexpected, 130 interrupted."""
    settings = Settings.from_environment(os.environ)
    try:
        code = cli.main(obj=settings, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except click.exceptions.Exit as error:
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = _tell(Interrupted("interrupted; what was finished is kept, the rest is done again next time"), settings)
    except LcppError as error:
        code = _tell(error, settings)
    except BrokenPipeError:
        # The reader of our output has gone (`lcpp … | head`): not an error, and nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except Exception:  # noqa: BLE001 - the one place that turns any error into an exit
        code = _tell_bug()
    sys.exit(code if isinstance(code, int) else 0)


def _tell(error: LcppError, settings: Settings) -> int:
    settings.close()
    if settings.json:
        import json

        document = {"what": error.what, "where": error.where, "hint": error.hint, "exit_code": error.exit_code}
        click.echo(json.dumps({"error": document}, ensure_ascii=False, indent=1))
    click.echo(f"{click.style('error:', fg='red', bold=True)} {settings.safe(str(error))}", err=True)
    return error.exit_code


def _tell_bug() -> int:
    handle, name = tempfile.mkstemp(prefix="lcpp-bug-", suffix=".log")
    with os.fdopen(handle, "w", encoding="utf-8") as log:
        log.write(f"lcpp {orchestrator.__version__}\n{' '.join(sys.argv)}\n\n{traceback.format_exc()}")
    last = traceback.format_exc().strip().splitlines()[-1]
    click.echo(
        f"{click.style('bug:', fg='red', bold=True)} lcpp itself failed: {last}\n  at: {Path(name)}\n"
        "  next: please report it with that file",
        err=True,
    )
    return _BUG_EXIT
