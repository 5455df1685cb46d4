"""How a command ends: what it raises becomes a message and an exit code, in one place."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import click
import pytest

import orchestrator
from orchestrator.cli.call import Call
from orchestrator.cli.main import cli, main
from orchestrator.errors import ExpectationError, Interrupted, LcppError, RecipeError, UsageError, WorkspaceError
from orchestrator.text.visible import visible

FULL = (
    "error: cannot write the output: no space left on device\n  at: {where}\n"
    "  next: free some space, then run the same command again\n"
)
STOPPED = "error: interrupted\n  next: what was finished is kept; run the same command again to go on\n"


class Ended(NamedTuple):
    """How a call ended."""

    code: object
    out: str
    err: str


End = Callable[..., Ended]


@pytest.fixture
def end(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> End:
    """Call `lcpp trial`, a command that does what it is given."""

    def call(does: Callable[[Call], object]) -> Ended:
        command = click.Command("trial", callback=click.pass_obj(does))
        monkeypatch.setattr(cli, "get_command", lambda ctx, name: command if name == "trial" else None)
        monkeypatch.setattr(sys, "argv", ["lcpp", "trial"])
        with pytest.raises(SystemExit) as ended:
            main()
        return Ended(ended.value.code, *capfd.readouterr())

    return call


def raises(error: BaseException) -> Callable[[Call], object]:
    def does(_: Call) -> object:
        raise error

    return does


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (4, 4), ("text", 0), (1.5, 0)])
def test_what_a_command_returns_is_its_exit_code_if_it_is_one(end: End, returned: object, code: int) -> None:
    assert end(lambda _: returned) == (code, "", "")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (LcppError("it failed"), 1),
        (UsageError("it failed"), 2),
        (RecipeError("it failed"), 2),
        (ExpectationError("it failed"), 4),
        (Interrupted("it failed"), 130),
    ],
)
def test_an_error_of_the_family_ends_with_its_own_code(end: End, error: LcppError, code: int) -> None:
    assert end(raises(error)) == (code, "", "error: it failed\n")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_ctrl_c(end: End, error: BaseException) -> None:
    ended = end(raises(error))
    # Click ends the line that the terminal shows `^C` in.
    assert ended._replace(err=ended.err.lstrip("\n")) == (130, "", STOPPED)


def test_an_exit_of_the_command_and_clicks_own_errors(end: End) -> None:
    assert end(raises(click.exceptions.Exit(4))) == (4, "", "")
    assert end(lambda _: sys.exit(5)).code == 5
    refused = end(raises(click.UsageError("not so")))
    assert (refused.code, refused.out) == (2, "")
    assert "Error: not so" in refused.err


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_under_the_output_is_no_bug(end: End, number: int) -> None:
    assert end(raises(OSError(number, "full"))) == (
        1,
        "",
        FULL.format(where="standard output").replace("no space left on device", os.strerror(number).lower()),
    )


def test_a_full_disk_under_a_file_is_told_by_its_name_and_nothing_more_is_written(end: End) -> None:
    def does(call: Call) -> object:
        call.output.form = "json"
        raise OSError(errno.ENOSPC, "full", "/place/report.html")

    assert end(does) == (1, "", FULL.format(where="/place/report.html"))
    os.write(1, b"lost")
    os.write(2, b"lost")


def test_after_a_reader_that_has_gone_nothing_is_written(end: End, capfd: pytest.CaptureFixture[str]) -> None:
    assert end(raises(BrokenPipeError())) == (1, "", "")
    os.write(1, b"lost")
    os.write(2, b"lost")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("error", [ZeroDivisionError("of ours"), OSError(errno.EIO, "of ours")])
def test_anything_else_is_a_bug_with_a_log(
    end: End, error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    ended = end(raises(error))
    (log,) = tmp_path.iterdir()
    last = f"{type(error).__name__}: {error}"
    assert ended == (
        3,
        "",
        f"bug: lcpp itself failed: {last}\n  at: {visible(str(log))}\n  next: please report it with that file\n",
    )
    assert log.name.startswith("lcpp-bug-")
    assert log.suffix == ".log"
    head, command, blank, trace = log.read_text(encoding="utf-8").split("\n", 3)
    assert (head, command, blank) == (f"lcpp {orchestrator.__version__}", "lcpp trial", "")
    assert trace.startswith("Traceback (most recent call last)")
    assert trace.strip().endswith(last)


def test_a_json_document_tells_of_an_error_too(end: End) -> None:
    def does(call: Call) -> object:
        call.output.form = "json"
        raise WorkspaceError("it failed", where="here", hint="mend it")

    ended = end(does)
    assert json.loads(ended.out) == {"error": {"what": "it failed", "where": "here", "hint": "mend it", "exit_code": 1}}
    assert ended.err == "error: it failed\n  at: here\n  next: mend it\n"


def test_help_and_version_name_the_command(end: End, monkeypatch: pytest.MonkeyPatch) -> None:
    end(lambda _: None)
    for words, begins in ((["-h"], "Usage: lcpp [OPTIONS] COMMAND"), (["--version"], "lcpp ")):
        monkeypatch.setattr(sys, "argv", ["lcpp", *words])
        out = io.StringIO()
        monkeypatch.setattr(sys, "stdout", out)
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 0
        assert out.getvalue().startswith(begins)


def test_a_character_that_a_stream_cannot_take_is_escaped(end: End, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, io.TextIOWrapper(raw, encoding="ascii", write_through=True))

    def does(_: Call) -> object:
        print("€", flush=True)
        print("é", file=sys.stderr, flush=True)
        return 0

    assert end(does).code == 0
    assert raw.getvalue() == b"\\u20ac\n\\xe9\n"
