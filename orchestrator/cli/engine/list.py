"""`lcpp engine list`: the builds and checkouts that are there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

from orchestrator.cli.call import Call
from orchestrator.cli.options import json_option
from orchestrator.cli.output.output import Output, json_text
from orchestrator.text.numbers import mib

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.engine.build.inventory import BuildEntry, CheckoutEntry
    from orchestrator.workspace import Workspace


class Inventory(NamedTuple):
    """What is there."""

    workspace: Workspace
    builds: Sequence[BuildEntry]
    checkouts: Sequence[CheckoutEntry]


@click.command("list")
@json_option()
@click.pass_obj
def list_(call: Call) -> None:
    """Show the builds and checkouts that are there, and what they take on the disk."""
    from orchestrator.engine.build.inventory import list_builds, list_checkouts

    workspace = call.workspace
    inventory = Inventory(workspace, list_builds(workspace), list_checkouts(workspace))
    call.output.document(inventory, json=_json, people=_show)


def _json(inventory: Inventory) -> str:
    builds = [
        {
            "key": build.key,
            "size_bytes": build.size_bytes,
            "manifest": build.manifest.model_dump(mode="json") if build.manifest else None,
        }
        for build in inventory.builds
    ]
    checkouts = [
        {
            "name": checkout.name,
            "commit": checkout.commit,
            "build_number": checkout.build_number,
            "size_bytes": checkout.size_bytes,
        }
        for checkout in inventory.checkouts
    ]
    return json_text({"vendor": str(inventory.workspace.vendor), "builds": builds, "checkouts": checkouts})


def _show(inventory: Inventory, output: Output) -> None:
    workspace, builds, checkouts = inventory
    if not builds and not checkouts:
        output.line(f"nothing is built yet in {workspace.vendor}; `lcpp setup` builds the default llama.cpp")
        return
    from orchestrator.cli.output.table import TextTable

    table = TextTable(f"builds in {workspace.builds}")
    for column in ("key", "llama.cpp", "programs", "built", "MiB"):
        table.add_column(column, overflow="fold", justify="right" if column == "MiB" else "left")
    for build in builds:
        manifest, size = build.manifest, mib(build.size_bytes)
        if manifest is None:
            table.add_row(build.key, "not finished", "", "", size)
            continue
        number = "" if manifest.build_number is None else f"b{manifest.build_number}"
        day, programs = (manifest.commit_date or "")[:10], "\n".join(sorted(manifest.programs))
        table.add_row(build.key, f"{number} {day}".strip(), programs, manifest.built_at[:10], size)
    output.draw(table)
    output.line(f"{len(checkouts)} checkouts, {mib(sum(checkout.size_bytes for checkout in checkouts))} MiB")
