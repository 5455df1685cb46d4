"""`lcpp model inspect`: what is in a GGUF file, from its header alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

    from orchestrator.model.inspection import Inspection, Shape, Vocabulary

_SHOWN_CHARS = 120
_SHOWN_VALUES = 8
_MOST_CHARS = 4000


@click.command()
@click.argument("model")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@click.option("--tensors", is_flag=True, help="List every tensor: type, shape, size, place.")
@click.pass_obj
def inspect(settings: Settings, model: str, as_json: bool, tensors: bool) -> None:
    """Show what the header of MODEL says: architecture, parameters, quantization, context, vocabulary, files.

    MODEL is hub:OWNER/NAME/FILE.gguf[@REVISION], package:NAME==VERSION/FILE.gguf, a path, or a recipe. Of a file on the
    hub only the header is fetched (some MB), by HTTP range; of a split model, the headers of all its files.
    """
    settings.json = as_json
    from orchestrator.model.inspection import inspect as read
    from orchestrator.model.source.open_model import open_model
    from orchestrator.model.source.reference import parse_reference

    named = parse_reference(model, base=Path.cwd())
    with open_model(named.spec, settings.workspace, settings.progress, base=named.base) as opened:
        found = read(opened, tensors=tensors)
    settings.close()
    if as_json:
        click.echo(found.model_dump_json(indent=1))
        return
    from rich.console import Console

    _show(found, Console(soft_wrap=False))


def _show(found: Inspection, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    title = "dummy weights, not the real model — " if found.dummy else ""
    table = Table(title=Text(f"{title}{_safe(_clipped(found.origin))}"), title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in _rows(found):
        if value:
            table.add_row(label, Text(_safe(_clipped(value))))
    console.print(table)
    if found.tensors is not None:
        # Not a table of rich's: it takes a minute for the most tensors that a file may have.
        for one in found.tensors:
            shape = " × ".join(map(str, one.shape))
            file = f"  file {one.part + 1}" if len(found.parts) > 1 else ""
            click.echo(_line(f"{one.name:<40} {one.type:<8} {shape:<24} {one.size_bytes / 2**20:10.2f} MiB{file}"))
    for note in found.notes:
        console.print(Text(f"note: {_safe(note)}", style="yellow"), soft_wrap=True)


def _rows(found: Inspection) -> Iterator[tuple[str, str]]:
    yield "name", _line(found.name or "")
    yield "architecture", _line(found.architecture or "not said")
    billions = found.n_params >= 1e9
    n_params = f"{found.n_params / 1e9:.2f} B" if billions else f"{found.n_params / 1e6:.2f} M"
    yield "parameters", f"{n_params} in {found.n_tensors} tensors"
    if found.bits_per_weight is not None:
        size = f"{_size(found.tensor_bytes)}, {found.bits_per_weight:.2f} bits per weight"
        yield "quantization", f"{found.file_type_name or 'not said'}: {size}"
    yield (
        "",
        "\n".join(
            f"{use.type}: {use.n_tensors} tensors, {use.size_bytes / 2**20:,.1f} MiB, {use.bits_per_weight:.2f} bits"
            for use in found.types
        ),
    )
    yield from _shape(found.shape)
    yield from _vocabulary(found.vocabulary)
    yield "chat template", _template(found)
    yield "license", _line(found.license or "")
    header_bytes = sum(part.header_bytes for part in found.parts)
    yield "file", f"{found.size_bytes:,} bytes, GGUF {found.gguf_version}, header {header_bytes / 2**20:.2f} MiB"
    if len(found.parts) > 1:
        lines = [
            f"{_line(one.name)}: {one.size_bytes / 2**20:,.0f} MiB, {one.n_tensors} tensors" for one in found.parts
        ]
        yield f"{len(found.parts)} files", "\n".join(lines)
    elif found.parts[0].sha256:
        yield "SHA-256", f"{found.parts[0].sha256} (the hub's word)"


def _shape(shape: Shape) -> Iterator[tuple[str, str]]:
    yield "context", f"{shape.n_ctx_train:,} tokens" if shape.n_ctx_train is not None else ""
    yield "layers", _number(shape.n_layer)
    yield "embedding", _number(shape.n_embd)
    yield "feed-forward", _number(shape.n_ff)
    heads = _number(shape.n_head)
    if shape.n_head_kv is not None and shape.n_head_kv != shape.n_head:
        heads += f", {_number(shape.n_head_kv)} for keys and values"
    if shape.n_embd_head_k is not None:
        heads += f", {shape.n_embd_head_k} wide"
    yield "heads", heads
    if shape.n_expert:
        yield "experts", f"{shape.n_expert}, {_number(shape.n_expert_used) or 'not said how many'} used for a token"
    yield "sliding window", _number(shape.sliding_window)
    yield "MLA", f"keys and values in {shape.kv_lora_rank} numbers" if shape.kv_lora_rank else ""
    yield "recurrent state", _number(shape.ssm_state_size)
    if shape.rope_freq_base is not None:
        yield (
            "RoPE base",
            f"{shape.rope_freq_base:g}{f', scaling {_line(shape.rope_scaling)}' if shape.rope_scaling else ''}",
        )


def _vocabulary(vocabulary: Vocabulary) -> Iterator[tuple[str, str]]:
    if vocabulary.n_tokens is None and vocabulary.model is None:
        return
    merges = f", {vocabulary.n_merges:,} merges" if vocabulary.n_merges is not None else ""
    kind = "/".join(filter(None, (vocabulary.model, vocabulary.pre)))
    yield "vocabulary", f"{vocabulary.n_tokens or 0:,} tokens{merges} ({_line(kind) or 'tokenizer not said'})"
    told = [
        f"{kind} {token.id}" + (f" {token.text!r}" if token.text else "") for kind, token in vocabulary.special.items()
    ]
    yield "special tokens", ", ".join(told)


def _template(found: Inspection) -> str:
    if found.chat_template is None:
        return "none"
    first = found.chat_template.strip().partition("\n")[0]
    shown = first if len(first) <= _SHOWN_CHARS else f"{first[:_SHOWN_CHARS]}…"
    more = f", and {_line(', '.join(found.chat_templates))}" if found.chat_templates else ""
    return f"{len(found.chat_template):,} characters{more}: {shown}"


def _number(value: int | tuple[int, ...] | None) -> str:
    """A figure; of a list with one a layer, how many layers have which."""
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    counts = {each: value.count(each) for each in dict.fromkeys(value[:4096])}
    if len(counts) == 1:
        return f"{value[0]:,}"
    told = [f"{each:,} in {n} layers" for each, n in counts.items()]
    return ", ".join(told[:_SHOWN_VALUES]) + (", …" if len(told) > _SHOWN_VALUES else "")


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.2f} GiB" if n_bytes >= 2**30 else f"{n_bytes / 2**20:.2f} MiB"


def _line(text: str) -> str:
    """A stranger's word, which must not look like more lines of ours."""
    return _safe(text).replace("\n", "␊").replace("\t", "␉")


def _clipped(text: str) -> str:
    """A stranger's text may have megabytes."""
    return text if len(text) <= _MOST_CHARS else f"{text[:_MOST_CHARS]}…"


def _safe(text: str) -> str:
    return Settings.safe(text)
