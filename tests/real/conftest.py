"""Real llama.cpp builds and a real model, in a cache that all test runs and CI share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.real.lab import ROOT, Finished, Lcpp, vendor


@pytest.fixture
def lcpp(tmp_path: Path) -> Lcpp:
    """Runs `lcpp` as a user would, with the shared cache and runs of its own."""

    def call(*words: str, environment: Mapping[str, str] | None = None, timeout_s: float = 2400) -> Finished:
        done = subprocess.run(
            [sys.executable, "-m", "orchestrator", *words],
            cwd=ROOT,
            env={
                **os.environ,
                "LCPP_VENDOR": str(vendor()),
                "LCPP_RUNS": str(tmp_path / "runs"),
                **(environment or {}),
            },
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    return call


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.real)
            item.add_marker(pytest.mark.timeout(2700))
