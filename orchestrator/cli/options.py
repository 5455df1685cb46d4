"""What options have in common: the form of what is printed, amounts as people write them (`5m`, `3%`), many as one."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from orchestrator.cli.call import Call
from orchestrator.cli.output.output import Form

_Amount = Callable[[click.Context, click.Parameter, str], float]
_Command = TypeVar("_Command", bound=Callable[..., Any])
T = TypeVar("T")

_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*(s|m|min|h)?")
_SHARE = re.compile(r"(\d{1,6}(?:\.\d{1,9})?)\s*(%)?")
_SECONDS = {None: 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_WEEK_S = 7 * 86_400.0


def json_option(help: str = "One JSON document on standard output.") -> Callable[[_Command], _Command]:
    """`--json`: the output's form is JSON."""
    return _form_option("json", help)


def markdown_option() -> Callable[[_Command], _Command]:
    """`--markdown`: the output's form is Markdown."""
    return _form_option("markdown", "Markdown for an issue on standard output.")


def _form_option(form: Form, help: str) -> Callable[[_Command], _Command]:
    def choose(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        call = ctx.find_object(Call)
        if value and call is not None:
            call.output.choose(form)

    return click.option(f"--{form}", is_flag=True, expose_value=False, callback=choose, help=help)


def set_option() -> Callable[[_Command], _Command]:
    """`-s KEY.PATH=VALUE`, as often as one likes: `overrides` of a recipe."""
    return click.option(
        "-s", "--set", "overrides", multiple=True, metavar="KEY.PATH=VALUE", help="Override a key of the recipe."
    )


def collected(kind: type) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Options that are called as the fields of `kind` reach the command as one value, behind its `Call`."""

    def decorate(command: Callable[..., T]) -> Callable[..., T]:
        @functools.wraps(command)
        def with_value(*arguments: object, **options: object) -> T:
            fields: dict[str, Any] = {name: options.pop(name) for name in kind.__annotations__}
            return command(*arguments, kind(**fields), **options)

        return with_value

    return decorate


def duration(least_s: float = 0.0, most_s: float = _WEEK_S) -> _Amount:
    """An option's callback that takes `90`, `90s`, `5m` or `1.5h`, and gives seconds."""

    def convert(ctx: click.Context, param: click.Parameter, value: str) -> float:
        amount = _DURATION.fullmatch(value.strip())
        if amount is None:
            raise click.BadParameter("expected a time such as 90s, 5m or 1h", ctx, param)
        seconds = float(amount[1]) * _SECONDS[amount[2]]
        if not least_s <= seconds <= most_s:
            raise click.BadParameter(f"expected {least_s:g} s to {most_s:g} s", ctx, param)
        return seconds

    return convert


def share(ctx: click.Context, param: click.Parameter, value: str) -> float:
    """An option's callback that takes `3%` or `0.03`."""
    amount = _SHARE.fullmatch(value.strip())
    if amount is None:
        raise click.BadParameter("expected a share such as 3% or 0.03", ctx, param)
    part = float(amount[1]) / (100 if amount[2] else 1)
    if not 0 < part < 1:
        raise click.BadParameter("expected more than 0 and less than 100%; 3 per cent is 3% or 0.03", ctx, param)
    return part
