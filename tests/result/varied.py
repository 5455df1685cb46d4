"""Many results, made of a real one that an lcpp of before the store wrote: other ids, times, settings, figures."""

from __future__ import annotations

import copy
import datetime
import json
from pathlib import Path
from typing import Any

from orchestrator.result.schema import Result

REAL = Path(__file__).parent / "data" / "result.json"
BEGAN = datetime.datetime(2026, 11, 1, tzinfo=datetime.timezone.utc)
_DOCUMENT: dict[str, Any] = json.loads(REAL.read_bytes())


def document(
    number: int,
    *,
    name: str = "france",
    n_threads: int = 1,
    speed: float = 1.0,
    part: dict[str, Any] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """A result that ran `number` minutes after the first; `changes` are of its top level."""
    made = copy.deepcopy(_DOCUMENT)
    at = BEGAN + datetime.timedelta(minutes=number)
    made["id"] = f"{at.strftime('%Y%m%dT%H%M%SZ')}-{name}-{number:06x}"
    made["name"] = made["asked"]["recipe"]["name"] = name
    made["asked"]["recipe"]["run"]["n_threads"] = n_threads
    made["ran"]["process"] |= {"started_at": at.isoformat(timespec="milliseconds"), "transcript": made["id"]}
    made["measured"]["generation_per_second"] = round(made["measured"]["generation_per_second"] * speed, 2)
    if part is not None:
        made["part"] = part
    return made | changes


def result(number: int, **changes: Any) -> Result:
    """The same, read."""
    return Result.model_validate_json(json.dumps(document(number, **changes)))


def write(runs: Path, *made: dict[str, Any]) -> list[str]:
    """Write results as a run does, without telling the store; returns their ids."""
    runs.mkdir(parents=True, exist_ok=True)
    for one in made:
        (runs / f"{one['id']}.json").write_text(json.dumps(one))
    return [one["id"] for one in made]
