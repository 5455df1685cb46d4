"""The output of somebody's own llama-bench as measurements: each repetition of a test is a round."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.parse.bench import read_bench
from orchestrator.parse.record import BenchTest
from orchestrator.programs.bench import NAME, figures_of
from orchestrator.result.measurement import Measurement, setting_text, utc

# Where llama-bench's field is a setting of a recipe; other settings are kept under `bench.`.
_SETTINGS = {
    "n_threads": "run.n_threads",
    "n_batch": "run.n_batch",
    "n_ubatch": "run.n_ubatch",
    "type_k": "run.type_k",
    "type_v": "run.type_v",
    "flash_attn": "run.flash_attn",
    "use_mmap": "run.mmap",
    "n_prompt": "run.n_prompt",
    "n_gen": "run.n_gen",
}
_MEASURED = ("avg_ns", "stddev_ns", "avg_ts", "stddev_ts", "samples_ns", "samples_ts", "test_time")
_ELSEWHERE = ("build_commit", "build_number", "cpu_info", "gpu_info", "backends", "model_filename", "model_type")
_WHOLE_COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)
_MOST_TESTS = 10_000


def measurements(raw: bytes) -> list[Measurement]:
    """The measurements in what `llama-bench -o json` or `-o jsonl` printed.

    All of one file are one experiment, each test is one of its cases, each repetition a round.

    Raises:
        ValueError: with the reason why there are none.
    """
    output = read_bench(raw)
    if output.missing is not None:
        raise ValueError(output.missing)
    if len(output.tests) > _MOST_TESTS:
        raise ValueError(f"it has more than {_MOST_TESTS:,} tests")
    experiment = f"{NAME}-{hashlib.sha256(raw).hexdigest()[:12]}"
    return [measurement for case, test in enumerate(output.tests) for measurement in _rounds(test, case, experiment)]


def _rounds(test: BenchTest, case: int, experiment: str) -> Iterator[Measurement]:
    fields = test.fields
    moment = fields.get("test_time")
    if not isinstance(moment, str):
        raise ValueError("a test does not say when it was (`test_time`)")  # noqa: TRY004 - the file's fault, as all here
    settings = dict(_settings(fields))
    commit = test.build_commit or ""
    machine = [str(fields.get(name) or "") for name in ("cpu_info", "gpu_info")]
    number = fields.get("build_number")
    model = str(fields.get("model_filename") or "").replace("\\", "/").rpartition("/")[2]
    samples = test.samples_ts or ((test.avg_ts,) if test.avg_ts is not None else ())
    for index, rate in enumerate(samples):
        ms = test.samples_ns[index] / 1e6 if index < len(test.samples_ns) else None
        yield Measurement(
            id=f"{experiment}-{case}-{index}",
            name=NAME,
            started_at=utc(moment),
            status="ok",
            path=None,
            program=NAME,
            commit=commit if _WHOLE_COMMIT.fullmatch(commit) else None,
            build_number=number if type(number) is int and number > 1 else None,
            machine=hashlib.sha256("\0".join((NAME, *machine)).encode()).hexdigest()[:16],
            machine_name=", ".join(part for part in machine if part) or "unknown",
            model_sha256="",
            model_name=model or test.model_type or "unknown",
            recipe_digest="",
            settings=settings,
            environment={"build_commit": commit},
            figures={name: float(value) for name, value in figures_of(test, rate, ms).items() if value is not None},
            experiment=experiment,
            case=case,
            case_settings={key: settings[key] for key in ("run.n_prompt", "run.n_gen") if key in settings},
            round=index,
        )


def _settings(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "run.program", "bench"
    yield "model.file", str(fields.get("model_filename") or "").replace("\\", "/").rpartition("/")[2]
    for name, value in fields.items():
        if name in _MEASURED or name in _ELSEWHERE or not isinstance(value, (str, int, float)):
            continue
        if name == "flash_attn" and value in (0, 1):
            value = "on" if value else "off"
        yield _SETTINGS.get(name, f"bench.{name}"), setting_text(value)
