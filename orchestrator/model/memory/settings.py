"""From what a recipe asks for to the settings that decide how much memory the program takes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from orchestrator.model.memory.eras import MemoryEra, memory_era
from orchestrator.recipe.context import batched_context, chunk_context, completion_context, session_context
from orchestrator.recipe.schema.recipe import Program, RunSpec

# A token of a usual text has about so many bytes.
_BYTES_PER_TOKEN = 4


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run asks of its memory.

    n_ctx: tokens of context, before the build's own rounding; None: what the model was trained for.
    n_batch, n_ubatch: tokens of a logical and a physical batch.
    n_seq: sequences side by side.
    type_k, type_v: types of the KV cache, in lower case as llama.cpp writes them.
    n_prompt, n_gen: tokens that are really processed in one sequence (for the peak; the buffers do not depend on it).
    outputs_limited: logits are reserved for one token a sequence, not for the whole batch.
    full_window: sliding windows do not make the KV cache smaller.
    kept_outputs: rows of logits that the program keeps at once.
    repack: the build may rearrange weights.
    """

    era: MemoryEra
    program: Program
    n_ctx: int | None
    n_batch: int
    n_ubatch: int
    n_seq: int
    type_k: str
    type_v: str
    flash_attn: bool
    mmap: bool
    n_prompt: int
    n_gen: int
    outputs_limited: bool
    full_window: bool
    kept_outputs: int
    repack: bool
    cpu: frozenset[str]


def settings_of(
    run: RunSpec,
    *,
    build: int,
    program: Program,
    prompt_bytes: int = 0,
    session_bytes: Collection[int] = (),
    n_ctx: int | None = None,
    n_prompt: int | None = None,
    repack: bool = True,
    cpu: frozenset[str] = frozenset(),
) -> Settings:
    """The settings of `run` in a llama.cpp of that build.

    Args:
        prompt_bytes: how long the prompt is; it decides `n_ctx: auto`.
        session_bytes: how long each prompt of a session is; they decide it there.
        n_ctx: the context that the command line asks for, where it is known; else it is worked out as for it.
        n_prompt: tokens of the prompt, where they were counted; else guessed from its bytes.
        repack: False for builds that never rearrange weights (make).
        cpu: the CPU's features as in /proc/cpuinfo.
    """
    era = memory_era(build)
    guessed = n_prompt or max(1, -(-prompt_bytes // _BYTES_PER_TOKEN))
    n_batch, n_ubatch = run.n_batch or era.n_batch, run.n_ubatch or (run.n_batch or era.n_batch)
    if run.n_ubatch is None:
        n_ubatch = min(n_ubatch, era.n_ubatch) if build >= 2413 else n_batch
    n_gen, n_seq, kept = run.n_predict, 1, 1
    chat = program == "llama-cli" and build >= 7348
    if program == "llama-bench":
        n_ctx, guessed, n_gen = max(run.n_prompt, run.n_gen, 1), max(run.n_prompt, 1), run.n_gen
    elif program == "llama-batched-bench":
        n_seq = max(run.n_parallel)
        guessed, n_gen = run.n_prompt, run.n_gen
        if n_ctx is None:
            n_ctx = batched_context(run)[1] if run.n_ctx == "auto" else run.n_ctx
    elif program == "llama-perplexity":
        each = chunk_context(run)
        n_seq = max(1, n_batch // each)
        n_ctx, guessed, n_gen, kept = n_seq * each, each, 0, max(1, min(n_batch, n_seq * each) // 2)
    elif program == "llama-simple" and era.simple_context is not None:
        n_ctx = era.simple_context or guessed + run.n_predict - 1
        if era.simple_context == 0:
            n_batch, n_ubatch = guessed, min(n_ubatch, guessed)
    elif n_ctx is None:
        # The prompt is the recipe's own, before any template is rendered.
        template = chat or run.mode == "chat"
        if session_bytes:
            n_ctx = session_context(run, session_bytes, template=template, budget=not chat)
        else:
            n_ctx = completion_context(run, prompt_bytes, template=template)
    return Settings(
        era=era,
        program=program,
        n_ctx=n_ctx,
        n_batch=n_batch,
        n_ubatch=n_ubatch,
        n_seq=n_seq,
        type_k=getattr(run, "type_k", None) or "f16",
        type_v=getattr(run, "type_v", None) or "f16",
        flash_attn={"on": True, "off": False}.get(getattr(run, "flash_attn", None) or "", era.flash_by_default),
        mmap=getattr(run, "mmap", None) is not False,
        n_prompt=guessed,
        n_gen=n_gen,
        outputs_limited=chat and era.chat_outputs_limited,
        full_window=program == "llama-simple",
        kept_outputs=kept,
        repack=repack,
        cpu=cpu,
    )
