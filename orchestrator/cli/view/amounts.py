"""Amounts as people write them on a command line: `5m`, `3%`."""

from __future__ import annotations

import re
from collections.abc import Callable

import click

_Callback = Callable[[click.Context, click.Parameter, str], float]

_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*(s|m|min|h)?")
_SHARE = re.compile(r"(\d{1,6}(?:\.\d{1,9})?)\s*(%)?")
_SECONDS = {None: 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_WEEK_S = 7 * 86_400.0


def duration(least_s: float = 0.0, most_s: float = _WEEK_S) -> _Callback:
    """An option's callback that takes `90`, `90s`, `5m` or `1.5h`, and gives seconds."""

    def convert(ctx: click.Context, param: click.Parameter, value: str) -> float:
        found = _DURATION.fullmatch(value.strip())
        if found is None:
            raise click.BadParameter("expected a time such as 90s, 5m or 1h", ctx, param)
        seconds = float(found[1]) * _SECONDS[found[2]]
        if not least_s <= seconds <= most_s:
            raise click.BadParameter(f"expected {least_s:g} s to {most_s:g} s", ctx, param)
        return seconds

    return convert


def share(ctx: click.Context, param: click.Parameter, value: str) -> float:
    """An option's callback that takes `3%` or `0.03`."""
    found = _SHARE.fullmatch(value.strip())
    if found is None:
        raise click.BadParameter("expected a share such as 3% or 0.03", ctx, param)
    part = float(found[1]) / (100 if found[2] else 1)
    if not 0 < part < 1:
        raise click.BadParameter("expected more than 0 and less than 100%; 3 per cent is 3% or 0.03", ctx, param)
    return part
