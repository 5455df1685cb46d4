"""The store of results with very many of them: made from real ones, then listed, filtered, compared, rebuilt.

    python benchmarks/store.py FOLDER [--count 100000] [--json]

Each command is a process of its own, as a user calls it: wall time with start-up, best and worst of five, and peak
memory. The results are varied copies of those given with --from (else the one of the tests): other ids, times, settings
and figures, in experiments of two cases and ten rounds, and runs by themselves. FOLDER is kept, and used again when it
has them already.
"""

from __future__ import annotations

import argparse
import copy
import datetime
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
REAL = ROOT / "tests/result/data/result.json"
BEGAN = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
NAMES = ("smoke", "santa-cruz", "threads", "nightly")
ROUNDS = 10
GROUP = 2 * ROUNDS
_LENGTH = datetime.timedelta(minutes=10 * GROUP - 1)
TRIES = 5
_CALL = """
import resource, subprocess, sys, time
began = time.monotonic()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
wall_s = time.monotonic() - began
if done.returncode not in (0, 4):
    print(done.stderr.decode())
    sys.exit(0)
print(wall_s, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""


def varied(real: dict[str, Any], number: int, chance: random.Random) -> dict[str, Any]:
    """The result of that number: half of them in experiments, one every ten minutes."""
    made = copy.deepcopy(real)
    experiment, turn = divmod(number, GROUP)
    name = NAMES[experiment % len(NAMES)]
    at = BEGAN + datetime.timedelta(minutes=10 * number)
    made["id"] = f"{at.strftime('%Y%m%dT%H%M%SZ')}-{name}-{number:06x}"
    made["name"] = made["asked"]["recipe"]["name"] = name
    n_threads = 1 + turn % 2 if experiment % 2 else 2 ** (experiment % 5)
    made["asked"]["recipe"]["run"]["n_threads"] = n_threads
    engine = made["ran"]["engine"]
    build = 3000 + experiment // 20
    engine |= {"commit": f"{build * 7919:040x}", "build_number": build}
    made["ran"]["machine"]["n_cpu"] = 2 ** (experiment // 40 % 4)
    made["ran"]["process"] |= {"started_at": at.isoformat(timespec="milliseconds"), "transcript": made["id"]}
    measured = made["measured"]
    for figure in ("prompt_per_second", "generation_per_second", "load_ms", "total_ms"):
        if measured.get(figure):
            measured[figure] = round(measured[figure] * n_threads**0.8 * chance.lognormvariate(0, 0.02), 2)
    if experiment % 2:
        made["part"] = {
            "experiment": f"{at.strftime('%Y')}-{experiment:06d}",
            "kind": "sweep",
            "case": turn % 2,
            "settings": {"run.n_threads": str(n_threads)},
            "round": turn // 2,
        }
    return made


def generate(runs: Path, sources: list[Path], count: int) -> None:
    """Write `count` results, as files."""
    chance = random.Random(1)
    reals = [json.loads(source.read_bytes()) for source in sources]
    runs.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        made = varied(reals[number // GROUP % len(reals)], number, chance)
        (runs / f"{made['id']}.json").write_text(json.dumps(made, separators=(",", ":")))


def call(runs: Path, *words: str, tries: int = TRIES) -> dict[str, Any]:
    """Wall times in seconds with start-up, and the largest peak memory in MiB."""
    command = [sys.executable, "-m", "orchestrator", *words]
    environment = {**os.environ, "LCPP_RUNS": str(runs), "PYTHONPATH": str(ROOT)}
    found = []
    for _ in range(tries):
        words_out = subprocess.run(
            [sys.executable, "-c", _CALL, *command], capture_output=True, text=True, env=environment, check=True
        ).stdout.split()
        try:
            found.append((float(words_out[0]), float(words_out[1])))
        except ValueError:
            sys.exit(f"lcpp {' '.join(words)}: {' '.join(words_out)}")
    return {
        "best_s": round(min(wall for wall, _ in found), 3),
        "worst_s": round(max(wall for wall, _ in found), 3),
        "peak_mib": round(max(peak for _, peak in found)),
    }


def answers(runs: Path) -> list[str]:
    """What the store says to some questions."""
    questions = (["list", "--limit", "200"], ["list", "n_threads=4,commit=b3100"], ["list", "generation_per_second>50"])
    environment = {**os.environ, "LCPP_RUNS": str(runs), "PYTHONPATH": str(ROOT)}
    return [
        subprocess.run(
            [sys.executable, "-m", "orchestrator", "results", *words, "--json"],
            capture_output=True,
            text=True,
            env=environment,
            check=True,
        ).stdout
        for words in questions
    ]


def add_one(runs: Path) -> dict[str, Any]:
    """What adding a result costs a run that has all else imported: milliseconds."""
    from orchestrator.result.schema import Result
    from orchestrator.result.store.database import add

    spent = []
    for number in range(20):
        made = varied(json.loads(REAL.read_bytes()), 10_000_000 + number, random.Random(number))
        path = runs / f"{made['id']}.json"
        path.write_text(json.dumps(made))
        result = Result.model_validate(made)
        began = time.perf_counter()
        add(result, path)
        spent.append(1e3 * (time.perf_counter() - began))
        path.unlink()
    return {"first_ms": round(spent[0], 2), "median_ms": round(sorted(spent)[10], 2), "worst_ms": round(max(spent), 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--from", dest="sources", type=Path, nargs="*", default=[REAL], metavar="RESULT")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    runs = asked.folder.absolute()
    sys.path.insert(0, str(ROOT))
    if len(list(runs.glob("*.json"))) < asked.count:
        generate(runs, asked.sources, asked.count)
    table: dict[str, Any] = {"read all into the store": call(runs, "results", "rebuild", tries=1)}
    # Two experiments of one recipe on one machine, somewhere in the middle.
    middle = asked.count // GROUP // 80 * 40 + 21
    starts = [BEGAN + datetime.timedelta(minutes=10 * GROUP * number) for number in (middle, middle + 4)]
    pair = [f"recipe={NAMES[1]},case=1,since={at:%Y-%m-%dT%H:%M},until={at + _LENGTH:%Y-%m-%dT%H:%M}" for at in starts]
    commands: dict[str, list[str]] = {
        "list": ["results", "list"],
        "list as JSON": ["results", "list", "--json"],
        "filter: recipe": ["results", "list", "--recipe", "nightly"],
        "filter: settings, figures": ["results", "list", "n_threads=4,generation_per_second>40", "--machine", "4 CPUs"],
        "filter: nothing meets it": ["results", "list", "n_threads=4,commit=b3001,generation_per_second>4000"],
        "filter: time": ["results", "list", "--since", "2024-03-01", "--until", "2024-03-02"],
        "show a group": ["results", "show", "@threads~3"],
        "compare two groups": ["compare", "@nightly~1", "@nightly~3"],
        "compare by filters": ["compare", *pair],
    }
    for name, words in commands.items():
        table[name] = call(runs, *words)
    extra = varied(json.loads(REAL.read_bytes()), 20_000_000, random.Random(1))
    path = runs / f"{extra['id']}.json"
    path.write_text(json.dumps(extra))
    table["list after a file came"] = call(runs, "results", "list", tries=1)
    path.unlink()
    table["list after a file went"] = call(runs, "results", "list", tries=1)
    table["add a result"] = add_one(runs)
    before = answers(runs)
    call(runs, "results", "rebuild", tries=1)
    table["rebuilding gives the same answers"] = before == answers(runs)
    table["database_mib"] = round((runs / "results.sqlite").stat().st_size / 2**20, 1)
    if asked.json:
        print(json.dumps(table, indent=1))
        return
    for name, found in table.items():
        shown = ", ".join(f"{key} {value}" for key, value in found.items()) if isinstance(found, dict) else found
        print(f"{name:36} {shown}")


if __name__ == "__main__":
    main()
