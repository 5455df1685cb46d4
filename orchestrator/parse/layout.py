"""Where a program puts its answer, for telling the generated text from everything else."""

from __future__ import annotations

from typing import Literal

from orchestrator.values import Value

Shape = Literal["stdout", "stdout_after_echo", "between_marks", "chat", "json", "log"]


class Layout(Value):
    """Where a program of some era puts its answer.

    shape:
        stdout: alone on standard output.
        stdout_after_echo: on standard output, right behind the prompt.
        between_marks: in standard error, among the log lines (llama-simple b1283 to b3760).
        chat: on standard output, between the echo `> PROMPT` and the rate line (llama-cli since b7348).
        json: there is no text; standard output is a JSON document of figures (llama-bench).
        log: there is no text; figures stand among the log lines of both streams (llama-batched-bench,
            llama-perplexity).
    end_mark: what the program prints on standard output behind a text that the model ended itself.
    untimed: why a run that ended well has no timings; empty: it has some.
    trailer: what the program prints on standard output behind every text (and the mark), to be taken off once.
    """

    shape: Shape
    end_mark: str = ""
    trailer: str = ""
    untimed: str = ""
