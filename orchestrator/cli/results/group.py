"""`lcpp results`: what was measured so far: list, show, export, import, remove, and making the store again."""

from __future__ import annotations

import click

from orchestrator.cli.results.export import export
from orchestrator.cli.results.imports import import_
from orchestrator.cli.results.list import list_
from orchestrator.cli.results.rebuild import rebuild
from orchestrator.cli.results.remove import remove
from orchestrator.cli.results.selections import HELP
from orchestrator.cli.results.show import show


@click.group(epilog=HELP)
def results() -> None:
    """List, show, export, import and remove results."""


for command in (list_, show, export, import_, remove, rebuild):
    results.add_command(command)
