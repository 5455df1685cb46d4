"""Figures in words, the same in all forms of the report."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from orchestrator.noise.document import Noise
from orchestrator.report.content import Run, ends
from orchestrator.result.compare.statistics import Summary
from orchestrator.text import numbers
from orchestrator.text.numbers import NOTHING as NOTHING
from orchestrator.text.numbers import many as many


def rate(value: float | None) -> str:
    """Tokens a second."""
    return NOTHING if value is None else numbers.three_digits(value)


def interval(spread: Summary | None) -> str:
    """The ends of the 95 % interval."""
    both = ends(spread)
    return NOTHING if both is None else f"{rate(both[0])} to {rate(both[1])}"


def mib(n_bytes: float | None) -> str:
    """In MiB."""
    return NOTHING if n_bytes is None else numbers.mib(n_bytes)


def seconds(value: float | None) -> str:
    """In seconds."""
    return NOTHING if value is None else f"{value:.2f}"


def percent(value: float | None) -> str:
    """With its sign."""
    # Never minus nothing.
    return NOTHING if value is None else numbers.signed_percent(round(value, 1) + 0.0)


def when(at: datetime.datetime) -> str:
    """UTC, to the minute."""
    return f"{at.astimezone(datetime.timezone.utc):%Y-%m-%d %H:%M}"


def why_left_out(run: Run) -> str:
    """Why a run does not count; nothing when it does."""
    measurement = run.measurement
    reasons = (
        *(["failed"] if measurement.status == "failed" else []),
        *(["warm-up"] if measurement.warmup else []),
        *measurement.disturbed,
    )
    return "; ".join(reasons)


def noise(read: Noise) -> Iterator[tuple[str, str]]:
    """Readings of what went on beside a run: those that the machine gave."""
    shares = (
        ("time that the host took", read.steal_share),
        ("waiting for a CPU", read.cpu_pressure_share),
        ("waiting for memory", read.memory_pressure_share),
        ("waiting for a disk", read.io_pressure_share),
        ("model in the page cache", read.model_cached_share),
    )
    if read.waited_s:
        yield "waited for quiet", f"{read.waited_s:.1f} s"
    for name, cpus in (("others before it", read.others_cpus_before), ("others meanwhile", read.others_cpus)):
        if cpus is not None:
            yield name, f"{cpus:.2f} CPUs"
    for name, share in shares:
        if share is not None:
            yield name, f"{100 * share:.1f} %"
    if read.frequency_mhz is not None:
        yield "CPU frequency", f"{read.frequency_mhz:,.0f} MHz"
    if read.involuntary_switches is not None:
        yield "put aside by the kernel", f"{read.involuntary_switches:,} times"
    if read.cpus is not None:
        yield "pinned to CPUs", ", ".join(str(cpu) for cpu in read.cpus)
