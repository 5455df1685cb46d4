"""What llama.cpp's library does differently with memory, with the first build that each value holds for.

What a program asks of its memory stands beside the program (`programs/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from orchestrator.eras.since import Since
from orchestrator.values import Value


class GraphEra(Value):
    """What a build does differently in its graph; each is False in the oldest.

    outputs_only: the last layer goes on with the tokens whose logits are wanted.
    split_glu: gate and up are joined into a third tensor, not written over the first.
    row_indices: inputs say into which rows of the KV cache to write.
    f16_mask: with flash attention the mask is F16 from the beginning, not a converted copy.
    embedding_input: a place for ready-made embeddings, even when tokens come.
    latent_without_v: latent attention (MLA) reads V out of K, and without flash attention turns it round first.
    rotated: with a quantized cache, K and V are multiplied by a rotation first.
    """

    outputs_only: bool = False
    split_glu: bool = False
    row_indices: bool = False
    f16_mask: bool = False
    embedding_input: bool = False
    rotated: bool = False
    latent_without_v: bool = False


# Cells of the KV cache are a multiple of this: without flash attention, with it.
_CELL_STEP: Since[tuple[int, int]] = Since(
    ((1012, (1, 1)), (2493, (32, 32)), (2771, (256, 256)), (2871, (32, 256)), (6975, (256, 256)))
)
# How many rows of logits the output buffer has: of the whole batch, or one a sequence until more are asked for.
_OUTPUT_ROWS: Since[Literal["none", "batch", "sequence"]] = Since(((1012, "none"), (2413, "batch"), (2540, "sequence")))
_GRAPH: Since[GraphEra] = Since(
    tuple(
        (first, GraphEra(**dict.fromkeys(traits, True)))
        for first, traits in (
            (1012, ()),
            (2540, ("outputs_only",)),
            (5776, ("outputs_only", "split_glu")),
            (5817, ("outputs_only", "split_glu", "row_indices")),
            (7627, ("outputs_only", "split_glu", "row_indices", "embedding_input")),
            (7832, ("outputs_only", "split_glu", "row_indices", "embedding_input", "latent_without_v")),
            (8619, ("outputs_only", "split_glu", "row_indices", "embedding_input", "latent_without_v", "rotated")),
            (9410, GraphEra.__struct_fields__),
        )
    )
)
# Layers with a sliding window have a small KV cache of their own.
_WINDOW_CACHE: Since[bool] = Since(((1012, False), (5429, True)))
# Each sequence has its own part of the KV cache, and a batch looks at one part at a time.
_OWN_STREAMS: Since[bool] = Since(((1012, False), (5913, True)))
# Flash attention is turned off for models whose heads of K and V differ in size.
_FLASH_NEEDS_EQUAL_HEADS: Since[bool] = Since(((1012, True), (4987, False)))
# Without flash attention, the scores are converted to F16 in scratch memory (seen: not by b3642, by the newest).
_SCORES_CONVERTED: Since[bool] = Since(((1012, False), (3643, True)))
# Types that the CPU wants in another order; then a copy is made and the file stays mapped. By what the CPU must have,
# the first build, and of how many rows the tensor must have a multiple. A build option can forbid it.
_REPACKED: Mapping[str, tuple[tuple[str, int, int], ...]] = {
    "Q4_0": (("avx2", 4282, 8), ("asimddp", 4081, 4)),
    "Q4_K": (("avx2", 4929, 8), ("asimddp", 7100, 8)),
    "Q2_K": (("avx512f", 6056, 8),),
    "Q5_K": (("asimddp", 7815, 8),),
    "Q6_K": (("asimddp", 7845, 8),),
    "IQ4_NL": (("avx2", 6144, 8), ("asimddp", 4282, 4)),
    "MXFP4": (("avx2", 8175, 8), ("asimddp", 8175, 4)),
    "Q8_0": (("asimddp", 7451, 4),),
}


class MemoryEra(Value):
    """How one build uses memory."""

    build: int
    graph: GraphEra
    cell_steps: tuple[int, int]
    output_rows: Literal["none", "batch", "sequence"]
    window_cache: bool
    own_streams: bool
    flash_needs_equal_heads: bool
    scores_converted: bool

    def cells(self, n_ctx: int, *, flash_attn: bool) -> int:
        """Cells of the KV cache for `n_ctx` tokens."""
        step = self.cell_steps[flash_attn]
        return -(-n_ctx // step) * step

    def repacks(self, type_name: str, rows: int, cpu: frozenset[str]) -> bool:
        """Whether the CPU backend makes a copy of such a tensor in an order of its own."""
        return any(
            feature in cpu and self.build >= first and rows % step == 0
            for feature, first, step in _REPACKED.get(type_name, ())
        )


def memory_era(build: int) -> MemoryEra:
    """How llama.cpp of that build number uses memory."""
    return MemoryEra(
        build=build,
        graph=_GRAPH.at(build),
        cell_steps=_CELL_STEP.at(build),
        output_rows=_OUTPUT_ROWS.at(build),
        window_cache=_WINDOW_CACHE.at(build),
        own_streams=_OWN_STREAMS.at(build),
        flash_needs_equal_heads=_FLASH_NEEDS_EQUAL_HEADS.at(build),
        scores_converted=_SCORES_CONVERTED.at(build),
    )
