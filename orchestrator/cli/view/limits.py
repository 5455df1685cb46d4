"""`lcpp doctor --limits`: measure how fast this machine's memory and arithmetic are, and tell it in a line."""

from __future__ import annotations

from orchestrator.cli.call import Call
from orchestrator.machine.facts import observe
from orchestrator.machine.limits.stored import LimitName, MachineLimits, stored_limits
from orchestrator.text.numbers import many
from orchestrator.workspace import Workspace

_GIGA = 1e9
# For quiet, before each number of threads.
_MAX_WAIT_S = 10.0
_AGAIN = "`lcpp doctor --limits` measures again; close other programs first"


def measure_limits(call: Call) -> None:
    """Measure and keep it.

    Raises:
        ToolchainError, WorkspaceError: it cannot be measured, or not be kept.
    """
    # Imported here: the doctor by itself measures nothing.
    from orchestrator.machine.limits.measure import measure
    from orchestrator.machine.limits.stored import store_limits
    from orchestrator.noise.guard import Guard

    watch = Guard(max_wait_s=_MAX_WAIT_S)
    try:
        limits = measure(call.workspace, call.progress, watch=watch, environment=call.environment)
        if not store_limits(limits, call.workspace, observe()):
            call.progress.note("the machine was disturbed: the limits of an earlier, quiet measurement are kept")
    finally:
        call.output.close()


def in_words(workspace: Workspace) -> tuple[str, str]:
    """What is known of this machine's limits, and what to do about it; empty when that is nothing."""
    limits = stored_limits(workspace, observe())
    if limits is None:
        return "not measured", "run `lcpp doctor --limits` on a quiet machine, to see in results how close runs come"
    rows: list[tuple[LimitName, str, float]] = [
        ("memory", "reads {} GB/s", 1.0),
        ("int8", "int8 {} Gop/s", 2.0),
        ("f32", "f32 {} GFLOP/s", 2.0),
    ]
    lines = [_line(limits, name, form, factor) for name, form, factor in rows]
    lines += [f"{name}: {why}" for name, why in limits.missing.items()]
    lines += [f"disturbed: {why}" for why in limits.disturbed]
    return "\n".join(line for line in lines if line), _AGAIN if limits.disturbed else ""


def _line(limits: MachineLimits, name: LimitName, form: str, factor: float) -> str:
    """The best of all numbers of threads, how the passes spread, and what one thread gives."""
    best = limits.best(name)
    rate = None if best is None else best.rate(name)
    if best is None or rate is None:
        return ""
    kind = {"int8": limits.int8_kind, "f32": limits.f32_kind, "memory": None}[name]
    parts = [
        many(best.n_threads, "thread"),
        f"median {factor * rate.median / _GIGA:.1f}",
    ]
    one_thread = limits.with_threads(1)
    alone = None if one_thread is None or best.n_threads == 1 else one_thread.rate(name)
    if alone is not None:
        parts.append(f"1 thread {factor * alone.best / _GIGA:.1f}")
    if kind is not None:
        parts.append(kind)
    return f"{form.format(f'{factor * rate.best / _GIGA:.1f}')} ({', '.join(parts)})"
