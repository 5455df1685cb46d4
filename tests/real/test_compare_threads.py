"""A difference that is there is found, with a real program on a real model."""

from __future__ import annotations

import os

import pytest

from tests.real.lab import SMOKE, Lcpp

# A text long enough that its rate is one.
LONG = ("run.mode=raw", "run.prompt=Once upon a time", "run.n_predict=64", "run.extra_args=[--ignore-eos]", "expect={}")


def test_two_threads_are_faster_than_one(lcpp: Lcpp) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two CPUs")
    settings = [word for one in LONG for word in ("-s", one)]
    sides = ("-a", "run.n_threads=1", "-b", "run.n_threads=2")
    done = lcpp("compare", str(SMOKE), *settings, *sides, "--json")
    assert done.code in (0, 4), done.stderr
    found = done.document
    if any("did not become quiet" in note for note in found["notes"]):
        pytest.skip("the machine does other work")
    assert found["verdict"] == "faster", found["notes"]
    assert found["text"]["state"] == "same"
    main = next(one for one in found["figures"] if one["name"] == "generation_per_second")
    assert main["ratio"]["paired"]
    assert main["ratio"]["low"] > 1.1
