"""Telling the generated text from everything else, so that nothing the model writes is read as a log line.

Where the program keeps its answer on a stream of its own, that stream is the text. Where they share one, the text
stands between two lines that the program prints itself: the first start mark (nothing was generated before it)
and the last end mark (nothing is generated after it).
"""

from __future__ import annotations

import re

from orchestrator.parse import formats, lines
from orchestrator.parse.keep import Sheet
from orchestrator.parse.layout import Layout
from orchestrator.values import Value

NO_TIMINGS = "no timing lines were printed"


class Answer(Value):
    """The text and what surrounds it.

    text: None where the output has none, or it cannot be told from the rest; `missing` says which.
    cut: why the text may lack its end.
    log: what is left for the log parser, in pieces.
    n_invalid_bytes: bytes of the text that are not UTF-8 and became U+FFFD.
    untimed: why there are no timings, if there are none.
    """

    text: str | None
    log: tuple[bytes, ...]
    echo: str | None = None
    end_of_text: bool | None = None
    missing: str | None = None
    cut: str | None = None
    n_invalid_bytes: int = 0
    untimed: str = NO_TIMINGS


_END_OF_TEXT = " [end of text]"
_PREFIX = rb"(?:\d+\.\d{2}\.\d{3}\.\d{3} )?(?:[IWED] )?"
_SIMPLE_START = re.compile(rb"\w{1,40}: n_(?:predict|len) = -?\d+, n_ctx = \d+, n_kv_req = \d+$")
_SIMPLE_END = re.compile(_PREFIX + rb"\w{1,40}: (?:decoded \d+ tokens in |" + "在 ".encode() + rb")")
_SIMPLE_END_SIGNS = (b": decoded ", ": 在 ".encode())
_GENERATE = re.compile(_PREFIX + rb"(?:cmn +)?\w{1,40}: n_ctx = \d+, n_batch = \d+, n_predict = -?\d+, n_keep = -?\d+$")
# What the lines of the last block of timings have in common, in every language that was seen.
_TIMING_SIGNS = (b" time =", b"graphs reused =", "时间 ".encode(), "时间=".encode())
_CONTEXT_SIGNS = (b"compute buffer", b"graph splits", b"splits = ", b"self size", b"KV buffer size")
_CHAT_RATES = re.compile(rb"\[ Prompt: [\d.]{1,20} t/s \| Generation: [\d.]{1,20} t/s \]$")
_CHAT_RATES_SIGN = b"[ Prompt: "
_CHAT_ECHO_LIMIT = 500  # llama-cli cuts the echoed prompt there and adds " ... (truncated)"
# llama-simple of b3761 to b3902 begins with two line ends.
_BEFORE_ECHO = re.compile(rb"\n{0,2}(?:<[^<>\n]{1,40}>)?\s?")
_MOST_BEFORE_ECHO = 64
_BLANK = re.compile(rb"\n*")
# More than the timings of any program.
_BLOCK_LENGTH = 1 << 14
# A mark's line is short; what is longer is none.
_MARK_LENGTH = 400


def separate(stdout: str, stderr: str, layout: Layout, prompt: str) -> Answer:
    """`tell_apart` for text."""
    return tell_apart(stdout.encode(errors="replace"), stderr.encode(errors="replace"), layout, prompt)


def tell_apart(stdout: bytes, stderr: bytes, layout: Layout, prompt: str) -> Answer:
    """Tell the generated text apart in the output of a run whose program and prompt are known.

    The answer's own bytes stay as they are; only the output of a program that draws (spinner, colours) is scrubbed.
    """
    shape: str = layout.shape
    log = lines.scrub(stderr)
    echoed = prompt.encode(errors="replace")
    if shape == "json":
        return Answer(text=None, log=(log,))
    if shape == "log":
        return Answer(text=None, log=(lines.scrub(stdout), log))
    if shape == "between_marks":
        return _between_marks(log, echoed)
    if shape == "chat":
        return _chat(lines.scrub(stdout), log, prompt)
    if _is_usage(stdout, log):
        return Answer(text=None, log=(log,), missing="the program printed its usage and ended")
    if not stdout and _first(log, b", n_keep = ", _GENERATE) is None:
        return Answer(text=None, log=(log,), missing="the program did not come to generate")
    trailer = layout.trailer.encode()
    cut = (
        None
        if stdout.endswith(trailer)
        else "the line ends that stand behind every text are missing; it may be cut short"
    )
    text = stdout.removesuffix(trailer)
    # Taken off once: the model may have written the same characters before it.
    end_mark = layout.end_mark.encode()
    ended = bool(end_mark) and text.endswith(end_mark)
    text = text.removesuffix(end_mark)
    if shape == "stdout":
        return _alone(text, log, echoed, cut, ended=ended, untimed=layout.untimed)
    echo, text = _split_echo(text, echoed)
    if echo is not None and echo[: -len(prompt)].startswith("\n\n") and trailer == b"\n":
        # llama-simple of b3761 to b3902 prints two line ends before all and four behind.
        text = text.removesuffix(b"\n\n\n")
    shown, invalid = _decode(text)
    return Answer(
        text=shown,
        echo=echo,
        log=(log,),
        end_of_text=ended or None,
        missing=None if echo is not None else "the prompt's echo was not found before the text; both are in it",
        cut=cut,
        n_invalid_bytes=invalid,
    )


