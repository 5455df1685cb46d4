"""`lcpp engine`: what is built, what it can do, and freeing it."""

from __future__ import annotations

import click

from orchestrator.cli.engine.list import list_
from orchestrator.cli.engine.remove import remove
from orchestrator.cli.engine.show import show


@click.group()
def engine() -> None:
    """List, show and remove builds of llama.cpp."""


for command in (list_, show, remove):
    engine.add_command(command)
