"""The guard on this machine: another process that computes is seen, and lcpp and its own program are not."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.drive.session import Limits, Session
from orchestrator.drive.transcript import Transcript
from orchestrator.noise.document import Noise
from orchestrator.noise.guard import Guard, Waited
from orchestrator.progress import Silent

ENOUGH = Limits(timeout_s=20, idle_timeout_s=20, max_output_bytes=1_000_000)
# Computes on one CPU for as many seconds, by the clock or by its own CPU time.
BUSY = "import time\nwhile time.{clock}() < {seconds}: pass"
# Of two CPUs that no machine has, so that none of them is one that this process may not use.
STAT = "cpu9998 {ticks} 0 0 5000\ncpu9999 0 0 0 5000\n"
TICKS_PER_S = os.sysconf("SC_CLK_TCK")

pytestmark = pytest.mark.skipif(not Path("/proc/stat").exists(), reason="needs Linux")


class Notes(Silent):
    def __init__(self) -> None:
        self.told: list[str] = []

    def note(self, text: str) -> None:
        self.told.append(text)


@contextmanager
def somebody_busy(cpu: int | None = None) -> Iterator[None]:
    """Another process keeps one CPU busy."""
    code = "" if cpu is None else f"import os; os.sched_setaffinity(0, [{cpu}])\n"
    other = subprocess.Popen([sys.executable, "-c", code + "print(flush=True)\nwhile 1: pass"], stdout=subprocess.PIPE)
    assert other.stdout is not None
    try:
        other.stdout.readline()
        yield
    finally:
        other.kill()
        other.wait()
        other.stdout.close()


def run(
    folder: Path,
    code: str,
    guard: Guard | None = None,
    *,
    model_path: Path | None = None,
    cpus: tuple[int, ...] | None = None,
    n_threads: int | None = None,
) -> tuple[Noise, Transcript]:
    """Run Python code under the guard."""
    with (
        (guard or Guard()).watch(model_path=model_path, cpus=cpus, n_threads=n_threads) as watched,
        Session(
            [sys.executable, "-c", code], environment={}, folder=folder, cpus=cpus, on_sample=watched.sample
        ) as session,
    ):
        transcript = session.run(ENOUGH, lambda stream, data, at_s: None)
    return watched.noise(transcript), transcript


class Machine:
    """Counters of a machine of two CPUs that a test keeps itself, so that no other load of this one is in them."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "machine"
        (self.root / "proc").mkdir(parents=True)
        self.begun = time.monotonic()
        self._write(0.0)

    def program(self, *, own_s: float, others_cpus: float) -> str:
        """Code that computes for `own_s` of CPU time; that and what others do is what the machine will have counted."""
        return (
            BUSY.format(clock="process_time", seconds=own_s)
            + f"\nbusy_s = time.process_time() + (time.monotonic() - {self.begun}) * {others_cpus}"
            + f"\nopen({str(self._stat)!r}, 'w').write({STAT!r}.format(ticks=int(busy_s * {TICKS_PER_S})))"
        )

    @contextmanager
    def counting(self, others_cpus: Callable[[], float]) -> Iterator[None]:
        """Keep the counters while something else looks at them."""
        ended = threading.Event()

        def keep() -> None:
            busy_s, last = 0.0, time.monotonic()
            while not ended.wait(0.01):
                now = time.monotonic()
                busy_s, last = busy_s + (now - last) * others_cpus(), now
                self._write(busy_s)

        with ThreadPoolExecutor(1) as pool:
            pool.submit(keep)
            try:
                yield
            finally:
                ended.set()

    @property
    def _stat(self) -> Path:
        return self.root / "proc/stat"

    def _write(self, busy_s: float) -> None:
        stage = self._stat.with_name("next")
        stage.write_text(STAT.format(ticks=int(busy_s * TICKS_PER_S)))
        stage.replace(self._stat)


