"""Fetch one model in a process of its own, and print what came of it as JSON: the hub's library reads its settings
when it is imported, and a process can be killed.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from pydantic import TypeAdapter

from orchestrator.errors import LcppError
from orchestrator.model.source.fetch import fetch
from orchestrator.recipe.schema.recipe import ModelSpec
from orchestrator.workspace import Workspace


class Recorder:
    """A `Progress` that keeps everything."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.notes: list[str] = []
        self.most: float = 0

    def stage(self, title: str) -> None:
        self.stages.append(title)

    def advance(self, done: float, total: float | None, detail: str = "") -> None:
        if detail == "bytes":
            self.most = max(self.most, done)

    def note(self, text: str) -> None:
        self.notes.append(text)


def main(spec_text: str, vendor: str) -> None:
    """Fetch the model of a recipe's `model` section (as JSON) into the workspace at `vendor`."""
    spec: ModelSpec = TypeAdapter(ModelSpec).validate_json(spec_text)
    progress = Recorder()
    answer: dict[str, object] = {}
    begin, cpu_begin = time.perf_counter(), time.process_time()
    try:
        model = fetch(spec, Workspace(vendor=Path(vendor), runs=Path(vendor, "runs")), progress, base=Path.cwd())
        answer = {
            "path": str(model.path),
            "parts": [str(part) for part in model.parts],
            "sha256": model.sha256,
            "size_bytes": model.size_bytes,
            "origin": model.origin,
            "revision": model.revision,
            "n_tensors": model.header.n_tensors,
        }
    except LcppError as error:
        answer = {"error": type(error).__name__, "what": error.what, "where": error.where, "hint": error.hint}
    answer["seconds"] = time.perf_counter() - begin
    answer["cpu_seconds"] = time.process_time() - cpu_begin
    answer |= {"stages": progress.stages, "notes": progress.notes, "most": progress.most}
    answer["imported"] = sorted({"huggingface_hub", "gguf", "numpy", "jinja2"} & set(sys.modules))
    print(json.dumps(answer))


if __name__ == "__main__":
    main(*sys.argv[1:])
