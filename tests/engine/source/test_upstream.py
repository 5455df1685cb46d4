"""The table of what the package index has."""

from __future__ import annotations

import pytest

from orchestrator.engine.source import upstream
from orchestrator.recipe.schema.recipe import DEFAULT_REF


@pytest.mark.parametrize("ref", [DEFAULT_REF, DEFAULT_REF[:7], "b3642"])
def test_the_table_knows_the_default_commit(ref: str) -> None:
    row = upstream.find(ref)
    assert row is not None
    assert (row.commit, row.build_number, row.requirement) == (DEFAULT_REF, 3642, "llama-cpp-python==0.2.90")


@pytest.mark.parametrize("ref", ["b3643", "master", "1d1c", "f" * 40, ""])
def test_the_table_does_not_guess(ref: str) -> None:
    assert upstream.find(ref) is None


def test_the_newest_sdist_has_no_build_number() -> None:
    assert upstream.table()[0].build_number is None
    assert [row.build_number for row in upstream.nearest(3643)] == [3642, 3605]
