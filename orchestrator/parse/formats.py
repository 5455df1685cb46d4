"""The line formats of all llama.cpp builds since the first GGUF one, in one table.

A format belongs to a family of functions (upstream renames them; each family lists all names it has had), and
matches what stands after `function: `. To add the next upstream change, add a name to a family or a row to the table.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from orchestrator.parse.record import Buffer, KeyValue, Timing, Token

NUMBER = r"-?(?:\d+(?:[.,]\d+)?|inf|nan)"


@dataclass
class Sheet:
    """What has been read so far; the parser fills it line by line and then makes the frozen record of it."""

    loader: dict[str, str] = field(default_factory=dict)
    kv: dict[int, KeyValue] = field(default_factory=dict)
    tensor_types: dict[str, int] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, list[Token]] = field(default_factory=dict)
    weights: dict[str, Buffer] = field(default_factory=dict)
    weights_context_mib: float | None = None
    context: dict[str, str] = field(default_factory=dict)
    kv_sizes: list[tuple[float, int | None, str, float, str, float]] = field(default_factory=list)
    kv_buffers: list[Buffer] = field(default_factory=list)
    output_buffers: dict[str, Buffer] = field(default_factory=dict)
    compute_buffers: dict[str, Buffer] = field(default_factory=dict)
    graph: dict[str, int] = field(default_factory=dict)
    system_info: tuple[int, int | None, int, str] | None = None
    build: str | None = None
    asked: dict[str, int] = field(default_factory=dict)
    decoded: tuple[int, float, float | None] | None = None
    timings: dict[str, Timing] = field(default_factory=dict)
    graphs_reused: int | None = None
    end_of_text: bool | None = None
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)


Handler = Callable[[Sheet, re.Match[str]], None]
Format = tuple[re.Pattern[str], Handler]


def number(text: str) -> float | None:
    """A printed number; None for `inf` and `nan`. A comma may stand for the point: some locales print it."""
    value = float(text.replace(",", "."))
    return value if math.isfinite(value) else None


def known(sheet: Sheet, match: re.Match[str]) -> None:
    """A line that is understood and says nothing that the record keeps."""


# --- loader ------------------------------------------------------------------------------------------------------


def _loaded(sheet: Sheet, match: re.Match[str]) -> None:
    # Of a split model, and of a dry load before the real one (b7407 and later), the first such line says it all.
    for name in ("n_kv", "n_tensors", "file", "format"):
        sheet.loader.setdefault(name, match[name])


def _key_value(sheet: Sheet, match: re.Match[str]) -> None:
    kind, text = match["type"], match["value"]
    value: int | float | bool | str | None = text
    cut = False
    if text is None:
        pass
    elif kind.startswith(("u", "i")):
        value = int(text) if re.fullmatch(r"-?\d+", text) else text
    elif kind.startswith("f"):
        value = number(text) if re.fullmatch(NUMBER, text) else text
    elif kind == "bool":
        value = text == "true"
    else:
        cut = text.endswith("...")
    sheet.kv[int(match["index"])] = KeyValue(key=match["key"], type=kind, value=value, truncated=cut)


def _tensor_type(sheet: Sheet, match: re.Match[str]) -> None:
    sheet.tensor_types[match["type"]] = int(match["n"])


# --- metadata ----------------------------------------------------------------------------------------------------


def _special_token(sheet: Sheet, match: re.Match[str]) -> None:
    sheet.tokens.setdefault(match["name"], []).append(Token(id=int(match["id"]), text=match["text"]))


def _metadata(sheet: Sheet, match: re.Match[str]) -> None:
    sheet.metadata[match["label"]] = match["value"].strip()


# --- weights -----------------------------------------------------------------------------------------------------


def _weights_buffer(sheet: Sheet, match: re.Match[str]) -> None:
    device, size = match["device"], float(match["mib"])
    before = sheet.weights.get(device)
    # The same device twice is a dry load before the real one, or two parts of a split model's file mapping.
    if before is None or before.size_mib == size:
        sheet.weights[device] = Buffer(device=device, size_mib=size)
    else:
        sheet.weights[device] = Buffer(device=device, size_mib=round(before.size_mib + size, 2))


def _weights_context(sheet: Sheet, match: re.Match[str]) -> None:
    sheet.weights_context_mib = number(match["mib"])


def _memory_required(sheet: Sheet, match: re.Match[str]) -> None:
    sheet.weights["CPU"] = Buffer(device="CPU", size_mib=float(match["mib"]))


# --- context -----------------------------------------------------------------------------------------------------


def _kv_size(sheet: Sheet, match: re.Match[str]) -> None:
    cells = match["cells"]
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


def _kv_size_alone(sheet: Sheet, match: re.Match[str]) -> None:
    sheet.kv_sizes.append((float(match["mib"]), None, "", math.nan, "", math.nan))


def _kv_buffer(sheet: Sheet, match: re.Match[str]) -> None:
    sheet.kv_buffers.append(Buffer(device=match["device"], size_mib=float(match["mib"])))


def _output_buffer(sheet: Sheet, match: re.Match[str]) -> None:
    sheet.output_buffers[match["device"]] = Buffer(device=match["device"], size_mib=float(match["mib"]))


def _compute_buffer(sheet: Sheet, match: re.Match[str]) -> None:
    # The last one counts: b7407 and later reserve more than once before they settle.
    sheet.compute_buffers[match["device"]] = Buffer(device=match["device"], size_mib=float(match["mib"]))


def _compute_total(sheet: Sheet, match: re.Match[str]) -> None:
    sheet.compute_buffers["CPU"] = Buffer(device="CPU", size_mib=float(match["mib"]))


def _graph(sheet: Sheet, match: re.Match[str]) -> None:
    sheet.graph.update({name: int(text) for name, text in match.groupdict().items() if text is not None})


def _context(sheet: Sheet, match: re.Match[str]) -> None:
    sheet.context[match["label"]] = match["value"].strip()


def _warning(sheet: Sheet, match: re.Match[str]) -> None:
    sheet.warnings.append(match.string)


# --- program and timings -----------------------------------------------------------------------------------------


def _build(sheet: Sheet, match: re.Match[str]) -> None:
    sheet.build = match["build"]


def _system_info(sheet: Sheet, match: re.Match[str]) -> None:
    batch = match["batch"]
    sheet.system_info = (
        int(match["threads"]),
        None if batch is None else int(batch),
        int(match["cpus"]),
        match["features"],
    )


def _asked(sheet: Sheet, match: re.Match[str]) -> None:
    sheet.asked.update({name: int(text) for name, text in match.groupdict().items() if text is not None})


def _decoded(sheet: Sheet, match: re.Match[str]) -> None:
    rate = number(match["rate"])
    if rate is None:
        sheet.missing["decoded.tokens_per_second"] = f"printed as {match['rate']}"
    sheet.decoded = (int(match["n"]), float(match["s"].replace(",", ".")), rate)


_LABELS: Mapping[str, str] = {
    "load time": "load",
    "sample time": "sample",
    "sampling time": "sample",
    "samplers time": "samplers",
    "prompt eval time": "prompt_eval",
    "eval time": "eval",
    "total time": "total",
}


def _timing(sheet: Sheet, match: re.Match[str]) -> None:
    label = _LABELS[match["label"]]
    n = match["n"]
    figures: dict[str, float | None] = {}
    for name in ("ms", "ms_per_token", "tokens_per_second"):
        text = match[name]
        figures[name] = None if text is None else number(text)
        if text is not None and figures[name] is None:
            sheet.missing[f"timings.{label}.{name}"] = f"printed as {text}"
        else:
            sheet.missing.pop(f"timings.{label}.{name}", None)
    sheet.timings[label] = Timing(n=None if n is None else int(n), **figures)


def _graphs_reused(sheet: Sheet, match: re.Match[str]) -> None:
    sheet.graphs_reused = int(match["n"])


def _end_of_text(sheet: Sheet, match: re.Match[str]) -> None:
    sheet.end_of_text = True


def _row(pattern: str, handler: Handler) -> Format:
    return re.compile(pattern), handler


_SIZE = r"(?P<mib>\d+(?:\.\d+)?) Mi?B"
_LABEL_VALUE = r"(?P<label>[\w.:()/ -]{1,60}?)\s*= ?(?P<value>.*)$"

LOADER = (
    _row(
        r"- kv\s+(?P<index>\d+):\s+(?P<key>.+?)\s+(?P<type>[uif](?:8|16|32|64)|bool|str|arr\[\w+,\d+\])\s*"
        r"(?:= ?(?P<value>.*))?$",
        _key_value,
    ),
    _row(r"- type\s+(?P<type>\S+):\s+(?P<n>\d+) tensors$", _tensor_type),
    _row(
        r"loaded meta data with (?P<n_kv>\d+) key-value pairs and (?P<n_tensors>\d+) tensors from (?P<file>.*) "
        r"\(version (?P<format>.*)\)$",
        _loaded,
    ),
    _row(r"Dumping metadata keys/values", known),
    _row(r"- tensor\s+\d+, split|- tensor\s+(?:split\s+)?\d+:", known),
    _row(r"additional \d+ GGUFs? metadata loaded", known),
    _row(r"support array overrides|direct I/O is|(?:enabling|disabling) (?:mmap|direct)", known),
)
METADATA = (
    _row(r"(?P<name>[A-Z][A-Z ]{1,10}) token\s*= (?P<id>-?\d+) '(?P<text>.*)'$", _special_token),
    _row(_LABEL_VALUE, _metadata),
)
VOCABULARY = (
    _row(r"special tokens cache size = \d+", known),
    _row(r"token to piece cache size = ", known),
    _row(r"mismatch in special tokens definition", _warning),
    _row(r"special tokens definition check successful|\d+ unused tokens|initializing tokenizer", known),
    _row(r"(?:control|special)[ _-](?:token|eog).*|printing all EOG tokens:|\s*- \d+ \('", known),
    _row(r"missing pre-tokenizer type|GENERATION QUALITY|CONSIDER REGENERATING|\*{5,}", _warning),
)
WEIGHTS = (
    _row(rf"(?P<device>\S+) (?:model )?buffer size\s*=\s*{_SIZE}$", _weights_buffer),
    _row(rf"ggml ctx size\s*=\s*{_SIZE}$", _weights_context),
    _row(rf"(?:mem required|system memory used)\s*=\s*{_SIZE}", _memory_required),
    _row(r"loading model tensors, this can take a while", known),
    _row(r"offloading .* layers? to GPU|offload(?:ing|ed) |layer\s+\d+ assigned to device|VRAM", known),
    _row(r"using .* for GPU acceleration|tensor '.*' \(.*\) .*cannot be used with preferred buffer type", known),
)
CONTEXT = (
    _row(rf"(?P<device>\S+)\s+compute buffer size\s*=\s*{_SIZE}$", _compute_buffer),
    _row(rf"(?P<device>\S+)\s+output buffer size\s*=\s*{_SIZE}$", _output_buffer),
    _row(rf"(?P<device>\S+)\s+input buffer size\s*=\s*{_SIZE}$", known),
    _row(rf"(?P<device>\S+) KV buffer size\s*=\s*{_SIZE}$", _kv_buffer),
    _row(
        rf"(?:KV self )?size\s*=\s*{_SIZE}(?: \(\s*(?P<cells>\d+) cells.*?\))?,\s*"
        r"K \((?P<k_type>\w+)\):\s*(?P<k_mib>[\d.]+) Mi?B,\s*V \((?P<v_type>\w+)\):\s*(?P<v_mib>[\d.]+) Mi?B$",
        _kv_size,
    ),
    _row(rf"kv self size\s*=\s*{_SIZE}$", _kv_size_alone),
    _row(rf"compute buffer total size\s*=\s*{_SIZE}", _compute_total),
    _row(
        r"graph(?: \([^)]*\))?: nodes = (?P<nodes>\d+)(?: / \d+)?, splits = (?P<splits>\d+)(?: / \d+)?",
        _graph,
    ),
    _row(r"graph nodes\s*= (?P<nodes>\d+)", _graph),
    _row(r"graph splits(?: \(measure\))?(?:\s*=|:) (?P<splits>\d+)", _graph),
    _row(r"n_ctx_(?:per_seq|pre_seq|seq) \(\d+\) [<>] n_ctx_train", _warning),
    _row(r"constructing llama_context|reserving|reserve took|creating\s+(?:non-)?SWA KV cache", known),
    _row(r"layer\s+\d+: (?:dev|filtered|does not have)|fused|resolving fused|call$|Flash Attention", known),
    _row(r"\s*\S+ compute buffer size is ", known),
    _row(r"pipeline parallelism|max_nodes|(?:worst-case|reserving).*|backend_ptrs|enumerating backends", known),
    _row(r"attn_rot_[kv] = |n_ctx = \d+ \(padded\)", known),
    _row(r"n_batch is less than GGML_KQ_MASK_PAD", _warning),
    _row(_LABEL_VALUE, _context),
)
TIMINGS = (
    _row(
        rf"(?:id\s+\d+ \| task -?\d+ \|\s*)?(?P<label>load time|sample time|sampling time|samplers time|"
        rf"prompt eval time|eval time|total time)\s*=\s*(?P<ms>{NUMBER}) ms"
        rf"(?:\s*/\s*(?P<n>\d+)\s*(?:runs|tokens)\s*(?:\(\s*(?P<ms_per_token>{NUMBER}) ms per token,"
        rf"\s*(?P<tokens_per_second>{NUMBER}) tokens per second\))?)?\s*$",
        _timing,
    ),
    _row(r"(?:id\s+\d+ \| task -?\d+ \|\s*)?graphs reused\s*=\s*(?P<n>\d+)", _graphs_reused),
    _row(r"unaccounted time\s*=", known),
    _row(r"id\s+\d+ \| task -?\d+ \|\s*(?:n_decoded|draft acceptance)", known),
)
MEMORY = (_row(r"\| ", known),)
SYSTEM_INFO = (
    _row(
        r"n_threads = (?P<threads>\d+)(?: \(n_threads_batch = (?P<batch>\d+)\))? / (?P<cpus>\d+) \| ?(?P<features>.*)$",
        _system_info,
    ),
)
PROGRAM = (
    _row(
        r"n_(?:predict|len) = (?P<n_predict>-?\d+), n_ctx = (?P<n_ctx>\d+), n_kv_req = (?P<n_kv_req>\d+)$",
        _asked,
    ),
    _row(
        r"n_ctx = (?P<n_ctx>\d+), n_batch = (?P<n_batch>\d+), n_predict = (?P<n_predict>-?\d+), "
        r"n_keep = (?P<n_keep>-?\d+)$",
        _asked,
    ),
    _row(rf"decoded (?P<n>\d+) tokens in (?P<s>{NUMBER}) s, speed: (?P<rate>{NUMBER}) t/s$", _decoded),
    _row(r"(?:build = )?(?P<build>\d+ \(\w+\)).*", _build),
    _row(r"built with |seed\s+= |llama backend init|load the model and apply lora|chat template (?:is|example)", known),
    _row(r"llama threadpool init, n_threads = |warming up the model with an empty run|interactive mode on", known),
    _row(r"added .* logit bias = |setting dry_penalty_last_n to", known),
    _row(r"warning: ", _warning),
)
# Lines of a server or sampler that a run does not need, and whose wording changes often; never those of a failure.
DETAIL = (_row(r"(?i)(?!.*\b(?:error|failed|unable)\b)", known),)

_FAMILIES: tuple[tuple[tuple[Format, ...], tuple[str, ...]], ...] = (
    (LOADER, ("llama_model_loader",)),
    (METADATA, ("llm_load_print_meta", "print_info")),
    (VOCABULARY, ("llm_load_vocab", "load", "init_tokenizer")),
    (WEIGHTS, ("llm_load_tensors", "llm_load_tensor", "load_tensors")),
    (
        CONTEXT,
        (
            *("llama_new_context_with_model", "llama_init_from_model", "llama_context", "~llama_context"),
            *("sched_reserve", "graph_reserve", "resolve_fused_ops"),
            *("llama_kv_cache_init", "init", "llama_kv_cache", "llama_kv_cache_iswa", "llama_kv_cache_unified"),
            *("llama_kv_cache_unified_iswa", "llama_memory_recurrent", "set_abort_callback", "create_memory"),
        ),
    ),
    (
        TIMINGS,
        (
            *("llama_print_timings", "llama_perf_print", "llama_perf_sampler_print", "llama_perf_context_print"),
            *("common_perf_print", "print_timing"),
        ),
    ),
    (MEMORY, ("llama_memory_breakdown_print", "common_memory_breakdown_print")),
    (SYSTEM_INFO, ("system_info",)),
    (
        PROGRAM,
        (
            *("main", "simple", "generate", "build", "llama_completion", "common_init_from_params", "common_init_"),
            *("llama_init_from_gpt_params",),
        ),
    ),
    (
        DETAIL,
        (
            *("create_tensor", "llama_graph_n_input_tensors", "done_getting_tensors", "load_all_data"),
            *("sampling", "set_adapters_lora", "llama_model_load", "llama_model_load_from_file_impl"),
            *("load_backend", "ggml_backend_load_best", "ggml_backend_register"),
        ),
    ),
)
_BY_FUNCTION: Mapping[str, tuple[Format, ...]] = {
    function: formats for formats, functions in _FAMILIES for function in functions
}


def family_of(component: str, function: str) -> tuple[Format, ...] | None:
    """The formats to try for a line; None when nothing of the kind is known.

    Lines of a component name a function that was cut to twelve characters, so only the timings are told from them.
    """
    if component:
        return TIMINGS if function == "print_timing" else DETAIL
    return _BY_FUNCTION.get(function)


# Lines that name no function.
BARE = (
    _row(r"\.+$", known),
    _row(r"Log (?:start|end)$", known),
    _row(r"\s*\[end of text\]$", _end_of_text),
    _row(r"\t\w+ = ", known),
    _row(r"CFG -> |logits -> ", known),
    _row(r"== Running in interactive mode|\s*- (?:Press|If you want|To return|Not using)", known),
    _row(r"sampl(?:er|ing) (?:seed|params|chain|order):", known),
)

# Logs whose lines someone translated: each phrase, and the order of the decoded line.
_LOCALISED_PHRASES: Mapping[str, str] = {
    "加载时间": "load time",
    "采样时间": "sample time",
    "提示评估时间": "prompt eval time",
    "评估时间": "eval time",
    "总时间": "total time",
    "次运行": "runs",
    "个标记每秒": "tokens per second",
    "每个标记": "per token",
    "个标记": "tokens",
}
_LOCALISED_DECODED = re.compile(rf"在 (?P<s>{NUMBER}) 秒内解码了 (?P<n>\d+) 个标记，速度为 (?P<rate>{NUMBER}) t/s$")
_PHRASE = re.compile("|".join(sorted(_LOCALISED_PHRASES, key=len, reverse=True)))


def in_english(rest: str) -> str:
    """A line's rest with known translated labels put back into llama.cpp's own words."""
    if rest.isascii():
        return rest
    if moved := _LOCALISED_DECODED.match(rest):
        return f"decoded {moved['n']} tokens in {moved['s']} s, speed: {moved['rate']} t/s"
    return _PHRASE.sub(lambda match: _LOCALISED_PHRASES[match.group()], rest)
