"""A program stays on the CPUs that the recipe names, or does not start."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from orchestrator.drive.session import Limits, Session
from orchestrator.errors import DriveError
from orchestrator.machine import affinity

ENOUGH = Limits(timeout_s=20, idle_timeout_s=20, max_output_bytes=1_000_000)
TELL = "import os, threading\nt = threading.Thread(target=lambda: print(sorted(os.sched_getaffinity(0))))\nt.start()"

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot pin")


@pytest.mark.parametrize("count", [1, 2])
def test_the_program_is_pinned_and_lcpp_is_not(tmp_path: Path, count: int) -> None:
    before = os.sched_getaffinity(0)
    if len(before) < count:
        pytest.skip("too few CPUs")
    cpus = tuple(sorted(before)[-count:])
    with Session([sys.executable, "-c", TELL], environment={}, folder=tmp_path, cpus=cpus) as session:
        transcript = session.run(ENOUGH, lambda stream, data, at_s: None)
    assert transcript.stdout.decode().strip() == str(list(cpus))
    assert os.sched_getaffinity(0) == before


@pytest.mark.parametrize("absent", [4000, 60_000, 2**31, 10**30, -1])
def test_a_cpu_that_is_not_there(tmp_path: Path, absent: int) -> None:
    before = os.sched_getaffinity(0)
    for cpus in ((absent,), (min(before), absent)):
        with pytest.raises(DriveError, match=f"there is no CPU {absent} that lcpp may use") as caught:
            Session(["true"], environment={}, folder=tmp_path, cpus=cpus)
        assert affinity.ranges(before) in (caught.value.hint or "")
        assert os.sched_getaffinity(0) == before
    assert not list(tmp_path.iterdir())


def test_no_cpu_at_all(tmp_path: Path) -> None:
    with pytest.raises(DriveError, match="no CPU to run on") as caught:
        Session(["true"], environment={}, folder=tmp_path, cpus=())
    there = affinity.ranges(os.sched_getaffinity(0))
    assert (caught.value.where, caught.value.hint) == ("run.cpus", f"name some of the CPUs {there}")


def test_ranges() -> None:
    assert affinity.ranges([8, 0, 1, 2, 3, 10, 11]) == "0-3,8,10-11"
    assert affinity.ranges([]) == ""
