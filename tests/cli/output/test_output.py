"""The output of a call: what goes where, in which form, and that strangers' text has no power on its way."""

from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner, Result

from orchestrator.cli.call import Call
from orchestrator.cli.options import json_option, markdown_option
from orchestrator.cli.output.output import Output, json_text
from orchestrator.errors import UsageError

HOSTILE = "\x1b[31m\u202e[bold]x[/bold] :smile:\x07"
SEEN = "␛[31m\ufffd[bold]x[/bold] :smile:␇"
ERROR = UsageError(f"what {HOSTILE}", where="here", hint="do that")


def people(value: str, output: Output) -> None:
    output.line(f"for people: {value}")


def print_it(output: Output) -> None:
    output.document("it", people=people, json=json_text, markdown=lambda value: f"*{value}*")


@pytest.mark.parametrize(
    ("form", "printed"), [("people", "for people: it\n"), ("json", '"it"\n'), ("markdown", "*it*\n")]
)
def test_one_document_in_the_form_that_was_chosen(form: str, printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    output = Output()
    if form == "json":
        output.choose("json")
    elif form == "markdown":
        output.choose("markdown")
    print_it(output)
    assert capsys.readouterr() == (printed, "")


def test_strangers_have_no_power_on_any_way(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(width=200)
    output.line(HOSTILE)
    output.text((HOSTILE, "green"), HOSTILE, style="dim")
    output.message(HOSTILE)
    output.error(ERROR)
    output.bug(HOSTILE)
    out, err = capsys.readouterr()
    assert out == f"{SEEN}\n{SEEN}{SEEN}\n"
    assert err.splitlines() == [SEEN, f"error: what {SEEN}", "  at: here", "  next: do that", f"bug: {SEEN}"]


def test_an_error_is_the_document_where_there_is_none_yet(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output()
    output.choose("json")
    output.error(ERROR)
    out, err = capsys.readouterr()
    told = {"what": ERROR.what, "where": "here", "hint": "do that", "exit_code": 2}
    assert json.loads(out) == {"error": told}
    assert err.startswith("error: what")


def test_an_error_after_the_document_is_a_message_alone(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output()
    output.choose("json")
    print_it(output)
    output.error(ERROR)
    assert capsys.readouterr().out == '"it"\n'


def test_an_error_that_standard_output_cannot_take_is_a_message_alone(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output()
    output.choose("json")
    output.error(ERROR, document=False)
    assert capsys.readouterr().out == ""


def test_people_get_errors_on_standard_error_alone(capsys: pytest.CaptureFixture[str]) -> None:
    Output().error(ERROR)
    assert capsys.readouterr().out == ""


def test_text_is_wrapped_only_where_it_is_prose(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(width=10)
    output.text("four words of it")
    output.text("four words of it", wrap=True)
    assert capsys.readouterr().out == "four words of it\nfour words\nof it\n"


def test_progress_ends_before_anything_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output()
    output.progress.stage("work")
    output.line("done")
    output.progress.note("by the way")
    assert capsys.readouterr() == ("done\n", "work …\nnote: by the way\n")


@click.command()
@json_option()
@markdown_option()
@click.pass_obj
def command(call: Call) -> None:
    print_it(call.output)


def invoke(*words: str, call: Call | None = None) -> Result:
    return CliRunner().invoke(command, words, obj=call or Call({}))


def test_options_choose_the_form() -> None:
    assert invoke().stdout == "for people: it\n"
    assert invoke("--json").stdout == '"it"\n'
    assert invoke("--json", "--json").stdout == '"it"\n'
    assert invoke("--markdown").stdout == "*it*\n"


@pytest.mark.parametrize("words", [("--json", "--markdown"), ("--markdown", "--json")])
def test_two_forms_are_none_and_who_wants_json_gets_it(words: tuple[str, ...]) -> None:
    call = Call({})
    refused = invoke(*words, call=call)
    assert isinstance(refused.exception, UsageError)
    assert call.output.form == "json"
