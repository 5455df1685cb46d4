"""`lcpp parse`: a log in, one JSON document out, errors as JSON too."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orchestrator.cli import parse as module
from orchestrator.cli.call import Call
from orchestrator.cli.parse import parse
from orchestrator.errors import ParseError

LOG = Path(__file__).parents[1] / "data" / "transcripts" / "1d1ccce67613" / "simple" / "stderr.log"


def invoke(*words: str, log: bytes = b"", call: Call | None = None) -> Result:
    return CliRunner().invoke(parse, words, obj=call or Call({}), input=io.BytesIO(log))


def test_a_file_and_a_pipe_give_the_same() -> None:
    of_file, of_pipe = invoke(str(LOG)), invoke(log=LOG.read_bytes())
    assert of_file.exit_code == of_pipe.exit_code == 0
    assert of_file.stdout == of_pipe.stdout
    assert json.loads(of_file.stdout)["metadata"] is not None


def test_a_log_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_BYTES", 1024 * 1024)
    call = Call({})
    refused = invoke(log=b"x" * (1024 * 1024 + 1), call=call)
    assert isinstance(refused.exception, ParseError)
    assert refused.exception.what == "the log is larger than 1 MiB"
    assert call.output.form == "json"
