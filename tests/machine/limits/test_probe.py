"""The measuring program: compiled for real, run for real, and what it prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import ToolchainError
from orchestrator.machine.limits import probe
from orchestrator.machine.limits.measure import ProbeEffort, limits_of, measure, thread_counts
from orchestrator.machine.limits.probe import Pass, Probe
from orchestrator.noise.guard import Guard
from orchestrator.progress import Silent
from orchestrator.workspace import Workspace

MIB = 2**20
# No thread of any CPU does more in a second: more would mean that the compiler left the work out.
TOO_MUCH = 2e12


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("limits")
    return Workspace(vendor=folder / "vendor", runs=folder / "runs")


@pytest.fixture(scope="module")
def made(workspace: Workspace) -> Probe:
    return probe.build(workspace, Silent())


def test_it_is_compiled_once(made: Probe, workspace: Workspace) -> None:
    before = made.path.stat()
    again = probe.build(workspace, Silent())
    assert again == made
    assert (again.path.stat().st_ino, again.path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_each_kernel_does_its_work(made: Probe) -> None:
    found = probe.run(made, n_threads=2, array_bytes=32 * MIB, pass_ms=4, n_passes=2)
    reads = [name for name in found.passes if name.startswith("read.")]
    assert len(reads) == 3
    assert {"f32", *reads} <= found.passes.keys()
    assert ("int8" in found.passes) == ("int8" in found.kinds)
    for each in found.passes.values():
        assert len(each) == 2
        for one in each:
            assert 1e7 < one.rate < 2 * TOO_MUCH
            assert 0 < one.cpu_share <= 1.1


@pytest.mark.parametrize("arguments", [(0, MIB), (2, MIB), (5000, 2**40)])
def test_a_call_without_sense_is_refused(made: Probe, arguments: tuple[int, int]) -> None:
    with pytest.raises(ToolchainError, match="out of its range"):
        probe.run(made, n_threads=arguments[0], array_bytes=arguments[1], pass_ms=1, n_passes=1)


def test_a_compiler_that_does_not_compile_is_named(tmp_path: Path) -> None:
    compiler = tmp_path / "broken-cc"
    compiler.write_text(
        "#!/bin/sh\n[ \"$1\" = --version ] && echo broken 1.0 && exit 0\necho 'x.c: error: no' >&2\nexit 1\n"
    )
    compiler.chmod(0o755)
    empty = Workspace(vendor=tmp_path / "vendor", runs=tmp_path / "runs")
    with pytest.raises(ToolchainError, match=r"does not compile .* error: no"):
        probe.build(empty, Silent(), {"CC": str(compiler), "PATH": "/usr/bin:/bin"})
    with pytest.raises(ToolchainError, match="not on PATH"):
        probe.build(empty, Silent(), {"CC": "no-such-compiler", "PATH": "/usr/bin:/bin"})
    assert not list(empty.limits.glob("probe-*"))


def test_a_program_of_another_machine_is_an_error(tmp_path: Path) -> None:
    alien = tmp_path / "probe"
    alien.write_bytes(b"\x7fELF" + bytes(60))
    alien.chmod(0o755)
    with pytest.raises(ToolchainError, match="does not start"):
        probe.run(Probe(path=alien, compiler="cc", flags=()), n_threads=1, array_bytes=MIB, pass_ms=1, n_passes=1)


def test_what_it_would_not_print_is_passed_over() -> None:
    text = "kind int8 AVX2\nnot f32 x\nf32 1.5e+10 0.99\nf32 nan 1\nf32 inf 1\nf32 1e 1\nf32 -1 1\nread.a 2e9 1.0 1\n\x1b[2J\nf32 1.e+9 ."
    found = probe.parse(text)
    assert found.passes == {"f32": (Pass(1.5e10, 0.99),)}
    assert found.kinds == {"int8": "AVX2"}
    assert probe.parse("not int8 AMX\n").unmeasured == "AMX"


def test_passes_that_lost_the_cpu_do_not_count() -> None:
    good = [Pass(rate, 1.0) for rate in (10.0, 12.0, 11.0)]
    found = limits_of(2, {"read.a": [*good, Pass(99.0, 0.5)], "read.b": [Pass(5.0, 1.0)], "f32": [Pass(7.0, 0.5)]})
    assert found.memory is not None
    assert (found.memory.best, found.memory.median, found.memory.lowest) == (12.0, 11.0, 10.0)
    assert (found.memory.kernel, found.memory.n_passes) == ("read.a", 3)
    # With nothing better, what was seen is a lower bound.
    assert found.f32 is not None
    assert found.f32.best == 7.0
    assert found.int8 is None


def test_numbers_of_threads() -> None:
    assert [thread_counts(n) for n in (1, 2, 6, 8)] == [(1,), (1, 2), (1, 2, 4, 6), (1, 2, 4, 8)]


def test_this_machine_is_measured(workspace: Workspace) -> None:
    effort = ProbeEffort(pass_ms=4, n_passes=2, n_tries=1, array_bytes=32 * MIB)
    found = measure(workspace, Silent(), watch=Guard(max_wait_s=0), effort=effort)
    assert [one.n_threads for one in found.threads] == list(thread_counts(found.n_cpu))
    best = found.best("memory")
    assert best is not None
    assert best.memory is not None
    assert best.memory.best >= best.memory.median >= best.memory.lowest > 1e7
    assert (found.best("int8") is None) == ("int8" in found.missing)
    assert found.flags[0] == "-std=gnu11"
