"""Stands in for an interactive llama.cpp program: its line reader as each era has it, and answers that are told to it.

    python interactive.py ERA SCRIPT

ERA: slash (to b5154), plain (then), replace (today's). SCRIPT: JSON; `answers` is a list, one a prompt, of lists of steps:
a text is printed; a number is a pause in seconds; `[kind, value]` does something. What arrives goes to `prompts.json`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any


def read_line(era: str) -> tuple[bytes, bool]:
    """`readline_simple` of common/console.cpp, without multiline input."""
    line = sys.stdin.buffer.readline()
    if not line.endswith(b"\n"):
        sys.exit(9)
    line = line[:-1]
    if line.endswith(b"/"):
        return (line[:-1] + b"\n" if era == "replace" else line[:-1]), False
    if line.endswith(b"\\"):
        return line[:-1] + b"\n", True
    return line + b"\n", False


def read_prompt(era: str) -> bytes | None:
    """A prompt; None: an empty line."""
    buffer, more = b"", True
    while more:
        line, more = read_line(era)
        buffer += line
    if era == "slash":
        return buffer if len(buffer) > 1 else None
    return buffer.removesuffix(b"\n") or None


def say(data: str | bytes) -> None:
    sys.stdout.buffer.write(data.encode() if isinstance(data, str) else data)
    sys.stdout.buffer.flush()


def from_another_thread(text: str) -> None:
    """Print while the main thread goes on to read: busily, as a thread with much to print is."""

    def work() -> None:
        end = time.monotonic() + 0.2
        while time.monotonic() < end:
            pass
        say(text)

    threading.Thread(target=work, daemon=True).start()


def do(step: Any) -> None:
    if isinstance(step, str):
        say(step)
    elif isinstance(step, (int, float)):
        time.sleep(step)
    elif step[0] == "log":
        print(step[1], end="", file=sys.stderr, flush=True)
    elif step[0] == "many":
        say(step[1] * step[2])
    elif step[0] == "bytes":
        say(bytes(step[1]))
    elif step[0] == "thread":
        from_another_thread(step[1])
    elif step[0] == "exit":
        os._exit(step[1])
    elif step[0] == "kill":
        os.kill(os.getpid(), signal.Signals[step[1]])


def main() -> None:
    era, script = sys.argv[1], json.loads(sys.argv[2])
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    if script.get("stubborn"):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say("Loading model…\n")
    came: list[str | None] = []
    for steps in (["\n> "], *script["answers"]):
        for step in steps:
            do(step)
        prompt = read_prompt(era)
        came.append(None if prompt is None else prompt.decode())
        Path("prompts.json").write_text(json.dumps(came))
        if prompt == b"/exit":
            say("\nExiting...\n")
            sys.exit(0)
    sys.exit(7)


if __name__ == "__main__":
    main()
