"""A program run by hand: the same command line, pipes, and as little as possible between it and what is compared.

Nothing here is shared with lcpp's parser: what a program of some build prints around its answer is spelled out again.
"""

from __future__ import annotations

import os
import re
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Output:
    """What a program printed, and how it ended."""

    stdout: bytes
    stderr: bytes
    exit_code: int

    @property
    def n_prompt(self) -> int | None:
        """Prompt tokens, by the program's own timings."""
        return self._count(rb"prompt eval time =.*?/ +(\d+) tokens")

    @property
    def n_eval(self) -> int | None:
        """Evaluations after the prompt, by the program's own timings."""
        return self._count(rb"(?<!prompt) eval time =.*?/ +(\d+) (?:runs|tokens)")

    def _count(self, pattern: bytes) -> int | None:
        found = re.findall(pattern, self.stderr)
        return int(found[-1]) if found else None


def run(argv: Sequence[str], environment: Mapping[str, str], folder: Path, *, timeout_s: float = 300) -> Output:
    """Run `argv` in a new folder."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        argv,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=timeout_s,
        check=False,
        start_new_session=True,
    )
    return Output(stdout=done.stdout, stderr=done.stderr, exit_code=done.returncode)


def converse(
    argv: Sequence[str], environment: Mapping[str, str], folder: Path, typed: str, n_marks: int, *, quiet_s: float = 2.0
) -> bytes:
    """Standard output of an interactive program that is given `typed` all at once, through a pipe that stays open.

    It is killed when it has printed `n_marks` prompt marks and then nothing for a while, or after minutes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (
        (folder / "stderr.log").open("wb") as errors,
        subprocess.Popen(
            argv,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        ) as child,
    ):
        assert child.stdin is not None
        assert child.stdout is not None
        said, deadline = b"", time.monotonic() + 120
        try:
            child.stdin.write(typed.encode())
            child.stdin.flush()
            while time.monotonic() < deadline:
                ready, _, _ = select.select([child.stdout], [], [], quiet_s)
                piece = os.read(child.stdout.fileno(), 65536) if ready else b""
                said += piece
                if not piece and (ready or said.count(b"\n> ") >= n_marks):
                    break
        finally:
            child.kill()
    return said


def completed(output: Output, build: int, prompt: str) -> str:
    """The text that main, llama-cli or llama-completion made."""
    text = output.stdout.decode(errors="replace")
    if build < 1855:
        # No --no-display-prompt yet.
        return text.partition(prompt)[2]
    if build >= 3761:
        text = text.removesuffix("\n\n").removesuffix(" [end of text]\n")
    return text


def simple(output: Output, build: int, prompt: str) -> str:
    """The text that simple or llama-simple made."""
    text, log = output.stdout.decode(errors="replace"), output.stderr.decode(errors="replace")
    if build < 1283:
        return text
    if build < 3761:
        return log.partition(f"{prompt}")[2].rpartition("\n\nmain: decoded ")[0]
    # The logger of b3761 prints on standard output what went to standard error before: four line ends.
    return text.partition(prompt)[2].removesuffix("\n\n\n\n" if build < 3903 else "\n")


def chatted(output: Output, build: int, prompt: str) -> str:
    """The answer of llama-cli since b7348."""
    text = output.stdout.decode(errors="replace").partition(f"\n> {prompt}\n")[2].rpartition("[ Prompt: ")[0]
    # To b9926 an empty line comes before it; one line end closes it, another stands before the rates.
    return text[1 if build < 9927 else 0 :].removesuffix("\n").removesuffix("\n")


def turns(said: bytes) -> list[str]:
    """The answers of a session by `converse`, of those that hold no `> ` at the beginning of a line."""
    parts = said.decode(errors="replace").split("\n> ")[1:-1]
    return [part.partition("\n\n[ Prompt: ")[0].removesuffix("\n") for part in parts]
