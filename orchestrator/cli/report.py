"""`lcpp report`: what was measured, as a page, plots, Markdown, JUnit XML, or tables in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.call import Call
from orchestrator.cli.options import markdown_option
from orchestrator.cli.output.output import Output
from orchestrator.errors import UsageError

if TYPE_CHECKING:
    from orchestrator.report.content import Report
    from orchestrator.result.measurement import Measurement
    from orchestrator.result.store.database import Database

_LIMIT = 200
_PLOTS = ("history", "commits", "compare", "memory")
_HELP = """SELECTION is as in `lcpp results`: @RECIPE (its newest group of runs), @RECIPE~2, an id or its beginning, or
filters such as recipe=smoke,since=7d,n_threads=2. Filters narrow what the others name."""


@click.command(epilog=_HELP)
@click.argument("selections", nargs=-1, metavar="[SELECTION]...")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="FILE.html: the page; with --plot FILE.svg or .png."
)
@click.option("--plot", type=click.Choice(_PLOTS), help="One plot of the newest that there is: history (by date), …")
@markdown_option()
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Runs and their checks as JUnit XML.")
@click.option("--title", default="lcpp report", show_default=True, help="The page's heading.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=_LIMIT, show_default=True, help="The newest so many results."
)
@click.pass_obj
def report(
    call: Call,
    selections: tuple[str, ...],
    output: Path | None,
    plot: str | None,
    junit: Path | None,
    title: str,
    limit: int,
) -> None:
    """Report on the results that meet all SELECTIONs; on the newest ones when none is given.

    \b
    lcpp report                                   # tables and small plots here
    lcpp report recipe=smoke -o report.html       # one file that needs nothing else
    lcpp report @threads --plot compare -o threads.svg
    lcpp report since=1d --markdown --junit junit.xml
    """
    _check(output, plot)
    report = _report(call, selections, title, limit)
    call.output.close()
    if plot is not None and output is not None:
        _write(output, _plot(report, plot, output.suffix), call.output)
    elif output is not None:
        from orchestrator.report.html import render  # matplotlib takes half a second: only where there are plots

        _write(output, render(report).encode(), call.output)
    if junit is not None:
        from orchestrator.report.junit import render as render_junit

        _write(junit, render_junit(report), call.output)
    if call.output.form == "markdown":
        from orchestrator.report.markdown import render as render_markdown

        call.output.raw_text(render_markdown(report), end="")
    elif output is None and junit is None:
        from orchestrator.report.terminal import show

        show(report, call.output.console)


def _check(output: Path | None, plot: str | None) -> None:
    if plot is not None:
        if output is None or output.suffix not in (".svg", ".png"):
            raise UsageError(
                "`--plot` needs a file for its plot", hint=f"lcpp report --plot {plot} -o {plot}.svg (or .png)"
            )
    elif output is not None and output.suffix not in (".html", ".htm"):
        raise UsageError(
            f"a report is HTML, not {output.suffix or 'a file without an ending'}",
            where=str(output),
            hint="-o report.html; `--markdown` and `--junit FILE` are for the other forms, `--plot` for .svg and .png",
        )


def _report(call: Call, selections: Sequence[str], title: str, limit: int) -> Report:
    import datetime

    import orchestrator
    from orchestrator.report.collect import collect
    from orchestrator.report.content import build_report
    from orchestrator.result.store.database import opened

    with opened(call.workspace.runs, call.progress) as database:
        measurements, count = _find(database, selections, limit)
    if not measurements:
        raise UsageError(
            "no result meets that" if selections else "there are no results yet",
            where=str(call.workspace.runs),
            hint="`lcpp results list` shows what there is; `lcpp run RECIPE` makes one",
        )
    now = datetime.datetime.now(datetime.timezone.utc)
    return build_report(
        collect(measurements),
        title=title,
        made_at=now,
        lcpp_version=orchestrator.__version__,
        n_older=count - len(measurements),
    )


def _find(database: Database, selections: Sequence[str], limit: int) -> tuple[list[Measurement], int]:
    """The newest `limit` of what is selected, and how many there are in all."""
    from orchestrator.result.store.selection import conditions

    filters = [text for text in selections if any(sign in text for sign in "=<>")]
    named = [text for text in selections if text not in filters]
    if not named:
        chosen = conditions(database, filters)
        newest = list(database.find(chosen, limit=limit))
        return newest, len(newest) if len(newest) < limit else database.count(chosen)
    unique = {run.id: run for text in named for run in database.find(conditions(database, [text, *filters]))}
    ordered = sorted(unique.values(), key=lambda run: (run.started_at, run.id), reverse=True)
    return ordered[:limit], len(ordered)


def _plot(report: Report, kind: str, suffix: str) -> bytes:
    from orchestrator.report import plots, svg
    from orchestrator.result.registry import shown_in

    drawn = None
    if kind in ("history", "commits"):
        with_rates = [history for history in report.histories if any(series.by_date for series in history.series)]
        if with_rates:
            drawn = plots.draw_history(with_rates[0], "date" if kind == "history" else "commit")
    elif kind == "compare":
        for matrix in report.matrices:
            known = {name for case in matrix.cases for name in case.spreads}
            rate = next((rate for rate in shown_in("histories") if rate.name in known), None)
            if rate is not None:
                drawn = plots.draw_matrix(matrix, rate)
                break
    elif report.memory:
        drawn = plots.draw_memory(report.memory)
    if drawn is None:
        needs = {
            "compare": "no experiment with several cases and a speed is among these results",
            "memory": "none of these results has an estimate of its memory",
        }
        raise UsageError(needs.get(kind, "none of these results has a speed"), hint="select other results")
    if suffix == ".png":
        return plots.png(drawn)
    return svg.standalone(plots.svg(drawn), kind, drawn.title, drawn.description).encode()


def _write(path: Path, data: bytes, output: Output) -> None:
    from orchestrator.workspace import disk_errors, write_atomic

    if path.exists() and not path.is_file():
        if path.is_dir():
            raise UsageError("a folder is no place for a report", where=str(path), hint="name a file")
        # A device or a pipe: nothing to move into its place.
        with disk_errors("write", path), path.open("wb") as out:
            out.write(data)
        return
    write_atomic(path, data)
    output.message(f"written: {path}")
