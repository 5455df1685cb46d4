"""The noise of a result is written and read back; what is not known is not there."""

from __future__ import annotations

import pytest

from orchestrator.noise.document import Noise


def test_written_and_read_back() -> None:
    noise = Noise(others_cpus=0.25, cpus=(0, 3), disturbed=("heat slowed a CPU once",), n_throttled=1)
    assert Noise.model_validate_json(noise.model_dump_json()) == noise


def test_what_was_not_read_is_none_and_disturbs_nothing() -> None:
    noise = Noise.model_validate_json("{}")
    assert noise.disturbed == ()
    assert noise.waited_s == 0
    assert {value for name, value in noise.model_dump().items() if name not in ("disturbed", "waited_s")} == {None}


def test_no_other_key() -> None:
    with pytest.raises(ValueError, match="other_cpus"):
        Noise.model_validate_json('{"other_cpus": 1}')
