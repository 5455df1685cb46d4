"""What `lcpp compare` finds where there is nothing to find, and where there is: on this machine, with real programs.

    python benchmarks/compare.py aa          # A against A, 20 comparisons: never faster or slower
    python benchmarks/compare.py busy        # the same while another process computes now and then: those are marked
    python benchmarks/compare.py delay       # B delayed by 10 % is found in 15 rounds; by 5 % it is never "same"
    python benchmarks/compare.py threads     # n_threads 1 against 2
    python benchmarks/compare.py engines     # b3642 against one of October 2026; --recipe, --dummy for a large model
    python benchmarks/compare.py overhead    # what the guard and the sampling cost the program

Each prints a line a comparison, then a table with the limits, and with --json FILE the same as JSON. Needs a quiet
machine and LCPP_VENDOR with both builds (else they are built). The exit code is 1 when a limit is not kept.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.cli.call import Call
from orchestrator.drive.transcript import Transcript
from orchestrator.experiment.adaptive import Compared, Effort, Sides, compare_prepared
from orchestrator.experiment.prepare import Preparing, prepare_one
from orchestrator.experiment.runner import Surroundings, run_once
from orchestrator.experiment.sides import sides
from orchestrator.noise.document import Noise
from orchestrator.noise.guard import Guard
from orchestrator.pipeline import Prepared
from orchestrator.result.measurement import Measurement
from orchestrator.result.schema import Process
from orchestrator.values import replace
from orchestrator.workspace import Workspace

HERE = Path(__file__).parent
ROOT = HERE.parent
LONG = ROOT / "orchestrator/cli/selftest.yaml"
OLD, NEW = "1d1ccce67613674c75c9c7e3fa4c1e24e428ba48", "0c1e57098bba43ac29e6e3b677cdceebdd22334f"
FOUND = ("faster", "slower")
SPEEDS = ("generation_per_second", "prompt_per_second")


@dataclass
class Table:
    """Lines with their limits."""

    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, name: str, value: object, limit: str, ok: bool) -> None:
        self.rows.append({"name": name, "value": value, "limit": limit, "ok": ok})
        print(f"{name:64} {value!s:>14}   {limit}{'' if ok else '   NOT KEPT'}", flush=True)

    @property
    def failed(self) -> bool:
        return any(not row["ok"] for row in self.rows)


@dataclass(kw_only=True)
class Bench:
    """One call of this script. `runs` of its own, so that nothing of the user's is touched."""

    asked: argparse.Namespace
    runs: Path
    table: Table = field(default_factory=Table)
    comparisons: list[dict[str, Any]] = field(default_factory=list)

    @property
    def surroundings(self) -> Surroundings:
        call = Call(os.environ)
        return Surroundings(
            workspace=Workspace(vendor=call.workspace.vendor, runs=self.runs),
            environment=call.environment,
            progress=call.progress,
            guard=Guard(max_wait_s=self.asked.wait),
        )

    @property
    def preparing(self) -> Preparing:
        return Preparing(dummy_limit_bytes=self.asked.dummy_gib * 2**30 if self.asked.dummy else None)

    def pair(self, of_a: tuple[str, ...] = (), of_b: tuple[str, ...] = ()) -> tuple[Sides, dict[int, Prepared]]:
        """A recipe's two sides, prepared."""
        both, _ = sides(self.asked.recipe, of_a, of_b, tuple(self.asked.set))
        return both, {i: prepare_one(side.loaded, self.surroundings, self.preparing) for i, side in enumerate(both)}

    def effort(self, **changes: Any) -> Effort:
        """As many rounds and as much time as was asked for."""
        effort = Effort(margin=self.asked.margin, budget_s=self.asked.budget, max_rounds=self.asked.rounds)
        return replace(effort, **changes)

    def compare(self, both: Sides, prepared: Mapping[int, Prepared], effort: Effort, name: str) -> Compared:
        """Compare, and print a line."""
        begun = time.monotonic()
        made = compare_prepared(both, prepared, self.surroundings, self.preparing, effort, fresh=True)
        row = {"name": name, "took_s": round(time.monotonic() - begun, 1), "ended": made.ended, "rounds": made.n_rounds}
        row |= {"verdicts": verdicts(made), "ratios": ratios(made)}
        row["marked"] = sum(bool(one.disturbed) for side in made.measurements for one in side)
        self.comparisons.append(row)
        print("  " + json.dumps(row), flush=True)
        return made


def aa(bench: Bench) -> None:
    """A against A, again and again."""
    both, prepared = bench.pair()
    found = [bench.compare(both, prepared, bench.effort(), f"A/A {n + 1}") for n in range(bench.asked.comparisons)]
    _nothing_found(bench, found)


