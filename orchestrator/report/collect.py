"""From rows of the store to runs with all that their files hold."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from orchestrator.report.content import Run
from orchestrator.result.measurement import Measurement
from orchestrator.result.schema import Result

# A result with a text of some megabytes is still read; one beyond this is shown by its row.
_MAX_FILE_BYTES = 64 * 1024 * 1024


def collect(measurements: Iterable[Measurement]) -> list[Run]:
    """Read the file of each. What is not there, or is no result of lcpp, is shown by its row alone."""
    return [_run(one) for one in measurements]


def _run(one: Measurement) -> Run:
    if one.path is None:
        return Run(measurement=one, why_not="This result has no file here: only its row in the store.")
    path = Path(one.path)
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            return Run(measurement=one, why_not=f"Its file is larger than {_MAX_FILE_BYTES // 2**20} MiB.")
        result = Result.model_validate_json(path.read_bytes())
    except OSError as error:
        return Run(measurement=one, why_not=f"Its file cannot be read: {error.strerror or 'no reason given'}.")
    except ValidationError:
        return Run(measurement=one, why_not="It came from elsewhere: there is no more than this row.")
    return Run(measurement=one, result=result, folder=_beside(path, result.ran.process.transcript))


def _beside(path: Path, name: str) -> Path | None:
    """The folder of that name beside a result; None for a name that leads elsewhere, as a stranger's may."""
    if not name or name in (".", "..") or "/" in name or "\0" in name:
        return None
    folder = path.parent / name
    return None if folder.is_symlink() else folder