def find(log: bytes) -> Answer:
    """Tell the generated text apart in one scrubbed log of unknown origin (all streams in one)."""
    if b": calculating perplexity over " in log or b"S_PP t/s" in log or b'"speed_pp": ' in log:
        return Answer(text=None, log=(log,))
    if start := _first(log, b", n_kv_req = ", _SIMPLE_START):
        return _cut(log, start[1], _simple_end(log, start[1]))
    if start := _first(log, b", n_keep = ", _GENERATE):
        return _cut(log, start[1], _block_start(log, start[1]))
    if b"slot print_timing: " in log or b"\nsrv  " in log:
        why = "the answer cannot be told from the server's lines in one stream; keep standard output apart"
        return Answer(text=None, log=(log,), missing=why)
    if rates := _last(log, (_CHAT_RATES_SIGN,), _CHAT_RATES, 0):
        echoed = log.find(b"\n", log.find(b"\n> ") + 1) + 1
        return _cut(log, echoed if 0 < echoed <= rates else rates, rates)
    begin = _end_of_context(log)
    if begin is None:
        return Answer(text=None, log=(log,), missing="no line that begins the answer was found")
    end = _simple_end(log, begin)
    return _cut(log, begin, _block_start(log, begin) if end is None else end)


def _split_echo(text: bytes, prompt: bytes) -> tuple[str | None, bytes]:
    """Split `text` behind the prompt's echo: special tokens such as BOS may stand before it, or a blank."""
    at = text.find(prompt, 0, len(prompt) + _MOST_BEFORE_ECHO)
    if at < 0 or not prompt or not _BEFORE_ECHO.fullmatch(text, 0, at):
        return None, text
    cut = at + len(prompt)
    return text[:cut].decode(errors="replace"), text[cut:]


def _alone(text: bytes, log: bytes, prompt: bytes, cut: str | None, *, ended: bool, untimed: str) -> Answer:
    """The text has standard output to itself.

    llama-simple up to b1282 prints the prompt on standard error as the last thing there (and that the text ended),
    so there it must be taken out of the log. It times nothing.
    """
    echo, reason = None, NO_TIMINGS
    rest = log.rstrip(b"\n")
    said_end = rest.endswith(_END_OF_TEXT.encode())
    tail = rest.removesuffix(_END_OF_TEXT.encode())
    if prompt and tail.endswith(prompt):
        begin = tail.rfind(b"\n\n", 0, len(tail) - len(prompt) + 2)
        if begin >= 0 and _BEFORE_ECHO.fullmatch(tail, begin + 2, len(tail) - len(prompt)):
            echo, log = tail[begin + 2 :].decode(errors="replace"), log[: begin + 1]
            reason = untimed or NO_TIMINGS
            ended = ended or said_end
    shown, invalid = _decode(text)
    return Answer(
        text=shown,
        log=(log,),
        echo=echo,
        end_of_text=ended or None,
        cut=cut,
        n_invalid_bytes=invalid,
        untimed=reason,
    )


def _is_usage(stdout: bytes, log: bytes) -> bool:
    """Programs up to b3682 answer an argument that they do not know with their usage, on standard output."""
    if b"error: " not in log or not stdout[:200].lstrip().startswith(b"usage: "):
        return False
    return _first(log, b", n_keep = ", _GENERATE) is None


def _between_marks(stderr: bytes, prompt: bytes) -> Answer:
    start = _first(stderr, b", n_kv_req = ", _SIMPLE_START)
    if start is None:
        why = "the program did not come to the line `main: n_predict = …`"
        return Answer(text=None, log=(stderr,), missing=why)
    begin = start[1]
    end = _simple_end(stderr, begin)
    inside = stderr[begin : len(stderr) if end is None else end]
    # The program prints one line end before the prompt; behind the text one where it stops and one more.
    inside = inside.removeprefix(b"\n").removesuffix(b"\n").removesuffix(b"\n")
    echo, text = _split_echo(inside, prompt)
    shown, invalid = _decode(text)
    return Answer(
        text=shown,
        echo=echo,
        log=(stderr[:begin], b"" if end is None else stderr[end:]),
        missing=None if echo is not None else "the prompt's echo was not found before the text; both are in it",
        cut=None if end is not None else "the program did not come to the line `main: decoded …`; it may be cut short",
        n_invalid_bytes=invalid,
    )


