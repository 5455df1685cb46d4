"""The first rate of a run on dummy weights: told once, from tokens alone."""

from __future__ import annotations

from orchestrator.cli.view.live import FirstRate
from orchestrator.drive.command import Command
from tests.plans import planned

COMMAND = Command(
    plan=planned(9445),
    argv=("x",),
    environment={},
    layout=planned(9445).layout,
    prompt="hello",
    n_ctx=None,
)


def test_the_first_rate_is_that_of_tokens_and_told_once() -> None:
    told: list[str] = []
    watch = FirstRate(told.append).watch(COMMAND)
    at_s = 0.0
    for _ in range(14):  # the loader's lines come in bursts
        watch("stderr", b"loading", at_s)
        at_s += 0.001
    at_s += 5.0
    for number in range(200):
        watch("stdout", b" word", at_s)
        at_s += 3.0 if number == 30 else 0.25
    assert told == ["≈ 4.0 tokens/s so far"]


def test_a_run_of_few_tokens_tells_none() -> None:
    told: list[str] = []
    watch = FirstRate(told.append).watch(COMMAND)
    for number in range(8):
        watch("stdout", b" word", number / 4)
    assert told == []
