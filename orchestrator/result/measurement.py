"""A result as statistics see it: what was measured, and all that must be the same for two figures to be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One run, flat and small: a row of the store.

    Args:
        id: the result's.
        name: the recipe's.
        started_at: UTC, ISO 8601.
        status: ok, unexpected or failed.
        path: the result's JSON file; None when it came from elsewhere.
        program: llama-simple, …
        commit: of llama.cpp, 40 hex digits; None for a build whose commit is not known.
        machine: fingerprint of what bears on speed; equal for equal machines.
        settings: flattened keys of the recipe (`run.n_threads`, `engine.build.native`, …) as text, without prompts.
        environment: further facts that a fair comparison holds constant or names (compiler, build flags, kernel, …).
        figures: by name as in `Measured`, with `wall_s`, `cpu_s` and `peak_memory_bytes`; only those that are known.
        experiment: id of the experiment that the run is part of; None for a run by itself.
        case: which of its cases, 0-based; `case_settings` is what sets it apart.
        round: 0-based.
        warmup: to warm the machine up; never counts.
        disturbed: why it does not count; empty when it does.
        dummy: ran on dummy weights; its speed counts, its text does not.
        text_sha256: of the generated text's UTF-8, hex; None for a bench or with dummy weights.
    """

    id: str
    name: str
    started_at: str
    status: str
    path: str | None
    program: str
    commit: str | None
    build_number: int | None
    machine: str
    machine_name: str
    model_sha256: str
    model_name: str
    recipe_digest: str
    settings: Mapping[str, str]
    environment: Mapping[str, str]
    figures: Mapping[str, float]
    experiment: str | None = None
    case: int = 0
    case_settings: Mapping[str, str]
    round: int = 0
    warmup: bool = False
    disturbed: tuple[str, ...] = ()
    dummy: bool = False
    text_sha256: str | None = None

    @property
    def counts(self) -> bool:
        """Whether statistics may use it."""
        return self.status != "failed" and not self.warmup and not self.disturbed
