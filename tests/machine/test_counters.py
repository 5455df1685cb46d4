"""The kernel's figures, as real machines wrote them, and as none should."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.machine import counters
from orchestrator.machine.counters import CpuTimes

# A virtual machine with two CPUs, Linux 6.18.
STAT = """\
cpu  2079773 349537 268185 1891430 12184 0 2787 6813 0 0
cpu0 957805 172136 122974 1044843 3125 0 459 3420 0 0
cpu1 1121968 177400 145210 846586 9058 0 2328 3393 0 0
intr 11954877 0 0 0
ctxt 21888927
"""
# Linux 2.6.24 knows neither `guest` nor, before it, `steal`; /proc/stat of a sandbox is all zeros.
OLD_STAT = "cpu  10 0 20 300\ncpu3 10 0 20 300\n"
SANDBOX_STAT = "cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 0 0 0 0 0 0 0 0 0 0\n"
PRESSURE = """\
some avg10=0.18 avg60=0.20 avg300=0.10 total=182253839
full avg10=0.18 avg60=0.20 avg300=0.09 total=82496625
"""


def test_cpu_times() -> None:
    times = counters.cpu_times(STAT, 100)
    assert sorted(times) == [0, 1]
    first = times[0]
    assert (first.busy_s, first.idle_s, first.steal_s) == pytest.approx((12533.74, 10479.68, 34.2))
    assert counters.cpu_times(OLD_STAT, 100) == {3: CpuTimes(busy_s=0.3, idle_s=3.0, steal_s=0.0)}


@pytest.mark.parametrize("stat", ["", SANDBOX_STAT, "cpu0 1 2\n", "cpu0 a b c d e\n", "cpu0 -1 2 3 4\n", "\0" * 99])
def test_no_cpu_times(stat: str) -> None:
    assert counters.cpu_times(stat, 100) == {}


def test_pressure_and_swap() -> None:
    assert counters.pressure_s(PRESSURE) == pytest.approx(182.253839)
    assert counters.pressure_s("full avg10=0.00 avg60=0.00 avg300=0.00 total=5\n") is None
    assert counters.swapped_in_bytes("pgpgin 5\npswpin 3\npswpout 0\n", 4096) == 12288
    assert counters.swapped_in_bytes("pgpgin 5\n", 4096) is None


def test_pressure_and_swap_are_read_from_their_files(tmp_path: Path) -> None:
    for number, name in enumerate(("cpu", "memory", "io"), start=1):
        write(tmp_path, f"proc/pressure/{name}", f"some avg10=0 avg60=0 avg300=0 total={number}000000\n")
    write(tmp_path, "proc/vmstat", "pswpin 2\n")
    readings = counters.read(tmp_path)
    assert dict(readings.pressure_s) == {"cpu": 1, "memory": 2, "io": 3}
    assert readings.swapped_in_bytes == 2 * os.sysconf("SC_PAGE_SIZE")


def test_a_cpu_that_was_only_busy_or_only_idle_counts() -> None:
    times = counters.cpu_times("cpu0 5 0 0 0\ncpu1 0 0 0 5\ncpu2 0 0 0 0\ncpu3 1 2 4 0 0 8 16 32\n", 1)
    assert sorted(times) == [0, 1, 3]
    # Interrupts are work too.
    assert (times[3].busy_s, times[3].steal_s) == (31, 32)


def test_load(tmp_path: Path) -> None:
    assert counters.load(tmp_path) == (None, None)
    write(tmp_path, "proc/loadavg", "2.31 1.70 1.06 3/95 20706\n")
    # The reader itself is one of those that run.
    assert counters.load(tmp_path) == (2.31, 2)
    write(tmp_path, "proc/loadavg", "0.00 0.00 0.00 0/95 20706\n")
    assert counters.load(tmp_path) == (0, 0)
    write(tmp_path, "proc/loadavg", "2.31 nonsense")
    assert counters.load(tmp_path) == (None, None)


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_heat_and_frequency_of_a_machine_that_tells(tmp_path: Path) -> None:
    write(tmp_path, "proc/stat", STAT)
    for cpu, (count, total_ms, khz) in enumerate([(4, 120, "3400000"), (7, 30, "2600000")]):
        folder = f"sys/devices/system/cpu/cpu{cpu}"
        write(tmp_path, f"{folder}/thermal_throttle/core_throttle_count", f"{count}\n")
        write(tmp_path, f"{folder}/thermal_throttle/core_throttle_total_time_ms", f"{total_ms}\n")
        write(tmp_path, f"{folder}/cpufreq/scaling_cur_freq", f"{khz}\n")
    seen = counters.read(tmp_path)
    assert (seen.n_throttled, dict(seen.throttled_s)) == (11, {0: 0.12, 1: 0.03})
    assert counters.frequency_mhz(tmp_path, (0, 1)) == 3000
    assert counters.frequency_mhz(tmp_path, (1, 2)) == 2600
    assert counters.frequency_mhz(tmp_path, (2,)) is None
    assert counters.read(tmp_path, heat=False).n_throttled is None


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    seen = counters.read(tmp_path)
    assert (dict(seen.cpus), dict(seen.pressure_s), seen.swapped_in_bytes, seen.n_throttled) == ({}, {}, None, None)


def test_this_machine() -> None:
    if not Path("/proc/stat").exists():
        pytest.skip("no /proc")
    first = counters.read()
    while counters.read().own_cpu_s - first.own_cpu_s < 0.05:
        sum(range(10_000))
    second = counters.read()
    assert second.at_s - first.at_s >= 0.05
    if first.cpus:
        assert sum(one.busy_s for one in second.cpus.values()) > sum(one.busy_s for one in first.cpus.values())
