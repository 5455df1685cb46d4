"""A result as one flat measurement: what it says, and what must tell two of them apart."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from orchestrator.result.measurement import PROMPT_HASH, Measurement, measurement_of, setting_text, utc
from orchestrator.values import replace
from tests.report import made
from tests.result.measured import one
from tests.result.varied import document, result


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, True),
        ({"status": "unexpected"}, True),
        ({"status": "failed"}, False),
        ({"warmup": True}, False),
        ({"disturbed": ("others used 0.9 CPUs",)}, False),
        ({"dummy": True}, True),
    ],
)
def test_which_runs_statistics_use(changes: dict[str, Any], counts: bool) -> None:
    assert one(**changes).counts is counts


@pytest.mark.parametrize(
    ("moment", "in_utc"),
    [
        ("2026-11-22T18:30:00Z", "2026-11-22T18:30:00.000+00:00"),
        ("2026-11-22T18:30:00+02:00", "2026-11-22T16:30:00.000+00:00"),
        ("2026-11-22T18:30:00.123456", "2026-11-22T18:30:00.123+00:00"),
        ("2026-11-22", "2026-11-22T00:00:00.000+00:00"),
    ],
)
def test_times_sort_as_text(moment: str, in_utc: str) -> None:
    assert utc(moment) == in_utc


@pytest.mark.parametrize("moment", ["", "yesterday", "0001-01-01T00:00:00+14:00"])
def test_what_is_no_time_is_refused(moment: str) -> None:
    with pytest.raises(ValueError, match=r"Invalid isoformat|no such time"):
        utc(moment)


@pytest.mark.parametrize(
    ("value", "text"), [("a", "a"), (2, "2"), (0.0, "0.0"), (True, "true"), (["ä"], '["ä"]'), (None, "null")]
)
def test_a_setting_is_written_as_in_a_recipe(value: object, text: str) -> None:
    assert setting_text(value) == text


def test_a_prompt_is_a_hash_and_no_setting() -> None:
    run = measurement_of(result(1))
    other = document(2)
    other["asked"]["prompt"] = other["asked"]["recipe"]["run"]["prompt"] = "Another prompt"
    assert not {key.removeprefix("run.") for key in run.settings} & {"prompt", "prompt_file", "prompts", "system"}
    assert run.settings["run.n_threads"] == "1"
    assert len(run.environment[PROMPT_HASH]) == 16
    assert measurement_of(result(2, asked=other["asked"])).environment[PROMPT_HASH] != run.environment[PROMPT_HASH]


def test_the_text_is_that_of_all_answers_and_none_of_dummy_weights() -> None:
    session = made.real("session")
    text = "\n".join(answer.text for answer in session.answers)
    assert measurement_of(session).text_sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert measurement_of(result(1)).text_sha256 == hashlib.sha256((result(1).text or "").encode()).hexdigest()
    assert measurement_of(result(1, dummy=True)).text_sha256 is None


def test_its_place_in_an_experiment() -> None:
    part = {"experiment": "e", "kind": "sweep", "case": 2, "settings": {"run.n_threads": "4"}, "round": 3}
    alone, of_sweep = measurement_of(result(1)), measurement_of(result(1, part=part), path="x.json")
    assert (alone.experiment, alone.case, alone.round, alone.path) == (None, 0, 0, None)
    assert (of_sweep.experiment, of_sweep.case, of_sweep.round, of_sweep.path) == ("e", 2, 3, "x.json")
    assert dict(of_sweep.case_settings) == {"run.n_threads": "4"}


def test_a_model_without_a_name_has_that_of_its_file() -> None:
    nameless = document(1)
    nameless["ran"]["model"] |= {"name": None, "path": "/models/small.gguf"}
    run: Measurement = measurement_of(result(1, ran=nameless["ran"]))
    assert run.model_name == "small.gguf"
    assert replace(run, warmup=True).counts is False
