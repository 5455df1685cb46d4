"""Measurements as a program on some machine would give them, for tests of what is concluded from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from orchestrator.result.measurement import Measurement
from orchestrator.values import replace

SETTINGS = {
    "engine.ref": "b3642",
    "engine.source": "auto",
    "model.source": "path",
    "model.path": "/models/small.gguf",
    "run.program": "complete",
    "run.n_predict": "64",
    "run.n_threads": "2",
    "run.sampling.temperature": "0.0",
    "run.sampling.seed": "42",
    "run.timeout_s": "300.0",
}


def one(number: int = 0, rate: float = 100.0, **changes: Any) -> Measurement:
    """A measurement whose generation ran at `rate` tokens/s."""
    plain = Measurement(
        id=f"20260101T000000Z-smoke-{number:06x}",
        name="smoke",
        started_at=f"2026-01-01T00:00:{number % 60:02}.000+00:00",
        status="ok",
        path=None,
        program="llama-cli",
        commit="1d1ccce67613674c75c9c7e3fa4c1e24e428ba48",
        build_number=3642,
        machine="f" * 16,
        machine_name="Some CPU, 2 CPUs, 8 GiB",
        model_sha256="b" * 64,
        model_name="small",
        recipe_digest="d" * 64,
        settings=SETTINGS,
        environment={"kernel": "6.1", "build.compiler": "cc 12", "prompt_sha256": "0" * 16},
        figures={"generation_per_second": rate, "peak_memory_bytes": 2.0**28},
        case_settings={},
        text_sha256="a" * 64,
    )
    settings = changes.pop("settings", None)
    environment = changes.pop("environment", None)
    figures = changes.pop("figures", None)
    return replace(
        plain,
        settings=_changed(plain.settings, settings),
        environment=_changed(plain.environment, environment),
        figures=_changed(plain.figures, figures),
        **changes,
    )


def _changed(values: Mapping[str, Any], changes: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in {**values, **(changes or {})}.items() if value is not None}


def side(rates: Sequence[float], first: int = 0, **changes: Any) -> list[Measurement]:
    """One measurement a rate, in rounds of one experiment, as case `first // 1000`."""
    shared = {"experiment": "e1", "case": first // 1000, **changes}
    return [one(first + number, rate, round=number, **shared) for number, rate in enumerate(rates)]


def turns(
    rng: np.random.Generator, n: int, *, slower: float = 0.0, sd: float = 0.03, outliers: float = 0.0
) -> tuple[list[Measurement], list[Measurement]]:
    """A and B run in turns on a machine whose speed drifts; B takes `slower` (0.1: 10 %) more time."""
    drift = np.cumsum(rng.normal(0, 0.05, n))
    logs = rng.normal(0, sd, (2, n)) - (rng.random((2, n)) < outliers) * rng.uniform(0.05, 0.6, (2, n)) + drift
    a, b = 100 * np.exp(logs)
    return side([*a]), side([*(b / (1 + slower))], 1000)
