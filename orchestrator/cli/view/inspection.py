"""What a model's header says, as people read it."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.cli.output.output import Output
from orchestrator.cli.output.table import TextTable
from orchestrator.model.inspection import Hyperparameters, Inspection, Vocabulary
from orchestrator.text.numbers import MIB, mib, n_params, size
from orchestrator.text.visible import shortened, visible_line

_SHOWN_CHARS = 121
_SHOWN_VALUES = 8
_MOST_CHARS = 4001


def show(inspection: Inspection, output: Output) -> None:
    """Print the table, the tensors where they are wanted, and the notes."""
    title = "dummy weights, not the real model — " if inspection.dummy else ""
    table = TextTable(f"{title}{shortened(inspection.origin, _MOST_CHARS)}", title_style="", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _rows(inspection):
        if value:
            # A stranger's text may have megabytes.
            table.add_row(name, shortened(value, _MOST_CHARS))
    output.draw(table)
    if inspection.tensors is not None:
        # Not a table of rich's: it takes a minute for the most tensors that a file may have.
        for tensor in inspection.tensors:
            shape = " × ".join(map(str, tensor.shape))
            file = f"  file {tensor.part + 1}" if len(inspection.parts) > 1 else ""
            size_mib = f"{tensor.size_bytes / MIB:10.2f} MiB"
            output.line(visible_line(f"{tensor.name:<40} {tensor.type:<8} {shape:<24} {size_mib}{file}"))
    for note in inspection.notes:
        output.text(f"note: {note}", style="yellow")


def _rows(inspection: Inspection) -> Iterator[tuple[str, str]]:
    yield "name", visible_line(inspection.name or "")
    yield "architecture", visible_line(inspection.architecture or "not said")
    yield "parameters", f"{n_params(inspection.n_params)} in {inspection.n_tensors} tensors"
    if inspection.bits_per_weight is not None:
        weights = f"{size(inspection.tensor_bytes)}, {inspection.bits_per_weight:.2f} bits per weight"
        yield "quantization", f"{inspection.file_type_name or 'not said'}: {weights}"
    yield (
        "",
        "\n".join(
            f"{use.type}: {use.n_tensors} tensors, {mib(use.size_bytes, 1)} MiB, {use.bits_per_weight:.2f} bits"
            for use in inspection.types
        ),
    )
    yield from _shape(inspection.shape)
    yield from _vocabulary(inspection.vocabulary)
    yield "chat template", _template(inspection)
    yield "license", visible_line(inspection.license or "")
    header_bytes = sum(part.header_bytes for part in inspection.parts)
    yield (
        "file",
        f"{inspection.size_bytes:,} bytes, GGUF {inspection.gguf_version}, header {header_bytes / MIB:.2f} MiB",
    )
    if len(inspection.parts) > 1:
        lines = [
            f"{visible_line(part.name)}: {mib(part.size_bytes)} MiB, {part.n_tensors} tensors"
            for part in inspection.parts
        ]
        yield f"{len(inspection.parts)} files", "\n".join(lines)
    elif inspection.parts[0].sha256:
        yield "SHA-256", f"{inspection.parts[0].sha256} (the hub's word)"


def _shape(shape: Hyperparameters) -> Iterator[tuple[str, str]]:
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
            f"{shape.rope_freq_base:g}{f', scaling {visible_line(shape.rope_scaling)}' if shape.rope_scaling else ''}",
        )


def _vocabulary(vocabulary: Vocabulary) -> Iterator[tuple[str, str]]:
    if vocabulary.n_tokens is None and vocabulary.model is None:
        return
    merges = f", {vocabulary.n_merges:,} merges" if vocabulary.n_merges is not None else ""
    kind = "/".join(filter(None, (vocabulary.model, vocabulary.pre)))
    yield "vocabulary", f"{vocabulary.n_tokens or 0:,} tokens{merges} ({visible_line(kind) or 'tokenizer not said'})"
    tokens = [
        f"{kind} {token.id}" + (f" {token.text!r}" if token.text else "") for kind, token in vocabulary.special.items()
    ]
    yield "special tokens", ", ".join(tokens)


def _template(inspection: Inspection) -> str:
    if inspection.chat_template is None:
        return "none"
    first = inspection.chat_template.strip().partition("\n")[0]
    shown = shortened(first, _SHOWN_CHARS)
    more = f", and {visible_line(', '.join(inspection.chat_templates))}" if inspection.chat_templates else ""
    return f"{len(inspection.chat_template):,} characters{more}: {shown}"


def _number(value: int | tuple[int, ...] | None) -> str:
    """A figure; of a list with one a layer, how many layers have which."""
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    counts = {number: value.count(number) for number in dict.fromkeys(value[:4096])}
    if len(counts) == 1:
        return f"{value[0]:,}"
    parts = [f"{number:,} in {n} layers" for number, n in counts.items()]
    return ", ".join(parts[:_SHOWN_VALUES]) + (", …" if len(parts) > _SHOWN_VALUES else "")
