"""How much one token costs a machine: bytes to read from memory and numbers to multiply, from the model's header.

For a token that is generated, all weights that it needs are read once, and so is what the layers keep of the tokens
before it (KV cache, recurrent state). What is written, and what stays in the CPU's cache between two operations, is
little beside them and left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from orchestrator.model.memory.estimate import row_bytes, settled, window_cells
from orchestrator.model.memory.settings import MemorySettings
from orchestrator.model.memory.shape import Layer, Shape, Weight
from orchestrator.values import Value

# What is multiplied: blocks of small integers, or floats (attention, too).
Arithmetic = Literal["int8", "f32", "f16", "bf16"]

_OF_LAYER = re.compile(r"blk\.(\d{1,6})\.(.+)")
# All experts in one tensor, or (files of early 2024) one tensor an expert.
_EXPERTS = re.compile(r"ffn_\w+_(?:ch)?exps\.\w+|ffn_(?:gate|up|down)\.\d{1,6}\.\w+")
# Tables of which a token takes one row.
_LOOKED_UP = ("per_layer_token_embd.weight", "position_embd.weight", "token_types.weight")
# Encoders and what projects images: not run for a token of text.
_BESIDE = ("enc.", "v.", "mm.", "a.")
_FLOATS: dict[str, Arithmetic] = {"F32": "f32", "F64": "f32", "F16": "f16", "BF16": "bf16"}


class Span(NamedTuple):
    """`n` tokens that stand one behind the other in a context that has `first` tokens before them."""

    first: int
    n: int


class Work(Value):
    """Of one token, as a mean over the tokens of some spans.

    weights_bytes: read for it; a batch of several reads them once for all.
    kv_bytes, state_bytes: KV cache and recurrent state that it looks at.
    multiply_adds: each a multiplication and an addition, by what is multiplied.
    """

    weights_bytes: float
    kv_bytes: float
    state_bytes: float
    multiply_adds: dict[Arithmetic, float]

    @property
    def read_bytes(self) -> float:
        """All that is read for a token that is computed alone."""
        return self.weights_bytes + self.kv_bytes + self.state_bytes

    @property
    def operations(self) -> float:
        """Multiplications and additions."""
        return 2 * sum(self.multiply_adds.values())


def generated(shape: Shape, settings: MemorySettings, spans: Sequence[Span]) -> Work:
    """The work of generating a token, as a mean over the tokens of `spans`. Pure."""
    return Work(
        weights_bytes=sum(weight.n_bytes * _share_read(weight, shape) for weight in shape.weights),
        kv_bytes=_kv_bytes(shape, settled(shape, settings), spans),
        state_bytes=4.0 * (shape.state_r + shape.state_s) * sum(layer.recurrent for layer in shape.layers),
        multiply_adds=_multiply_adds(shape, spans, output_share=1.0),
    )


def prompt(shape: Shape, settings: MemorySettings, spans: Sequence[Span]) -> Work:
    """The work of a token of a prompt, as a mean over the tokens of `spans`, each a prompt. Pure.

    Each token looks at those before it alone, though a batch may compute more and mask it. Where the build computes
    the last layer and the output only for the token whose logits are wanted, they count for one token of each prompt.
    """
    n_tokens = max(1, sum(span.n for span in spans))
    share = len(spans) / n_tokens if settings.era.graph.outputs_only else 1.0
    alone = generated(shape, settings, spans)
    return Work(
        weights_bytes=alone.weights_bytes,
        kv_bytes=alone.kv_bytes,
        state_bytes=alone.state_bytes,
        multiply_adds=_multiply_adds(shape, spans, output_share=min(1.0, share)),
    )


def _share_read(weight: Weight, shape: Shape) -> float:
    """How much of a tensor one token takes."""
    if weight.name.startswith(_BESIDE):
        return 0.0
    layer = _OF_LAYER.fullmatch(weight.name)
    if layer is None:
        return 1.0 / max(1, weight.rows) if _is_looked_up(weight) else 1.0
    if int(layer[1]) >= len(shape.layers):
        # A layer that predicts further tokens: it is loaded, and not run.
        return 0.0
    if shape.n_expert and _EXPERTS.fullmatch(layer[2]):
        return min(1.0, shape.n_expert_used / shape.n_expert)
    return 1.0


def _is_looked_up(weight: Weight) -> bool:
    """It is a table, and no more: token embeddings may be the output's weights, too."""
    return weight.name in _LOOKED_UP or (weight.looked_up and not weight.multiplied)


def _multiply_adds(shape: Shape, spans: Sequence[Span], *, output_share: float) -> dict[Arithmetic, float]:
    """`output_share`: of the tokens, those for which the output and the feed-forward of the last layer are computed."""
    counts: dict[Arithmetic, float] = {}
    last = f"blk.{len(shape.layers) - 1}.ffn_"
    for weight in shape.weights:
        if not weight.multiplied or _is_looked_up(weight):
            continue
        share = _share_read(weight, shape)
        if weight.name.startswith((last, "output.", "token_embd.")):
            share *= output_share
        kind = _FLOATS.get(weight.type_name, "int8")
        counts[kind] = counts.get(kind, 0.0) + share * weight.n_elements
    attention = sum(
        _mean(spans, 1, layer.window) * layer.n_head * (layer.head_k + layer.head_v)
        for layer in shape.layers
        if not layer.recurrent
    )
    counts["f32"] = counts.get("f32", 0.0) + attention
    return {kind: count for kind, count in counts.items() if count}


def _kv_bytes(shape: Shape, settings: MemorySettings, spans: Sequence[Span]) -> float:
    return sum(_layer_bytes(shape, layer, settings, spans) for layer in shape.layers if not layer.recurrent)


def _layer_bytes(shape: Shape, layer: Layer, settings: MemorySettings, spans: Sequence[Span]) -> float:
    """K and V of one layer for one token: flash attention passes over what is masked, else all cells are read."""
    era, window = settings.era, layer.window
    if settings.flash_attn:
        cells = _mean(spans, 1, window)
    else:
        most = None
        if window is not None and era.window_cache and not settings.full_window:
            most = window_cells(window, settings, settings.n_ctx or shape.n_ctx_train or 4096)
        cells = _mean(spans, era.cells(1, flash_attn=False), most)
    # Of a whole number of rows, as blocks of quantized types cannot be cut.
    v_width = 0 if shape.latent and era.graph.latent_without_v else layer.v_width
    return cells * (row_bytes(settings.type_k, layer.k_width) + row_bytes(settings.type_v, v_width))


def _mean(spans: Iterable[Span], step: int, most: int | None) -> float:
    """How many tokens one looks at, itself among them, as a mean: in steps, and no more than `most`."""
    total = n_tokens = 0
    for first, n in spans:
        total += _sum_to(first + n, step, most) - _sum_to(first, step, most)
        n_tokens += n
    return total / n_tokens if n_tokens else 0.0


def _sum_to(n: int, step: int, most: int | None) -> int:
    """Of the first `n` tokens of a context, how many each looks at, added up."""
    within = n if most is None else min(n, most)
    whole, rest = divmod(within, step)
    total = step * step * whole * (whole + 1) // 2 + step * (whole + 1) * rest
    return total if most is None else total + (n - within) * most
