"""`lcpp engine remove`: free what builds and checkouts take."""

from __future__ import annotations

import click

from orchestrator.cli.call import Call
from orchestrator.errors import UsageError
from orchestrator.text.numbers import mib


@click.command()
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@click.option("--all", "everything", is_flag=True, help="All builds and checkouts.")
@click.pass_obj
def remove(call: Call, keys: tuple[str, ...], everything: bool) -> None:
    """Remove builds by their keys, or the first characters of them. What git has fetched stays."""
    from orchestrator.engine.build.inventory import list_builds, list_checkouts, remove_builds, remove_checkouts

    if bool(keys) == everything:
        raise UsageError("name the builds to remove, or --all", hint="`lcpp engine list` shows them")
    workspace, progress = call.workspace, call.progress
    if everything:
        freed_bytes = remove_builds(workspace, [build.key for build in list_builds(workspace)], progress)
        checkouts = [checkout.name for checkout in list_checkouts(workspace)]
        freed_bytes += remove_checkouts(workspace, checkouts, progress)
    else:
        freed_bytes = remove_builds(workspace, keys, progress)
    call.output.line(f"freed {mib(freed_bytes)} MiB")
