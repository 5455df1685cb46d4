"""A file of which parts are kept."""

from __future__ import annotations

import itertools
import os
import random
from pathlib import Path

import pytest

from orchestrator.model.source.hub.extents import Extents, SparseFile


def test_holes_against_a_plain_set() -> None:
    chance = random.Random(3)
    for _ in range(200):
        extents, there = Extents(), set()
        for _ in range(chance.randrange(1, 12)):
            start = chance.randrange(60)
            stop = start + chance.randrange(1, 20)
            extents.add(start, stop)
            there |= set(range(start, stop))
        a = chance.randrange(80)
        b = a + chance.randrange(1, 40)
        holes = extents.missing(a, b)
        assert {each for start, stop in holes for each in range(start, stop)} == set(range(a, b)) - there
        assert all(start < stop for start, stop in holes)
        assert extents.total == len(there)
        ranges = list(extents)
        assert all(before[1] < after[0] for before, after in itertools.pairwise(ranges))


def test_kept_and_added_to(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "x.part"
    content = random.Random(1).randbytes(5_000_000)
    first = SparseFile(path)
    first.write(0, content[:1000])
    first.write(2_000_000, content[2_000_000:4_500_000])
    first.save()
    first.close()
    second = SparseFile(path)
    assert list(second.extents) == [(0, 1000), (2_000_000, 4_500_000)]
    assert second.read(2_000_100, 5) == content[2_000_100:2_000_105]
    second.write(1000, content[1000:3000])
    second.save()
    second.close()
    third = SparseFile(path)
    assert list(third.extents) == [(0, 3000), (2_000_000, 4_500_000)]
    assert third.read(0, 3000) == content[:3000]
    third.close()
    assert [each.name for each in path.parent.iterdir()] == ["x.part"]


def test_what_is_not_saved_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "x.part"
    file = SparseFile(path)
    file.write(0, b"abc")
    file.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("at", [0, 2500, -1, -12, -20, -30])
def test_damage_counts_as_empty(tmp_path: Path, at: int) -> None:
    path = tmp_path / "x.part"
    file = SparseFile(path)
    file.write(0, bytes(range(256)) * 10)
    file.save()
    file.close()
    raw = bytearray(path.read_bytes())
    raw[at] ^= 0x11
    path.write_bytes(raw)
    again = SparseFile(path)
    assert again.extents.total == 0
    assert again.read(0, 10) == b""
    again.write(0, b"new")
    again.save()
    again.close()
    assert SparseFile(path).read(0, 3) == b"new"


def test_no_file_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "x.part"
    for content in (b"", b"x", os.urandom(5000)):
        path.write_bytes(content)
        assert SparseFile(path).extents.total == 0
