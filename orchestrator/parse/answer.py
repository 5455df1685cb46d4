"""Telling the generated text from everything else, so that nothing the model writes is read as a log line.

Where the program keeps its answer on a stream of its own, that stream is the text. Where they share one, the text
stands between two lines that the program prints itself: the first start mark (nothing was generated before it)
and the last end mark (nothing is generated after it).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from orchestrator.engine.dialect import Layout
from orchestrator.parse import formats, lines


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The text and what surrounds it. `log` is what is left for the log parser."""

    text: str | None
    log: str
    echo: str | None = None
    end_of_text: bool | None = None
    missing: str | None = None


_END_OF_TEXT = " [end of text]"
_SIMPLE_START = re.compile(r"^main: n_(?:predict|len) = -?\d+, n_ctx = \d+, n_kv_req = \d+\n", re.MULTILINE)
_SIMPLE_END = re.compile(r"^main: (?:decoded \d+ tokens in |在 )", re.MULTILINE)
_GENERATE = re.compile(r"^generate: n_ctx = \d+, n_batch = \d+, n_predict = -?\d+, n_keep = -?\d+\n", re.MULTILINE)
_TIMING_BLOCK = re.compile(
    r"^(?:llama_print_timings|llama_perf_\w+|common_perf_print):\s+(?:load time|sampling time|samplers time|加载时间)",
    re.MULTILINE,
)
_CHAT_RATES = re.compile(r"\n\n?\[ Prompt: [\d.]+ t/s \| Generation: [\d.]+ t/s \]\n")
_CHAT_ECHO_LIMIT = 500  # llama-cli cuts the echoed prompt there and adds " ... (truncated)"


def separate(stdout: str, stderr: str, layout: Layout, prompt: str) -> Answer:
    """Tell the generated text apart in the cleaned output of a run whose program and prompt are known."""
    if layout.shape == "bench":
        return Answer(text=None, log=stderr)
    if layout.shape == "between_marks":
        return _between_marks(stderr, prompt)
    if layout.shape == "chat":
        return _chat(stdout, stderr, prompt)
    text = stdout.removesuffix(layout.trailer)
    # Taken off once: the model may have written the same characters before it.
    ended = bool(layout.end_mark) and text.endswith(layout.end_mark)
    text = text.removesuffix(layout.end_mark)
    if layout.shape == "stdout":
        return Answer(text=text, log=stderr, end_of_text=ended or None)
    echo, text = split_echo(text, prompt)
    return Answer(
        text=text,
        echo=echo,
        log=stderr,
        missing=None if echo is not None else "the prompt's echo was not found before the text; both are in it",
    )


def find(log: str) -> Answer:
    """Tell the generated text apart in one cleaned log of unknown origin (all streams in one)."""
    if start := _SIMPLE_START.search(log):
        return _cut(log, start.end(), _last(_SIMPLE_END, log, start.end()))
    if start := _GENERATE.search(log):
        return _cut(log, start.end(), _block_start(log, start.end()))
    begin = _end_of_context(log)
    if begin is None:
        return Answer(text=None, log=log, missing="no line that begins the answer was found")
    end = _last(_SIMPLE_END, log, begin)
    return _cut(log, begin, _block_start(log, begin) if end is None else end)


def split_echo(text: str, prompt: str) -> tuple[str | None, str]:
    """Split `text` behind the prompt's echo: special tokens such as BOS may stand before it, or a blank."""
    at = text.find(prompt)
    if at < 0 or not prompt or not re.fullmatch(r"(?:<[^<>\n]{1,40}>)?\s?", text[:at]):
        return None, text
    cut = at + len(prompt)
    return text[:cut], text[cut:]


def _between_marks(stderr: str, prompt: str) -> Answer:
    start = _SIMPLE_START.search(stderr)
    if start is None:
        return Answer(text=None, log=stderr, missing="the program did not come to the line `main: n_predict = …`")
    end = _last(_SIMPLE_END, stderr, start.end())
    inside = stderr[start.end() : len(stderr) if end is None else end]
    # The program prints one line end before the prompt; behind the text one where it stops and one more.
    inside = inside.removeprefix("\n").removesuffix("\n").removesuffix("\n")
    echo, text = split_echo(inside, prompt)
    log = stderr[: start.end()] + ("" if end is None else stderr[end:])
    missing = None
    if end is None:
        missing = "the program did not come to the line `main: decoded …`; the text may be cut short"
    elif echo is None:
        missing = "the prompt's echo was not found before the text; both are in it"
    return Answer(text=text, echo=echo, log=log, missing=missing)


def _chat(stdout: str, stderr: str, prompt: str) -> Answer:
    shown = prompt if len(prompt) <= _CHAT_ECHO_LIMIT else prompt[:_CHAT_ECHO_LIMIT]
    start = stdout.find(f"\n> {shown}")
    if start < 0:
        return Answer(text=None, log=stderr, missing="llama-cli did not echo the prompt (`> …`)")
    begin = stdout.find("\n", start + 3 + len(shown)) + 1
    end = _last(_CHAT_RATES, stdout, begin)
    text = stdout[begin:] if end is None else stdout[begin:end]
    return Answer(
        text=text,
        echo=prompt,
        log=stderr,
        missing=None if end is not None else "the line `[ Prompt: … | Generation: … ]` is missing; the text may be cut",
    )


def _cut(log: str, begin: int, end: int | None) -> Answer:
    stop = len(log) if end is None else end
    inside = log[begin:stop]
    text = inside.strip("\n")
    ended = text.endswith(_END_OF_TEXT)
    rest = log[:begin] + log[stop:]
    return Answer(
        text=text.removesuffix(_END_OF_TEXT),
        log=rest,
        end_of_text=ended or None,
        missing="the log does not say where the prompt ends; the text may begin with its echo",
    )


def _last(pattern: re.Pattern[str], text: str, start: int) -> int | None:
    found = None
    for match in pattern.finditer(text, start):
        found = match.start()
    return found


def _block_start(log: str, begin: int) -> int | None:
    """Where the last block of timings begins: its first line, when its lines follow one another."""
    matches = [match.start() for match in _TIMING_BLOCK.finditer(log, begin)]
    if not matches:
        return None
    first = matches[-1]
    for earlier in reversed(matches[:-1]):
        between = log[earlier:first]
        if all(formats.family_of(line.component, line.function) for line in lines.split(between)):
            first = earlier
        else:
            break
    return first


def _end_of_context(log: str) -> int | None:
    """Behind the last line of the first unbroken run of log lines that reaches the context's lines."""
    reached = False
    position = 0
    for raw in log.splitlines(keepends=True):
        stripped = raw.strip()
        if stripped:
            line = lines.read(stripped)
            family = formats.family_of(line.component, line.function)
            if family is formats.CONTEXT:
                reached = True
            elif reached and family is None and stripped.strip("."):
                return position
        position += len(raw)
    return None
