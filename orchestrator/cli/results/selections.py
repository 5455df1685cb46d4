"""What the command line selects of the results: names, filters, and the usual filters as options."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import click

from orchestrator.cli.call import Call
from orchestrator.result.registry import GENERATION, LOAD

if TYPE_CHECKING:
    from orchestrator.result.measurement import Measurement
    from orchestrator.result.store.database import Condition, Database

HELP = f"""SELECTION is @RECIPE (the newest group of runs of that recipe), @RECIPE~2 (the second group before it), an
id or the beginning of one, or filters: KEY=VALUE,... (also != < <= > >=; * in a value stands for anything). Keys are
recipe, model, commit, machine, program, status, id, file, since, until, experiment, case, round, warmup, disturbed,
dummy, imported; every figure ({GENERATION.name}, {LOAD.name}, ...); every setting of a recipe (run.n_threads or
n_threads)."""

_Command = TypeVar("_Command", bound=Callable[..., None])
_FILTERS = {
    "recipe": ("NAME", None),
    "model": ("TEXT", "Part of the model's name, or the beginning of its SHA-256."),
    "commit": ("COMMIT", "Beginning of llama.cpp's commit, or b and its build number."),
    "machine": ("TEXT", "Part of the machine's name, or the beginning of its fingerprint."),
    "status": ("STATUS", "ok, unexpected or failed."),
    "since": ("TIME", "Started then or later: 2026-11-22, 2026-11-22T18:30 (UTC), or an age: 12h, 7d."),
    "until": ("TIME", "Started then or before."),
}


def filtered(command: _Command) -> _Command:
    """Selections as arguments, and the usual filters as options."""
    for name, (metavar, help) in reversed(_FILTERS.items()):
        command = click.option(f"--{name}", metavar=metavar, help=help)(command)
    return click.argument("selections", nargs=-1, metavar="[SELECTION]...")(command)


@contextlib.contextmanager
def opened_store(call: Call) -> Iterator[Database]:
    """The store of this call's results."""
    # Imported here: only those who need the store pay for it.
    from orchestrator.result.store.database import opened

    with opened(call.workspace.runs, call.progress) as database:
        yield database


def conditions(
    database: Database, selections: Sequence[str], options: Mapping[str, str | None]
) -> tuple[Condition, ...]:
    """The conditions of selections and of the usual filters' options."""
    from orchestrator.result.store.selection import conditions

    filters = [f"{name}={value}" for name, value in options.items() if value is not None]
    return conditions(database, [*selections, *filters])


def any_of(database: Database, selections: Sequence[str]) -> list[Measurement]:
    """What any of the selections names, each result once."""
    from orchestrator.result.store.selection import select

    by_id = {measurement.id: measurement for text in selections for measurement in select(database, text)}
    return list(by_id.values())
