"""How good the estimates of memory have been on this machine: what the results of past runs say."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from pydantic import ValidationError

from orchestrator.result.memory_fit import MemoryFit, PartName
from orchestrator.result.reading import UnreadableResult, read_json
from orchestrator.values import Value


class PastRun(Value):
    """One run that has an estimate."""

    id: str
    model: str
    build: str
    program: str
    memory: MemoryFit


class PartHistory(Value):
    """How far the estimates of one part were off, over all runs that measured it: per cent, without sign."""

    name: PartName
    n_runs: int
    median_percent: float
    worst_percent: float


def past_runs(folder: Path) -> Iterator[PastRun]:
    """The runs under `folder` that have an estimate, oldest first; files that are no results are passed over."""
    for path in sorted(folder.glob("*.json")):
        try:
            document = read_json(path)
            memory = MemoryFit.model_validate_json(json.dumps(document["memory"]))
            ran = document["ran"]
            number = ran["engine"]["build_number"]
            build = f"b{number}" if number is not None else str(ran["engine"]["commit"])[:12]
            model, program = Path(str(ran["model"]["path"])).name, str(ran["process"]["program"])
        except (UnreadableResult, ValueError, KeyError, TypeError, RecursionError, ValidationError):
            continue
        yield PastRun(id=path.stem, model=model, build=build, program=program, memory=memory)


def summarise(runs: Sequence[PastRun]) -> list[PartHistory]:
    """By part, how far off the estimates were."""
    errors: dict[PartName, list[float]] = {}
    for run in runs:
        for part in run.memory.parts:
            if part.error_percent is not None:
                errors.setdefault(part.name, []).append(abs(part.error_percent))
    return [
        PartHistory(name=name, n_runs=len(percents), median_percent=median(percents), worst_percent=max(percents))
        for name, percents in errors.items()
    ]
