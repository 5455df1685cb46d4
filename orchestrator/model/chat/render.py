"""Render a conversation with the model's own chat template, for programs that do not do it themselves.

A template is a stranger's program. Jinja2's sandbox keeps it from our objects, but no sandbox inside a process bounds
its time and memory: nested loops run for hours, `'x' * 10**10` is one call. So it is rendered by a second Python with
limits of the kernel's (`sandbox.py`). That costs some 30 ms more than importing Jinja2 here would.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator import process
from orchestrator.errors import ModelError
from orchestrator.model.chat import sandbox
from orchestrator.model.gguf.summary import HeaderSummary
from orchestrator.workspace import write_atomic

# Only for a renderer that stands still: what decides is its limit of processor time, and a busy machine may take long
# to give it that.
WALL_LIMIT_S = 120.0


def render_chat(
    header: HeaderSummary,
    messages: Sequence[Mapping[str, str]],
    *,
    add_generation_prompt: bool = True,
    cache: Path | None = None,
) -> str:
    """The prompt for a conversation.

    Args:
        header: the model's (`Model.header`).
        messages: each with `role` and `content`.
        add_generation_prompt: end with what begins the assistant's answer.
        cache: a folder to keep the text in, and to look for it first: another Python takes a tenth of a second.

    Returns:
        The text, without the BOS token at its beginning when llama.cpp itself adds one.

    Raises:
        ModelError: the model has no template, or the template fails, or takes too much time or memory.
    """
    if not header.chat_template:
        raise ModelError(
            "the model has no chat template", hint="set `run.mode: raw`, or take an instruction-tuned model"
        )
    variables = {
        "messages": [dict(message) for message in messages],
        "add_generation_prompt": add_generation_prompt,
        "bos_token": header.bos_token or "",
        "eos_token": header.eos_token or "",
        # Templates ask whether these are given; Hugging Face's own renderer always names them.
        "tools": None,
        "documents": None,
    }
    # What such a template writes is of the day.
    folder = None if "strftime_now" in header.chat_template else cache
    text = _cached(header.chat_template, variables, folder) if folder else _render(header.chat_template, variables)
    # Most templates write the BOS token, and llama.cpp puts one before every prompt when the vocabulary says so; two
    # of them spoil the answer. llama.cpp's own chat code takes it away at the same place.
    if header.add_bos and header.bos_token:
        text = text.removeprefix(header.bos_token)
    return text


def _cached(template: str, variables: Mapping[str, object], folder: Path) -> str:
    inputs = json.dumps([template, variables], sort_keys=True)
    path = folder / f"{hashlib.sha256(inputs.encode()).hexdigest()}.txt"
    try:
        return path.read_bytes().decode()
    except (OSError, ValueError):
        text = _render(template, variables)
        write_atomic(path, text)
        return text


def _render(template: str, variables: Mapping[str, object]) -> str:
    request = {"sys_path": sys.path, "template": template, "variables": variables}
    with tempfile.TemporaryDirectory(prefix="lcpp-chat-") as folder:
        path = Path(folder, "request.json")
        path.write_text(json.dumps(request))
        # -I -S: nothing of the user's environment; where to find Jinja2 is in the request.
        argv = [sys.executable, "-I", "-S", sandbox.__file__, str(path)]
        try:
            finished = process.run(argv, timeout_s=WALL_LIMIT_S)
        except subprocess.TimeoutExpired as error:
            raise _failed("it took too long") from error
    if finished.returncode < 0:
        raise _failed(f"it took too much time or memory (stopped by signal {-finished.returncode})")
    if not finished.stdout:
        raise _failed((finished.stderr.strip().splitlines() or ["no message"])[-1][:1000])
    answer = json.loads(finished.stdout)
    if finished.returncode == 0:
        return str(answer["text"])
    line = f" (line {answer['line']} of the template)" if answer["line"] else ""
    raise _failed(f"{answer['error']}{line}")


def _failed(why: str) -> ModelError:
    return ModelError(
        f"the model's chat template failed: {why}",
        hint="set `run.mode: raw` and write the prompt in the model's own format; some refuse a system message",
    )
