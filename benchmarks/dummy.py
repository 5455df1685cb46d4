"""Are dummies as fast as real models? SmolLM2 in five quantizations against its dummies, with two llama.cpps.

    python benchmarks/dummy.py                    # half an hour; needs a quiet machine, and some 2 GB in $TMPDIR
    python benchmarks/dummy.py --types Q4_1 --engines 1d1ccce67613 --repeats 3

The engines must have been built before (`lcpp setup -s engine.ref=…`), with llama-bench. `llama-quantize` is built
here, in a copy of each engine's own build tree, which takes seconds: with make it is one more target; of a Ninja
build only those commands are run that make llama-quantize itself (its log of what is up to date is not kept).

Both files are written in the same way, in large pieces, as a download is: how a file lies in the memory of the system
makes a difference of 5 %.

Each round runs real and dummy one after the other, the first one changing, and gives a ratio of its own, as the speed
of a machine drifts. The table has the medians; the exit code is 1 when one is more than 5 % from 1.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.cli.call import Call
from orchestrator.model.dummy.plan import plan_like
from orchestrator.model.dummy.write import write
from orchestrator.model.gguf.byte_source import FileSource
from orchestrator.model.source.fetch import fetch
from orchestrator.progress import Silent
from orchestrator.recipe.load import load
from orchestrator.workspace import Workspace

ROOT = Path(__file__).parents[1]
ENGINES = ("1d1ccce67613", "0c1e57098bba")
TYPES = ("Q4_1", "Q8_0", "Q4_K_M", "Q3_K_L", "IQ4_XS")
OWN_TYPE = "Q4_1"
LIMIT = 0.05
PIECE_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True)
class Speed:
    """Tokens per second."""

    prompt: float
    generation: float


def run(argv: Sequence[str], cwd: Path) -> str:
    """Standard output of a program that must succeed."""
    done = subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{shlex.join(argv)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def build_of(commit: str, workspace: Workspace) -> Path:
    """The build of a commit that has llama-bench."""
    for manifest in sorted(workspace.builds.glob(f"{commit}*/manifest.json")):
        if (manifest.parent / "bin/llama-bench").exists():
            return manifest.parent
    sys.exit(f"no build of {commit} with llama-bench in {workspace.builds}: run `lcpp setup -s engine.ref={commit}`")


def quantizer(build: Path, scratch: Path) -> Path:
    """llama-quantize of a build, made in a copy of its tree."""
    manifest = json.loads((build / "manifest.json").read_text())
    goal = scratch / f"quantize-{build.name}"
    if manifest["build_system"] == "make":
        shutil.copytree(build / "tree", goal, symlinks=True)
        first = manifest["commands"][0]
        run([*[word for word in first if not word.startswith("llama-")], "llama-quantize"], goal)
        return goal / "llama-quantize"
    shutil.copytree(build / "tree/build", goal, symlinks=True)
    listed = run(["ninja", "-t", "commands", "llama-quantize"], goal)
    for command in listed.splitlines():
        if "tools/quantize/" in command or "examples/quantize/" in command or "bin/llama-quantize" in command:
            run(["sh", "-ec", command], goal)
    return goal / "bin/llama-quantize"


def bench(build: Path, model: Path, scratch: Path, n_prompt: int, n_gen: int) -> Speed:
    """One llama-bench of a model."""
    words = ["-m", str(model), "-p", str(n_prompt), "-n", str(n_gen), "-r", "1", "-o", "json"]
    tests = json.loads(run([str(build / "bin/llama-bench"), *words], scratch))
    return Speed(
        prompt=next(test["avg_ts"] for test in tests if test["n_gen"] == 0),
        generation=next(test["avg_ts"] for test in tests if test["n_prompt"] == 0),
    )


def download(source: Path, goal: Path) -> None:
    """Copy a file as a download or a dummy is written: in large pieces.

    What is written in small ones, as llama-quantize does, lies in small pages of memory, and generation is 5 % slower.
    """
    with source.open("rb", buffering=0) as old, goal.open("xb", buffering=0) as new:
        while piece := old.read(PIECE_BYTES):
            new.write(piece)
        os.fdatasync(new.fileno())


def dummy_of(model: Path) -> Path:
    """The dummy of a model, beside it."""
    goal = model.with_name(f"{model.stem}-dummy.gguf")
    with FileSource(model) as source:
        plan = plan_like(model.name, str(model), [source])
    write(plan, goal, Silent())
    return goal


def compare(
    real: Path, dummy: Path, build: Path, scratch: Path, asked: argparse.Namespace
) -> list[tuple[float, float]]:
    """Of each round the ratios dummy / real of the speeds of prompt and generation."""
    ratios = []
    for turn in range(asked.repeats):
        order = (real, dummy) if turn % 2 == 0 else (dummy, real)
        speeds = {model: bench(build, model, scratch, asked.n_prompt, asked.n_gen) for model in order}
        ratios.append(
            (
                speeds[dummy].prompt / speeds[real].prompt,
                speeds[dummy].generation / speeds[real].generation,
            )
        )
    return ratios


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", nargs="+", default=ENGINES, metavar="COMMIT")
    parser.add_argument("--types", nargs="+", default=TYPES, metavar="TYPE")
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--n-prompt", type=int, default=256)
    parser.add_argument("--n-gen", type=int, default=96)
    asked = parser.parse_args()
    workspace = Call(os.environ).workspace
    builds = {commit: build_of(commit, workspace) for commit in asked.engines}
    smoke = load(ROOT / "recipes/smoke.yaml")
    source = fetch(smoke.recipe.model, workspace, Silent(), base=smoke.base).path
    failed = False
    print(f"{'engine':14} {'type':8} {'prompt: dummy / real':>26} {'generation: dummy / real':>28}")
    with tempfile.TemporaryDirectory(prefix="lcpp-dummy-") as folder:
        scratch = Path(folder)
        for commit, build in builds.items():
            quantize = quantizer(build, scratch) if set(asked.types) - {OWN_TYPE} else None
            for kind in asked.types:
                real, made = scratch / f"{commit}-{kind}.gguf", source
                if kind != OWN_TYPE and quantize is not None:
                    made = scratch / "made.gguf"
                    run([str(quantize), "--allow-requantize", str(source), str(made), kind], scratch)
                download(made, real)
                dummy = dummy_of(real)
                ratios = compare(real, dummy, build, scratch, asked)
                cells = []
                for column in zip(*ratios, strict=True):
                    median = statistics.median(column)
                    bad = abs(median - 1) > LIMIT
                    failed |= bad
                    cells.append(f"{median:.3f} ({min(column):.2f} to {max(column):.2f}){'!' if bad else ' '}")
                print(f"{commit:14} {kind:8} {cells[0]:>26} {cells[1]:>28}", flush=True)
                real.unlink()
                dummy.unlink()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
