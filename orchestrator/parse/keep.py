"""What a line of a log puts on the sheet, from which the record is made in the end.

Each handler is given the sheet and the match of the format that the line has; `formats` says which handler belongs to
which format.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Literal

from orchestrator.parse.record import BatchedTest, KeyValue, Timing
from orchestrator.values import Struct, field

# Of anything that a log may have many of; real ones have some dozens.
MOST = 4096
NUMBER = r"-?(?:\d{1,18}(?:[.,]\d{1,18})?|inf|nan)"


class Sheet(Struct):
    """What has been read so far; the parser fills it line by line and then makes the frozen record of it."""

    loader: dict[str, str] = field(default_factory=dict)
    kv: dict[int, tuple[str, str, str | None]] = field(default_factory=dict)
    tensor_types: dict[str, int] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    weights_context_mib: float | None = None
    context: dict[str, str] = field(default_factory=dict)
    kv_sizes: list[tuple[float, int | None, str, float, str, float]] = field(default_factory=list)
    kv_buffers: list[tuple[str, float]] = field(default_factory=list)
    output_buffers: dict[str, float] = field(default_factory=dict)
    compute_buffers: dict[str, float] = field(default_factory=dict)
    graph: dict[str, int] = field(default_factory=dict)
    system_info: tuple[int, int | None, int, str] | None = None
    build: str | None = None
    limits: dict[str, int] = field(default_factory=dict)
    decoded: tuple[int, float, float | None] | None = None
    timings: dict[str, re.Match[str]] = field(default_factory=dict)
    graphs_reused: int | None = None
    end_of_text: bool | None = None
    batched: list[BatchedTest] = field(default_factory=list)
    perplexity: dict[str, int] = field(default_factory=dict)
    estimate: tuple[float | None, float | None] | None = None
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)


Category = Literal["loader", "metadata", "context", "timing", "other"]
Handler = Callable[[Sheet, re.Match[str]], None]


def number(text: str) -> float | None:
    """A printed number; None for `inf` and `nan`. A comma may stand for the point: some locales print it."""
    value = float(text.replace(",", "."))
    return value if math.isfinite(value) else None


def known(sheet: Sheet, match: re.Match[str]) -> None:
    """A line that is understood and says nothing that the record keeps."""


# --- loader ------------------------------------------------------------------------------------------------------


def loaded(sheet: Sheet, match: re.Match[str]) -> None:
    # Of a split model, and of a dry load before the real one (b7407 and later), the first such line says it all.
    for name in ("n_kv", "n_tensors", "file", "format"):
        sheet.loader.setdefault(name, match[name])


def pair(sheet: Sheet, match: re.Match[str]) -> None:
    index, key, kind, value = match.groups()
    sheet.kv[int(index)] = (key, kind, value)


def key_value(key: str, kind: str, text: str | None) -> KeyValue:
    """A pair of the GGUF from what the loader prints of it."""
    value: int | float | bool | str | None = text
    cut = False
    if text is None:
        pass
    elif kind.startswith(("u", "i")):
        value = int(text) if re.fullmatch(r"-?\d{1,20}", text, re.ASCII) else text
    elif kind.startswith("f"):
        value = number(text) if re.fullmatch(NUMBER, text, re.ASCII) else text
    elif kind == "bool":
        value = text == "true"
    else:
        cut = text.endswith("...")
    return KeyValue(key=key, type=kind, value=value, truncated=cut)


def tensor_type(sheet: Sheet, match: re.Match[str]) -> None:
    if len(sheet.tensor_types) < MOST:
        sheet.tensor_types[match["type"]] = int(match["n"])


# --- metadata ----------------------------------------------------------------------------------------------------


def special_token(sheet: Sheet, match: re.Match[str]) -> None:
    tokens = sheet.tokens.setdefault(match["name"], [])
    if len(tokens) < MOST:
        tokens.append((int(match["id"]), match["text"]))


# --- weights -----------------------------------------------------------------------------------------------------


def weights_buffer(sheet: Sheet, match: re.Match[str]) -> None:
    device, size = match["device"], float(match["mib"])
    before = sheet.weights.get(device)
    # The same device twice is a dry load before the real one, or two parts of a split model's file mapping.
    if before is None or before == size:
        _put(sheet.weights, device, size)
    else:
        _put(sheet.weights, device, round(before + size, 2))


def _put(buffers: dict[str, float], device: str, size_mib: float) -> None:
    if device in buffers or len(buffers) < MOST:
        buffers[device] = size_mib


def weights_context(sheet: Sheet, match: re.Match[str]) -> None:
    sheet.weights_context_mib = number(match["mib"])


def memory_required(sheet: Sheet, match: re.Match[str]) -> None:
    sheet.weights["CPU"] = float(match["mib"])


# --- context -----------------------------------------------------------------------------------------------------


def kv_size(sheet: Sheet, match: re.Match[str]) -> None:
    cells = match["cells"]
    if len(sheet.kv_sizes) >= MOST:
        return
    sheet.kv_sizes.append(
        (
            float(match["mib"]),
            None if cells is None else int(cells),
            match["k_type"],
            float(match["k_mib"]),
            match["v_type"],
            float(match["v_mib"]),
        )
    )


def kv_size_alone(sheet: Sheet, match: re.Match[str]) -> None:
    if len(sheet.kv_sizes) >= MOST:
        return
    sheet.kv_sizes.append((float(match["mib"]), None, "", math.nan, "", math.nan))


def kv_buffer(sheet: Sheet, match: re.Match[str]) -> None:
    if len(sheet.kv_buffers) >= MOST:
        return
    sheet.kv_buffers.append((match["device"], float(match["mib"])))


def output_buffer(sheet: Sheet, match: re.Match[str]) -> None:
    _put(sheet.output_buffers, match["device"], float(match["mib"]))


def compute_buffer(sheet: Sheet, match: re.Match[str]) -> None:
    # The last one counts: b7407 and later reserve more than once before they settle.
    _put(sheet.compute_buffers, match["device"], float(match["mib"]))


def compute_total(sheet: Sheet, match: re.Match[str]) -> None:
    sheet.compute_buffers["CPU"] = float(match["mib"])


def graph(sheet: Sheet, match: re.Match[str]) -> None:
    sheet.graph.update({name: int(text) for name, text in match.groupdict().items() if text is not None})


def warning(sheet: Sheet, match: re.Match[str]) -> None:
    if len(sheet.warnings) < MOST:
        sheet.warnings.append(match.string)


# --- program and timings -----------------------------------------------------------------------------------------


def build(sheet: Sheet, match: re.Match[str]) -> None:
    sheet.build = match["build"]


def system_info(sheet: Sheet, match: re.Match[str]) -> None:
    batch = match["batch"]
    sheet.system_info = (
        int(match["threads"]),
        None if batch is None else int(batch),
        int(match["cpus"]),
        match["features"],
    )


def limits(sheet: Sheet, match: re.Match[str]) -> None:
    sheet.limits.update({name: int(text) for name, text in match.groupdict().items() if text is not None})


def decoded(sheet: Sheet, match: re.Match[str]) -> None:
    rate = number(match["rate"])
    if rate is None:
        sheet.missing["decoded.tokens_per_second"] = f"printed as {match['rate']}"
    sheet.decoded = (int(match["n"]), float(match["s"].replace(",", ".")), rate)


_TIMING_FIGURES = ("ms", "ms_per_token", "tokens_per_second")
LABELS: Mapping[str, str] = {
    "load time": "load",
    "sample time": "sample",
    "sampling time": "sample",
    "samplers time": "samplers",
    "prompt eval time": "prompt_eval",
    "eval time": "eval",
    "total time": "total",
}


def timing_line(sheet: Sheet, match: re.Match[str]) -> None:
    sheet.timings[LABELS[match["label"]]] = match


def timing(match: re.Match[str]) -> Timing:
    """The figures of a line of timings."""
    n = match["n"]
    figures = {name: None if match[name] is None else number(match[name]) for name in _TIMING_FIGURES}
    return Timing(n=None if n is None else int(n), **figures)


def unprinted(match: re.Match[str]) -> dict[str, str]:
    """Of a line of timings, each figure that is no number, and how it was printed."""
    texts = {name: match[name] for name in _TIMING_FIGURES if match[name] is not None}
    return {name: f"printed as {text}" for name, text in texts.items() if number(text) is None}


def graphs_reused(sheet: Sheet, match: re.Match[str]) -> None:
    sheet.graphs_reused = int(match["n"])


def perplexity(sheet: Sheet, match: re.Match[str]) -> None:
    sheet.perplexity = {name: int(text) for name, text in match.groupdict().items() if text is not None}


def estimate(sheet: Sheet, match: re.Match[str]) -> None:
    sheet.estimate = number(match["ppl"]), number(match["error"])


def batched(sheet: Sheet, match: re.Match[str]) -> None:
    if len(sheet.batched) < MOST:
        sheet.batched.append(BatchedTest.model_validate(_finite(match.groupdict())))


_BATCHED_JSON = {
    "n_prompt": "pp",
    "n_gen": "tg",
    "n_parallel": "pl",
    "n_kv": "n_kv",
    "t_pp_s": "t_pp",
    "speed_pp": "speed_pp",
    "t_tg_s": "t_tg",
    "speed_tg": "speed_tg",
    "t_s": "t",
    "speed": "speed",
}


def batched_json(sheet: Sheet, match: re.Match[str]) -> None:
    # Division by zero prints `inf` or `nan`, which JSON does not have.
    text = re.sub(r": -?(?:inf|nan)(?=[,}])", ": null", match.string)
    try:
        row = json.loads(text)
        test = BatchedTest.model_validate({name: row[key] for name, key in _BATCHED_JSON.items()})
    except (ValueError, KeyError, RecursionError):
        return
    if len(sheet.batched) < MOST:
        sheet.batched.append(test)


def _finite(texts: Mapping[str, str]) -> dict[str, str | float | None]:
    return {name: text if text.isdigit() else number(text) for name, text in texts.items()}


def end_of_text(sheet: Sheet, match: re.Match[str]) -> None:
    sheet.end_of_text = True
