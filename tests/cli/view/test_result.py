"""The table shows what the program is for: a perplexity, each row of a batched bench, a difference."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli.output.output import Output
from orchestrator.cli.view.result import show
from orchestrator.parse.record import BatchedTest, Perplexity
from orchestrator.result.differences import Difference
from tests.test_pipeline import run


def test_what_a_program_is_for_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = run(tmp_path, build=8000, whole_at=1)
    record = made.result.record.model_copy(
        update={
            "perplexity": Perplexity(estimate=17.6362, error=2.38748, chunks=(15.5, 17.6362), n_ctx=512),
            "batched": (
                BatchedTest(
                    n_prompt=32,
                    n_gen=8,
                    n_parallel=2,
                    n_kv=80,
                    t_pp_s=0.5,
                    speed_pp=128.0,
                    t_tg_s=None,
                    speed_tg=None,
                    t_s=1.0,
                    speed=80.0,
                ),
            ),
        }
    )
    result = made.result.model_copy(
        update={"record": record, "differences": (Difference(name="n_threads", asked="8", reported="4"),)}
    )
    show(result, made.path, Output(width=120))
    shown = capsys.readouterr().out
    for told in (
        "17.6362 ± 2.38748, 2 chunks of 512 tokens",
        "2 × (32 + 8)",
        "prompt 128.00, both 80.00 tokens/s",
        "asked 8, ran 4",
        "66.67 tokens/s",
    ):
        assert told in shown


def test_a_run_on_dummy_weights_is_marked_and_shows_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = run(tmp_path, build=9445, whole_at=1, dummy=True)
    show(made.result, made.path, Output(width=120))
    shown = capsys.readouterr().out
    assert "llama-completion, dummy weights" in shown
    assert "the weights are random" in shown
    assert "Paris" not in shown


def test_the_estimate_is_shown_with_its_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = run(tmp_path, build=9445, whole_at=1)
    memory = made.result.memory
    assert memory is not None
    parts = tuple(
        part.model_copy(update={"measured_bytes": 100 * 2**20, "estimated_bytes": 99 * 2**20, "error_percent": -1.0})
        if part.name in ("kv_cache", "peak")
        else part.model_copy(update={"measured_bytes": None, "error_percent": None})
        for part in memory.parts
    )
    result = made.result.model_copy(update={"memory": memory.model_copy(update={"parts": parts})})
    show(result, made.path, Output(width=120))
    assert "peak 99.0 (-1.0 %); KV cache 99.0 (-1.0 %)" in capsys.readouterr().out
