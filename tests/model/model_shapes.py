"""Shapes of models, as headers in memory and as files of the right size whose weights are holes.

A hole reads as zeros and takes no disk: llama.cpp maps the file, reserves its buffers, prints their sizes and runs, which
is all that the memory of a run depends on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

from orchestrator.model.gguf.header import Header, MetadataValue, Tensor
from orchestrator.model.gguf.types import TensorType, tensor_types
from orchestrator.values import Value

_ALIGNMENT = 32


class ModelShape(Value):
    """A decoder of the usual kind. `kind` is the type of its layers' weights, `embedding` of the token embeddings."""

    architecture: str
    n_vocab: int
    n_embd: int
    n_layer: int
    n_head: int
    n_head_kv: int
    n_ff: int
    kind: str
    embedding: str
    n_ctx: int = 131072
    head: int | None = None
    tied: bool = False
    n_expert: int = 0
    n_used: int = 0
    n_ff_expert: int = 0
    n_ff_shared: int = 0
    window: int = 0
    head_norms: bool = False
    biases: bool = False
    post_norms: bool = False
    caps: bool = False

    def facts(self) -> Iterator[tuple[str, int | float]]:
        """The shape's metadata, without the architecture's name before it."""
        head = self.head or self.n_embd // self.n_head
        yield from (("context_length", self.n_ctx), ("embedding_length", self.n_embd), ("block_count", self.n_layer))
        yield from (("feed_forward_length", self.n_ff), ("attention.head_count", self.n_head))
        yield from (("attention.head_count_kv", self.n_head_kv), ("attention.layer_norm_rms_epsilon", 1e-5))
        yield from (("rope.dimension_count", head), ("rope.freq_base", 10000.0), ("vocab_size", self.n_vocab))
        if self.head:
            yield from (("attention.key_length", head), ("attention.value_length", head))
        if self.n_expert:
            yield from (("expert_count", self.n_expert), ("expert_used_count", self.n_used))
        if self.n_ff_expert:
            yield "expert_feed_forward_length", self.n_ff_expert
        if self.n_ff_shared:
            yield "expert_shared_feed_forward_length", self.n_ff_shared
        if self.window:
            yield "attention.sliding_window", self.window
        if self.caps:
            yield from (("attn_logit_softcapping", 50.0), ("final_logit_softcapping", 30.0))

    def tensors(self) -> Iterator[tuple[str, tuple[int, ...], str]]:
        """Name, shape (ggml's order) and type of each tensor."""
        yield "token_embd.weight", (self.n_embd, self.n_vocab), self.embedding
        for index in range(self.n_layer):
            for name, shape, kind in self._layer():
                yield f"blk.{index}.{name}", shape, kind
        yield "output_norm.weight", (self.n_embd,), "F32"
        if not self.tied:
            yield "output.weight", (self.n_embd, self.n_vocab), self.embedding

    def _layer(self) -> Iterator[tuple[str, tuple[int, ...], str]]:
        n, head = self.n_embd, self.head or self.n_embd // self.n_head
        yield "attn_norm.weight", (n,), "F32"
        for part, heads in (("q", self.n_head), ("k", self.n_head_kv), ("v", self.n_head_kv)):
            yield f"attn_{part}.weight", (n, head * heads), self.kind
            if self.biases:
                yield f"attn_{part}.bias", (head * heads,), "F32"
            if self.head_norms and part != "v":
                yield f"attn_{part}_norm.weight", (head,), "F32"
        yield "attn_output.weight", (head * self.n_head, n), self.kind
        if self.post_norms:
            yield "post_attention_norm.weight", (n,), "F32"
            yield "post_ffw_norm.weight", (n,), "F32"
        yield "ffn_norm.weight", (n,), "F32"
        if not self.n_expert:
            yield from self._feed_forward("", self.n_ff, ())
            return
        yield "ffn_gate_inp.weight", (n, self.n_expert), "F32"
        yield from self._feed_forward("_exps", self.n_ff_expert or self.n_ff, (self.n_expert,))
        if self.n_ff_shared:
            yield "ffn_gate_inp_shexp.weight", (n,), "F32"
            yield from self._feed_forward("_shexp", self.n_ff_shared, ())

    def _feed_forward(
        self, suffix: str, n_ff: int, more: tuple[int, ...]
    ) -> Iterator[tuple[str, tuple[int, ...], str]]:
        for part in ("gate", "up"):
            yield f"ffn_{part}{suffix}.weight", (self.n_embd, n_ff, *more), self.kind
        yield f"ffn_down{suffix}.weight", (n_ff, self.n_embd, *more), self.kind


