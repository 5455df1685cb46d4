"""What a recipe expects of a run, held against what came."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from orchestrator.parse.record import Record
from orchestrator.recipe.schema.recipe import ExpectSpec
from orchestrator.result.registry import GENERATION, N_GEN, PROMPT
from orchestrator.result.schema import Check, Measured
from orchestrator.text.visible import shortened

_REGEX_LIMIT_S = 2.0
_SHOWN = 60


def check(
    expect: ExpectSpec, record: Record, measured: Measured, metadata: Mapping[str, str | int | float | bool]
) -> tuple[Check, ...]:
    """Hold what the recipe expects against what came.

    Args:
        metadata: the GGUF's own; the loader prints it cut short, and llama-bench not at all.
    """
    checks: list[Check] = []
    at_least = (
        ("min_generated_tokens", expect.min_generated_tokens, measured.n_gen, N_GEN),
        ("min_prompt_per_second", expect.min_prompt_per_second, measured.prompt_per_second, PROMPT),
        (
            "min_generation_per_second",
            expect.min_generation_per_second,
            measured.generation_per_second,
            GENERATION,
        ),
    )
    for name, wanted, found, figure in at_least:
        if wanted is not None:
            shown = (
                f"{found:g}" if found is not None else f"nothing: {measured.missing.get(figure.name, 'not measured')}"
            )
            checks.append(
                Check(name=name, expected=f"at least {wanted:g}", found=shown, ok=found is not None and found >= wanted)
            )
    text = record.generation.text or ""
    for part in expect.text_contains:
        expected, there = shortened(part, _SHOWN), shortened(text, _SHOWN)
        checks.append(Check(name="text_contains", expected=expected, found=there, ok=part in text))
    if expect.text_matches is not None:
        checks.append(_matches(expect.text_matches, text))
    checks.extend(_metadata(expect, metadata))
    return tuple(checks)


def _matches(pattern: str, text: str) -> Check:
    # Imported here: only recipes with a pattern need it, and start-up time counts.
    import regex

    try:
        ok = regex.search(pattern, text, timeout=_REGEX_LIMIT_S) is not None
        found = shortened(text, _SHOWN)
    except TimeoutError:
        ok, found = False, f"the pattern took more than {_REGEX_LIMIT_S:g} s; simplify it"
    return Check(name="text_matches", expected=shortened(pattern, _SHOWN), found=found, ok=ok)


def _metadata(expect: ExpectSpec, metadata: Mapping[str, str | int | float | bool]) -> Iterable[Check]:
    for key, wanted in expect.metadata.items():
        found = metadata.get(key)
        if isinstance(wanted, float) and isinstance(found, (int, float)):
            # GGUF keeps 32-bit floats; people write decimals.
            ok = math.isclose(found, wanted, rel_tol=1e-6)
        else:
            ok = type(found) is type(wanted) and found == wanted
        yield Check(
            name=f"metadata.{key}", expected=str(wanted), found="no such key" if found is None else str(found), ok=ok
        )
