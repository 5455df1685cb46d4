"""Getting a llama.cpp: from git, from the package index, or from a directory, to one checkout of one exact commit."""

from __future__ import annotations

from pathlib import Path

from orchestrator import toolchain
from orchestrator.engine.source import checkout as checkouts
from orchestrator.engine.source import remote as remotes
from orchestrator.engine.source.checkout import Checkout
from orchestrator.engine.source.resolution import at_once
from orchestrator.progress import Progress
from orchestrator.recipe.schema.recipe import EngineSpec
from orchestrator.workspace import Workspace

__all__ = ["Checkout", "obtain"]


def obtain(spec: EngineSpec, workspace: Workspace, progress: Progress, *, base: Path) -> Checkout:
    """The checkout of the llama.cpp that `spec` asks for; it is made when it is not there yet.

    A commit that is checked out already is used at once: no network, no git.

    Args:
        base: the recipe's folder, where a relative `path` or `remote` starts.

    Raises:
        SourceError: there is no such ref, or no way to get it.
        PackageIndexError: pip could not bring the source distribution.
        ToolchainError: git is missing.
        WorkspaceError: the disk refuses.
    """
    if spec.source != "path":
        shown = remotes.checked(spec.remote, base).shown
        known = at_once(spec.ref, shown, workspace, package=spec.source == "package")
        if known is not None:
            checkout = checkouts.find(workspace, known.commit, ref=spec.ref, build_number=known.build_number)
            if checkout is not None:
                return checkout
    toolchain.need(("git",), "to get llama.cpp")
    # GitPython takes longer to import than a `lcpp setup` with nothing to do may take in all.
    from orchestrator.engine.source.acquire import acquire

    return acquire(spec, workspace, progress, base=base)
