"""The program that renders a chat template, in a process of its own with limits of the kernel's.

It is run by its file name, imports nothing of lcpp, reads one JSON request from the file it is given and prints one
JSON answer: `{"text": …}` or `{"error": …, "line": …}`.
"""

from __future__ import annotations

import datetime
import json
import resource
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

# What decides: however busy the machine is, a template gets so much of a processor and no more.
CPU_LIMIT_S = 3
_DATA_BYTES = 160 * 1024 * 1024
_MAX_TEXT_CHARS = 4_000_000
_MAX_MESSAGE_CHARS = 1000


def main(request_path: str) -> None:
    """Render the template of the request and print the answer."""
    request = json.loads(Path(request_path).read_bytes())
    sys.path[:] = request["sys_path"]
    environment = _environment()
    sys.excepthook = _report
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S))
    # Not RLIMIT_AS: libraries and locales that are only mapped would count.
    resource.setrlimit(resource.RLIMIT_DATA, (_DATA_BYTES, _DATA_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pieces, length = [], 0
    for piece in environment.from_string(request["template"]).generate(**request["variables"]):
        length += len(piece)
        if length > _MAX_TEXT_CHARS:
            raise OverflowError(f"it writes more than {_MAX_TEXT_CHARS} characters")
        pieces.append(piece)
    print(json.dumps({"text": "".join(pieces)}))


def _environment() -> Any:
    """The Jinja2 that templates are written for: as Hugging Face's `apply_chat_template` sets it up."""
    from jinja2 import nodes
    from jinja2.exceptions import TemplateError
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class GenerationTag(Extension):
        """`{% generation %}`: marks what the model wrote, for training; here only its body counts."""

        tags = {"generation"}

        def parse(self, parser: Any) -> Any:
            line = next(parser.stream).lineno
            return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)

    def raise_exception(message: object) -> None:
        raise TemplateError(str(message)[:_MAX_MESSAGE_CHARS])

    def tojson(value: Any, ensure_ascii: bool = False, **options: Any) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, **options)

    def strftime_now(form: str) -> str:
        return datetime.datetime.now().strftime(form)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[GenerationTag, loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = strftime_now
    return environment


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """In place of a traceback: the message and the template's line."""
    lines = [frame.lineno for frame in traceback.extract_tb(trace) if frame.filename == "<template>"]
    line = getattr(error, "lineno", None) or (lines[-1] if lines else None)
    text = str(error)[:_MAX_MESSAGE_CHARS]
    print(json.dumps({"error": f"{kind.__name__}: {text}" if text else kind.__name__, "line": line}))


if __name__ == "__main__":
    main(sys.argv[1])
