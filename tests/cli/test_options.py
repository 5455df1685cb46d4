"""Amounts as people write them, and options that reach a command as one value."""

from __future__ import annotations

from typing import NamedTuple

import click
import pytest
from click.testing import CliRunner

from orchestrator.cli.options import collected, duration, share


@click.command()
@click.option("--time", callback=duration(least_s=1, most_s=7200))
@click.option("--part", callback=share, default="3%")
def amounts(time: float, part: float) -> None:
    click.echo(f"{time:g} {part:g}")


@pytest.mark.parametrize(
    ("written", "seconds"), [("90", "90"), ("90s", "90"), ("1.5m", "90"), ("2min", "120"), (" 2 h ", "7200")]
)
def test_times(written: str, seconds: str) -> None:
    assert CliRunner().invoke(amounts, ["--time", written]).stdout == f"{seconds} 0.03\n"


@pytest.mark.parametrize(("written", "of_one"), [("3%", "0.03"), ("0.03", "0.03"), ("99.9 %", "0.999")])
def test_shares(written: str, of_one: str) -> None:
    assert CliRunner().invoke(amounts, ["--time", "1", "--part", written]).stdout == f"1 {of_one}\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--time", "soon"], "expected a time such as 90s, 5m or 1h"),
        (["--time", "0.9"], "expected 1 s to 7200 s"),
        (["--time", "2.1h"], "expected 1 s to 7200 s"),
        (["--time", "1", "--part", "half"], "expected a share such as 3% or 0.03"),
        (["--time", "1", "--part", "0"], "more than 0 and less than 100%"),
        (["--time", "1", "--part", "1"], "more than 0 and less than 100%"),
        (["--time", "1", "--part", "100%"], "more than 0 and less than 100%"),
    ],
)
def test_what_is_no_amount_is_a_usage_error(words: list[str], told: str) -> None:
    refused = CliRunner().invoke(amounts, words)
    assert refused.exit_code == 2
    assert told in refused.stderr


class Effort(NamedTuple):
    rounds: int
    is_fresh: bool


@click.command()
@click.argument("name")
@click.option("--rounds", type=int, default=3)
@click.option("--fresh", "is_fresh", is_flag=True)
@click.pass_obj
@collected(Effort)
def experiment(obj: str, effort: Effort, name: str) -> None:
    click.echo(f"{obj} {effort} {name}")


def test_options_as_one_value() -> None:
    done = CliRunner().invoke(experiment, ["trial", "--fresh"], obj="call")
    assert done.stdout == "call Effort(rounds=3, is_fresh=True) trial\n"
