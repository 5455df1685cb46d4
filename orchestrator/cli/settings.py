"""What the command line and the environment say, read once."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.text.visible import visible

if TYPE_CHECKING:
    from orchestrator.cli.view.progress import Drawn
    from orchestrator.workspace import Workspace


@dataclass
class Settings:
    """The settings of this call, and what is on the screen."""

    environment: Mapping[str, str]
    json: bool = False
    _drawn: Drawn | None = field(default=None, repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Take a copy of lcpp's environment."""
        return cls(environment=dict(environment))

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
    def progress(self) -> Drawn:
        """Where long work tells of itself: standard error."""
        if self._drawn is None:
            from orchestrator.cli.view.progress import Drawn

            self._drawn = Drawn(sys.stderr)
        return self._drawn

    def close(self) -> None:
        """Take what moves off the screen."""
        if self._drawn is not None:
            self._drawn.close()

    @staticmethod
    def safe(text: str) -> str:
        """`text` with everything that could command a terminal made visible."""
        return visible(text)


def _is_checkout(folder: Path) -> bool:
    return (folder / "vendor" / ".gitignore").is_file() and (folder / "orchestrator" / "recipe").is_dir()
