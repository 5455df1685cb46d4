"""What lcpp costs: start-up, a set-up with nothing to do, a cold set-up, and what it adds to the run it measures.

    python benchmarks/overhead.py            # a few minutes; needs a quiet machine
    python benchmarks/overhead.py --cold     # and a cold set-up against a serial `make` of everything (20 minutes)
    python benchmarks/overhead.py --against OTHER/.venv/bin/python  # and beside the lcpp of another checkout

All figures are medians of interleaved calls in one run. Where a figure has a limit, it stands beside it; the exit code
is 1 when one is exceeded.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pexpect

ROOT = Path(__file__).parents[1]
SMOKE = str(ROOT / "recipes/smoke.yaml")
LCPP = [sys.executable, "-m", "orchestrator"]
# What a user may have to wait for lcpp itself; the last: of what the lcpp that it is measured against adds.
HELP_S, SETUP_S, ADDED_S, ADDED_SHARE = 0.07, 0.2, 0.3, 0.55
# A long answer: the rate of seven tokens says nothing.
LONG = [
    "run.mode=raw",
    "run.prompt=Once upon a time",
    "run.n_predict=200",
    "run.extra_args=[--ignore-eos]",
    "expect={}",
]
SETTINGS = [word for one in LONG for word in ("-s", one)]


def timed(
    argv: Sequence[str], environment: Mapping[str, str], cwd: Path = ROOT, *, memory: bool = False
) -> tuple[float, float, str, str]:
    """Wall seconds, peak memory of the process itself in MiB (0 unless asked for), standard output and error.

    Looking at the memory costs time, so it is done in calls of its own.
    """
    begun = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = subprocess.Popen(
            argv, env=dict(environment), cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=err, text=True
        )
        peak = 0.0
        if memory:
            while child.poll() is None:
                peak = max(peak, own_peak_mib(child.pid))
                time.sleep(0.01)
        child.wait()
        took = time.perf_counter() - begun
        out.seek(0)
        err.seek(0)
        stdout, stderr = out.read(), err.read()
    if child.returncode != 0:
        sys.exit(f"{' '.join(argv)} failed:\n{stderr[-2000:]}")
    return took, peak, stdout, stderr


def own_peak_mib(pid: int) -> float:
    """VmHWM of one process, its children not counted."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0.0)


def scratch(environment: Mapping[str, str]) -> Path:
    """Where the bare program runs: old ones write a log into their folder."""
    return Path(environment["LCPP_RUNS"])


def rate_of(stderr: str) -> float:
    """Tokens per second, from the bare program's own timings."""
    line = next(line for line in stderr.splitlines() if " eval time =" in line and "prompt" not in line)
    return float(line.rpartition(",")[2].split()[0])


class Table:
    """Prints one figure a line, with its limit."""

    def __init__(self) -> None:
        self.failed = False

    def add(self, name: str, value: float, unit: str, limit: float | None = None) -> None:
        bad = limit is not None and value > limit
        self.failed |= bad
        told = "" if limit is None else f"   limit {limit:g} {unit}{'   EXCEEDED' if bad else ''}"
        print(f"{name:58} {value:9.3f} {unit}{told}", flush=True)


def start_up(table: Table, environment: Mapping[str, str], repeats: int) -> None:
    script = str(Path(sys.executable).with_name("lcpp"))
    helps, setups = [], []
    timed([script, "setup"], environment)
    for _ in range(repeats):
        helps.append(timed([script, "--help"], environment)[0])
        setups.append(timed([script, "setup"], environment)[0])
    table.add("lcpp --help", statistics.median(helps), "s", HELP_S)
    table.add("lcpp setup, nothing to do", statistics.median(setups), "s", SETUP_S)


