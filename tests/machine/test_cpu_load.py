"""Who used the CPUs: differences of readings."""

from __future__ import annotations

import pytest

from orchestrator.machine.counters import Counters, CpuTimes
from orchestrator.machine.cpu_load import Load, Wanted


def readings(at_s: float, own_cpu_s: float, *cpus: tuple[float, float, float]) -> Counters:
    return Counters(
        at_s=at_s,
        own_cpu_s=own_cpu_s,
        cpus={number: CpuTimes(*times) for number, times in enumerate(cpus)},
        pressure_s={},
        swapped_in_bytes=None,
        n_throttled=None,
        throttled_s={},
    )


def load(wanted: Wanted, own_cpu_s: float, *busy_s: float, steal_s: float = 0.0) -> Load:
    """Ten seconds in which each CPU was busy for so long."""
    before = readings(100, 50, *((7.0, 9.0, 1.0) for _ in busy_s))
    after = readings(110, 50 + own_cpu_s, *((7 + one, 9 + 10 - one - steal_s, 1 + steal_s) for one in busy_s))
    return Load.between(before, after, wanted)


ALL = frozenset(range(4))


@pytest.mark.parametrize(
    ("wanted", "own_cpu_s", "busy_s", "others", "contended"),
    [
        # Alone.
        (Wanted(cpus=ALL, n_threads=4), 40.0, (10, 10, 10, 10), 0, 0),
        # One CPU of another program, and two free ones.
        (Wanted(cpus=ALL, n_threads=1), 10.0, (10, 10, 0, 0), 1, 0),
        # The same beside four threads, or as many as there are CPUs.
        (Wanted(cpus=ALL, n_threads=4), 30.0, (10, 10, 10, 10), 1, 1),
        (Wanted(cpus=ALL, n_threads=9), 30.0, (10, 10, 10, 10), 1, 1),
        (Wanted(cpus=ALL, n_threads=None), 30.0, (10, 10, 10, 10), 1, 1),
        # Pinned to a CPU that is shared, and to one that is not.
        (Wanted(cpus=frozenset({0}), n_threads=1), 5.0, (10, 0, 0, 0), 0.5, 0.5),
        (Wanted(cpus=frozenset({0}), n_threads=1), 10.0, (10, 0, 0, 10), 1, 0),
        # Counting is coarse: less than our own is nobody's.
        (Wanted(cpus=ALL, n_threads=2), 20.1, (10, 10, 0, 0), 0, 0),
        # Where it may run is not known, or not what the kernel counts.
        (Wanted(cpus=frozenset(), n_threads=4), 30.0, (10, 10, 10, 10), 1, 1),
        (Wanted(cpus=frozenset({77}), n_threads=4), 30.0, (10, 10, 10, 10), 1, 1),
    ],
)
def test_others(wanted: Wanted, own_cpu_s: float, busy_s: tuple[float, ...], others: float, contended: float) -> None:
    found = load(wanted, own_cpu_s, *busy_s)
    assert found.n_cpus == 4
    assert found.others_cpus == pytest.approx(others, abs=1e-9)
    assert found.contended_cpus == pytest.approx(contended, abs=1e-9)
    assert found.steal_share == 0


def test_steal_is_a_share_of_what_was_wanted() -> None:
    found = load(Wanted(cpus=ALL, n_threads=1), 9.0, 9, 0, 0, 0, steal_s=0.25)
    assert found.steal_cpus == pytest.approx(0.1)
    assert found.steal_share == pytest.approx(0.1)


def test_nothing_is_told() -> None:
    wanted = Wanted(cpus=ALL, n_threads=1)
    assert Load.between(readings(1, 0), readings(2, 1), wanted) == Load()
    still = readings(1, 0, (1, 1, 0))
    assert Load.between(still, readings(2, 0, (1, 1, 0)), wanted) == Load()
    assert Load.between(still, still, wanted) == Load()
