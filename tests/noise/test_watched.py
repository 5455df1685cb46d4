"""What is read before and after a run becomes its noise: counters of a machine that a test keeps itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from orchestrator.drive.session import Limits, Session
from orchestrator.machine import counters
from orchestrator.noise.document import Noise
from orchestrator.noise.guard import Guard, Waited
from tests.machine.computers import plant

ENOUGH = Limits(timeout_s=20, idle_timeout_s=20, max_output_bytes=1_000_000)
# Of CPUs that no machine has.
STAT = "cpu9998 {busy} 0 0 {idle} 0 0 0 {steal}\ncpu9999 0 0 0 {idle} 0 0 0 0\n"
PRESSURE = "some avg10=0.00 avg60=0.00 avg300=0.00 total={us}\nfull avg10=0 avg60=0 avg300=0 total=9\n"
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def machine(root: Path, *, busy: int, steal: int = 0, memory_us: int = 0, io_us: int = 0, n_pages: int = 0) -> Path:
    return plant(
        root,
        {
            "proc/stat": STAT.format(busy=busy, idle=5000 + busy, steal=steal),
            "proc/loadavg": "0.75 0.5 0.25 4/100 7\n",
            "proc/pressure/memory": PRESSURE.format(us=memory_us),
            "proc/pressure/io": PRESSURE.format(us=io_us),
            "proc/vmstat": f"pswpin {n_pages}\n",
        },
    )


def heat(root: Path, *, count: int, total_ms: int) -> None:
    folder = "sys/devices/system/cpu/cpu9998/thermal_throttle/core_throttle"
    plant(root, {f"{folder}_count": f"{count}\n", f"{folder}_total_time_ms": f"{total_ms}\n"})


def watched(root: Path, folder: Path, after: str = "") -> Noise:
    """The noise of a short program that writes what the machine will have counted."""
    code = f"import time; time.sleep(0.2)\nimport pathlib; root = pathlib.Path({str(root)!r})\n{after}"
    with (
        Guard(root=root).watch(waited=Waited(seconds=1.5, others_cpus=0.25)) as watch,
        Session([sys.executable, "-c", code], environment={}, folder=folder, on_sample=watch.sample) as session,
    ):
        transcript = session.run(ENOUGH, lambda stream, data, at_s: None)
    return watch.noise(transcript)


def test_what_was_read_before_the_run(tmp_path: Path) -> None:
    noise = watched(machine(tmp_path / "machine", busy=1000), tmp_path)
    assert (noise.waited_s, noise.others_cpus_before) == (1.5, 0.25)
    # The reader itself is one of those that run.
    assert (noise.load_average_1min, noise.runnable_before) == (0.75, 3)


def test_pressure_and_swap_are_differences(tmp_path: Path) -> None:
    root = machine(tmp_path / "machine", busy=1000, memory_us=5_000_000, io_us=7_000_000, n_pages=10)
    after = (
        f"(root / 'proc/pressure/memory').write_text({PRESSURE!r}.format(us=5_100_000))\n"
        "(root / 'proc/vmstat').write_text('pswpin 13\\n')"
    )
    noise = watched(root, tmp_path, after)
    assert noise.memory_pressure_share is not None
    # A tenth of a second of at least the fifth that it lasted.
    assert 0 < noise.memory_pressure_share <= 0.5
    assert noise.io_pressure_share == 0
    assert noise.cpu_pressure_share is None
    assert noise.swapped_in_bytes == 3 * PAGE_BYTES


def test_no_share_is_more_than_all_of_the_run(tmp_path: Path) -> None:
    root = machine(tmp_path / "machine", busy=1000)
    noise = watched(root, tmp_path, f"(root / 'proc/pressure/io').write_text({PRESSURE!r}.format(us=10**12))")
    assert noise.io_pressure_share == 1
    assert watched(root, tmp_path, f"(root / 'proc/pressure/io').write_text({PRESSURE!r}.format(us=1))") is not None


def test_counters_that_go_back_count_as_nothing(tmp_path: Path) -> None:
    root = machine(tmp_path / "machine", busy=1000, memory_us=5_000_000, n_pages=10)
    heat(root, count=5, total_ms=900)
    after = (
        f"(root / 'proc/pressure/memory').write_text({PRESSURE!r}.format(us=1))\n"
        "(root / 'proc/vmstat').write_text('pswpin 3\\n')\n"
        "throttle = root / 'sys/devices/system/cpu/cpu9998/thermal_throttle'\n"
        "(throttle / 'core_throttle_count').write_text('1')\n(throttle / 'core_throttle_total_time_ms').write_text('1')"
    )
    noise = watched(root, tmp_path, after)
    assert (noise.memory_pressure_share, noise.swapped_in_bytes) == (0, 0)
    assert (noise.n_throttled, noise.throttled_share) == (0, 0)


def test_heat_and_its_reason(tmp_path: Path) -> None:
    root = machine(tmp_path / "machine", busy=1000)
    heat(root, count=5, total_ms=900)
    after = (
        "throttle = root / 'sys/devices/system/cpu/cpu9998/thermal_throttle'\n"
        "(throttle / 'core_throttle_count').write_text('7')\n"
        "(throttle / 'core_throttle_total_time_ms').write_text('1000')"
    )
    noise = watched(root, tmp_path, after)
    assert noise.n_throttled == 2
    assert noise.throttled_share is not None
    assert 0.01 < noise.throttled_share <= 0.5
    assert any(reason.startswith("heat slowed a CPU for ") for reason in noise.disturbed)


def test_the_host_of_a_virtual_machine(tmp_path: Path) -> None:
    root = machine(tmp_path / "machine", busy=1000)
    noise = watched(root, tmp_path, f"(root / 'proc/stat').write_text({STAT!r}.format(busy=1010, idle=5010, steal=30))")
    # 30 of the 40 hundredths that the machine wanted.
    assert noise.steal_share == pytest.approx(0.75)
    assert "the host gave 75% of this virtual machine's CPU time to somebody else" in noise.disturbed


def test_a_disturbance_between_two_readings(tmp_path: Path) -> None:
    def read(busy: int) -> counters.Counters:
        return counters.read(machine(tmp_path, busy=busy), heat=False)

    before = read(1000)
    assert Guard().disturbance(before, read(1000), n_threads=2) is None
    reason = Guard().disturbance(before, read(10**7), n_threads=2)
    assert reason is not None
    assert reason.startswith("other processes kept ")
