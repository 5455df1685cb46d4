"""How close a run came to its machine's limits, in a line for people."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.result.limits import GenerationLimits, PromptLimits, RunLimits, in_words


def limits(*, generation: dict[str, Any] | None = None, prompt: dict[str, Any] | None = None, **more: Any) -> RunLimits:
    """Limits of which only these facts are known."""
    generation_names = ("bytes_per_token", "weights_bytes_per_token", "kv_bytes_per_token", "bytes_per_second")
    bandwidth_names = ("bandwidth_bytes_per_second", "bandwidth_share", "bandwidth_share_of_threads")
    prompt_names = ("operations_per_token", "operations_per_second", "peak_operations_per_second", "arithmetic")
    share_names = ("arithmetic_share", "arithmetic_share_of_threads")
    unknown = dict.fromkeys(("n_threads", *generation_names, *bandwidth_names))
    unknown_prompt = dict.fromkeys(("n_threads", *prompt_names, *share_names))
    return RunLimits(
        generation=GenerationLimits(**{**unknown, **(generation or {})}),
        prompt=PromptLimits(**{**unknown_prompt, **(prompt or {})}),
        cache_bytes=None,
        measured_at=None,
        **more,
    )


@pytest.mark.parametrize(
    ("known", "line"),
    [
        (limits(), ""),
        (limits(generation={"bandwidth_share": 0.62}), "62 % of this machine's memory bandwidth"),
        (limits(generation={"bandwidth_share": 0.062}), "6.2 % of this machine's memory bandwidth"),
        (
            limits(generation={"bandwidth_share": 0.5, "bandwidth_share_of_threads": 0.9, "n_threads": 1}),
            "50 % of this machine's memory bandwidth (90 % of what 1 thread can read)",
        ),
        (
            limits(generation={"bandwidth_share": 0.5, "bandwidth_share_of_threads": 0.504, "n_threads": 2}),
            "50 % of this machine's memory bandwidth",
        ),
        (
            limits(generation={"bytes_per_second": 6.2e9}, missing={"generation": "not measured"}),
            "6.2 GB/s read; not measured",
        ),
        (
            limits(generation={"bandwidth_share": 1.1}, prompt={"arithmetic_share": 0.3, "arithmetic": "int8 (AVX2)"}),
            "110 % of this machine's memory bandwidth, prompt: 30 % of its peak arithmetic, int8 (AVX2)",
        ),
        (
            limits(generation={"bandwidth_share": 0.2}, notes=("a", "b")),
            "20 % of this machine's memory bandwidth; a; b",
        ),
        # Notes alone say nothing.
        (limits(notes=("a",)), ""),
    ],
)
def test_only_what_is_known_is_told(known: RunLimits, line: str) -> None:
    assert in_words(known) == line
