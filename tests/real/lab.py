"""Where the real builds lie, and what a call of `lcpp` gives back."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SMOKE = ROOT / "recipes/smoke.yaml"
# b3642, August 2024: make. And a commit of October 2026: CMake.
MAKE_COMMIT = "1d1ccce67613674c75c9c7e3fa4c1e24e428ba48"
CMAKE_COMMIT = "0c1e57098bba43ac29e6e3b677cdceebdd22334f"


def vendor() -> Path:
    """The shared cache of checkouts, builds and models."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("LCPP_VENDOR") or home / "lcpp/vendor")


@dataclass(frozen=True)
class Finished:
    """An `lcpp` that has ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on standard output."""
        document = json.loads(self.stdout)
        assert isinstance(document, dict)
        return document


Lcpp = Callable[..., Finished]
