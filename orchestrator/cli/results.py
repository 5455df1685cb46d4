"""`lcpp results`: what was measured so far: list, show, export, import, remove, and making the store again."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.settings import Settings
from orchestrator.errors import Interrupted, UsageError
from orchestrator.result.registry import FIGURES, GENERATION, LOAD

if TYPE_CHECKING:
    from orchestrator.result.measurement import Measurement
    from orchestrator.result.store.database import Condition, Database

_LIMIT = 40
_FORMATS = ("csv", "jsonl", "parquet")
_HELP = f"""SELECTION is @RECIPE (the newest group of runs of that recipe), @RECIPE~2 (the second group before it), an
id or the beginning of one, or filters: KEY=VALUE,... (also != < <= > >=; * in a value stands for anything). Keys are
recipe, model, commit, machine, program, status, id, file, since, until, experiment, case, round, warmup, disturbed,
dummy, imported; every figure ({GENERATION.name}, {LOAD.name}, ...); every setting of a recipe (run.n_threads or
n_threads)."""


@click.group(epilog=_HELP)
def results() -> None:
    """List, show, export, import and remove results."""


_FILTERS = {
    "recipe": ("NAME", None),
    "model": ("TEXT", "Part of the model's name, or the beginning of its SHA-256."),
    "commit": ("COMMIT", "Beginning of llama.cpp's commit, or b and its build number."),
    "machine": ("TEXT", "Part of the machine's name, or the beginning of its fingerprint."),
    "status": ("STATUS", "ok, unexpected or failed."),
    "since": ("TIME", "Started then or later: 2026-11-22, 2026-11-22T18:30 (UTC), or an age: 12h, 7d."),
    "until": ("TIME", "Started then or before."),
}


def _filtered(command: Callable[..., None]) -> Callable[..., None]:
    """Selections as arguments, and the usual filters as options."""
    for name, (metavar, told) in reversed(_FILTERS.items()):
        command = click.option(f"--{name}", metavar=metavar, help=told)(command)
    return click.argument("selections", nargs=-1, metavar="[SELECTION]...")(command)


@results.command("list", epilog=_HELP)
@_filtered
@click.option("--limit", type=click.IntRange(0), default=_LIMIT, show_default=True, help="So many at most; 0: all.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_obj
def list_(settings: Settings, /, selections: tuple[str, ...], limit: int, as_json: bool, **options: str | None) -> None:
    """Show the results that meet all SELECTIONs, the newest first."""
    settings.json = as_json
    with _store(settings) as database:
        conditions = _conditions(database, selections, options)
        found = database.find(conditions, limit=limit or None)
        count = len(found) if not limit or len(found) < limit else database.count(conditions)
        n_unreadable, unreadable = database.unreadable()
    settings.close()
    if as_json:
        import json

        from orchestrator.result.store.documents import as_document

        document = {
            "runs": str(settings.workspace.runs),
            "count": count,
            "results": [{**as_document(one), "path": one.path} for one in found],
            "n_unreadable": n_unreadable,
            "unreadable": [{"file": one.name, "problem": one.problem} for one in unreadable],
        }
        click.echo(json.dumps(document, ensure_ascii=False, indent=1))
        return
    if not found:
        click.echo(f"no results in {settings.workspace.runs}" + (" meet that" if conditions else ""))
    else:
        _table(found)
    if count > len(found):
        click.echo(f"{count - len(found):,} more: --limit 0 shows all, a filter fewer (`lcpp results list --help`)")
    for one in unreadable[:3]:
        click.echo(settings.safe(f"note: {one.name} is not used: {one.problem}"), err=True)
    if n_unreadable > 3:
        click.echo(f"note: {n_unreadable - 3} more files are not used: `lcpp results list --json` names them", err=True)


@results.command(epilog=_HELP)
@click.argument("selections", nargs=-1, required=True, metavar="SELECTION...")
@click.option("--json", "as_json", is_flag=True, help='One JSON document on standard output: {"results": [...]}.')
@click.pass_obj
def show(settings: Settings, selections: tuple[str, ...], as_json: bool) -> None:
    """Show a result whole, or several in a table. As JSON each is whole."""
    settings.json = as_json
    found = _selected(settings, selections)
    settings.close()
    if as_json:
        import json

        from orchestrator.result.store.documents import as_document

        documents = [as_document(one) if one.path is None else json.loads(_bytes(one)) for one in found]
        click.echo(json.dumps({"results": documents}, ensure_ascii=False, indent=1))
    elif len(found) > 1:
        _table(found)
    elif found[0].path is None:
        _measurement(found[0])
    else:
        from rich.console import Console

        from orchestrator.cli.view.result import show as show_result
        from orchestrator.result.reading import UnreadableResult, parse_result

        try:
            result = parse_result(_bytes(found[0]))
        except UnreadableResult:
            raise UsageError(
                "its file is no longer a result of lcpp", where=found[0].path, hint="`lcpp results rebuild` looks again"
            ) from None
        show_result(result, Path(found[0].path), Console(soft_wrap=False))


@results.command(epilog=_HELP)
@_filtered
@click.option("--format", "form", type=click.Choice(_FORMATS), help="Else by FILE's suffix, or csv.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Else standard output.")
@click.pass_obj
def export(
    settings: Settings, /, selections: tuple[str, ...], form: str | None, output: Path | None, **options: str | None
) -> None:
    """Write the results that meet all SELECTIONs for other programs.

    csv and parquet: a row a run. jsonl: whole results, which `lcpp results import` reads on another machine.
    """
    suffix = "" if output is None else output.suffix.removeprefix(".")
    wanted = form or (suffix if suffix in _FORMATS else "csv")
    from orchestrator.result.store.exports import FORMATS
    from orchestrator.result.store.exports import export as write

    known = next(one for one in FORMATS if one == wanted)
    with _store(settings) as database:
        conditions = _conditions(database, selections, options)
        with _output(output, binary=known == "parquet") as file:
            count = write(database, conditions, file, known, settings.progress)
    settings.close()
    if output is not None:
        click.echo(f"{count:,} results in {output}")


@results.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.pass_obj
def import_(settings: Settings, files: tuple[Path, ...]) -> None:
    """Take in results of other machines: a result's JSON, an export as JSON lines, or llama-bench's JSON.

    `llama-bench -o json` and `-o jsonl`: each repetition of a test becomes a round of its own.
    """
    from orchestrator.result.store.imports import import_file

    runs = settings.workspace.runs
    if not runs.is_dir():
        from orchestrator.workspace import disk_errors

        with disk_errors("make the folder of the runs", runs):
            runs.mkdir(parents=True)
    with _store(settings) as database:
        for file in files:
            came = import_file(database, file, settings.progress)
            settings.close()
            known = f", {came.n_known:,} were there already" if came.n_known else ""
            click.echo(settings.safe(f"{file}: {came.n_new:,} results imported{known}"))


@results.command(epilog=_HELP)
@click.argument("selections", nargs=-1, required=True, metavar="SELECTION...")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def remove(settings: Settings, selections: tuple[str, ...], yes: bool) -> None:
    """Remove results: their files, raw transcripts and rows in the store."""
    with _store(settings) as database:
        found = _find(database, selections)
        settings.close()
        if not yes:
            _table(found[:_LIMIT])
            if not sys.stdin.isatty():
                raise UsageError(f"{len(found):,} results would be removed", hint="give --yes to remove them")
            if not click.confirm(f"remove {len(found):,} results with their transcripts?"):
                raise Interrupted("nothing was removed")
        count = database.remove(found)
    click.echo(f"removed {len(found):,} results ({count:,} files)")


@results.command()
@click.pass_obj
def rebuild(settings: Settings) -> None:
    """Make the store again from the results' files, which are the truth."""
    with _store(settings) as database:
        database.rebuild()
        count = database.count()
        n_unreadable, unreadable = database.unreadable()
    settings.close()
    click.echo(f"{count:,} results in the store")
    if n_unreadable:
        click.echo(f"{n_unreadable:,} files are not used:")
        for one in unreadable:
            click.echo(settings.safe(f"  {one.name}: {one.problem}"))


