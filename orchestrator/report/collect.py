"""From rows of the store to runs with all that their files hold."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from orchestrator.report.content import Run
from orchestrator.result.measurement import Measurement
from orchestrator.result.reading import UnreadableResult, read_result


def collect(measurements: Iterable[Measurement]) -> list[Run]:
    """Read the file of each. What is not there, or is no result of lcpp, is shown by its row alone."""
    return [_run(measurement) for measurement in measurements]


def _run(measurement: Measurement) -> Run:
    if measurement.path is None:
        return Run(measurement=measurement, why_not="This result has no file here: only its row in the store.")
    path = Path(measurement.path)
    try:
        result = read_result(path)
    except UnreadableResult as error:
        return Run(measurement=measurement, why_not=f"Its file cannot be read: {error.what}.")
    return Run(measurement=measurement, result=result, folder=_beside(path, result.ran.process.transcript))


def _beside(path: Path, name: str) -> Path | None:
    """The folder of that name beside a result; None for a name that leads elsewhere, as a stranger's may."""
    if not name or name in (".", "..") or "/" in name or "\0" in name:
        return None
    folder = path.parent / name
    return None if folder.is_symlink() else folder
