"""Which measurements may be compared, and in what they differ."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.errors import IncomparableError
from orchestrator.result.compare.comparable import differing, environment, is_under
from tests.result.measured import one


@pytest.mark.parametrize(
    ("key", "under"), [("run", True), ("run.n_threads", True), ("run_of", False), ("running.x", False), ("", False)]
)
def test_a_key_is_under_another_at_a_dot(key: str, under: bool) -> None:
    assert is_under(key, ("run",)) is under


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": {"run.timeout_s": "1.0"}},
        {"settings": {"engine.ref": "b4000"}},
        {"settings": {"model.path": "/other/place.gguf"}},
        {"environment": {"kernel": "6.2"}},
    ],
)
def test_what_bears_on_nothing_may_differ_unsaid(changes: dict[str, Any]) -> None:
    assert differing([one(1)], [one(2, **changes)]) == ()


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"settings": {"run.n_threads": "4"}}, "run.n_threads"),
        ({"settings": {"run.new": "4"}}, "run.new"),
        ({"machine": "e" * 16}, "machine"),
        ({"model_sha256": "c" * 64}, "model"),
        ({"dummy": True}, "dummy_weights"),
        ({"environment": {"prompt_sha256": "1" * 16}}, "run.prompt"),
    ],
)
def test_all_else_is_refused_until_it_is_allowed(changes: dict[str, Any], key: str) -> None:
    a, b = [one(1)], [one(2, **changes)]
    with pytest.raises(IncomparableError) as caught:
        differing(a, b)
    assert f"--allow {key}" in (caught.value.hint or "")
    assert [difference.key for difference in differing(a, b, frozenset({key}))] == [key]


def test_two_commits_differ_by_intent_and_a_mixture_is_refused() -> None:
    other = one(2, commit="e" * 40, build_number=4000)
    (difference,) = differing([one(1)], [other])
    assert (difference.key, difference.b) == ("engine.commit", (f"{'e' * 12} (b4000)",))
    with pytest.raises(IncomparableError, match="a mixture of"):
        differing([one(1)], [other, one(3)])


def test_a_run_is_not_compared_with_itself() -> None:
    with pytest.raises(IncomparableError, match="share 1 run"):
        differing([one(1)], [one(1), one(2)])


def test_what_differs_besides_is_named() -> None:
    (difference,) = environment([one(1)], [one(2, environment={"kernel": "6.2", "prompt_sha256": "1" * 16})])
    assert (difference.key, difference.a, difference.b) == ("kernel", ("6.1",), ("6.2",))
