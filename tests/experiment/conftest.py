"""A llama.cpp that compiles in a second, shared by all experiments here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import portable_model
from tests.engine.fake_upstream import FakeUpstream, git
from tests.experiment.lab import Lab

PROGRAM = Path(__file__).with_name("llama_cli.c").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """The remote, the vendor folder in which it is built once, and a model."""
    folder = tmp_path_factory.mktemp("experiment")
    upstream = FakeUpstream.make(folder / "upstream")
    upstream.commit(**{"llama-cli.c": PROGRAM})
    git(upstream.path, "tag", "--force", "b3700")
    return upstream.path, folder / "vendor", portable_model.make(folder / "tiny.gguf")


@pytest.fixture
def lab(tmp_path: Path, shared: tuple[Path, Path, Path]) -> Lab:
    """A place with no runs."""
    remote, vendor, model = shared
    return Lab(folder=tmp_path, vendor=vendor, remote=remote, model=model)
