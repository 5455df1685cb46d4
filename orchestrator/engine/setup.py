"""From what a recipe says of llama.cpp to programs that run: get the source, then build."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from orchestrator.engine.build.build import Engine, build, dialect_of
from orchestrator.engine.source.obtain import obtain
from orchestrator.eras.dialect import Dialect
from orchestrator.progress import Progress
from orchestrator.recipe.schema.recipe import EngineSpec, ProgramName
from orchestrator.workspace import Workspace


def setup_engine(
    spec: EngineSpec,
    choose: Callable[[Dialect], Collection[ProgramName]],
    workspace: Workspace,
    progress: Progress,
    *,
    base: Path,
    environment: Mapping[str, str],
) -> Engine:
    """Get llama.cpp and build the programs that `choose` names; what is there already is used at once.

    Args:
        choose: told the dialect of the checkout, before minutes are spent on building; it may refuse with an error.
        base: the folder that relative paths count from.
        environment: lcpp's own.
    """
    checkout = obtain(spec, workspace, progress, base=base)
    return build(checkout, spec, choose(dialect_of(checkout)), workspace, progress, environment=environment)
