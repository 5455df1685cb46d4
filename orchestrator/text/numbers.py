"""Numbers and units as people read them. Each way of writing one stands here, and nowhere else."""

from __future__ import annotations

MIB = 2**20
GIB = 2**30
# What stands in the place of a figure that there is none of.
NOTHING = "–"


def mib(n_bytes: float, n_decimals: int = 0) -> str:
    """Bytes in MiB, thousands grouped, without the unit: `1,234`."""
    return f"{n_bytes / MIB:,.{n_decimals}f}"


def gib(n_bytes: float, n_decimals: int = 2) -> str:
    """Bytes in GiB, without the unit: `4.58`."""
    return f"{n_bytes / GIB:.{n_decimals}f}"


def size(n_bytes: float) -> str:
    """Bytes in the unit that suits them: `92.10 MiB`, `4.58 GiB`."""
    return f"{gib(n_bytes)} GiB" if n_bytes >= GIB else f"{n_bytes / MIB:.2f} MiB"


def n_params(count: float) -> str:
    """A model's number of parameters: `134.52 M`, `8.03 B`."""
    return f"{count / 1e9:.2f} B" if count >= 1e9 else f"{count / 1e6:.2f} M"


def three_digits(value: float) -> str:
    """With three digits that matter, two behind the point when it is small: `3.14`, `31.42`, `314.2`, `3,142`."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 100 else f"{value:.2f}"


def four_digits(value: float) -> str:
    """With four digits that matter, without an exponent where a person would not write one: `3.142`, `31416`."""
    return f"{value:.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.4g}"


def share(of_one: float) -> str:
    """A share of 1 in per cent: `62 %`, `6.2 %`."""
    return f"{100 * of_one:.0f} %" if of_one >= 0.1 else f"{100 * of_one:.1f} %"


def share_or_factor(of_one: float) -> str:
    """A share of 1 in per cent, `3 %`; as a factor where it is many times the whole: `×12`."""
    return f"{of_one * 100:.3g} %" if of_one < 10 else f"×{of_one + 1:.3g}"


def signed_percent(percent: float) -> str:
    """A change that is counted in per cent: `-8.3 %`."""
    return f"{percent:+.1f} %"


def duration(seconds: float) -> str:
    """A time as people say it: `12 s`, `5 min`, `1.5 h`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def many(n: int, noun: str, plural: str | None = None) -> str:
    """`1 run`, `2 runs`."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"
