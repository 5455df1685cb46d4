"""The measuring program: compiled once a machine with the compiler that builds llama.cpp, and run.

It is C because nothing else reads memory as fast as llama.cpp does, and for this CPU alone (`-march=native`), as
llama.cpp is. `probe.c` says what it prints.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from orchestrator import process, toolchain
from orchestrator.errors import ToolchainError
from orchestrator.machine import cpu
from orchestrator.progress import Progress
from orchestrator.toolchain import Compiler
from orchestrator.values import Value, field
from orchestrator.workspace import Workspace, lock, staged

SOURCE = Path(__file__).with_name("probe.c")
_FLAGS = ("-std=gnu11", "-O3", "-ffp-contract=fast", "-pthread")
# The first that the compiler takes: old ones on ARM do not know the first, and one without either still measures.
_FOR_THIS_CPU = ("-march=native", "-mcpu=native", "")
_COMPILE_TIMEOUT_S = 120.0
_N_KERNELS = 5
_LINE = re.compile(r"([a-z0-9_.]{1,32}) ([0-9.e+]{1,24}) ([0-9.]{1,12})", re.ASCII)
_KIND = re.compile(r"(kind|not) (int8|f32) ([\w -]{1,32})", re.ASCII)


class Probe(Value):
    """The compiled program, and the compiler and flags that made it."""

    path: Path
    compiler: str
    flags: tuple[str, ...]


class Pass(Value, kw_only=False):
    """One pass of one kernel. `rate`: bytes or multiply-adds a second, over all threads; `cpu_share`: the share of its
    time that the threads really ran."""

    rate: float
    cpu_share: float


class ProbeOutput(Value):
    """What one call printed: passes by kernel (`read.…`, `f32`, `int8`), what `f32` and `int8` were made of, and what
    the CPU has for `int8` that this program does not measure."""

    passes: Mapping[str, tuple[Pass, ...]]
    kinds: Mapping[str, str] = field(default_factory=dict)
    unmeasured: str | None = None


def build(workspace: Workspace, progress: Progress, environment: Mapping[str, str] | None = None) -> Probe:
    """Compile the program for this CPU, or find it compiled.

    Args:
        environment: as for `toolchain.compilers`.

    Raises:
        ToolchainError: there is no C compiler, or it does not compile the program.
        WorkspaceError: the disk refuses.
    """
    compiler = toolchain.c_compiler(environment)
    key = _key(compiler)
    folder = workspace.limits / f"probe-{key}"
    probe = _compiled(folder, compiler)
    if probe is not None:
        return probe
    with lock(folder, progress, "the program that measures this machine"):
        probe = _compiled(folder, compiler)
        if probe is None:
            progress.stage("compile the program that measures this machine")
            with staged(folder) as stage:
                flags = _compile(compiler, stage / "probe", environment)
                (stage / "flags.json").write_text(json.dumps(flags))
            probe = Probe(path=folder / "probe", compiler=compiler.version, flags=flags)
    return probe


def run(probe: Probe, *, n_threads: int, array_bytes: int, pass_ms: float, n_passes: int) -> ProbeOutput:
    """Measure with so many threads; it takes about `5 * pass_ms * n_passes`.

    Args:
        array_bytes: how much memory is read, over all threads; 1 MiB a thread at least.

    Raises:
        ToolchainError: the program does not run, or ends with an error.
    """
    argv = [str(probe.path), str(n_threads), str(array_bytes), f"{pass_ms:g}", str(n_passes)]
    limit_s = 60 + 20 * _N_KERNELS * n_passes * pass_ms / 1e3 + array_bytes / 1e8
    try:
        done = process.run(argv, env=toolchain.clean_environment(), timeout_s=limit_s)
    except subprocess.TimeoutExpired as error:
        raise ToolchainError(
            f"the program that measures this machine did not end in {limit_s:.0f} s",
            where=str(probe.path),
            hint="the machine may be very busy: try again when it is quiet",
        ) from error
    except OSError as error:
        raise ToolchainError(
            f"the program that measures this machine does not start: {error.strerror}",
            where=str(probe.path),
            hint="vendor may lie on a file system that runs no programs (noexec): choose another with LCPP_VENDOR",
        ) from error
    if done.returncode != 0:
        stderr_lines = done.stderr.strip().splitlines()
        raise ToolchainError(
            f"the program that measures this machine failed (exit code {done.returncode})"
            + (f": {stderr_lines[-1][:200]}" if stderr_lines else ""),
            where=str(probe.path),
            hint="it was compiled for this CPU by " + probe.compiler[:100] + "; another compiler may do (CC=…)",
        )
    return parse(done.stdout)


def parse(text: str) -> ProbeOutput:
    """What the program printed; lines that it would not print are passed over. Pure."""
    passes: dict[str, list[Pass]] = {}
    kinds: dict[str, str] = {}
    unmeasured = None
    for line in text.splitlines():
        if kind := _KIND.fullmatch(line):
            if kind[1] == "kind":
                kinds[kind[2]] = kind[3]
            else:
                unmeasured = kind[3]
        elif figures := _LINE.fullmatch(line):
            try:
                rate, share = float(figures[2]), float(figures[3])
            except ValueError:
                continue
            if math.isfinite(rate) and rate > 0:
                passes.setdefault(figures[1], []).append(Pass(rate, share))
    return ProbeOutput(
        passes={kernel: tuple(measured) for kernel, measured in passes.items()}, kinds=kinds, unmeasured=unmeasured
    )


def _key(compiler: Compiler) -> str:
    processor = cpu.read()
    source = hashlib.sha256(SOURCE.read_bytes()).hexdigest()
    target = [processor.model, processor.features_digest]
    inputs = [*target, str(compiler.path), compiler.version, source, *_FLAGS, *_FOR_THIS_CPU]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:16]


def _compiled(folder: Path, compiler: Compiler) -> Probe | None:
    try:
        flags = json.loads((folder / "flags.json").read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(flags, list) or not (folder / "probe").is_file():
        return None
    return Probe(path=folder / "probe", compiler=compiler.version, flags=tuple(map(str, flags)))


def _compile(compiler: Compiler, goal: Path, environment: Mapping[str, str] | None) -> tuple[str, ...]:
    why = ""
    for target in _FOR_THIS_CPU:
        flags = (*_FLAGS, target) if target else _FLAGS
        argv = [str(compiler.path), *flags, str(SOURCE), "-o", str(goal)]
        try:
            done = process.run(argv, env=toolchain.clean_environment(environment), timeout_s=_COMPILE_TIMEOUT_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            why = str(error)
            continue
        if done.returncode == 0:
            return flags
        why = why or next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip())
    raise ToolchainError(
        f"{compiler.command} does not compile the program that measures this machine: {why[:300]}",
        where=str(SOURCE),
        hint=f"a C compiler with its headers is needed; run: {toolchain.remedy(['cc'])}",
    )
