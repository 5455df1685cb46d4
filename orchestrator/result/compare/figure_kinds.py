"""What each figure is: its name for people, its unit, whether more of it is better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class FigureKind:
    """A figure that two runs can be compared by.

    Args:
        unit: tokens/s, ms, s, bytes, MiB, or nothing.
        smaller, larger: what to call B when its figure is the smaller or larger one.
        step: what programs round it to when they print it, in its unit.
    """

    name: str
    label: str
    unit: str
    lower_is_better: bool
    smaller: Literal["slower", "faster", "less"]
    larger: Literal["faster", "slower", "more"]
    step: float = 0.0


def _rate(name: str, label: str) -> FigureKind:
    return FigureKind(
        name=name,
        label=label,
        unit="tokens/s",
        lower_is_better=False,
        smaller="slower",
        larger="faster",
        step=0.01,
    )


def _time(name: str, label: str, unit: str, step: float) -> FigureKind:
    return FigureKind(
        name=name, label=label, unit=unit, lower_is_better=True, smaller="faster", larger="slower", step=step
    )


def _amount(name: str, label: str, unit: str, step: float = 0.0) -> FigureKind:
    return FigureKind(name=name, label=label, unit=unit, lower_is_better=True, smaller="less", larger="more", step=step)


_KINDS = {
    one.name: one
    for one in (
        _rate("generation_per_second", "token generation"),
        _rate("prompt_per_second", "prompt processing"),
        _time("load_ms", "load time", "ms", 0.01),
        _time("prompt_ms", "prompt time", "ms", 0.01),
        _time("generation_ms", "generation time", "ms", 0.01),
        _time("sample_ms", "sampling time", "ms", 0.01),
        _time("total_ms", "total time", "ms", 0.01),
        _time("wall_s", "wall time", "s", 0.0),
        _time("cpu_s", "CPU time", "s", 0.01),
        _amount("peak_memory_bytes", "peak memory", "bytes"),
        _amount("weights_mib", "weights", "MiB", 0.01),
        _amount("kv_cache_mib", "KV cache", "MiB", 0.01),
        _amount("compute_mib", "compute buffers", "MiB", 0.01),
        _amount("output_mib", "output buffers", "MiB", 0.01),
        _amount("perplexity", "perplexity", "", 0.0001),
    )
}


def kind_of(name: str) -> FigureKind | None:
    """The figure of that name; None when there is none to compare by."""
    return _KINDS.get(name)
