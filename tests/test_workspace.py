"""What the disk refuses is told with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import WorkspaceError
from orchestrator.progress import Silent
from orchestrator.result.files import open_run
from orchestrator.workspace import Workspace, lock


def test_a_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    workspace = Workspace(vendor=tmp_path / "file", runs=tmp_path / "file")
    with pytest.raises(WorkspaceError, match="cannot make a folder for the run: not a directory") as error:
        open_run(workspace.runs / "one", None, "")
    assert "LCPP_RUNS" in (error.value.hint or "")
    for thing in (workspace.repository, workspace.builds / "key"):
        with (
            pytest.raises(WorkspaceError, match=r"cannot make a lock: (not a directory|file exists)"),
            lock(thing, Silent(), "it"),
        ):
            pass
    assert (tmp_path / "file").read_text() == "mine"
