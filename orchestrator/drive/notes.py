"""What the old interactive programs note for debugging: how many tokens a prompt had, and why an answer ended.

They print no figures of an answer, and the text alone does not tell an answer that the model ended from one that was
cut behind a line end. The notes do: in `main.log` (b2817 to b3760), then in standard error.
"""

from __future__ import annotations

import re

from orchestrator.values import Value

# The file's lines begin with the time.
_NOTE = re.compile(
    rb"^(?:\[\d+\] )?(?:n_remain: (-?\d+)|(found an EO[GS] token)|(input tokens: )|(waiting for user input))",
    re.MULTILINE,
)
WAITING = b"waiting for user input\n"
_BUFFER = b"buffer: '"
_FORMATTED = re.compile(rb"\n?'\n(?:\[\d+\] )?formatted: ")
_BEGINNING = re.compile(rb"^n_ctx: \d+, add_bos: \d+$", re.MULTILINE)
_BEGINNING_ENDS = b": interactive mode on.\n"
_DEBUG = re.compile(
    rb"(?:eval: \[|n_past = |n_remain: |embd_inp\.size\(\): |input tokens: \[|found an EO|waiting for user input"
    rb"|empty line, passing control back|buffer: '|formatted: '|recalculate the cached logits|attach_threadpool: "
    rb"|adapters_lora_are_same: |clear_adapter_lora: |set_warmup: )"
)


class Noted(Value):
    """What was noted between a prompt and the next prompt mark.

    n_prompt: tokens of the prompt; None when none was taken in.
    n_gen: sampled tokens, the one that ends the text not counted.
    ended: the model ended the text itself.
    remain: tokens left of -n; None: not said.
    """

    n_prompt: int | None
    n_gen: int
    ended: bool
    remain: int | None


def read(notes: bytes, prompt: bytes, remain: int | None) -> Noted | None:
    """What `notes` say; None when they say nothing, as when the program was told not to note.

    Args:
        prompt: as typed to the program; it is in the notes, and could look like one.
        remain: tokens that were left of -n before.
    """
    seen = False
    n_prompt: int | None = None
    n_gen = 0
    ended = taken = False
    for match in _NOTE.finditer(notes, _behind(notes, prompt)):
        seen = True
        count, end, inputs, _ = match.groups()
        if inputs:
            taken = True
        elif end:
            ended = True
        elif count:
            if taken and n_prompt is None:
                n_prompt = None if remain is None else remain - int(count)
            else:
                n_gen += 1
            remain = int(count)
    if not seen:
        return None
    return Noted(n_prompt=n_prompt, n_gen=n_gen - ended, ended=ended, remain=remain)


def _behind(notes: bytes, prompt: bytes) -> int:
    """Where the notes go on behind the prompt, which stands in them as it was typed and in the chat template."""
    at = notes.find(_BUFFER + prompt) if prompt else -1
    if at < 0:
        return 0
    behind = at + len(_BUFFER) + len(prompt)
    if _FORMATTED.match(notes, behind):
        again = notes.find(prompt.strip(), behind)
        behind = behind if again < 0 else again + len(prompt.strip())
    return behind


def without(stderr: bytes) -> bytes:
    """The log without what is for debugging: what came before the first prompt mark and behind the last one."""
    first, last = stderr.find(WAITING), stderr.rfind(WAITING)
    if first < 0:
        return stderr
    head, behind = stderr[:first], stderr[last + len(WAITING) :]
    begin = _BEGINNING.search(head)
    end = head.find(_BEGINNING_ENDS, begin.start()) if begin else -1
    if begin and end >= 0:
        # The beginning as the program tokenizes it: the system message, in several writings.
        head = head[: begin.start()] + head[head.rfind(b"\n", 0, end) + 1 :]
    return b"".join(line for line in (head + behind).splitlines(keepends=True) if not _DEBUG.match(line))
