from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.workspace import Workspace
from tests.engine.fake_upstream import FakeUpstream, workspace_at


@pytest.fixture
def upstream(tmp_path: Path) -> FakeUpstream:
    return FakeUpstream.make(tmp_path / "upstream")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return workspace_at(tmp_path)
