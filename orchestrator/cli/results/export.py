"""`lcpp results export`: results for other programs."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click

from orchestrator.cli.call import Call
from orchestrator.cli.output.output import Output
from orchestrator.cli.results.selections import HELP, conditions, filtered, opened_store
from orchestrator.errors import UsageError

_FORMATS = ("csv", "jsonl", "parquet")


@click.command(epilog=HELP)
@filtered
@click.option("--format", "form", type=click.Choice(_FORMATS), help="Else by FILE's suffix, or csv.")
@click.option("-o", "--output", "path", type=click.Path(path_type=Path), metavar="FILE", help="Else standard output.")
@click.pass_obj
def export(
    call: Call, /, selections: tuple[str, ...], form: str | None, path: Path | None, **options: str | None
) -> None:
    """Write the results that meet all SELECTIONs for other programs.

    csv and parquet: a row a run. jsonl: whole results, which `lcpp results import` reads on another machine.
    """
    suffix = "" if path is None else path.suffix.removeprefix(".")
    wanted = form or (suffix if suffix in _FORMATS else "csv")
    from orchestrator.result.store.exports import FORMATS
    from orchestrator.result.store.exports import export as write

    known = next(name for name in FORMATS if name == wanted)
    with opened_store(call) as database:
        chosen = conditions(database, selections, options)
        with _opened(path, call.output, is_binary=known == "parquet") as file:
            count = write(database, chosen, file, known, call.progress)
    call.output.close()
    if path is not None:
        call.output.line(f"{count:,} results in {path}")


@contextlib.contextmanager
def _opened(path: Path | None, output: Output, *, is_binary: bool) -> Iterator[BinaryIO]:
    """Standard output, or a file that appears when it is whole."""
    if path is None:
        if is_binary and sys.stdout.isatty():
            raise UsageError("Parquet is not for a terminal", hint="name a file with -o")
        yield output.raw_bytes()
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
