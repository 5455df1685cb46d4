"""How much memory a run will take, before it is run: by part, as llama.cpp's own loader will say it, and in all.

Weights and KV cache follow from the header's numbers; the compute buffer from the graph that llama.cpp will reserve
(`graph`, `allocator`); what differs by build stands in `memory_eras`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import cache

from orchestrator.model.gguf.types import TensorType, tensor_types
from orchestrator.model.memory.allocator import BufferPlan, plan, touched_bytes
from orchestrator.model.memory.graph import Batch, build
from orchestrator.model.memory.settings import MemorySettings
from orchestrator.model.memory.shape import Layer, Shape
from orchestrator.values import Value, replace

# Beside its buffers a program has itself and its libraries, the tables of the vocabulary and of its merges, and for
# each cell of the KV cache its position and sequences. Measured with llama-cli b3642 and llama-completion of August
# 2026 (`benchmarks/memory.py` measures again).
_PROGRAM_BYTES = 13 * 1024 * 1024
_TOKEN_BYTES = 150
_MERGE_BYTES = 170
_CELL_BYTES = 64
# More than the longest pattern of layers with and without a sliding window.
_QUICK_LAYERS = 12
# Types of the KV cache that are no blocks: the bytes of an element. The table of all types takes long to load.
_PLAIN_TYPES = {"f32": 4, "f16": 2, "bf16": 2}


class Estimate(Value):
    """Memory of one run, in bytes.

    The parts are what the loader prints as the sizes of its buffers. What is reserved and not used costs nothing, so
    `peak_bytes` is what the process will really hold at most (its VmHWM).

    n_ctx: tokens of context that the run gets, after rounding.
    weights_bytes: the file, mapped, or read into memory.
    repacked_bytes: copies of weights in the order that the CPU wants.
    kv_cache_bytes, state_bytes: KV cache; state of recurrent layers.
    compute_bytes, output_bytes: the compute buffer; the buffer of the logits.
    program_bytes: the program itself, its tables of the vocabulary, its scratch memory.
    """

    n_ctx: int
    weights_bytes: int
    repacked_bytes: int
    kv_cache_bytes: int
    state_bytes: int
    compute_bytes: int
    output_bytes: int
    program_bytes: int
    peak_bytes: int

    @property
    def loader_bytes(self) -> int:
        """The sum of the loader's figures."""
        return (
            self.weights_bytes
            + self.repacked_bytes
            + self.kv_cache_bytes
            + self.state_bytes
            + self.compute_bytes
            + self.output_bytes
        )

    @property
    def needed_bytes(self) -> int:
        """What a machine must have: all that is asked for, used or not."""
        return max(self.loader_bytes + self.program_bytes, self.peak_bytes)


def reserve(shape: Shape, settings: MemorySettings) -> BufferPlan:
    """Where the tensors of the largest batch lie in the compute buffer; the costly part of an estimate."""
    settings = settled(shape, settings)
    n_ctx = _context(shape, settings)
    return plan(build(shape, _batch(shape, settings, n_ctx, n_ctx, n_ctx), settings.era.graph))


def _context(shape: Shape, settings: MemorySettings) -> int:
    """Tokens of context that the run gets, after rounding."""
    return settings.era.cells(settings.n_ctx or shape.n_ctx_train or 4096, flash_attn=settings.flash_attn)


def estimate(
    shape: Shape, settings: MemorySettings, *, quick: bool = False, reserved: BufferPlan | None = None
) -> Estimate:
    """The memory that a run with `settings` takes of a model of that shape. Pure; some milliseconds.

    Args:
        quick: take the graph of the first layers for that of all, which is near enough for a search.
        reserved: what `reserve` gave for settings that differ in nothing but the tokens that are really processed.
    """
    settings = settled(shape, settings)
    era, n_ctx = settings.era, _context(shape, settings)
    mapped, repacked = _weights(shape, settings)
    kv = sum(_kv_bytes(shape, layer, settings, n_ctx) for layer in shape.layers if not layer.recurrent)
    state = sum(4 * (shape.state_r + shape.state_s) * settings.n_seq for layer in shape.layers if layer.recurrent)
    repeated = shape
    if quick and len(shape.layers) > _QUICK_LAYERS:
        repeated = replace(shape, layers=(*shape.layers[:_QUICK_LAYERS], shape.layers[-1]))
    whole = reserved or plan(build(repeated, _batch(shape, settings, n_ctx, n_ctx, n_ctx), era.graph))
    really = _really(shape, settings, n_ctx)
    touched = touched_bytes(whole, build(repeated, really, era.graph))
    output = _output_bytes(shape, settings)
    outputs = max(output, 4 * shape.n_vocab * settings.kept_outputs)
    program = _program_bytes(shape, settings, n_ctx) + _scratch_bytes(shape, settings, really)
    resident = max(mapped, shape.file_bytes) if settings.mmap else mapped
    return Estimate(
        n_ctx=n_ctx,
        weights_bytes=mapped,
        repacked_bytes=repacked,
        kv_cache_bytes=kv,
        state_bytes=state,
        compute_bytes=whole.n_bytes,
        output_bytes=output,
        program_bytes=program,
        peak_bytes=resident + repacked + kv + state + touched + outputs + program,
    )


