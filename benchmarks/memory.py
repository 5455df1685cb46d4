"""Estimates of memory against what llama.cpp prints and takes: docs/memory.md.

    python benchmarks/memory.py [--vendor DIR] [--build KEY]... [--shape NAME]... [--model FILE]... [--limit-mib N]
                                [--out docs/memory.md]

For each build, shape, n_ctx (512, 4096, 32768), KV type (f16, q8_0) and flash attention (off, on), the program
completes one token of a short prompt; its loader's figures and its peak (VmHWM) stand beside the estimate. The shapes
are files whose weights are holes (tests/model/model_shapes.py); `--model` adds real files. Runs that would need more
than is available, or than `--limit-mib`, are left out and counted. One program runs at a time.

What it must show: each part within 5 % or 16 MiB, the sum within 3 %, the peak within 5 %. Exit code 1 when it does
not.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from orchestrator.values import replace

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from orchestrator.engine.build.build import dialect_of_build
from orchestrator.engine.build.inventory import BuildEntry, list_builds
from orchestrator.eras.dialect import Dialect
from orchestrator.machine import cpu
from orchestrator.machine.memory import available
from orchestrator.model.gguf.byte_source import FileSource
from orchestrator.model.gguf.header import read_header
from orchestrator.model.memory.estimate import estimate
from orchestrator.model.memory.settings import MemorySettings, memory_settings
from orchestrator.model.memory.shape import shape_of
from orchestrator.model.memory.verdict import judge
from orchestrator.parse.parser import parse_log
from orchestrator.programs import interactive
from orchestrator.programs.all_programs import program_for
from orchestrator.programs.plan.make import plan
from orchestrator.recipe.schema.recipe import ProgramName, RunSpec
from orchestrator.result.memory_fit import MemoryFit, compare
from orchestrator.workspace import Workspace
from tests.model.model_shapes import SHAPES, write_shape

SEED = "1d1ccce67613"
DEFAULT_SHAPES = (
    *("smollm2-135m", "llama-3.1-8b", "mixtral-4-layers", "qwen3moe-6-layers"),
    *("gemma2-2b", "gemma3-1b", "qwen2-0.5b"),
)
# Models that are younger than the oldest build here.
FIRST_BUILD = {"gemma3": 4876, "qwen3moe": 5092}
PROMPT = "hi"
PART_PERCENT, PART_BYTES, SUM_PERCENT, PEAK_PERCENT = 5.0, 16 * 2**20, 3.0, 5.0


@dataclass(frozen=True, kw_only=True)
class Build:
    """A build to measure with."""

    entry: BuildEntry
    dialect: Dialect
    program: Path
    name: ProgramName
    repack: bool

    @property
    def label(self) -> str:
        made = self.entry.manifest
        return self.dialect.name if made is None or made.build_number else f"of {str(made.commit_date)[:10]}"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One run."""

    shape: str
    build: str
    n_ctx: int
    cache: str
    flash_attn: bool
    fit: MemoryFit

    @property
    def misses(self) -> list[str]:
        """What is further off than it may be, or was not measured."""
        found = []
        for part in self.fit.parts:
            if part.measured_bytes is None:
                found.append(f"{part.name}: not printed")
                continue
            off = abs(part.estimated_bytes - part.measured_bytes)
            most = PEAK_PERCENT if part.name == "peak" else SUM_PERCENT if part.name == "loader" else PART_PERCENT
            near = part.name not in ("peak", "loader") and off <= PART_BYTES
            if not near and off * 100 > most * part.measured_bytes:
                found.append(f"{part.name}: {part.error_percent}")
        return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vendor", type=Path, default=Path(os.environ.get("LCPP_VENDOR", "vendor")))
    parser.add_argument("--build", action="append", help="key of a build, or its first characters")
    parser.add_argument("--shape", action="append", choices=sorted(SHAPES))
    parser.add_argument("--model", action="append", type=Path, default=[])
    parser.add_argument("--n-ctx", action="append", type=int)
    parser.add_argument("--limit-mib", type=int, default=1 << 30)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    workspace = Workspace(vendor=asked.vendor.absolute(), runs=Path("runs").absolute())
    builds = list(_builds(workspace, asked.build))
    if not builds:
        sys.exit(f"no build to measure with in {workspace.builds}")
    rows: list[Row] = []
    left_out: list[str] = []
    with tempfile.TemporaryDirectory(prefix="lcpp-memory-") as name:
        scratch = Path(name)
        models = [(shape, None) for shape in asked.shape or DEFAULT_SHAPES] + [
            (path.name, path) for path in asked.model
        ]
        for label, path in models:
            file = path or write_shape(SHAPES[label], scratch / "shape.gguf")
            for row in _measure(label, file.absolute(), builds, asked, scratch, left_out):
                rows.append(row)
                print(f"{_line(row)} {'; '.join(row.misses)}", flush=True)
            if path is None:
                file.unlink()
    text = _document(rows, left_out)
    if asked.out is None:
        print(text)
    else:
        asked.out.write_text(text, encoding="utf-8")
    return 1 if any(row.misses for row in rows) else 0