def overhead(table: Table, environment: Mapping[str, str], repeats: int, against: Path | None) -> None:
    """What lcpp adds to the program's own wall time, in turns with the program and, if asked, with another lcpp."""
    warm = json.loads(timed([*LCPP, "run", SMOKE, "--json"], environment)[2])
    bare = "the bare program"
    calls = {
        bare: (warm["ran"]["process"]["argv"], scratch(environment)),
        "lcpp": ([*LCPP, "run", SMOKE, "--json"], ROOT),
    }
    if against is not None:
        # In its own checkout, with its own recipe: `-m` takes the package of the folder that it is called in.
        other = against.absolute()
        calls["the other lcpp"] = ([str(other), *LCPP[1:], "run", "recipes/smoke.yaml", "--json"], other.parents[2])
        timed(calls["the other lcpp"][0], environment, other.parents[2])
    walls: dict[str, list[float]] = {name: [] for name in calls}
    names = list(calls)
    for turn in range(repeats):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            argv, folder = calls[name]
            walls[name].append(timed(argv, environment, folder)[0])
    medians = {name: statistics.median(times) for name, times in walls.items()}
    print("  warm smoke recipe: " + ", ".join(f"{name} {wall:.3f} s" for name, wall in medians.items()))
    added = {name: wall - medians[bare] for name, wall in medians.items()}
    table.add("wall time that lcpp adds to a warm smoke run", added["lcpp"], "s", ADDED_S)
    if against is not None:
        table.add("the same, of the other lcpp", added["the other lcpp"], "s")
        table.add("the first over the second", added["lcpp"] / added["the other lcpp"], "", ADDED_SHARE)
    memories = [timed([*LCPP, "run", SMOKE, "--json"], environment, memory=True)[1] for _ in range(3)]
    table.add("lcpp's own peak memory", max(memories), "MiB", 100)


def token_rate(table: Table, environment: Mapping[str, str], repeats: int) -> None:
    warm = json.loads(timed([*LCPP, "run", SMOKE, *SETTINGS, "--json"], environment)[2])
    bare = warm["ran"]["process"]["argv"]
    rates: dict[str, list[float]] = {"bare": [], "lcpp --json": [], "lcpp in a terminal": []}
    for turn in range(repeats):
        names = list(rates)
        for name in names[turn % 3 :] + names[: turn % 3]:
            if name == "bare":
                rates[name].append(rate_of(timed(bare, environment, scratch(environment))[3]))
            elif name == "lcpp --json":
                result = json.loads(timed([*LCPP, "run", SMOKE, *SETTINGS, "--json"], environment)[2])
                rates[name].append(result["measured"]["generation_per_second"])
            else:
                rates[name].append(terminal_rate(environment))
    for name, values in rates.items():
        print(f"  {name}: {statistics.median(values):.2f} tokens/s (from {min(values):.2f} to {max(values):.2f})")
        if name != "bare":
            # Of each round its own ratio: the machine's speed drifts.
            ratios = [value / bare for value, bare in zip(values, rates["bare"], strict=True)]
            lost = 1 - statistics.median(ratios)
            table.add(f"loss of the program's own token rate, {name}", 100 * lost, "%", 2)


def terminal_rate(environment: Mapping[str, str]) -> float:
    """The same in a terminal, where the answer is drawn as it comes."""
    before = set(Path(environment["LCPP_RUNS"]).glob("*.json"))
    child = pexpect.spawn(
        LCPP[0],
        [*LCPP[1:], "run", SMOKE, *SETTINGS],
        env=dict(environment),
        cwd=str(ROOT),
        timeout=300,
        dimensions=(40, 120),
    )
    child.expect(pexpect.EOF)
    child.close()
    (written,) = set(Path(environment["LCPP_RUNS"]).glob("*.json")) - before
    return float(json.loads(written.read_text())["measured"]["generation_per_second"])


def cold(table: Table, environment: Mapping[str, str]) -> None:
    """A cold set-up, and `make` of everything, serially, in a copy of the same sources."""
    with tempfile.TemporaryDirectory(prefix="lcpp-cold-") as folder:
        fresh = {**environment, "LCPP_VENDOR": str(Path(folder) / "vendor")}
        took, _, stdout, _ = timed([*LCPP, "setup"], fresh)
        print(stdout.rstrip())
        (checkout,) = (Path(folder) / "vendor/checkouts").glob("[!.]*")
        tree = Path(folder) / "make"
        shutil.copytree(checkout, tree, symlinks=True, ignore=shutil.ignore_patterns(".git"))
        plain, _, _, _ = timed(["make"], environment, cwd=tree)
    print(f"  cold set-up {took:.0f} s, serial make of everything {plain:.0f} s")
    table.add("cold lcpp setup / serial make of everything", took / plain, "", 0.35)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--against", type=Path, metavar="PYTHON", help="of another checkout: CHECKOUT/.venv/bin/python")
    asked = parser.parse_args()
    table = Table()
    with tempfile.TemporaryDirectory(prefix="lcpp-bench-") as runs:
        environment = {**os.environ, "LCPP_RUNS": runs}
        if asked.cold:
            cold(table, environment)
        start_up(table, environment, asked.repeats)
        overhead(table, environment, asked.repeats, asked.against)
        token_rate(table, environment, asked.repeats)
    sys.exit(1 if table.failed else 0)


if __name__ == "__main__":
    main()
