"""Record transcripts of really built programs, for the everyday tests of the parser.

    LCPP_VENDOR=… python tests/data/record.py COMMIT PROGRAM...

Each lands in tests/data/transcripts/<commit>/<program>/: the two streams as they came (paths shortened, long runs of
alike debug lines cut), how the run was asked for, and the record that the parser of today makes of them: read it before
you commit it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import get_args

from orchestrator.engine.dialect import dialect_for
from orchestrator.parse.parser import parse_run
from orchestrator.recipe.schema import Program

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# Of these the first few stand for all.
REPEATED = re.compile(
    r"llama_graph_n_input_tensors|create_tensor|load_tensors: layer|llama_kv_cache: layer|load: control"
)
KEPT = 3
PROMPT = "The capital of France is"
SETTINGS = {
    "llama-bench": [
        "run.prompt=null",
        "run.mode=raw",
        "run.n_prompt=32",
        "run.n_gen=8",
        "run.n_repetitions=2",
        "expect={}",
    ],
    "llama-simple": ["run.mode=raw", f"run.prompt={PROMPT}", "run.n_predict=24", "expect={}"],
}


def trimmed(text: str, folder: str, model: str) -> str:
    """`text` without paths of the machine, and without most of its repeated lines."""
    text = text.replace(model, "/models/SmolLM2-135M-Instruct.Q4_1.gguf").replace(folder, "/run")
    seen: dict[str, int] = {}
    kept = []
    for line in text.splitlines(keepends=True):
        if match := REPEATED.match(line):
            seen[match.group()] = seen.get(match.group(), 0) + 1
            if seen[match.group()] > KEPT:
                continue
        kept.append(line)
    return "".join(kept)


def record(commit: str, program: Program) -> None:
    """Run, copy, parse, write."""
    chosen = SETTINGS.get(program, ["expect={}", *(["run.mode=chat"] if program == "llama-cli" else [])])
    overrides = [f"engine.ref={commit}", f"run.program={program}", *chosen]
    with tempfile.TemporaryDirectory() as runs:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "orchestrator", "run", str(ROOT / "recipes/smoke.yaml"), "--json"),
                *(word for one in overrides for word in ("-s", one)),
            ],
            env={**os.environ, "LCPP_RUNS": runs},
            stdout=subprocess.PIPE,
            check=True,
        )
        result = json.loads(done.stdout)
        process = result["ran"]["process"]
        folder = Path(runs) / process["transcript"]
        streams = {name: (folder / name).read_bytes().decode() for name in ("stdout.log", "stderr.log")}
    goal = HERE / "transcripts" / commit[:12] / program
    goal.mkdir(parents=True, exist_ok=True)
    for name, text in streams.items():
        kept = trimmed(text, str(folder), result["ran"]["model"]["path"])
        (goal / name).write_text(kept, encoding="utf-8", newline="")
    build = dialect_for(result["ran"]["engine"]["build_number"], None).build
    argv = process["argv"]
    prompt = argv[argv.index("-p") + 1] if "-p" in argv and program != "llama-bench" else argv[-1]
    asked = {"build": build, "program": program, "prompt": prompt}
    (goal / "asked.json").write_text(json.dumps(asked, ensure_ascii=False, indent=1) + "\n")
    made = parse_run(
        (goal / "stdout.log").read_bytes(),
        (goal / "stderr.log").read_bytes(),
        dialect_for(build, None).layout(program),
        prompt,
    )
    (goal / "expected.json").write_text(made.model_dump_json(indent=1, exclude_defaults=True) + "\n")
    print(goal.relative_to(ROOT), repr(made.generation.text), made.coverage)


if __name__ == "__main__":
    for known in get_args(Program):
        if known in sys.argv[2:]:
            record(sys.argv[1], known)
