"""`lcpp parse`: any llama.cpp log to JSON."""

from __future__ import annotations

import sys
from typing import BinaryIO

import click

from orchestrator.cli.call import Call
from orchestrator.errors import ParseError
from orchestrator.text.numbers import mib

_MOST_BYTES = 256 * 1024 * 1024


@click.command()
@click.argument("log", type=click.File("rb"), default="-")
@click.pass_obj
def parse(call: Call, log: BinaryIO) -> None:
    """Read a llama.cpp LOG (a file, or standard input) and print what it says as one JSON document.

    Give the program's whole output: `llama-simple … > run.log 2>&1`. Any program and any version since August 2023.
    """
    call.output.choose("json")
    if log is sys.stdin.buffer and sys.stdin.isatty():
        raise ParseError("there is nothing to read", hint="name a file, or pipe a log in: `lcpp parse < run.log`")
    raw = log.read(_MOST_BYTES + 1)
    if len(raw) > _MOST_BYTES:
        raise ParseError(f"the log is larger than {mib(_MOST_BYTES)} MiB", hint="cut it to the part of one run")
    from orchestrator.parse.parser import parse_log

    call.output.raw_text(parse_log(raw).model_dump_json(indent=1))