def _builds(workspace: Workspace, keys: Sequence[str] | None) -> Iterator[Build]:
    """The builds that are named; else that of the seed, and the newest."""
    entries = [entry for entry in list_builds(workspace) if entry.manifest is not None]
    if keys:
        chosen = [entry for entry in entries if entry.key.startswith(tuple(keys))]
    else:
        seed = [entry for entry in entries if entry.key.startswith(SEED)]
        chosen = [*seed[:1], *sorted(entries, key=lambda one: str(one.manifest and one.manifest.commit_date))[-1:]]
    for entry in chosen:
        made = entry.manifest
        if made is None:
            continue
        dialect = dialect_of_build(entry.directory, made)
        completion = program_for("complete", dialect)
        name, file = completion.NAME, completion.FILE.at(dialect.build)
        program = entry.directory / "bin" / str(file)
        if not program.exists():
            program = entry.directory / "tree" / made.programs[name].file
        forbidden = any(made.options.get(key) is False for key in ("GGML_CPU_REPACK", "GGML_CPU_AARCH64"))
        yield Build(entry=entry, dialect=dialect, program=program, name=name, repack=not forbidden)


def _measure(
    label: str, file: Path, builds: Sequence[Build], asked: argparse.Namespace, scratch: Path, left_out: list[str]
) -> Iterator[Row]:
    with FileSource(file) as source:
        shape = shape_of([read_header(source)])
    cases = itertools.product(builds, asked.n_ctx or (512, 4096, 32768), ("f16", "q8_0"), (False, True))
    for build, n_ctx, cache, flash_attn in cases:
        if build.dialect.build < FIRST_BUILD.get(shape.architecture, 0):
            continue
        settings = _settings(build, n_ctx, cache, flash_attn)
        guess, there = estimate(shape, settings), available()
        verdict = judge(guess.needed_bytes, there.usable_bytes)
        if verdict == "does not fit" or guess.needed_bytes > asked.limit_mib * 2**20:
            left_out.append(f"{label}, {build.label}, n_ctx {n_ctx}, {cache}, flash attention {_on(flash_attn)}")
            continue
        log, peak = _run(build, file, settings, scratch)
        record = parse_log(log)
        n_prompt = record.timings.prompt_eval.n if record.timings.prompt_eval else None
        guess = estimate(shape, replace(settings, n_prompt=n_prompt or settings.n_prompt))
        fit = compare(guess, verdict, there, record, peak)
        yield Row(shape=label, build=build.label, n_ctx=n_ctx, cache=cache, flash_attn=flash_attn, fit=fit)


def _settings(build: Build, n_ctx: int, cache: str, flash_attn: bool) -> MemorySettings:
    run = RunSpec(program="complete", prompt=PROMPT, n_ctx=n_ctx, n_predict=1)
    settings = memory_settings(plan(run, build.dialect, prompt=PROMPT), repack=build.repack, cpu=cpu.read().features)
    # llama.cpp quantizes the V cache only with flash attention.
    return replace(settings, type_k=cache, type_v=cache if flash_attn else "f16", flash_attn=flash_attn)


