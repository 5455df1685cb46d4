"""What a recipe expects, held against what came."""

from __future__ import annotations

import pytest

from orchestrator.programs import cli
from orchestrator.recipe.schema.recipe import ExpectSpec
from orchestrator.result.expectations import check
from orchestrator.result.run.measure import measure
from tests.result.run.test_measure import record

METADATA: dict[str, str | int | float | bool] = {
    "general.architecture": "llama",
    "llama.block_count": 30,
    "llama.rope.freq_base": 0.10000000149,
}


@pytest.mark.parametrize(
    ("expect", "ok"),
    [
        ({"min_generated_tokens": 8}, True),
        ({"min_generated_tokens": 9}, False),
        ({"min_generation_per_second": 58.0}, True),
        ({"min_generation_per_second": 58.1}, False),
        ({"min_prompt_per_second": 144.8}, True),
        ({"text_contains": ("Paris",)}, True),
        ({"text_contains": ("paris",)}, False),
        ({"text_matches": r"^Par\w+\.$"}, True),
        ({"text_matches": r"Rome"}, False),
        ({"metadata": {"general.architecture": "llama"}}, True),
        ({"metadata": {"general.architecture": "qwen"}}, False),
        ({"metadata": {"llama.block_count": 30}}, True),
        ({"metadata": {"llama.block_count": "30"}}, False),
        ({"metadata": {"llama.rope.freq_base": 0.1}}, True),
        ({"metadata": {"absent": 1}}, False),
    ],
)
def test_checks(expect: dict[str, object], ok: bool) -> None:
    wanted = ExpectSpec.model_validate(expect)
    one = record()
    (checked,) = check(wanted, one, measure(cli, one, 1), METADATA)
    assert checked.ok is ok


def test_an_expectation_about_what_was_not_measured_fails_with_the_reason() -> None:
    one = record(rate="nan")
    wanted = ExpectSpec(min_generation_per_second=1.0)
    (checked,) = check(wanted, one, measure(cli, one, 1), {})
    assert not checked.ok
    assert checked.found == "nothing: printed as nan"


def test_a_pattern_that_never_ends_is_cut_off() -> None:
    one = record("a" * 60 + "!\n\n")
    wanted = ExpectSpec(text_matches=r"(a|aa)+$")
    (checked,) = check(wanted, one, measure(cli, one, 1), {})
    assert not checked.ok
    assert "took more than" in checked.found