def busy(bench: Bench) -> None:
    """A against A while another process computes on one core now and then."""
    both, prepared = bench.pair()
    with computing_now_and_then(bench.asked.seed) as busy_times:
        found = [
            bench.compare(both, prepared, bench.effort(), f"A/A busy {n + 1}") for n in range(bench.asked.comparisons)
        ]
    _nothing_found(bench, found)
    runs = [one for made in found for side in made.measurements for one in side]
    beside = [one for one in runs if share_within(one, busy_times) > 0.3]
    marked = sum(bool(one.disturbed) for one in beside)
    bench.table.add(
        "runs with a busy process beside them, marked", f"{marked} of {len(beside)}", "all", marked == len(beside)
    )
    alone = [one for one in runs if share_within(one, busy_times) == 0]
    wrong = sum(bool(one.disturbed) for one in alone)
    bench.table.add("runs without, marked", f"{wrong} of {len(alone)}", "few", wrong <= 0.1 * len(alone))


def delay(bench: Bench) -> None:
    """B is stopped for a share of the time."""
    both, prepared = bench.pair()
    for share in bench.asked.delays:
        with tempfile.TemporaryDirectory(prefix="lcpp-slow-") as folder:
            slow = {0: prepared[0], 1: slowed(prepared[1], share, Path(folder))}
            effort = bench.effort(max_rounds=15, adaptive=True)
            made = [bench.compare(both, slow, effort, f"+{share:.0%} {n + 1}") for n in range(bench.asked.tries)]
        words = [verdicts(one).get("generation_per_second", "undecided") for one in made]
        n_slower, n_same = words.count("slower"), words.count("same")
        name = f"delay of {share:.0%}, margin {bench.asked.margin:.0%}"
        least = round(0.9 * len(words)) if share >= 0.1 else 0
        bench.table.add(f"{name}: slower", f"{n_slower} of {len(words)}", f">= {least}", n_slower >= least)
        bench.table.add(f"{name}: same", n_same, "0", n_same == 0)
        bench.table.add(f"{name}: faster", words.count("faster"), "0", "faster" not in words)
        told = f"{statistics.median(one.n_rounds for one in made):g}, at most {max(one.n_rounds for one in made)}"
        bench.table.add(f"{name}: rounds", told, "<= 15", True)


def threads(bench: Bench) -> None:
    """One thread against two."""
    both, prepared = bench.pair(("run.n_threads=1",), ("run.n_threads=2",))
    word = verdicts(bench.compare(both, prepared, bench.effort(), "n_threads 1 against 2")).get("generation_per_second")
    bench.table.add("n_threads 2 against 1", word, "faster", word == "faster")


def engines(bench: Bench) -> None:
    """Two years of llama.cpp."""
    both, prepared = bench.pair((f"engine.ref={OLD}",), (f"engine.ref={NEW}",))
    words = verdicts(bench.compare(both, prepared, bench.effort(), f"b3642 against {NEW[:10]}"))
    for name, word in words.items():
        bench.table.add(f"{NEW[:10]} against b3642: {name}", word, "a verdict", word != "undecided")


def overhead(bench: Bench) -> None:
    """The bare program, and the same under lcpp with its guard, in turns; rounds that were disturbed do not count."""
    _, prepared = bench.pair()
    process = run_once(prepared[0], bench.surroundings).result.ran.process
    lost: list[float] = []
    for number in range(3 * bench.asked.rounds):
        if len(lost) == bench.asked.rounds:
            break
        rates: dict[str, float] = {}
        noise: Noise | None
        disturbed = False
        for name in ("bare", "lcpp") if number % 2 == 0 else ("lcpp", "bare"):
            if name == "bare":
                rates[name], noise = bare(process, bench.surroundings, bench.runs)
            else:
                result = run_once(prepared[0], bench.surroundings).result
                assert result.measured.generation_per_second is not None
                rates[name], noise = result.measured.generation_per_second, result.noise
            disturbed |= noise is None or bool(noise.disturbed)
        told = f"{rates['bare']:.2f} bare, {rates['lcpp']:.2f} lcpp: {rates['lcpp'] / rates['bare']:.4f}"
        print(f"  {told}{' (disturbed)' if disturbed else ''}", flush=True)
        if not disturbed:
            lost.append(1 - rates["lcpp"] / rates["bare"])
    if len(lost) < 2:
        bench.table.add("token rate lost to lcpp with its guard", "no quiet rounds", "<= 1 %", False)
        return
    middle, error = statistics.median(lost), statistics.stdev(lost) / len(lost) ** 0.5
    told = f"{100 * middle:.2f} ± {100 * error:.2f} %"
    bench.table.add(f"token rate lost to lcpp with its guard, {len(lost)} rounds", told, "<= 1 %", middle <= 0.01)


def verdicts(made: Compared) -> dict[str, str]:
    """Of each figure of speed."""
    return {one.name: one.verdict for one in made.comparison.figures if one.name in SPEEDS}


