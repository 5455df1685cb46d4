"""How much of a file is in memory: what the kernel says after files were written, dropped and read again."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest

from orchestrator.machine.page_cache import cached_share

MIB = 1024 * 1024


def drop(path: Path) -> None:
    """Take a file out of the page cache; skip the test where the disk is none."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if cached_share([path]) != 0:
        pytest.skip("files of this file system stay in memory")


def test_written_dropped_and_half_read_again(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(os.urandom(4 * MIB) + b"end")
    assert cached_share([path]) == 1
    drop(path)
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        while file.tell() < 2 * MIB:
            file.read(4096)
    assert cached_share([path]) == pytest.approx(0.5, abs=0.05)
    # Parts count by their size.
    other = tmp_path / "other"
    other.write_bytes(bytes(12 * MIB))
    assert cached_share([path, other]) == pytest.approx((2 + 12) / 16, abs=0.02)


def test_a_file_larger_than_memory_costs_little(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(400 * 1024**3)
    begun = time.process_time()
    assert cached_share([path]) == 0
    assert time.process_time() - begun < 0.2


def test_what_cannot_be_told(tmp_path: Path) -> None:
    assert cached_share([]) is None
    assert cached_share([tmp_path / "absent"]) is None
    (tmp_path / "empty").touch()
    assert cached_share([tmp_path / "empty"]) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to be somebody else")
def test_of_the_files_of_others_nothing_is_said() -> None:
    # Linux would say that all of it is cached.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "model"
        path.write_bytes(bytes(MIB))
        path.chmod(0o444)
        os.seteuid(65534)
        try:
            found = cached_share([path])
        finally:
            os.seteuid(0)
        assert found is None
        assert cached_share([path]) == 1
