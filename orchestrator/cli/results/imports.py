"""`lcpp results import`: take in results of other machines."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.cli.call import Call
from orchestrator.cli.results.selections import opened_store


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.pass_obj
def import_(call: Call, files: tuple[Path, ...]) -> None:
    """Take in results of other machines: a result's JSON, an export as JSON lines, or llama-bench's JSON.

    `llama-bench -o json` and `-o jsonl`: each repetition of a test becomes a round of its own.
    """
    from orchestrator.result.store.imports import import_file

    runs = call.workspace.runs
    if not runs.is_dir():
        from orchestrator.workspace import disk_errors

        with disk_errors("make the folder of the runs", runs):
            runs.mkdir(parents=True)
    with opened_store(call) as database:
        for file in files:
            imported = import_file(database, file, call.progress)
            known = f", {imported.n_known:,} were there already" if imported.n_known else ""
            call.output.line(f"{file}: {imported.n_new:,} results imported{known}")