def test_the_program_and_lcpp_are_not_others(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    noise, transcript = run(tmp_path, machine.program(own_s=0.5, others_cpus=0), Guard(root=machine.root))
    assert (transcript.cpu_s or 0) >= 0.5
    assert noise.others_cpus == 0


def test_another_process_is_seen_and_the_run_marked(tmp_path: Path) -> None:
    cpu = min(os.sched_getaffinity(0))
    with somebody_busy(cpu):
        noise, transcript = run(tmp_path, BUSY.format(clock="process_time", seconds=0.4), cpus=(cpu,), n_threads=1)
    assert noise.others_cpus is not None
    assert noise.others_cpus > 0.25
    assert noise.contended_cpus is not None
    assert noise.contended_cpus > 0.25
    assert noise.cpus == (cpu,)
    assert any(reason.startswith("other processes kept ") for reason in noise.disturbed)
    # They shared one CPU, so the program waited and was interrupted; a kernel need not tell how long.
    assert (transcript.involuntary_switches or 0) > 5
    assert noise.involuntary_switches == transcript.involuntary_switches
    if noise.run_delay_share is not None:
        assert noise.run_delay_share > 0.15


def test_what_others_take_counts_as_wanted_where_the_threads_are_unknown(tmp_path: Path) -> None:
    def noise_of(n_threads: int | None) -> Noise:
        machine = Machine(tmp_path / str(n_threads))
        # By its mean the program looks like one that leaves a CPU free.
        code = machine.program(own_s=0.4, others_cpus=1.3)
        return run(tmp_path, code, Guard(root=machine.root), n_threads=n_threads)[0]

    unknown, known = noise_of(None), noise_of(1)
    assert unknown.others_cpus is not None
    assert known.others_cpus is not None
    assert min(unknown.others_cpus, known.others_cpus) > 1
    assert unknown.contended_cpus == unknown.others_cpus
    assert known.contended_cpus == pytest.approx(known.others_cpus - 1, abs=0.001)


def test_waiting_for_quiet() -> None:
    notes = Notes()
    with somebody_busy():
        waited = Guard(max_wait_s=0.6).wait_for_quiet(notes)
    assert waited.seconds >= 0.6
    assert (waited.others_cpus or 0) > 0.5
    assert len(notes.told) == 1
    assert notes.told[0].startswith("waiting up to 1 s for a quiet machine: other processes kept ")


def test_a_quiet_machine_waits_one_short_window(tmp_path: Path) -> None:
    machine, notes = Machine(tmp_path), Notes()
    with machine.counting(lambda: 0.0):
        waited = Guard(max_wait_s=60, root=machine.root).wait_for_quiet(notes)
    assert 0.25 <= waited.seconds < 30
    assert notes.told == []


def test_the_wait_ends_when_the_others_do(tmp_path: Path) -> None:
    machine, notes = Machine(tmp_path), Notes()
    with machine.counting(lambda: 0.0 if notes.told else 1.5):
        waited = Guard(max_wait_s=60, root=machine.root).wait_for_quiet(notes)
    assert len(notes.told) == 1
    # One window with them, one in which they end, two without.
    assert 0.75 <= waited.seconds < 30
    assert (waited.others_cpus or 0) < 0.5


def test_where_nothing_is_told_nothing_is_waited_for_or_marked(tmp_path: Path) -> None:
    guard = Guard(root=tmp_path)
    assert guard.wait_for_quiet(Silent()) == Waited(seconds=0.0)
    assert Guard(max_wait_s=0).wait_for_quiet(Silent()) == Waited(seconds=0.0)
    noise, _ = run(tmp_path, "", guard, model_path=tmp_path / "absent.gguf")
    # That the program itself waited is told by another file, and so on a busy machine.
    assert [reason for reason in noise.disturbed if "main thread waited" not in reason] == []
    assert (noise.others_cpus, noise.steal_share, noise.model_cached_share, noise.frequency_mhz) == (None,) * 4


def test_switched_off(tmp_path: Path) -> None:
    guard = Guard(enabled=False)
    with somebody_busy():
        assert guard.wait_for_quiet(Silent()) == Waited()
        noise, _ = run(tmp_path, "", guard, cpus=tuple(os.sched_getaffinity(0)))
    assert noise == Noise(cpus=tuple(os.sched_getaffinity(0)))


def test_frequency_is_that_of_the_cpus_it_runs_on(tmp_path: Path) -> None:
    cpu = min(os.sched_getaffinity(0))
    for each, mhz in ((0, 800), (cpu, 3100)):
        file = tmp_path / f"sys/devices/system/cpu/cpu{each}/cpufreq/scaling_cur_freq"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{mhz}000\n")
    noise, _ = run(tmp_path, BUSY.format(clock="process_time", seconds=0.8), Guard(root=tmp_path), cpus=(cpu,))
    assert noise.frequency_mhz == 3100


def test_a_split_models_parts_and_a_cold_disk(tmp_path: Path) -> None:
    parts = [tmp_path / f"m-0000{number}-of-00002.gguf" for number in (1, 2)]
    for part in parts:
        part.write_bytes(os.urandom(3_000_000))
        with part.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    read = f"print(sum(len(open(path, 'rb').read()) for path in {[str(part) for part in parts]}))"
    noise, _ = run(tmp_path, read, model_path=parts[0])
    if noise.model_cached_share == 1:
        pytest.skip("files of this file system stay in memory")
    assert noise.model_cached_share == 0
    assert noise.model_cached_share_after == 1
    assert (noise.read_bytes or 0) >= 6_000_000
    assert "the model was read from the disk while it ran: 0% of it was in memory before" in noise.disturbed
    noise, _ = run(tmp_path, read, model_path=parts[0])
    assert noise.model_cached_share == 1
    assert not any("disk" in reason for reason in noise.disturbed)


def test_a_run_that_broke_has_no_noise(tmp_path: Path) -> None:
    watched = Guard().watch()
    with pytest.raises(RuntimeError), watched:
        raise RuntimeError
    _, transcript = run(tmp_path, "")
    assert watched.noise(transcript) == Noise()