def _chat(stdout: bytes, log: bytes, prompt: str) -> Answer:
    shown = (prompt if len(prompt) <= _CHAT_ECHO_LIMIT else prompt[:_CHAT_ECHO_LIMIT]).encode(errors="replace")
    start = stdout.find(b"\n> " + shown)
    if start < 0:
        return Answer(text=None, log=(log,), missing="llama-cli did not echo the prompt (`> …`)")
    begin = stdout.find(b"\n", start + 3 + len(shown)) + 1
    if not begin:
        return Answer(text=None, log=(log,), echo=prompt, missing="the output ends in the prompt's echo")
    end = _last(stdout, (_CHAT_RATES_SIGN,), _CHAT_RATES, begin)
    # One line end closes the text and another stands before the rates, if the text does not end with one itself.
    inside = stdout[begin:] if end is None else stdout[begin:end].removesuffix(b"\n").removesuffix(b"\n")
    if end is not None and stdout.find(b" ]\n\nExiting...", end) >= 0:
        # Up to b9926 a blank line comes before the text, and one line end less before the farewell.
        inside = inside.removeprefix(b"\n")
    text, invalid = _decode(inside)
    return Answer(
        text=text,
        echo=prompt,
        log=(log,),
        cut=None if end is not None else "the line `[ Prompt: … | Generation: … ]` is missing; it may be cut short",
        n_invalid_bytes=invalid,
    )


def _cut(log: bytes, begin: int, end: int | None) -> Answer:
    stop = len(log) if end is None else end
    text, invalid = _decode(log[begin:stop].strip(b"\n"))
    ended = text.endswith(_END_OF_TEXT)
    return Answer(
        text=text.removesuffix(_END_OF_TEXT),
        log=(log[:begin], log[stop:]),
        end_of_text=ended or None,
        missing="the log does not say where the prompt ends; the text may begin with its echo",
        n_invalid_bytes=invalid,
    )


def _decode(raw: bytes) -> tuple[str, int]:
    text = raw.decode(errors="replace")
    return text, text.count("\ufffd") - raw.count("\ufffd".encode())


def _first(log: bytes, sign: bytes, pattern: re.Pattern[bytes]) -> tuple[int, int] | None:
    """Begin of the first line that has `sign` and matches `pattern`, and of the line behind it."""
    at = log.find(sign)
    while at >= 0:
        begin, end = log.rfind(b"\n", 0, at) + 1, log.find(b"\n", at)
        if end < 0:
            return None
        if end - begin <= _MARK_LENGTH and pattern.match(log, begin, end):
            return begin, end + 1
        at = log.find(sign, end)
    return None


def _last(log: bytes, signs: tuple[bytes, ...], pattern: re.Pattern[bytes], start: int) -> int | None:
    """Begin of the last line at or behind `start` that has one of `signs` and matches `pattern`."""
    last: int | None = None
    for sign in signs:
        at = log.rfind(sign, start)
        while at >= 0:
            begin = max(log.rfind(b"\n", start, at) + 1, start)
            end = log.find(b"\n", at)
            end = len(log) if end < 0 else end
            if end - begin <= _MARK_LENGTH and pattern.match(log, begin, end):
                last = begin if last is None else max(last, begin)
                break
            at = log.rfind(sign, start, begin)
    return last


def _simple_end(log: bytes, start: int) -> int | None:
    return _last(log, _SIMPLE_END_SIGNS, _SIMPLE_END, start)


def _block_start(log: bytes, begin: int) -> int | None:
    """Where the last block of timings begins: its lines follow one another, and none of them comes twice."""
    stop = max(log.rfind(sign, begin) for sign in _TIMING_SIGNS)
    if stop < 0:
        return None
    stop = log.find(b"\n", stop)
    stop = len(log) if stop < 0 else stop
    start = max(begin, stop - _BLOCK_LENGTH)
    first: int | None = None
    labels: set[str] = set()
    for raw in reversed(log[start:stop].split(b"\n")):
        stop -= len(raw) + 1
        if not raw.strip():
            continue
        line = lines.read(raw.decode(errors="replace").strip())
        label = formats.in_english(line.rest).partition("=")[0].strip()
        if not formats.is_timing(line.function) or label in labels:
            break
        labels.add(label)
        first = max(stop + 1, begin)
    return first


def _end_of_context(log: bytes) -> int | None:
    """Behind the last line of the first unbroken run of log lines that reaches the context's lines."""
    signs = [at for at in (log.find(sign) for sign in _CONTEXT_SIGNS) if at >= 0]
    if not signs:
        return None
    position = log.rfind(b"\n", 0, min(signs)) + 1
    reached = False
    sheet = Sheet()
    while position < len(log):
        end = log.find(b"\n", position) + 1
        end = end or len(log)
        begin, position = position, end
        raw = log[begin : min(end, begin + _MARK_LENGTH)]
        if raw == b"\n":
            # Over all blank lines at once.
            blank = _BLANK.match(log, begin)
            position = end if blank is None else blank.end()
            continue
        function = raw.partition(b": ")[0].decode(errors="replace")
        if formats.is_context(function):
            reached = True
        elif reached and not formats.is_known("", function):
            line = lines.read(raw.decode(errors="replace").strip())
            if line.function != function and formats.is_known(line.component, line.function):
                continue
            if line.text and formats.recognise(sheet, line)[1] is formats.LineOutcome.UNKNOWN:
                return begin
    return None
