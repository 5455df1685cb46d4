"""The measurement: how often it tries, what disturbs it, and when it says nothing. A script stands for the program."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.machine.counters import Counters
from orchestrator.machine.limits.measure import ProbeEffort, array_size, measure, thread_counts
from orchestrator.machine.limits.stored import MachineLimits
from orchestrator.progress import Progress, Silent
from orchestrator.workspace import Workspace

MIB = 2**20
# Takes a program's name as a compiler does, and makes the program a script that prints what stands in a file.
COMPILER = """\
#!/bin/sh
[ "$1" = --version ] && echo script 1.0 && exit 0
while [ "$1" != -o ]; do shift; done
printf '#!/bin/sh\\ncat {printed}\\n' > "$2"
chmod +x "$2"
"""
GOOD = "kind int8 AVX2\nkind f32 256 bits\n" + "".join(
    f"{kernel} {rate + n}e9 0.99\n" for kernel, rate in (("read.a", 10), ("f32", 50), ("int8", 200)) for n in range(3)
)
EFFORT = ProbeEffort(pass_ms=1, n_passes=3, n_tries=3, array_bytes=MIB)


class Others:
    """A machine on which others disturb the first measurements."""

    def __init__(self, *reasons: str | None) -> None:
        self.reasons = list(reasons)
        self.waits: list[int | None] = []
        self.n_threads: list[int] = []

    def wait_for_quiet(self, progress: Progress, *, n_threads: int | None = None) -> None:
        self.waits.append(n_threads)

    def disturbance(self, before: Counters, after: Counters, *, n_threads: int) -> str | None:
        assert after.at_s >= before.at_s
        self.n_threads.append(n_threads)
        return self.reasons.pop(0) if self.reasons else None


def limits(folder: Path, others: Others, printed: str = GOOD, effort: ProbeEffort = EFFORT) -> MachineLimits:
    (folder / "printed").write_text(printed)
    compiler = folder / "cc"
    compiler.write_text(COMPILER.format(printed=folder / "printed"))
    compiler.chmod(0o755)
    workspace = Workspace(vendor=folder / "vendor", runs=folder / "runs")
    environment = {"CC": str(compiler), "PATH": "/usr/bin:/bin"}
    return measure(workspace, Silent(), watch=others, environment=environment, effort=effort)


def test_a_quiet_machine_is_measured_once_with_each_number_of_threads(tmp_path: Path) -> None:
    others = Others()
    measured = limits(tmp_path, others)
    n_threads = list(thread_counts(measured.n_cpu))
    assert others.waits == others.n_threads == [each.n_threads for each in measured.threads] == n_threads
    assert measured.disturbed == ()
    assert (measured.compiler, measured.int8_kind, measured.f32_kind) == ("script 1.0", "AVX2", "256 bits")
    first = measured.threads[0]
    assert first.memory is not None
    assert (first.memory.best, first.memory.lowest, first.memory.n_passes) == (12e9, 10e9, 3)
    assert measured.missing == {}
    assert measured.array_bytes == MIB


def test_what_is_disturbed_is_measured_again(tmp_path: Path) -> None:
    others = Others("somebody", "somebody")
    measured = limits(tmp_path, others)
    assert others.n_threads[:3] == [1, 1, 1]
    assert measured.disturbed == ()
    assert measured.threads[0].memory is not None
    assert measured.threads[0].memory.n_passes == 9


def test_what_stays_disturbed_is_marked(tmp_path: Path) -> None:
    others = Others(*["somebody computed"] * 3)
    measured = limits(tmp_path, others)
    assert measured.disturbed == ("1 thread: somebody computed",)
    assert others.n_threads[:4] == ([1, 1, 1, 2] if measured.n_cpu > 1 else [1, 1, 1])


def test_passes_that_lost_their_cpu_are_made_again_and_marked(tmp_path: Path) -> None:
    others = Others()
    measured = limits(tmp_path, others, GOOD.replace("0.99", "0.5"))
    assert others.n_threads[:3] == [1, 1, 1]
    assert measured.disturbed[0] == "1 thread: something took CPU time from it"
    assert measured.threads[0].memory is not None


@pytest.mark.parametrize(
    ("printed", "why"),
    [
        ("not int8 AMX\nread.a 1e9 1\nf32 1e9 1\n" * 3, "this CPU multiplies with AMX, which lcpp does not measure"),
        ("read.a 1e9 1\n" * 3, "lcpp has no kernel of 8-bit integers for this CPU's instructions"),
    ],
)
def test_a_cpu_without_integers(tmp_path: Path, printed: str, why: str) -> None:
    measured = limits(tmp_path, Others(), printed)
    assert measured.missing == {"int8": why}
    assert measured.best("int8") is None


@pytest.mark.parametrize(
    ("cache_bytes", "n_cpu", "free_bytes", "array_bytes", "is_enough"),
    [
        # At least 256 MiB, and eight times the cache.
        (None, 2, 2**40, 256 * MIB, True),
        (MIB, 2, 2**40, 256 * MIB, True),
        (64 * MIB, 2, 2**40, 512 * MIB, True),
        # No more than a quarter of what is free, and 1 MiB a thread.
        (8 * MIB, 2, 400 * MIB, 100 * MIB, True),
        (None, 64, 0, 64 * MIB, True),
        # Three times the cache is the least.
        (32 * MIB, 2, 384 * MIB, 96 * MIB, True),
        (32 * MIB, 2, 380 * MIB, 95 * MIB, False),
    ],
)
def test_how_much_memory_is_read(
    cache_bytes: int | None, n_cpu: int, free_bytes: int, array_bytes: int, is_enough: bool
) -> None:
    size, why = array_size(cache_bytes, n_cpu, free_bytes)
    assert size == array_bytes
    assert (why is None) == is_enough
    assert is_enough or why == (
        "a measurement needs 96 MiB, a quarter of what must be free, as the CPU's cache has 32 MiB; 380 MiB are free"
    )
