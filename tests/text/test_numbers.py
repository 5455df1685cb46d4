"""Numbers as people read them: where a unit, a digit or a word changes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orchestrator.text import numbers


@pytest.mark.parametrize(
    ("form", "value", "shown"),
    [
        (numbers.mib, 0, "0"),
        (numbers.mib, 1536 * 2**20, "1,536"),
        (numbers.mib, 2**19, "0"),
        (numbers.mib, 2**19 + 1, "1"),
        (numbers.gib, 2**29, "0.50"),
        (numbers.gib, 1234 * 2**30, "1234.00"),
        (numbers.size, 2**30 - 1, "1024.00 MiB"),
        (numbers.size, 2**30, "1.00 GiB"),
        (numbers.size, 96573850, "92.10 MiB"),
        (numbers.n_params, 134_515_008, "134.52 M"),
        (numbers.n_params, 999_999_999, "1000.00 M"),
        (numbers.n_params, 1e9, "1.00 B"),
        (numbers.three_digits, 3.14159, "3.14"),
        (numbers.three_digits, 99.99, "99.99"),
        (numbers.three_digits, 100.0, "100.0"),
        (numbers.three_digits, 999.9, "999.9"),
        (numbers.three_digits, 1234.5, "1,234"),
        (numbers.four_digits, 3.14159, "3.142"),
        (numbers.four_digits, 999.96, "1000"),
        (numbers.four_digits, 31415.9, "31416"),
        (numbers.four_digits, -31415.9, "-31416"),
        (numbers.four_digits, 1e9, "1e+09"),
        (numbers.share, 0.0999, "10.0 %"),
        (numbers.share, 0.1, "10 %"),
        (numbers.share, 1.25, "125 %"),
        (numbers.share_or_factor, 0.03, "3 %"),
        (numbers.share_or_factor, 9.99, "999 %"),
        (numbers.share_or_factor, 10, "×11"),
        (numbers.signed_percent, -8.34, "-8.3 %"),
        (numbers.signed_percent, 0.0, "+0.0 %"),
        (numbers.duration, 0.0, "1 s"),
        (numbers.duration, 89.9, "90 s"),
        (numbers.duration, 90, "2 min"),
        (numbers.duration, 5399, "90 min"),
        (numbers.duration, 5400, "1.5 h"),
    ],
)
def test_each_form(form: Callable[[float], str], value: float, shown: str) -> None:
    assert form(value) == shown


def test_digits_behind_the_point() -> None:
    assert numbers.mib(1536 * 2**20 + 2**19, 1) == "1,536.5"
    assert numbers.gib(1536 * 2**20, 1) == "1.5"


@pytest.mark.parametrize(
    ("n", "words", "shown"),
    [
        (1, ("run",), "1 run"),
        (0, ("run",), "0 runs"),
        (1234, ("run",), "1,234 runs"),
        (1, ("older run is", "older runs are"), "1 older run is"),
        (2, ("older run is", "older runs are"), "2 older runs are"),
    ],
)
def test_one_or_many(n: int, words: tuple[str, ...], shown: str) -> None:
    assert numbers.many(n, *words) == shown
