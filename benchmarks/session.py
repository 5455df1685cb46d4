"""What a session saves: 20 short prompts on one loaded model, against 20 runs of one prompt each.

    python benchmarks/session.py             # some minutes; needs a quiet machine

Both ask the newest llama-cli of the list the same prompts, afresh each, greedily. Wall times are medians of interleaved
rounds; the exit code is 1 when the session takes more than a third of the runs' time, or an answer differs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LCPP = [sys.executable, "-m", "orchestrator"]
SMOKE = str(ROOT / "recipes/smoke.yaml")
ENGINE = "0c1e57098bba43ac29e6e3b677cdceebdd22334f"
LIMIT = 1 / 3
PROMPTS = (
    "Say hello.",
    "What is the capital of France?",
    "Name a colour.",
    "What is two plus two?",
    "Name an animal that can fly.",
    "What do bees make?",
    "Which month comes after May?",
    "Name a fruit.",
    "What is the opposite of hot?",
    "How many days has a week?",
    "Name a planet.",
    "What is ice made of?",
    "Who wrote Hamlet?",
    "Name a tree.",
    "What does a cow drink?",
    "Name a city in Italy.",
    "What is the first letter of the alphabet?",
    "Is the sun hot or cold?",
    "Name a musical instrument.",
    "Say goodbye.",
)
COMMON = (
    f"engine.ref={ENGINE}",
    "run.program=chat",
    "run.mode=chat",
    "run.history=reset",
    "run.n_predict=16",
    "run.n_ctx=1024",
    "run.prompt=null",
    "expect={}",
)


def call(settings: Sequence[str], environment: Mapping[str, str]) -> tuple[float, dict[str, Any]]:
    """Wall seconds and the result of one `lcpp run`."""
    argv = [*LCPP, "run", SMOKE, "--json", *(word for one in settings for word in ("-s", one))]
    begun = time.perf_counter()
    done = subprocess.run(argv, cwd=ROOT, env=dict(environment), capture_output=True, text=True, check=False)
    took = time.perf_counter() - begun
    if done.returncode != 0:
        sys.exit(f"{' '.join(argv)} failed:\n{done.stderr[-2000:]}")
    document = json.loads(done.stdout)
    assert isinstance(document, dict)
    return took, document


def session(common: Sequence[str], environment: Mapping[str, str]) -> tuple[float, list[str]]:
    """All prompts in one session: wall seconds, answers."""
    took, result = call((*common, f"run.prompts={json.dumps(PROMPTS)}"), environment)
    return took, [answer["text"] for answer in result["answers"]]


def single(common: Sequence[str], environment: Mapping[str, str]) -> tuple[float, list[str]]:
    """Each prompt in a run of its own: wall seconds in all, answers."""
    alone = [setting for setting in common if not setting.startswith(("run.history", "run.prompt="))]
    runs = [call((*alone, f"run.prompt={json.dumps(prompt)}"), environment) for prompt in PROMPTS]
    return sum(took for took, _ in runs), [result["text"] for _, result in runs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, help="threads of llama.cpp; its own choice when left out")
    asked = parser.parse_args()
    common = (*COMMON, *(() if asked.threads is None else (f"run.n_threads={asked.threads}",)))
    times: dict[str, list[float]] = {"session": [], "single": []}
    answers: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory(prefix="lcpp-bench-") as runs:
        environment = {**os.environ, "LCPP_RUNS": runs}
        call((*COMMON, 'run.prompts=["Hi."]'), environment)  # builds and fetches what is missing
        for turn in range(asked.repeats):
            ways = (("session", session), ("single", single))
            for name, way in ways if turn % 2 == 0 else ways[::-1]:
                took, said = way(common, environment)
                times[name].append(took)
                if answers.setdefault(name, said) != said:
                    sys.exit(f"{name}: the answers of two rounds differ")
    differing = [
        (prompt, one, other)
        for prompt, one, other in zip(PROMPTS, answers["session"], answers["single"], strict=True)
        if one != other
    ]
    medians = {name: statistics.median(values) for name, values in times.items()}
    ratio = medians["session"] / medians["single"]
    print(f"one session of {len(PROMPTS)} prompts   {medians['session']:8.2f} s")
    print(f"{len(PROMPTS)} runs of one prompt      {medians['single']:8.2f} s")
    print(f"session / runs              {ratio:8.3f}     limit {LIMIT:.3f}{'   EXCEEDED' if ratio > LIMIT else ''}")
    print(f"identical answers           {len(PROMPTS) - len(differing):8} of {len(PROMPTS)}")
    for prompt, one, other in differing:
        print(f"  {prompt!r}\n    session: {one!r}\n    single:  {other!r}")
    sys.exit(1 if ratio > LIMIT or differing else 0)


if __name__ == "__main__":
    main()
