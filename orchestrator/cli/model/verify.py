"""`lcpp model verify`: are the models at rest still what they were?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.settings import Settings
from orchestrator.errors import ModelError

if TYPE_CHECKING:
    from orchestrator.model.verify.verify import Verification

_MARKS = {"sound": ("✓", "green"), "damaged": ("✗", "bold red"), "missing": ("✗", "bold red"), "other": ("≠", "yellow")}


@click.command()
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option("--repair", is_flag=True, help="Fetch broken files again, those and no others.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_obj
def verify(settings: Settings, models: tuple[str, ...], repair: bool, as_json: bool) -> None:
    """Read cached models whole, and say which are damaged and how to mend them.

    Without MODEL: every GGUF in the hub's cache and in lcpp's own. With it: its files (hub:…, package:…, a path or a
    recipe). Each file is compared with what the hub promised, or with what it was when lcpp first checked it. Exit code
    1: something is broken still.
    """
    settings.json = as_json
    from orchestrator.model.source.reference import parse_reference
    from orchestrator.model.verify.verify import Verification, all_targets, targets_of, unfinished, verify

    workspace = settings.workspace
    if models:
        named = [parse_reference(model, base=Path.cwd()) for model in models]
        targets = [target for one in named for target in targets_of(one.spec, workspace, base=one.base)]
        left: tuple[str, ...] = ()
    else:
        from huggingface_hub import constants  # slow to import

        cache = Path(constants.HF_HUB_CACHE).expanduser()
        targets, left = all_targets(workspace, cache), unfinished(workspace, cache)
    files = verify(targets, workspace, settings.progress, repair=repair)
    found = Verification(files=files, unfinished=left)
    settings.close()
    if as_json:
        click.echo(found.model_dump_json(indent=1))
        settings.json = False
    else:
        _show(found)
    broken = [one for one in files if one.status != "sound"]
    if broken:
        raise ModelError(
            f"{len(broken)} of {len(files)} files {'is' if len(broken) == 1 else 'are'} not in order",
            where=broken[0].path,
            hint=broken[0].mend,
        )


def _show(found: Verification) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True)
    for one in found.files:
        mark, style = _MARKS[one.status]
        how = f", as by {one.compared}" if one.compared else ", whole (there is no hash to compare with)"
        told = one.problem or ("repaired" if one.repaired else f"sound{how}")
        console.print(Text.assemble((f"{mark} ", style), Settings.safe(f"{one.path}: {told}")))
        if one.mend:
            console.print(Text(Settings.safe(f"  next: {one.mend}"), style="dim"))
    for path in found.unfinished:
        console.print(Text(Settings.safe(f"… {path}: a download that was not finished"), style="dim"))
    if not found.files:
        console.print("no models are cached")
