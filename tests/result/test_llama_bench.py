"""What somebody's own llama-bench printed, as measurements."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.result.llama_bench import measurements

TEST: dict[str, Any] = {
    "build_commit": "1d1ccce",
    "build_number": 3642,
    "cpu_info": "Some CPU",
    "gpu_info": "",
    "backends": "CPU",
    "model_filename": "C:\\models\\small.gguf",
    "model_type": "llama 1B Q4_0",
    "n_threads": 4,
    "type_k": "f16",
    "flash_attn": False,
    "poll": 50,
    "n_prompt": 512,
    "n_gen": 0,
    "test_time": "2026-01-01T10:00:00Z",
    "avg_ns": 2_000_000_000,
    "stddev_ns": 0,
    "avg_ts": 256.0,
    "stddev_ts": 0.0,
    "samples_ns": [1_000_000_000, 3_000_000_000],
    "samples_ts": [512.0, 170.6],
}


def raw(*changes: dict[str, Any]) -> bytes:
    return json.dumps([TEST | change for change in changes]).encode()


def test_each_repetition_is_a_round_and_each_test_a_case() -> None:
    prompt_1, prompt_2, generation = measurements(
        raw({}, {"n_prompt": 0, "n_gen": 128, "samples_ns": [5e8], "samples_ts": [256.0]})
    )
    assert [(run.case, run.round) for run in (prompt_1, prompt_2, generation)] == [(0, 0), (0, 1), (1, 0)]
    assert prompt_1.figures == {"n_prompt": 512.0, "prompt_per_second": 512.0, "prompt_ms": 1000.0}
    assert prompt_2.figures == {"n_prompt": 512.0, "prompt_per_second": 170.6, "prompt_ms": 3000.0}
    assert generation.figures == {"n_gen": 128.0, "generation_per_second": 256.0, "generation_ms": 500.0}
    assert len({run.id for run in (prompt_1, prompt_2, generation)}) == 3
    assert len({run.experiment for run in (prompt_1, prompt_2, generation)}) == 1
    assert generation.case_settings == {"run.n_prompt": "0", "run.n_gen": "128"}


def test_settings_have_a_recipes_names_where_it_has_them() -> None:
    run = measurements(raw({}))[0]
    assert run.settings == {
        "run.program": "bench",
        "model.file": "small.gguf",
        "run.n_threads": "4",
        "run.type_k": "f16",
        "run.flash_attn": "off",
        "bench.poll": "50",
        "run.n_prompt": "512",
        "run.n_gen": "0",
    }
    assert (run.model_name, run.model_sha256, run.machine_name) == ("small.gguf", "", "Some CPU")
    assert run.started_at == "2026-01-01T10:00:00.000+00:00"


@pytest.mark.parametrize(
    ("change", "commit", "number"),
    [
        ({}, None, 3642),
        ({"build_commit": "a" * 40}, "a" * 40, 3642),
        ({"build_commit": "A" * 40}, None, 3642),
        # What an lcpp build without git says.
        ({"build_number": 1}, None, None),
        ({"build_number": True}, None, None),
        ({"build_number": "3642"}, None, None),
    ],
)
def test_a_build_is_known_only_when_it_is_said_whole(
    change: dict[str, Any], commit: str | None, number: int | None
) -> None:
    run = measurements(raw(change))[0]
    assert (run.commit, run.build_number, run.environment["build_commit"]) == (
        commit,
        number,
        (TEST | change)["build_commit"],
    )


def test_without_samples_the_mean_is_one_round() -> None:
    (run,) = measurements(raw({"samples_ts": [], "samples_ns": []}))
    assert run.figures == {"n_prompt": 512.0, "prompt_per_second": 256.0}


def test_two_machines_are_told_apart() -> None:
    one, other = (measurements(raw({"cpu_info": name}))[0] for name in ("One CPU", "Other CPU"))
    assert one.machine != other.machine


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (raw({"test_time": None}), "test_time"),
        (b"no json", "printed no test"),
        (b"[]", "printed no test"),
    ],
)
def test_what_is_no_output_of_it_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        measurements(content)
