"""How close a run came to what its machine can do: one piece of the result, and how it is told."""

from typing import Annotated

from pydantic import Field

from orchestrator.piece import Piece
from orchestrator.text.numbers import many, share

_GB = 1e9


class GenerationLimits(Piece):
    """Token generation, which waits for memory. A share is of 1; where it is None, `missing` of `limits` says why."""

    n_threads: int | None
    bytes_per_token: Annotated[
        int | None, Field(description="To be read for one token: weights, KV cache and state, mean over the tokens.")
    ]
    weights_bytes_per_token: int | None
    kv_bytes_per_token: Annotated[int | None, Field(description="With the state of recurrent layers.")]
    bytes_per_second: Annotated[float | None, Field(description="bytes_per_token × tokens a second.")]
    bandwidth_bytes_per_second: Annotated[
        float | None, Field(description="What this machine can read, with the number of threads that is best at it.")
    ]
    bandwidth_share: Annotated[
        float | None, Field(description="Above 1 where weights stay in the CPU's cache from token to token.")
    ]
    bandwidth_share_of_threads: Annotated[
        float | None, Field(description="The same of what the run's own number of threads can read.")
    ]


class PromptLimits(Piece):
    """Prompt processing, which waits for arithmetic. An operation is a multiplication or an addition."""

    n_threads: int | None
    operations_per_token: Annotated[
        float | None, Field(description="2 × the weights that a token is multiplied with, and attention.")
    ]
    operations_per_second: float | None
    peak_operations_per_second: Annotated[
        float | None,
        Field(description="What this machine can do of just this mixture, with the number of threads that is best."),
    ]
    arithmetic: Annotated[str | None, Field(description="What the peak is of: int8 (AVX2), f32, …")]
    arithmetic_share: float | None
    arithmetic_share_of_threads: Annotated[
        float | None, Field(description="The same of what the run's own number of threads can do.")
    ]


class RunLimits(Piece):
    """A run beside its machine's limits, which `lcpp doctor --limits` measures."""

    generation: GenerationLimits
    prompt: PromptLimits
    cache_bytes: Annotated[int | None, Field(description="The last level of the CPU's cache.")]
    measured_at: Annotated[str | None, Field(description="When the machine's limits were measured; None: never.")]
    missing: Annotated[
        dict[str, str], Field(description="For `generation`, `prompt`: why there is no share of a limit.")
    ] = {}
    notes: Annotated[tuple[str, ...], Field(description="What to know when reading the shares.")] = ()


def in_words(limits: RunLimits) -> str:
    """One line for people, such as "62 % of this machine's memory bandwidth"; empty when there is nothing to say."""
    generation, prompt = limits.generation, limits.prompt
    parts = []
    if generation.bandwidth_share is not None:
        parts.append(f"{share(generation.bandwidth_share)} of this machine's memory bandwidth")
        own = generation.bandwidth_share_of_threads
        if own is not None and round(100 * own) > round(100 * generation.bandwidth_share) and generation.n_threads:
            threads = many(generation.n_threads, "thread")
            parts[-1] += f" ({share(own)} of what {threads} can read)"
    elif generation.bytes_per_second is not None:
        reason = limits.missing.get("generation")
        parts.append(f"{generation.bytes_per_second / _GB:.1f} GB/s read" + (f"; {reason}" if reason else ""))
    if prompt.arithmetic_share is not None:
        parts.append(f"prompt: {share(prompt.arithmetic_share)} of its peak arithmetic, {prompt.arithmetic}")
    line = ", ".join(parts)
    return "; ".join((line, *limits.notes)) if line else ""