def ratios(made: Compared) -> dict[str, list[float | None]]:
    """Of each figure of speed the ratio, its interval, and the smallest change that is found."""
    return {
        one.name: [
            round(value, 4) if value else None
            for value in (one.ratio.ratio, one.ratio.low, one.ratio.high, one.resolution)
        ]
        for one in made.comparison.figures
        if one.name in SPEEDS and one.ratio is not None
    }


def _nothing_found(bench: Bench, found: list[Compared]) -> None:
    for name in SPEEDS:
        words = [verdicts(one).get(name, "undecided") for one in found]
        wrong = sum(word in FOUND for word in words)
        told = ", ".join(f"{word} {words.count(word)}" for word in sorted({str(word) for word in words}))
        bench.table.add(f"A/A {name}: {told}", wrong, "0 faster or slower", wrong == 0)


def slowed(prepared: Prepared, share: float, folder: Path) -> Prepared:
    """The same, its program taking 1 + share times as long."""
    engine = prepared.engine
    goal = folder / engine.manifest.programs[prepared.program].file
    goal.parent.mkdir(parents=True)
    real = f'-DREAL="{engine.program(prepared.program)}"'
    subprocess.run(["cc", "-O2", real, f"-DSHARE={share}", "-o", str(goal), str(HERE / "slow.c")], check=True)
    return replace(prepared, engine=replace(engine, directory=folder))


def bare(process: Process, surroundings: Surroundings, folder: Path) -> tuple[float, Noise]:
    """Tokens per second as the program itself says, run without lcpp, and what disturbed it."""
    guard = surroundings.guard or Guard()
    waited = guard.wait_for_quiet(surroundings.progress)
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with tempfile.TemporaryFile("w+") as err, guard.watch(waited=waited) as watched:
        subprocess.run(
            process.argv,
            env=dict(process.environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=err,
            check=True,
        )
        err.seek(0)
        line = next(line for line in err if " eval time =" in line and "prompt" not in line)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    ran = Transcript(
        argv=process.argv,
        stdout=b"",
        stderr=b"",
        timeline=(),
        started_at="",
        wall_s=time.monotonic() - begun,
        cpu_s=used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime,
        peak_memory_bytes=None,
        exit_code=0,
        signal=None,
        stopped_by=None,
        folder=folder,
    )
    return float(line.rpartition(",")[2].split()[0]), watched.noise(ran)


@contextmanager
def computing_now_and_then(seed: int) -> Iterator[list[tuple[float, float]]]:
    """Another process computes for some seconds, then not, and so on; the list has its times (since the epoch)."""
    times: list[tuple[float, float]] = []
    over = threading.Event()

    def work() -> None:
        dice = random.Random(seed)
        while not over.wait(dice.uniform(6, 18)):
            with_end = f"import time; end = time.time() + {dice.uniform(3, 8)}\nwhile time.time() < end: pass"
            begun = time.time()
            # By a shell that ends at once: it must not be a child of ours, whose work would count as lcpp's own.
            command = ["sh", "-c", '"$0" -c "$1" >/dev/null 2>&1 & echo $!', sys.executable, with_end]
            pid = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            while computes(pid):
                time.sleep(0.02)
            times.append((begun, time.time()))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield times
    finally:
        over.set()
        thread.join()


def computes(pid: int) -> bool:
    """Whether it has not ended: as a zombie it may stay for a while."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def share_within(run: Measurement, times: list[tuple[float, float]]) -> float:
    """The share of a run's wall time that lies within these times."""
    begin = datetime.datetime.fromisoformat(run.started_at).timestamp()
    end = begin + run.figures["wall_s"]
    within = sum(max(0.0, min(end, until) - max(begin, since)) for since, until in times)
    return within / max(1e-3, end - begin)


PARTS: dict[str, Callable[[Bench], None]] = {
    "aa": aa, "busy": busy, "delay": delay, "threads": threads, "engines": engines, "overhead": overhead,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("--recipe", type=Path, default=LONG)
    parser.add_argument("-s", "--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--comparisons", type=int, default=20, help="aa, busy")
    parser.add_argument("--tries", type=int, default=10, help="delay: comparisons for each delay")
    parser.add_argument("--delays", type=float, nargs="+", default=[0.1, 0.05])
    parser.add_argument("--margin", type=float, default=0.03)
    parser.add_argument("--rounds", type=int, default=15, help="at most; overhead: exactly")
    parser.add_argument("--budget", type=float, default=600.0, help="seconds for one comparison")
    parser.add_argument("--wait", type=float, default=30.0, help="seconds to wait for a quiet machine")
    parser.add_argument("--dummy", action="store_true", help="dummy weights in the model's shape")
    parser.add_argument("--dummy-gib", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lcpp-compare-") as runs:
        bench = Bench(asked=asked, runs=Path(runs))
        PARTS[asked.part](bench)
    if asked.json is not None:
        asked.json.write_text(
            json.dumps({"part": asked.part, **asdict(bench.table), "runs": bench.comparisons}, indent=1)
        )
    sys.exit(1 if bench.table.failed else 0)


if __name__ == "__main__":
    main()
