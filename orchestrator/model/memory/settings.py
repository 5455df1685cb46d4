"""From the plan of a run to the settings that decide how much memory the program takes."""

from __future__ import annotations

from orchestrator.eras.memory import MemoryEra, memory_era
from orchestrator.programs.plan.kinds import RunPlan
from orchestrator.values import Value


class MemorySettings(Value):
    """What a run asks of its memory.

    n_ctx: tokens of context, before the build's own rounding; None: what the model was trained for.
    n_batch, n_ubatch: tokens of a logical and a physical batch.
    n_seq: sequences side by side.
    type_k, type_v: types of the KV cache, in lower case as llama.cpp writes them.
    n_prompt, n_gen: tokens that are really processed in one sequence (for the peak; the buffers do not depend on it).
    outputs_limited: logits are reserved for one token a sequence, not for the whole batch.
    full_window: sliding windows do not make the KV cache smaller.
    kept_outputs: rows of logits that the program keeps at once.
    fixed_context: another `n_ctx` cannot be asked for.
    repack: the build may rearrange weights.
    cpu: the CPU's features as in /proc/cpuinfo.
    """

    era: MemoryEra
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
    fixed_context: bool
    repack: bool
    cpu: frozenset[str]


def memory_settings(plan: RunPlan, *, repack: bool = True, cpu: frozenset[str] = frozenset()) -> MemorySettings:
    """The settings of a planned run.

    Args:
        repack: False for builds that never rearrange weights (make).
        cpu: the CPU's features as in /proc/cpuinfo.
    """
    run, demand = plan.run, plan.demand()
    # `auto` turns it on wherever the model lets it.
    flash_attn = (run.flash_attn or plan.program.flash_attn_default(plan.build)) != "off"
    return MemorySettings(
        era=memory_era(plan.build),
        n_ctx=demand.n_ctx,
        n_batch=demand.n_batch,
        n_ubatch=demand.n_ubatch,
        n_seq=demand.n_seq,
        type_k=run.type_k or "f16",
        type_v=run.type_v or "f16",
        flash_attn=flash_attn,
        mmap=run.mmap is not False,
        n_prompt=demand.n_prompt,
        n_gen=demand.n_gen,
        outputs_limited=demand.outputs_limited,
        full_window=demand.full_window,
        kept_outputs=demand.kept_outputs,
        fixed_context=demand.fixed_context,
        repack=repack,
        cpu=cpu,
    )
