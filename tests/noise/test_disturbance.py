"""What disturbs a run, and what does not: readings of real runs and of machines that are not at hand."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.noise.disturbance import RunFacts, Thresholds, reasons
from orchestrator.noise.document import Noise

MIB = 1024 * 1024
RAN: dict[str, Any] = {"wall_s": 20.0, "n_cpus": 2, "crowded": False, "model_bytes": 100 * MIB}
# Two threads on two CPUs, as read on a quiet machine.
QUIET: dict[str, Any] = {
    "load_average_1min": 2.33,
    "runnable_before": 1,
    "others_cpus_before": 0.04,
    "others_cpus": 0.027,
    "contended_cpus": 0.027,
    "steal_share": 0.0043,
    "cpu_pressure_share": 0.0524,
    "memory_pressure_share": 0.0,
    "io_pressure_share": 0.0164,
    "run_delay_share": 0.0266,
    "involuntary_switches": 199,
    "major_faults": 4,
    "read_bytes": MIB,
    "swapped_in_bytes": 0,
    "model_cached_share": 0.9885,
    "model_cached_share_after": 1.0,
}


def why(ran: dict[str, Any] | None = None, **changes: Any) -> tuple[str, ...]:
    return reasons(Noise(**{**QUIET, **changes}), RunFacts(**{**RAN, **(ran or {})}), Thresholds())


def test_a_quiet_machine() -> None:
    assert why() == ()
    assert why({"wall_s": 1.3}) == ()
    assert why({"wall_s": 0.3}, others_cpus=0.1, contended_cpus=0.1, steal_share=0.03) == ()
    assert reasons(Noise(), RunFacts(**RAN), Thresholds()) == ()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"others_cpus": 1.1, "contended_cpus": 1.1},
            "other processes kept 1.1 CPUs busy, and the program needed 1.1 of them",
        ),
        (
            {"others_cpus": 1.3, "contended_cpus": 0.3},
            "other processes kept 1.3 CPUs busy, and the program needed 0.3 of them",
        ),
        ({"others_cpus": 0.9, "contended_cpus": 0.0}, "other processes kept 0.9 CPUs busy beside the program"),
        ({"steal_share": 0.05}, "the host gave 5% of this virtual machine's CPU time to somebody else"),
        (
            {"run_delay_share": 0.3, "others_cpus": None, "contended_cpus": None},
            "the program's main thread waited 30% of the time for a CPU",
        ),
        ({"memory_pressure_share": 0.2}, "memory was short: some task waited for it 20% of the time"),
        ({"swapped_in_bytes": 200 * MIB}, "200 MiB came back from swap"),
        ({"n_throttled": 1}, "heat slowed a CPU once"),
        ({"n_throttled": 1234}, "heat slowed a CPU 1,234 times"),
        ({"n_throttled": 3, "throttled_share": 0.2}, "heat slowed a CPU for 20% of the time"),
        (
            {"model_cached_share": 0.22},
            "the model was read from the disk while it ran: 22% of it was in memory before",
        ),
        (
            {"major_faults": 1500},
            "the program had to wait for the disk 1,500 times, though its model was in memory",
        ),
        (
            {"model_cached_share": None, "model_cached_share_after": None, "read_bytes": 90 * MIB},
            "the program read 90 MiB from the disk",
        ),
    ],
)
def test_each_disturbance_has_its_sentence(changes: dict[str, Any], reason: str) -> None:
    assert why(**changes) == (reason,)


def test_several_disturbances() -> None:
    assert len(why(others_cpus=1.0, contended_cpus=1.0, steal_share=0.1, swapped_in_bytes=2**40)) == 3
    # Nobody else computed, so its own threads did: llama-simple of today starts four, on two CPUs too.
    assert why(run_delay_share=0.44) == ()
    # That the main thread waited is what the others did.
    assert len(why(others_cpus=1.0, contended_cpus=1.0, run_delay_share=0.5)) == 1


@pytest.mark.parametrize(
    ("ran", "changes"),
    [
        # The program waits for its own threads.
        ({"crowded": True}, {"run_delay_share": 0.5}),
        # A pressure by itself: the program's own threads and lcpp make it too.
        ({}, {"cpu_pressure_share": 0.6, "io_pressure_share": 0.6, "load_average_1min": 40.0}),
        # Many CPUs: a share of one goes under.
        ({"n_cpus": 64}, {"others_cpus": 1.5, "contended_cpus": 0.0}),
        # A model larger than memory, or read past the page cache: every run reads it.
        ({}, {"model_cached_share": 0.5, "model_cached_share_after": 0.49, "major_faults": 9999, "read_bytes": 2**40}),
        # Heat that slowed a CPU for a moment.
        ({}, {"n_throttled": 2, "throttled_share": 0.0004}),
        # A page here and there.
        ({}, {"swapped_in_bytes": MIB}),
    ],
)
def test_what_does_not_disturb(ran: dict[str, Any], changes: dict[str, Any]) -> None:
    assert why(ran, **changes) == ()