def _run(build: Build, file: Path, settings: MemorySettings, scratch: Path) -> tuple[bytes, int]:
    """The program's whole output, and its peak in bytes."""
    argv = [str(build.program), "-m", str(file), "-p", PROMPT, "-n", "1", "-c", str(settings.n_ctx)]
    argv += ["-ctk", settings.type_k, "-ctv", settings.type_v, *interactive.FLAGS.at(build.dialect.build)]
    argv += interactive.spell("flash_attn", _on(settings.flash_attn), build.dialect.build) or ()
    with subprocess.Popen(
        argv, cwd=scratch, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        log = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(argv)} ended with {process.returncode}:\n{log[-2000:].decode(errors='replace')}")
    return log, used.ru_maxrss * 1024


def _document(rows: Sequence[Row], left_out: Sequence[str]) -> str:
    today = datetime.date.today().isoformat()
    lines = [
        "# Memory: estimated and measured",
        "",
        f"Made by `benchmarks/memory.py` on {today}, on the CPU, with {_machine()}.",
        "Each row is a run of one token; sizes in MiB, errors in per cent of what was measured (+: the estimate is too",
        "high).",
        "",
        "*loader* is the sum of the buffers that llama.cpp prints; *worst part* the part of it that is furthest off;",
        "*peak* the process's VmHWM. Models of `tests/model/model_shapes.py` are files whose weights are holes, of the",
        "real sizes. V is F16 without flash attention, as llama.cpp cannot quantize it then.",
        "",
        *_summary(rows, left_out),
        "",
        "| model | llama.cpp | n_ctx | KV | flash attention | loader | estimate | error | worst part | error | peak "
        "| estimate | error |",
        "|---|---|--:|---|---|--:|--:|--:|---|--:|--:|--:|--:|",
        *(_line(row) for row in rows),
        "",
    ]
    return "\n".join(lines)


def _machine() -> str:
    there = available()
    features = cpu.read().features
    level = "AVX-512" if "avx512f" in features else "AVX2" if "avx2" in features else "no AVX2"
    return f"{os.cpu_count()} cores ({level}) and {there.total_bytes / 2**30:.0f} GiB"


def _summary(rows: Sequence[Row], left_out: Sequence[str]) -> Iterator[str]:
    yield "| part | runs | median error | worst error |"
    yield "|---|--:|--:|--:|"
    names = [part.name for part in rows[0].fit.parts] if rows else []
    for name in names:
        errors = [abs(e) for row in rows if (e := row.fit.part(name).error_percent) is not None]
        if errors:
            yield f"| {name} | {len(errors)} | {median(errors):.2f} % | {max(errors):.2f} % |"
    missed = sum(bool(row.misses) for row in rows)
    yield ""
    yield f"{len(rows) - missed} of {len(rows)} runs are within the limits (part 5 % or 16 MiB, sum 3 %, peak 5 %)."
    if left_out:
        yield f"{len(left_out)} were left out, as they need more memory than there was:"
        yield ""
        yield from (f"- {each}" for each in left_out)


def _line(row: Row) -> str:
    parts = [part for part in row.fit.parts if part.name not in ("loader", "peak") and part.error_percent is not None]
    worst = max(parts, key=lambda part: abs(part.estimated_bytes - (part.measured_bytes or 0)), default=None)
    cells = [row.shape, row.build, str(row.n_ctx), row.cache, _on(row.flash_attn), *_three(row, "loader")]
    cells += ["", ""] if worst is None else [worst.name, f"{worst.error_percent:+.2f}"]
    return f"| {' | '.join((*cells, *_three(row, 'peak')))} |"


def _three(row: Row, name: str) -> list[str]:
    part = next(part for part in row.fit.parts if part.name == name)
    measured = "" if part.measured_bytes is None else f"{part.measured_bytes / 2**20:.1f}"
    error = "" if part.error_percent is None else f"{part.error_percent:+.2f}"
    return [measured, f"{part.estimated_bytes / 2**20:.1f}", error]


def _on(flag: bool) -> str:
    return "on" if flag else "off"


if __name__ == "__main__":
    sys.exit(main())
