"""What a command gets of its call: the environment, the place to work in, and its output."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.cli.output.output import Output

if TYPE_CHECKING:
    from orchestrator.progress import Progress
    from orchestrator.workspace import Workspace


class Call:
    """One call of lcpp.

    Args:
        environment: lcpp's own; a copy is taken.
    """

    def __init__(self, environment: Mapping[str, str], output: Output | None = None) -> None:
        self.environment: Mapping[str, str] = dict(environment)
        self.output = output or Output()

    @property
    def workspace(self) -> Workspace:
        """LCPP_VENDOR and LCPP_RUNS; else `vendor` and `runs` of the lcpp checkout that one stands in; else the
        user's own cache folder and `runs` here."""
        # Imported here: `lcpp --help` needs no file locks.
        from orchestrator.workspace import Workspace

        here = Path.cwd()
        checkout = next((folder for folder in (here, *here.parents) if _is_checkout(folder)), None)
        home = Path(self.environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lcpp"
        vendor = self.environment.get("LCPP_VENDOR") or (checkout / "vendor" if checkout else home / "vendor")
        runs = self.environment.get("LCPP_RUNS") or (checkout or here) / "runs"
        return Workspace(vendor=Path(vendor).absolute(), runs=Path(runs).absolute())

    @property
    def progress(self) -> Progress:
        """Where long work tells of itself."""
        return self.output.progress


def _is_checkout(folder: Path) -> bool:
    return (folder / "vendor" / ".gitignore").is_file() and (folder / "orchestrator" / "recipe").is_dir()