def settled(shape: Shape, settings: MemorySettings) -> MemorySettings:
    """`settings` as llama.cpp takes them for a model of that shape: flash attention may be turned off."""
    if settings.era.flash_needs_equal_heads and any(layer.head_k != layer.head_v for layer in shape.layers):
        return replace(settings, flash_attn=False)
    return settings


def _weights(shape: Shape, settings: MemorySettings) -> tuple[int, int]:
    """Weights where they lie in the file (or in one buffer when it is not mapped), and the rearranged copies."""
    repacked, plain = 0, 0
    ranges: dict[int, list[int]] = defaultdict(list)
    for weight in shape.weights:
        copied = (
            weight.multiplied and settings.repack and settings.era.repacks(weight.type_name, weight.rows, settings.cpu)
        )
        repacked += weight.n_bytes if copied else 0
        # Tied weights are looked up as they are in the file, and multiplied with the copy.
        if not copied or weight.looked_up:
            plain += weight.n_bytes
            ranges[weight.part] += (weight.offset, weight.offset + weight.n_bytes)
    if not settings.mmap:
        return plain, repacked
    return sum(max(offsets) - min(offsets) for offsets in ranges.values()), repacked


def _kv_bytes(shape: Shape, layer: Layer, settings: MemorySettings, n_ctx: int) -> int:
    """K and V of one layer."""
    cells = n_ctx if layer.window is None else window_cells(layer.window, settings, n_ctx)
    v_width = 0 if shape.latent and settings.era.graph.latent_without_v else layer.v_width
    return row_bytes(settings.type_k, layer.k_width * cells) + row_bytes(settings.type_v, v_width * cells)


def window_cells(window: int, settings: MemorySettings, n_ctx: int) -> int:
    """Cells of the KV cache of a layer that looks so many tokens back."""
    if not settings.era.window_cache or settings.full_window:
        return n_ctx
    n_ubatch = min(settings.n_ubatch, settings.n_batch, n_ctx)
    return min(n_ctx, -(-(window + n_ubatch) // 256) * 256 * (settings.n_seq if settings.era.own_streams else 1))


def row_bytes(type_name: str, n: int) -> int:
    """The size of `n` elements of the KV cache, of a type named as llama.cpp's options name it."""
    if (n_bytes := _PLAIN_TYPES.get(type_name)) is not None:
        return n_bytes * n
    kind = _types_by_name().get(type_name)
    return 2 * n if kind is None else -(-n // kind.block_elements) * kind.block_bytes


@cache
def _types_by_name() -> Mapping[str, TensorType]:
    return {kind.name.lower(): kind for kind in tensor_types().values()}


def _batch(shape: Shape, settings: MemorySettings, n_ctx: int, n_tokens: int, n_kv: int) -> Batch:
    n_tokens = max(1, min(n_tokens, n_ctx, settings.n_batch, settings.n_ubatch))
    streams = settings.n_seq if settings.era.own_streams else 1
    window = max((layer.window or 0 for layer in shape.layers), default=0)
    cells = window_cells(window, settings, n_ctx)
    return Batch(
        n_tokens=n_tokens,
        n_outputs=settings.n_seq if settings.outputs_limited else n_tokens,
        n_kv=n_kv // streams,
        n_kv_window=min(n_kv, cells) // streams,
        flash_attn=settings.flash_attn,
        quantized_k=_quantized(settings.type_k),
        quantized_v=_quantized(settings.type_v),
    )


def _really(shape: Shape, settings: MemorySettings, n_ctx: int) -> Batch:
    """The largest batch that the run will really compute: the last whole one of the prompt."""
    n_prompt = min(n_ctx, settings.n_prompt * settings.n_seq)
    n_tokens = max(1, min(n_prompt, settings.n_batch, settings.n_ubatch))
    n_kv = settings.era.cells(n_prompt // n_tokens * n_tokens, flash_attn=settings.flash_attn)
    batch = _batch(shape, settings, n_ctx, n_tokens, min(n_ctx, max(n_kv, 1)))
    if settings.kept_outputs == 1 and settings.era.graph.outputs_only:
        return replace(batch, n_outputs=settings.n_seq)
    return batch


def _quantized(type_name: str) -> bool:
    return type_name not in ("f32", "f16", "bf16")


def _output_bytes(shape: Shape, settings: MemorySettings) -> int:
    rows = {"none": 0, "sequence": settings.n_seq, "batch": settings.n_batch}[settings.era.output_rows]
    return 4 * shape.n_vocab * rows


def _scratch_bytes(shape: Shape, settings: MemorySettings, batch: Batch) -> int:
    """What the CPU needs to convert the other side of its largest product into the weights' kind of blocks."""
    widest = max((extents[0] for layer in shape.layers for extents in layer.tensors.values()), default=0)
    n_rows = batch.n_tokens * max(1, shape.n_expert_used)
    scratch = n_rows * widest * 9 // 8
    if not batch.flash_attn and settings.era.scores_converted:
        heads = max((layer.n_head for layer in shape.layers), default=0)
        scratch = max(scratch, 2 * batch.n_kv * batch.n_tokens * heads)
    return scratch


def _program_bytes(shape: Shape, settings: MemorySettings, n_ctx: int) -> int:
    cells = n_ctx + sum(window_cells(layer.window, settings, n_ctx) for layer in shape.layers[:1] if layer.window)
    return _PROGRAM_BYTES + _TOKEN_BYTES * shape.n_vocab + _MERGE_BYTES * shape.n_merges + _CELL_BYTES * cells
