"""What llama.cpp builds do differently with memory, with the first build that each value holds for.

The same kind of table as `engine/dialect.py`, kept apart because nothing but the estimate needs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

from orchestrator.engine.dialect import Since
from orchestrator.model.memory.graph import Era

# Cells of the KV cache are a multiple of this: without flash attention, with it.
_CELL_STEP: Since[tuple[int, int]] = Since(
    ((1012, (1, 1)), (2493, (32, 32)), (2771, (256, 256)), (2871, (32, 256)), (6975, (256, 256)))
)
# The batch sizes that programs take when none is asked for: logical, physical.
_BATCH: Since[tuple[int, int]] = Since(((1012, (512, 512)), (2413, (2048, 512))))
# How many rows of logits the output buffer has: of the whole batch, or one a sequence until more are asked for.
_OUTPUT_ROWS: Since[Literal["none", "batch", "sequence"]] = Since(((1012, "none"), (2413, "batch"), (2540, "sequence")))
# Flash attention when nothing is asked for.
_FLASH: Since[bool] = Since(((1012, False), (6325, True)))
_GRAPH: Since[Era] = Since(
    tuple(
        (first, Era(**dict.fromkeys(traits, True)))
        for first, traits in (
            (1012, ()),
            (2540, ("outputs_only",)),
            (5776, ("outputs_only", "split_glu")),
            (5817, ("outputs_only", "split_glu", "row_indices")),
            (7627, ("outputs_only", "split_glu", "row_indices", "embedding_input")),
            (7832, ("outputs_only", "split_glu", "row_indices", "embedding_input", "latent_without_v")),
            (8619, ("outputs_only", "split_glu", "row_indices", "embedding_input", "latent_without_v", "rotated")),
            (9410, tuple(trait.name for trait in fields(Era))),
        )
    )
)
# Layers with a sliding window have a small KV cache of their own.
_WINDOW_CACHE: Since[bool] = Since(((1012, False), (5429, True)))
# Each sequence has its own part of the KV cache, and a batch looks at one part at a time.
_OWN_STREAMS: Since[bool] = Since(((1012, False), (5913, True)))
# Flash attention is turned off for models whose heads of K and V differ in size.
_FLASH_NEEDS_EQUAL_HEADS: Since[bool] = Since(((1012, True), (4987, False)))
# The chat program reserves logits only for the tokens that it samples.
_CHAT_OUTPUTS_LIMITED: Since[bool] = Since(((1012, False), (9460, True)))
# llama-simple sets the context itself: to this many tokens, or (0) to what the prompt and n_predict need.
_SIMPLE_CONTEXT: Since[int | None] = Since(((1012, 512), (1283, 2048), (3087, None), (3903, 0)))
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


@dataclass(frozen=True, kw_only=True)
class MemoryEra:
    """How one build uses memory."""

    build: int
    graph: Era
    cell_steps: tuple[int, int]
    n_batch: int
    n_ubatch: int
    output_rows: Literal["none", "batch", "sequence"]
    flash_by_default: bool
    window_cache: bool
    own_streams: bool
    flash_needs_equal_heads: bool
    chat_outputs_limited: bool
    simple_context: int | None
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
    n_batch, n_ubatch = _BATCH.at(build)
    return MemoryEra(
        build=build,
        graph=_GRAPH.at(build),
        cell_steps=_CELL_STEP.at(build),
        n_batch=n_batch,
        n_ubatch=n_ubatch,
        output_rows=_OUTPUT_ROWS.at(build),
        flash_by_default=_FLASH.at(build),
        window_cache=_WINDOW_CACHE.at(build),
        own_streams=_OWN_STREAMS.at(build),
        flash_needs_equal_heads=_FLASH_NEEDS_EQUAL_HEADS.at(build),
        chat_outputs_limited=_CHAT_OUTPUTS_LIMITED.at(build),
        simple_context=_SIMPLE_CONTEXT.at(build),
        scores_converted=_SCORES_CONVERTED.at(build),
    )
