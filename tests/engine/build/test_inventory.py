"""What lies under vendor: listed with what it takes, removed unless it is in use."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from orchestrator.engine.build import inventory
from orchestrator.engine.build.build import build
from orchestrator.engine.source.obtain import obtain
from orchestrator.errors import UsageError, WorkspaceError
from orchestrator.progress import Silent
from orchestrator.recipe.schema.recipe import EngineSpec
from orchestrator.workspace import Workspace, lock
from tests.engine.fake_upstream import FakeUpstream


def test_nothing_is_there_at_first(workspace: Workspace) -> None:
    assert inventory.list_builds(workspace) == []
    assert inventory.list_checkouts(workspace) == []


def test_a_vendor_that_is_a_file(workspace: Workspace) -> None:
    workspace.vendor.write_text("mine")
    with pytest.raises(WorkspaceError, match="cannot list what is there: not a directory") as error:
        inventory.list_builds(workspace)
    assert "LCPP_VENDOR" in (error.value.hint or "")


def test_builds_and_checkouts_are_listed_and_removed(upstream: FakeUpstream, workspace: Workspace) -> None:
    asked = EngineSpec(ref="b3700", remote=str(upstream.path))
    engine = build(obtain(asked, workspace, Silent(), base=Path("/")), asked, ["llama-simple"], workspace, Silent())
    (workspace.builds / "unfinished").mkdir()

    finished, unfinished = inventory.list_builds(workspace)
    assert (finished.key, finished.manifest) == (engine.key, engine.manifest)
    assert finished.size_bytes > 10_000
    assert (unfinished.key, unfinished.manifest) == ("unfinished", None)
    (checkout,) = inventory.list_checkouts(workspace)
    assert (checkout.commit, checkout.build_number) == (upstream.head, 3700)

    with pytest.raises(UsageError, match="no build is called nothing"):
        inventory.remove_builds(workspace, ["unfinished", "nothing"], Silent())
    assert len(inventory.list_builds(workspace)) == 2, "nothing is removed when a key is wrong"

    freed = inventory.remove_builds(workspace, [engine.key[:12], "unfinished"], Silent())
    assert freed >= finished.size_bytes
    assert inventory.list_builds(workspace) == []
    inventory.remove_checkouts(workspace, [upstream.head], Silent())
    assert inventory.list_checkouts(workspace) == []
    # What git has fetched is still there.
    (upstream.path / ".git").rename(upstream.path / "gone")
    assert obtain(asked, workspace, Silent(), base=Path("/")).commit is not None


def test_what_is_in_use_stays(upstream: FakeUpstream, workspace: Workspace) -> None:
    upstream.commit(
        **{
            "llama-simple.c": "#include <stdio.h>\nint main(int n, char **v) {\n"
            'puts("usage"); fflush(stdout); if (n > 1) getchar(); return v == 0; }\n'
        }
    )
    asked = EngineSpec(ref="master", remote=str(upstream.path))
    engine = build(obtain(asked, workspace, Silent(), base=Path("/")), asked, ["llama-simple"], workspace, Silent())
    with (
        lock(engine.directory, Silent(), "it"),
        pytest.raises(WorkspaceError, match="another lcpp is busy"),
    ):
        inventory.remove_builds(workspace, [engine.key], Silent())

    running = subprocess.Popen(
        [str(engine.program("llama-simple")), "wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with pytest.raises(WorkspaceError, match=f"in use by process {running.pid}"):
        inventory.remove_builds(workspace, [engine.key], Silent())
    running.communicate(b"\n")
    inventory.remove_builds(workspace, [engine.key], Silent())
    assert not engine.directory.exists()
