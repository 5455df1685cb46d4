"""The estimate beside the loader's figures, and how good estimates have been."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.machine.memory import Available
from orchestrator.model.memory.estimate import Estimate
from orchestrator.parse.parser import parse_log
from orchestrator.result.memory_fit import MemoryFit, compare
from orchestrator.result.memory_history import past_runs, summarise

MIB = 2**20
ESTIMATE = Estimate(
    n_ctx=4096,
    weights_bytes=int(92.1 * MIB),
    repacked_bytes=0,
    kv_cache_bytes=90 * MIB,
    state_bytes=0,
    compute_bytes=108 * MIB,
    output_bytes=int(0.19 * MIB),
    program_bytes=28 * MIB,
    peak_bytes=210 * MIB,
)
THERE = Available(total_bytes=2**34, free_bytes=2**33, swap_free_bytes=0, cgroup=None)
LOG = b"""llm_load_tensors:        CPU buffer size =    92.10 MiB
llama_new_context_with_model: n_ctx      = 4096
llama_kv_cache_init:        CPU KV buffer size =    90.00 MiB
llama_new_context_with_model: KV self size  =   90.00 MiB, K (f16):   45.00 MiB, V (f16):   45.00 MiB
llama_new_context_with_model:        CPU  output buffer size =     0.19 MiB
llama_new_context_with_model:        CPU compute buffer size =    98.25 MiB
"""
NEWER = b"""load_tensors:   CPU_Mapped model buffer size =  1290.09 MiB
load_tensors:   CPU_REPACK model buffer size =   468.00 MiB
"""


def _fit(log: bytes = LOG, peak: int | None = 200 * MIB) -> MemoryFit:
    return compare(ESTIMATE, "fits", THERE, parse_log(log), peak)


def test_each_part_has_its_error() -> None:
    found = _fit()
    assert found.part("kv_cache").error_percent == 0.0
    assert found.part("compute").error_percent == pytest.approx(9.92, abs=0.01)
    assert found.part("repacked").measured_bytes == 0
    assert found.part("loader").measured_bytes == round(280.54 * MIB)
    assert found.part("peak").error_percent == 5.0


def test_what_was_not_printed_has_no_error() -> None:
    found = _fit(NEWER, peak=None)
    assert found.part("weights").measured_bytes == round(1290.09 * MIB)
    assert found.part("repacked").measured_bytes == 468 * MIB
    for name in ("kv_cache", "compute", "loader", "peak"):
        assert found.part(name).measured_bytes is None
        assert found.part(name).error_percent is None


def test_history_passes_over_what_is_no_result(tmp_path: Path) -> None:
    ran = {
        "engine": {"build_number": 3642, "commit": "1d1c"},
        "model": {"path": "/a/b.gguf"},
        "process": {"program": "x"},
    }
    memory = json.loads(_fit().model_dump_json())
    (tmp_path / "1.json").write_text(json.dumps({"ran": ran, "memory": memory}))
    (tmp_path / "2.json").write_text(json.dumps({"ran": ran, "memory": None}))
    (tmp_path / "3.json").write_text('{"memory": ')
    (tmp_path / "4.json").write_bytes(b"\xff\xfe")
    (tmp_path / "5.json").write_text("[" * 100_000)
    (tmp_path / "6.json").write_text(json.dumps({"ran": [], "memory": memory}))
    runs = list(past_runs(tmp_path))
    assert [(run.id, run.build, run.model) for run in runs] == [("1", "b3642", "b.gguf")]
    by_part = {part.name: part for part in summarise(runs)}
    assert by_part["peak"].worst_percent == 5.0
    assert by_part["compute"].median_percent == pytest.approx(9.92, abs=0.01)