@contextlib.contextmanager
def _store(settings: Settings) -> Iterator[Database]:
    # Imported here: only those who need the store pay for it.
    from orchestrator.result.store.database import opened

    with opened(settings.workspace.runs, settings.progress) as database:
        yield database


def _conditions(
    database: Database, selections: Sequence[str], options: Mapping[str, str | None]
) -> tuple[Condition, ...]:
    from orchestrator.result.store.selection import conditions

    given = [f"{name}={value}" for name, value in options.items() if value is not None]
    return conditions(database, [*selections, *given])


def _selected(settings: Settings, selections: Sequence[str]) -> list[Measurement]:
    with _store(settings) as database:
        return _find(database, selections)


def _find(database: Database, selections: Sequence[str]) -> list[Measurement]:
    """What any of the selections names, each result once."""
    from orchestrator.result.store.selection import select

    found = {one.id: one for text in selections for one in select(database, text)}
    return list(found.values())


def _bytes(one: Measurement) -> bytes:
    from orchestrator.result.reading import UnreadableResult, read_bytes

    try:
        return read_bytes(Path(one.path or ""))
    except UnreadableResult as error:
        raise UsageError(f"cannot read the result: {error.what.lower()}", where=error.where) from None


@contextlib.contextmanager
def _output(path: Path | None, *, binary: bool) -> Iterator[Any]:
    """Standard output, or a file that appears when it is whole."""
    if path is None:
        if binary and sys.stdout.isatty():
            raise UsageError("Parquet is not for a terminal", hint="name a file with -o")
        yield sys.stdout.buffer
        return
    import os
    import tempfile

    from orchestrator.workspace import disk_errors

    with disk_errors("write the export", path):
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        part = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
            part.chmod(0o644)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def _table(found: Sequence[Measurement]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    table.add_column("id", overflow="fold")
    table.add_column("llama.cpp", overflow="fold")
    table.add_column("model", overflow="fold")
    # As they happen: the prompt first.
    shown = [figure for figure in FIGURES.values() if figure.shown == "histories"]
    for figure in shown:
        table.add_column(f"{figure.column}\n{figure.unit}", justify="right")
    table.add_column("", overflow="fold")
    for one in found:
        build = f"b{one.build_number}" if one.build_number is not None else (one.commit or "")[:8]
        rates = [one.figures.get(figure.name) for figure in shown]
        table.add_row(
            Text(one.id),
            build,
            Text(Settings.safe(one.model_name)),
            *("" if rate is None else f"{rate:.2f}" for rate in rates),
            Text(Settings.safe(_marks(one)), style="" if one.counts else "dim"),
        )
    Console().print(table)


def _marks(one: Measurement) -> str:
    marks = [f"{key}={value}" for key, value in one.case_settings.items()]
    marks += [one.status] if one.status != "ok" else []
    marks += ["warm-up"] if one.warmup else []
    marks += ["disturbed: " + "; ".join(one.disturbed)] if one.disturbed else []
    marks += ["dummy weights"] if one.dummy else []
    return ", ".join(marks)


def _measurement(one: Measurement) -> None:
    """All that is known of a run that has no result of lcpp."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(one.id), title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    pairs = [
        ("started", one.started_at),
        ("program", one.program),
        ("model", one.model_name),
        ("machine", one.machine_name),
        *((name, f"{value:g}") for name, value in one.figures.items()),
        *one.settings.items(),
        *one.environment.items(),
    ]
    for name, value in pairs:
        if value:
            table.add_row(Text(Settings.safe(name)), Text(Settings.safe(value)))
    Console().print(table)
