"""Get and build in a process of its own: `python build_once.py REMOTE VENDOR PROGRAM…`; prints what came."""

from __future__ import annotations

import sys
from pathlib import Path

from orchestrator.engine.build.build import build
from orchestrator.engine.source.obtain import obtain
from orchestrator.progress import Silent
from orchestrator.recipe.schema.recipe import EngineSpec
from orchestrator.workspace import Workspace


def main(remote: str, vendor: str) -> None:
    workspace = Workspace(vendor=Path(vendor), runs=Path(vendor) / "runs")
    asked = EngineSpec(ref="b3700", remote=remote, source="git")
    engine = build(obtain(asked, workspace, Silent(), base=Path("/")), asked, ["llama-simple"], workspace, Silent())
    print(engine.program("llama-simple"), engine.reused)


if __name__ == "__main__":
    main(*sys.argv[1:])