SHAPES = {
    "smollm2-135m": ModelShape(
        architecture="llama",
        n_vocab=49152,
        n_embd=576,
        n_layer=30,
        n_head=9,
        n_head_kv=3,
        n_ff=1536,
        n_ctx=8192,
        kind="Q4_1",
        embedding="Q8_0",
        tied=True,
    ),
    "llama-3.1-8b": ModelShape(
        architecture="llama",
        n_vocab=128256,
        n_embd=4096,
        n_layer=32,
        n_head=32,
        n_head_kv=8,
        n_ff=14336,
        kind="Q3_K",
        embedding="Q6_K",
    ),
    "llama-8b-4-layers": ModelShape(
        architecture="llama",
        n_vocab=128256,
        n_embd=4096,
        n_layer=4,
        n_head=32,
        n_head_kv=8,
        n_ff=14336,
        kind="Q4_K",
        embedding="Q6_K",
    ),
    "qwen2-0.5b": ModelShape(
        architecture="qwen2",
        n_vocab=151936,
        n_embd=896,
        n_layer=24,
        n_head=14,
        n_head_kv=2,
        n_ff=4864,
        kind="Q8_0",
        embedding="Q8_0",
        tied=True,
        biases=True,
    ),
    "gemma2-2b": ModelShape(
        architecture="gemma2",
        n_vocab=256000,
        n_embd=2304,
        n_layer=26,
        n_head=8,
        n_head_kv=4,
        head=256,
        n_ff=9216,
        window=4096,
        kind="Q4_K",
        embedding="Q6_K",
        tied=True,
        post_norms=True,
        caps=True,
    ),
    "gemma3-1b": ModelShape(
        architecture="gemma3",
        n_vocab=262144,
        n_embd=1152,
        n_layer=26,
        n_head=4,
        n_head_kv=1,
        head=256,
        n_ff=6912,
        window=512,
        kind="Q8_0",
        embedding="Q8_0",
        tied=True,
        post_norms=True,
        head_norms=True,
    ),
    "mixtral-4-layers": ModelShape(
        architecture="llama",
        n_vocab=32000,
        n_embd=4096,
        n_layer=4,
        n_head=32,
        n_head_kv=8,
        n_ff=14336,
        n_expert=8,
        n_used=2,
        kind="Q4_K",
        embedding="Q6_K",
    ),
    "qwen2moe-6-layers": ModelShape(
        architecture="qwen2moe",
        n_vocab=151936,
        n_embd=2048,
        n_layer=6,
        n_head=16,
        n_head_kv=16,
        n_ff=5632,
        n_expert=60,
        n_used=4,
        n_ff_expert=1408,
        n_ff_shared=5632,
        kind="Q5_0",
        embedding="Q6_K",
        biases=True,
    ),
    "qwen3moe-6-layers": ModelShape(
        architecture="qwen3moe",
        n_vocab=151936,
        n_embd=2048,
        n_layer=6,
        n_head=32,
        n_head_kv=4,
        head=128,
        n_ff=6144,
        n_expert=128,
        n_used=8,
        n_ff_expert=768,
        head_norms=True,
        kind="Q4_K",
        embedding="Q6_K",
    ),
}


def header_of(shape: ModelShape, **changed: MetadataValue) -> Header:
    """The header that a file of that shape has, without its tokenizer; `changed` keys come on top."""
    kinds = {kind.name: kind for kind in tensor_types().values()}
    kv: dict[str, MetadataValue] = {f"{shape.architecture}.{key}": value for key, value in shape.facts()}
    kv |= {"general.architecture": shape.architecture, **changed}
    tensors, end = [], 0
    for name, extents, kind in shape.tensors():
        n, n_bytes = _size(extents, kinds[kind])
        tensors.append(Tensor(name=name, shape=extents, type_name=kind, offset=end, n_bytes=n_bytes, n_elements=n))
        end = -(-(end + n_bytes) // _ALIGNMENT) * _ALIGNMENT
    return Header(
        version=3,
        kv=MappingProxyType(kv),
        tensors=tuple(tensors),
        alignment=_ALIGNMENT,
        data_offset=0,
        end_of_data=end,
    )


def _size(extents: tuple[int, ...], kind: TensorType) -> tuple[int, int]:
    n = 1
    for extent in extents:
        n *= extent
    return n, n // kind.block_elements * kind.block_bytes


def write_shape(shape: ModelShape, path: Path) -> Path:
    """Write a file of that shape, its weights a hole, its tokens made up (SPM, with byte tokens)."""
    import gguf
    import numpy as np

    writer = gguf.GGUFWriter(path, shape.architecture)
    for key, value in shape.facts():
        if isinstance(value, float):
            writer.add_float32(f"{shape.architecture}.{key}", value)
        else:
            writer.add_uint32(f"{shape.architecture}.{key}", value)
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581"]
    tokens += [f"t{index}" for index in range(shape.n_vocab - len(tokens))]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * 3 + [-1.0] * (len(tokens) - 3))
    writer.add_token_types([2, 3, 3] + [6] * 256 + [1] * (len(tokens) - 259))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    total = 0
    for name, extents, kind in shape.tensors():
        number = gguf.GGMLQuantizationType[kind]
        elements, n_bytes = gguf.GGML_QUANT_SIZES[number]
        size = _size(extents, TensorType(kind, elements, n_bytes))[1]
        rows = tuple(reversed(extents))
        if kind == "F32":
            writer.add_tensor_info(name, rows, np.dtype("float32"), size)
        else:
            rows = (*rows[:-1], rows[-1] // elements * n_bytes)
            writer.add_tensor_info(name, rows, np.dtype("uint8"), size, raw_dtype=number)
        total += -(-size // _ALIGNMENT) * _ALIGNMENT
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    end = -(-path.stat().st_size // _ALIGNMENT) * _ALIGNMENT
    os.truncate(path, end + total)
    return path
