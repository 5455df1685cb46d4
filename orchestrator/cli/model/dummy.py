"""`lcpp model dummy`: a model with the shape of a real one and random weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from orchestrator.cli.call import Call
from orchestrator.cli.options import json_option
from orchestrator.cli.output.output import Output, json_text
from orchestrator.errors import UsageError
from orchestrator.text.numbers import gib, mib

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.model.dummy.cache import CachedDummy
    from orchestrator.model.dummy.plan import DummyPlan
    from orchestrator.model.dummy.presets import Preset

_LIMIT_VARIABLE = "LCPP_DUMMIES_GIB"


class MadeDummy(NamedTuple):
    """A dummy, and where it is. `sha256` is known when it was written just now to the cache."""

    plan: DummyPlan
    path: Path
    sha256: str | None


@click.command()
@click.argument("model", required=False)
@click.option("--preset", metavar="NAME", help="A shape that lcpp knows, without any file of the model.")
@click.option("--type", "mix", metavar="TYPE", help="With --preset: another quantization, such as Q4_K_M.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it there, not to the cache.")
@click.option("--limit", "limit_gib", type=float, metavar="GIB", help=f"Size of the cache (or {_LIMIT_VARIABLE}; 16).")
@click.option("--presets", is_flag=True, help="List the presets.")
@click.option("--list", "listing", is_flag=True, help="List the dummies in the cache.")
@click.option("--clear", is_flag=True, help="Remove all dummies from the cache that are not in use.")
@json_option()
@click.pass_obj
def dummy(
    call: Call,
    model: str | None,
    preset: str | None,
    mix: str | None,
    output: Path | None,
    limit_gib: float | None,
    presets: bool,
    listing: bool,
    clear: bool,
) -> None:
    """Make a model with the shape of MODEL and random weights: it is as fast and as large, and what it says is noise.

    MODEL is hub:OWNER/NAME/FILE.gguf[@REVISION], package:NAME==VERSION/FILE.gguf, a path, or a recipe. Of a file on the
    hub only the header is fetched. When the hub cannot be reached, or with --preset, the shape is one that lcpp knows.
    """
    if sum([model is not None, preset is not None, presets, listing, clear]) != 1:
        raise UsageError(
            "name one thing: a MODEL, --preset, --presets, --list or --clear",
            hint="`lcpp model dummy --presets` lists the shapes that lcpp knows",
        )
    if mix is not None and preset is None:
        raise UsageError("--type goes with --preset: the types of a MODEL are those of its file")
    if presets:
        from orchestrator.model.dummy.presets import PRESETS

        call.output.document(PRESETS, json=_presets_json, people=_show_presets)
    elif listing:
        from orchestrator.model.dummy.cache import list_dummies

        call.output.document(list_dummies(call.workspace), json=_cached_json, people=_show_cached)
    elif clear:
        from orchestrator.model.dummy.cache import clear as clear_all

        freed_bytes = clear_all(call.workspace, call.progress)
        call.output.document(freed_bytes, json=lambda n_bytes: f'{{"freed_bytes": {n_bytes}}}', people=_show_freed)
    else:
        plan = _plan(call, model, preset, mix)
        call.output.document(_make(call, plan, output, limit_gib), json=_made_json, people=_show_made)


def _show_freed(n_bytes: int, output: Output) -> None:
    output.line(f"freed {mib(n_bytes)} MiB")


def limit_bytes(environment: Mapping[str, str], limit_gib: float | None = None) -> int:
    """How much all dummies may take: what was asked for, else LCPP_DUMMIES_GIB, else the default.

    Raises:
        UsageError: it is no number above 0.
    """
    from orchestrator.model.dummy.cache import DEFAULT_LIMIT_BYTES
    from orchestrator.text.numbers import GIB

    of_environment = environment.get(_LIMIT_VARIABLE)
    if limit_gib is None and not of_environment:
        return DEFAULT_LIMIT_BYTES
    try:
        wanted = float(of_environment or "") if limit_gib is None else limit_gib
        if not 0 < wanted <= 2**20:
            raise ValueError
    except ValueError:
        where, value = (_LIMIT_VARIABLE, of_environment) if limit_gib is None else ("--limit", limit_gib)
        raise UsageError(f"{where} is {value}, not a size in GiB above 0") from None
    return int(wanted * GIB)


def _plan(call: Call, model: str | None, preset: str | None, mix: str | None) -> DummyPlan:
    if preset is not None:
        from orchestrator.model.dummy.presets import preset_named, preset_plan

        return preset_plan(preset_named(preset), call.workspace, mix=mix)
    from orchestrator.model.dummy.make import plan_of
    from orchestrator.model.source.reference import parse_reference

    reference = parse_reference(model or "", base=Path.cwd())
    return plan_of(reference.spec, call.workspace, call.progress, base=reference.base)


def _make(call: Call, plan: DummyPlan, output: Path | None, limit_gib: float | None) -> MadeDummy:
    from orchestrator.model.dummy.make import make_dummy

    if output is not None:
        from orchestrator.model.dummy.cache import write_to

        write_to(plan, output, call.progress)
        return MadeDummy(plan, output.absolute(), None)
    limit = limit_bytes(call.environment, limit_gib)
    model = make_dummy(plan, call.workspace, call.progress, limit_bytes=limit)
    return MadeDummy(plan, model.path, model.sha256)


def _made_json(dummy: MadeDummy) -> str:
    header = dummy.plan.header()
    document = {
        "path": str(dummy.path),
        "origin": dummy.plan.origin,
        "size_bytes": dummy.plan.size_bytes,
        "sha256": dummy.sha256,
        "n_params": header.n_params,
        "n_tensors": len(header.tensors),
        "tensor_bytes": header.tensor_bytes,
        "types": header.type_counts,
    }
    return json_text(document)


def _show_made(dummy: MadeDummy, output: Output) -> None:
    header = dummy.plan.header()
    types = ", ".join(f"{count} {name}" for name, count in header.type_counts.items())
    bits = 8 * header.tensor_bytes / header.n_params
    output.line(f"{dummy.path}\n  random weights in the shape of {dummy.plan.origin}")
    output.line(f"  {header.n_params / 1e9:.2f} B parameters, {gib(header.tensor_bytes)} GiB, {bits:.2f} bits each")
    output.line(f"  {len(header.tensors)} tensors: {types}")


def _presets_json(presets: Sequence[Preset]) -> str:
    from orchestrator.model.dummy.mix import MIXES

    listed = [{"name": preset.name, "title": preset.title, "type": preset.mix} for preset in presets]
    return json_text({"presets": listed, "types": list(MIXES)})


def _show_presets(presets: Sequence[Preset], output: Output) -> None:
    from orchestrator.model.dummy.mix import MIXES

    for preset in presets:
        output.line(f"{preset.name:18} {preset.title} ({preset.mix})")
    output.line(f"types: {', '.join(MIXES)}")


def _cached_json(dummies: Sequence[CachedDummy]) -> str:
    listed = [{"path": str(dummy.path), "size_bytes": dummy.size_bytes, "used_at": dummy.used_at} for dummy in dummies]
    return json_text({"dummies": listed})


def _show_cached(dummies: Sequence[CachedDummy], output: Output) -> None:
    if not dummies:
        output.line("there are no dummies in the cache")
    for dummy in dummies:
        output.line(f"{mib(dummy.size_bytes):>9} MiB  {dummy.path}")
