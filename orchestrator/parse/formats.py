"""The line formats of all llama.cpp builds since the first GGUF one, in one table.

A format belongs to a family (model loader, metadata, context, …) and matches what stands after `function: `. Which
families a function may print is a second table, of all the names that upstream has given its functions; the lines of a
function that is not in it are told by what they say. To add the next upstream change, add a row, a label or a name.

A row means that the line is understood. A line of a known function that no row matches is kept and counted as
unrecognised: no row here matches everything, save those of functions that say nothing a record keeps (`CHATTER`).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
from functools import cache, cached_property
from typing import Literal

from orchestrator.parse import keep
from orchestrator.parse.keep import NUMBER, Category, Handler, Sheet
from orchestrator.parse.lines import Line, read
from orchestrator.parse.record import Timing
from orchestrator.values import Value


class LineOutcome(enum.Enum):
    """What became of a line. KNOWN: understood, and nothing of it is kept. SEEN: kept, and not understood."""

    UNKNOWN = 0
    SEEN = 1
    KNOWN = 2
    KEPT = 3


# Looked up for every line: a member of an enumeration costs more than a name.
_UNKNOWN, _SEEN, _KNOWN, _KEPT = LineOutcome


class Row(Value, kw_only=False, dict=True):
    """One line format and what is done with a line that matches it."""

    pattern: str
    handler: Handler

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        """Made on first need: start-up time counts."""
        return re.compile(self.pattern, re.ASCII)


class Family:
    """Formats that belong together.

    labels: lines `label = value`, each label with the shape of its value.
    into: where in the sheet these lines go. Such lines with other labels go there as well, and count as unrecognised.
    """

    def __init__(
        self,
        category: Category,
        *rows: Row,
        labels: Mapping[str, re.Pattern[str]] | None = None,
        into: Literal["metadata", "context", ""] = "",
    ) -> None:
        self.category = category
        self.rows = rows
        self._labels = labels or {}
        self._into = into

    @cached_property
    def _first(self) -> re.Pattern[str]:
        return self.rows[0].compiled

    @cached_property
    def _any(self) -> re.Pattern[str]:
        """All rows at once; the name of the group that matched is the row's place."""
        rows = enumerate(self.rows)
        return re.compile("|".join(f"(?P<r{at}>{_NAMES.sub('(?:', row.pattern)})" for at, row in rows), re.ASCII)

    @property
    def pattern(self) -> str:
        """What matches a line that one of the rows matches."""
        return "|".join(f"(?:{_NAMES.sub('(?:', row.pattern)})" for row in self.rows)

    def read(self, sheet: Sheet, rest: str) -> LineOutcome:
        """Try the formats on what stands behind the function's name."""
        label = equals = value = ""
        if self._into:
            label, equals, value = rest.partition("=")
            label, value = label.rstrip(), value.lstrip()
            shape = self._labels.get(label)
            if shape is not None and ((shape is _WHOLE and value.isdigit()) or shape.match(value)):
                getattr(sheet, self._into)[label] = value
                return _KEPT
        # Of some families nearly all lines are of the first row's format.
        if match := self._first.match(rest):
            if (handler := self.rows[0].handler) is keep.known:
                return _KNOWN
            handler(sheet, match)
            return _KEPT
        if any_row := self._any.match(rest):
            row = self.rows[int((any_row.lastgroup or "r0")[1:])]
            if row.handler is keep.known:
                return _KNOWN
            if (match := row.compiled.match(rest)) is not None:
                row.handler(sheet, match)
            return _KEPT
        if equals and len(label) <= _LONGEST_LABEL and _LABEL.match(label):
            entries: dict[str, str] = getattr(sheet, self._into)
            if len(entries) < keep.MOST:
                entries[label] = value
                return _SEEN
        return _UNKNOWN


_LONGEST_LABEL = 60
_LABEL = re.compile(r"[\w.:()/\[\] -]+$", re.ASCII)
_NAMES = re.compile(r"\(\?P<\w+>")

_COUNT = r"\d{1,18}"
_SIZE = r"(?P<mib>\d{1,15}(?:\.\d{1,9})?) Mi?B"
_ESTIMATE = rf"Final estimate: PPL = (?P<ppl>{NUMBER}) \+/- (?P<error>{NUMBER})"
_WHOLE = re.compile(rf"-?{_COUNT}$", re.ASCII)
_REAL = re.compile(rf"{NUMBER}(?:e[+-]\d\d)?$", re.ASCII)
_MANY = re.compile(rf"-?{_COUNT}$|\[[\d, .-]*\]$", re.ASCII)
_YES_NO = re.compile(r"(?:0|1|true|false)$")
_TEXT = re.compile(r"(?s:.*)")
_BYTES = re.compile(r"\d{1,9}\.\d\d [MG]i?B \(\d{1,9}\.\d\d BPW\)$|\d{1,9}\.\d\d B$", re.ASCII)


def _labels(**shapes: tuple[re.Pattern[str], str]) -> dict[str, re.Pattern[str]]:
    return {label: shape for shape, labels in shapes.values() for label in re.split(r"\s*,\s*", labels.strip())}


LOADER = Family(
    "loader",
    Row(
        r"- kv +(?P<index>\d{1,4}): +(?P<key>[^ ]+) +(?P<type>[uif](?:8|16|32|64)|bool|str|arr(?:\[\w+,\d+\])?) *"
        r"(?:= ?(?P<value>.*))?$",
        keep.pair,
    ),
    Row(rf"- type\s+(?P<type>\w{{1,24}}):\s+(?P<n>{_COUNT}) tensors$", keep.tensor_type),
    Row(
        rf"loaded meta data with (?P<n_kv>{_COUNT}) key-value pairs and (?P<n_tensors>{_COUNT}) tensors from "
        r"(?P<file>.*) \(version (?P<format>[^()]*(?:\([^()]*\))?)\)$",
        keep.loaded,
    ),
    Row(r"Dumping metadata keys/values\.", keep.known),
    Row(r"- tensor\s+\d+, split\s|- tensor\s+(?:split\s+)?\d+:\s", keep.known),
    Row(r"loading additional \d+ GGUFs|additional \d+ GGUFs? metadata loaded|partial load \S+ used \d+ of", keep.known),
    Row(r"support array overrides|direct I/O is|(?:enabling|disabling) (?:mmap|direct)", keep.known),
    Row(r"(?i:using metadata override)|tensor overrides to CPU are used", keep.known),
)
_METADATA_LABELS = _labels(
    whole=(
        _WHOLE,
        "n_vocab, n_merges, n_ctx_train, n_ctx, n_embd, n_embd_inp, n_embd_out, n_layer, n_layer_all, "
        "n_layer_nextn, n_layer_dense_lead, n_layer_attn, nextn_predict_layers, n_rot, n_rot_swa, n_swa, "
        "n_swa_pattern, n_embd_head_k, n_embd_head_v, n_embd_head_k_mla, n_embd_head_v_mla, n_embd_head_k_swa, "
        "n_embd_head_v_swa, n_expert, n_expert_used, n_expert_shared, n_expert_groups, "
        "n_group_used, n_group_experts, n_ff_exp, n_ff_shexp, "
        "n_ff_chexp, n_lora_q, n_lora_kv, n_yarn_orig_ctx, n_ctx_orig_yarn, ssm_d_conv, ssm_d_inner, ssm_d_state, "
        "ssm_dt_rank, ssm_n_group, ssm_dt_b_c_rms, n_cls_out, max token length, pooling type, rope type, causal attn, "
        "causal attm, vocab_only, no_alloc, is_swa_any, non_causal_type, expert_weights_norm",
    ),
    many=(_MANY, "n_head, n_head_kv, n_gqa, n_ff, n_embd_k_gqa, n_embd_v_gqa, mrope sections, deepstack_mapping_arr"),
    real=(
        _REAL,
        "f_norm_eps, f_norm_rms_eps, f_clamp_kqv, f_max_alibi_bias, f_logit_scale, f_attn_scale, f_attn_value_scale, "
        "f_embedding_scale, f_residual_scale, f_attention_scale, expert_weights_scale, expert_group_scale, freq_base, "
        "freq_scale, freq_base_train, freq_scale_train, freq_base_swa, freq_scale_swa, rope_yarn_log_mul",
    ),
    text=(
        _TEXT,
        "arch, vocab type, model type, model ftype, file type, file format, format, general.name, rope scaling, "
        "rope_finetuned, expert_gating_func",
    ),
    size=(_BYTES, "model size, file size"),
    count=(re.compile(r"\d{1,9}\.\d\d [KMBT]$", re.ASCII), "model params"),
)
METADATA = Family(
    "metadata",
    Row(rf"(?P<name>[A-Z][A-Z ]{{1,10}}) token\s*= (?P<id>-?{_COUNT}) '(?P<text>.*)'$", keep.special_token),
    Row(r"cls_label\[\s*\d+\]\s*= |EAGLE3\w* |DFlash ", keep.known),
    labels=_METADATA_LABELS,
    into="metadata",
)
VOCABULARY = Family(
    "metadata",
    Row(r"special tokens cache size = \d+|token to piece cache size = ", keep.known),
    Row(r"mismatch in special tokens definition", keep.warning),
    Row(r"special tokens definition check successful|\d+ unused tokens|initializing tokenizer", keep.known),
    Row(
        r"control token: |(?:control|special)_?[ -]?eog|special_e\w+_id|printing all EOG tokens:|\s*- \d+ \('",
        keep.known,
    ),
    Row(r"missing pre-tokenizer type|GENERATION QUALITY|CONSIDER REGENERATING|\*{5,}|bad special token", keep.warning),
    Row(r"control-looking token|setting token '|override '|empty token at index|adding \d+ dummy tokens", keep.warning),
    Row(
        r"model vocab missing newline token|SPM vocabulary, but newline|\w+ token(?: is)? missing in vocab",
        keep.warning,
    ),
    Row(r"skipping BPE merges|Kimi-K2 tokenizer", keep.known),
)
WEIGHTS = Family(
    "loader",
    Row(rf"(?P<device>\S{{1,64}}) (?:model )?buffer size\s*=\s*{_SIZE}$", keep.weights_buffer),
    Row(rf"ggml ctx size\s*=\s*{_SIZE}$", keep.weights_context),
    Row(rf"(?:mem required|system memory used)\s*=\s*{_SIZE}", keep.memory_required),
    Row(r"loading model tensors, this can take a while|vocab only - skipping tensors|max tensor size\s*=", keep.known),
    Row(r"offloading .* layers? to GPU|offload(?:ing|ed) |layer\s+\d+ assigned to device|(?:total )?VRAM", keep.known),
    Row(r"using .* for GPU acceleration|using \S+ backend|not allocating a VRAM|allocating batch_size", keep.known),
    Row(r"tensor '.{1,200}' \(\w+\) \(and \d+ others\) cannot be used with preferred buffer type", keep.known),
    Row(r"(?:re)?allocat\w+ .{0,80}? buffer |model has unused tensor", keep.known),
)
CONTEXT = Family(
    "context",
    Row(
        r"layer\s+\d+: (?:dev|filtered|does not have|skipped|n_embd|reuse|no reuse|sharing)|- layer\s+\d+: ", keep.known
    ),
    Row(rf"(?P<device>\S{{1,64}})\s+compute buffer size\s*=\s*{_SIZE}$", keep.compute_buffer),
    Row(rf"(?P<device>\S{{1,64}})\s+output buffer size\s*=\s*{_SIZE}$", keep.output_buffer),
    Row(rf"\S{{1,64}}\s+input buffer size\s*=\s*{_SIZE}$|\S{{1,64}} LoRA buffer size\s*=", keep.known),
    Row(rf"(?P<device>\S{{1,64}}) (?:KV|RS) buffer size\s*=\s*{_SIZE}$", keep.kv_buffer),
    Row(
        rf"(?:KV self )?size\s*=\s*{_SIZE}(?: \(\s*(?P<cells>{_COUNT}) cells[^()]*\))?,\s*"
        r"[KR] \((?P<k_type>\w+)\):\s*(?P<k_mib>\d{1,9}(?:\.\d{1,6})?) Mi?B,\s*[VS] \((?P<v_type>\w+)\):\s*"
        r"(?P<v_mib>\d{1,9}(?:\.\d{1,6})?) Mi?B$",
        keep.kv_size,
    ),
    Row(rf"kv self size\s*=\s*{_SIZE}$", keep.kv_size_alone),
    Row(rf"compute buffer total size\s*=\s*{_SIZE}", keep.compute_total),
    Row(
        rf"graph(?: \([^)]*\))?: nodes = (?P<nodes>{_COUNT})(?: / \d+)?, splits = (?P<splits>{_COUNT})(?: / \d+)?",
        keep.graph,
    ),
    Row(rf"graph nodes\s*= (?P<nodes>{_COUNT})", keep.graph),
    Row(rf"graph splits(?: \(measure\))?(?:\s*=|:) (?P<splits>{_COUNT})", keep.graph),
    Row(r"n_ctx_(?:per_seq|pre_seq|seq) \(\d+\) [<>] n_ctx_train", keep.warning),
    Row(r"n_batch is less than GGML_KQ_MASK_PAD|requested n_seq_max|n_ctx is not divisible by n_seq_max", keep.warning),
    Row(r"flash_attn is not|flash_attn requires|V cache quantization requires|enabling flash_attn since", keep.warning),
    Row(r"constructing llama_context|reserving|reserve took|creating\s+[\w -]*(?:KV cache|state)", keep.known),
    Row(
        r"(?:resolving )?fused |resolving [\w ]{1,60} support:|call$|Flash Attention was auto|reusing layers:",
        keep.known,
    ),
    Row(r"[\w ()-]{1,60} (?:enabled|disabled|not supported, set to disabled)$", keep.known),
    Row(r"\s*\S{1,64} compute buffer size is |pipeline parallelism|max_nodes|worst-case|worst case", keep.known),
    Row(r"backend_ptrs|enumerating backends|attn_rot_[kv] = |attention rotation|n_ctx = \d+ \(padded\)", keep.known),
    Row(r"kv_size = \d+, |mem_size = \d+, |using full-size SWA cache|setting backend sampler", keep.known),
    Row(r"(?:non-view tensors processed|offloading [kv] cache)", keep.known),
    labels=_labels(
        whole=(
            _WHOLE,
            "n_ctx, n_batch, n_ubatch, n_seq_max, n_ctx_per_seq, n_ctx_seq, n_rs_seq, n_outputs_max, "
            "n_outputs_max_per_seq, causal_attn",
        ),
        real=(_REAL, "freq_base, freq_scale"),
        flash=(re.compile(r"(?:-?\d|enabled|disabled|auto)$"), "flash_attn"),
        truth=(_YES_NO, "kv_unified"),
    ),
    into="context",
)
TIMINGS = Family(
    "timing",
    Row(
        r"(?P<label>load time|sample time|sampling time|samplers time|prompt eval time|eval time|total time)"
        rf"\s*=\s*(?P<ms>{NUMBER}) ms(?:\s*/\s*(?P<n>{_COUNT})\s*(?:runs|tokens)\s*"
        rf"(?:\(\s*(?P<ms_per_token>{NUMBER}) ms per token,\s*"
        rf"(?P<tokens_per_second>{NUMBER}) tokens per second\))?)?\s*$",
        keep.timing_line,
    ),
    Row(rf"graphs reused\s*=\s*(?P<n>{_COUNT})", keep.graphs_reused),
    Row(rf"unaccounted time\s*=\s*{NUMBER} ms", keep.known),
    Row(r"n_decoded =|n_gen =|draft acceptance|acc per pos|prompt processing, n_tokens|$", keep.known),
)
MEMORY = Family("other", Row(r"\| ", keep.known))
SYSTEM_INFO = Family(
    "other",
    Row(
        rf"n_threads = (?P<threads>{_COUNT})(?: \(n_threads_batch = (?P<batch>{_COUNT})\))? / (?P<cpus>{_COUNT}) \| ?"
        r"(?P<features>.*)$",
        keep.system_info,
    ),
)
PROGRAM = Family(
    "other",
    Row(
        rf"n_(?:predict|len) = (?P<n_predict>-?{_COUNT}), n_ctx = (?P<n_ctx>{_COUNT}), "
        rf"n_kv_req = (?P<n_kv_req>{_COUNT})$",
        keep.limits,
    ),
    Row(
        rf"n_ctx = (?P<n_ctx>{_COUNT}), n_batch = (?P<n_batch>{_COUNT}), n_predict = (?P<n_predict>-?{_COUNT}), "
        rf"n_keep = (?P<n_keep>-?{_COUNT})$",
        keep.limits,
    ),
    Row(rf"n_kv_max = (?P<n_ctx>{_COUNT}), ", keep.limits),
    Row(rf"decoded (?P<n>{_COUNT}) tokens in (?P<s>{NUMBER}) s, speed: (?P<rate>{NUMBER}) t/s$", keep.decoded),
    Row(rf"(?:build = )?(?P<build>{_COUNT} \(\w+\)).*", keep.build),
    Row(
        r"built with |seed\s+= |llama backend init|load the model and apply lora|chat template (?:is|example)",
        keep.known,
    ),
    Row(r"llama threadpool init, n_threads = |warming up the model with an empty run|interactive mode on", keep.known),
    Row(
        r"added .* logit bias = |setting dry_penalty_last_n to|in-suffix/prefix is specified|using .* template",
        keep.known,
    ),
    Row(r"(?i:warning): |model was trained on only", keep.warning),
    Row(r"prompt: '|number of tokens in prompt = |static prompt based on n_keep", keep.known),
    Row(r"saving final output to session|loaded a session|session file|attempting to load saved session", keep.known),
)
PERPLEXITY = Family(
    "other",
    Row(
        rf"calculating perplexity over (?P<n_chunks>{_COUNT}) chunks,(?: n_ctx=(?P<n_ctx>{_COUNT}),)? "
        rf"batch_size=(?P<n_batch>{_COUNT})(?:, n_seq=(?P<n_seq>{_COUNT}))?",
        keep.perplexity,
    ),
    # Standard output and standard error part in the middle of the line with the estimated time, from b3761 on.
    Row(
        rf"{NUMBER} seconds per pass - ETA .*?{_ESTIMATE}",
        keep.estimate,
    ),
    Row(rf"{NUMBER} seconds per pass - ETA", keep.known),
    Row(r"tokenizing the input|tokenization took|have \d+ tokens\. Calculation chunk|saving all logits", keep.known),
)
# The lines of a server: those that tell a figure have a row, the others are chatter.
SERVER = Family(
    "other",
    Row(r".*(?:new slot, n_ctx = \d+|took [\d.]+ ms|cache state: |loading model '|prompt tokens?,? )", keep.known),
    Row(
        r"chat template, |added .* logit bias = |llama threadpool init|warming up the model|setting dry_penalty_last_n",
        keep.known,
    ),
)
# Lines of functions that say nothing that a record keeps, and whose wording changes often.
CHATTER = Family("other", Row(r"(?!)", keep.known))

_FUNCTIONS: tuple[tuple[tuple[Family, ...], str], ...] = (
    ((LOADER,), "llama_model_loader"),
    # One function did it all up to b1040 or so.
    ((METADATA, WEIGHTS, VOCABULARY), "llama_model_load_internal"),
    ((METADATA,), "llm_load_print_meta print_info"),
    ((VOCABULARY,), "llm_load_vocab load init_tokenizer"),
    # Of the cache up to b5261, of the server from b7348 on.
    ((CONTEXT, SERVER), "init"),
    ((WEIGHTS,), "llm_load_tensors llm_load_tensor load_tensors"),
    (
        (CONTEXT,),
        "llama_new_context_with_model llama_init_from_model llama_context ~llama_context sched_reserve graph_reserve "
        "resolve_fused_ops llama_kv_cache_init llama_kv_cache llama_kv_cache_iswa llama_kv_cache_unified "
        "llama_kv_cache_unified_iswa llama_memory_recurrent llama_memory_hybrid set_abort_callback create_memory "
        "llama_build_graph output_reserve",
    ),
    (
        (TIMINGS,),
        "llama_print_timings llama_perf_print llama_perf_sampler_print llama_perf_context_print common_perf_print "
        "print_timing print_timings",
    ),
    ((MEMORY,), "llama_memory_breakdown_print common_memory_breakdown_print"),
    ((SYSTEM_INFO,), "system_info"),
    (
        (PROGRAM,),
        "main simple generate build llama_completion llama_simple llama_batched_bench common_init_from_params "
        "common_init_ common_init_result llama_init_from_gpt_params llama_perplexity",
    ),
    ((PERPLEXITY,), "perplexity perplexity_v2"),
    (
        (CHATTER,),
        "create_tensor llama_graph_n_input_tensors done_getting_tensors load_all_data sampling set_adapters_lora "
        "llama_model_load llama_model_load_from_file_impl load_backend ggml_backend_load_best ggml_backend_register "
        "llama_tokenize_with_model ggml_vulkan ggml_cuda_init ggml_metal_init ggml_init_cublas llama_params_fit "
        "llama_params_fit_impl common_params_fit_impl common_fit_params common_memory_fit llama_set_adapters_lora "
        "common_speculative_init",
    ),
)
# The families whose formats a function prints.
BY_FUNCTION: Mapping[str, tuple[Family, ...]] = {
    function: families for families, functions in _FUNCTIONS for function in functions.split()
}

# Lines that name no function.
BARE = Family(
    "other",
    Row(r"\.+$", keep.known),
    Row(r"Log (?:start|end)$", keep.known),
    Row(r"\s*\[end of text\]$", keep.end_of_text),
    Row(r"\t\w+ = ", keep.known),
    Row(r"\s?(?:CFG|logits) -> ", keep.known),
    Row(r"== Running in interactive mode|\s*- (?:Press|If you want|To return|Not using)", keep.known),
    Row(r"\s?sampl(?:er|ing) (?:seed|params|chain|order|constr):", keep.known),
    # The last builds before llama-completion came (b7208 to b7347) tell of it.
    Row(r"\*{5,}$|IMPORTANT: The current llama-cli|\s+(?:New llama-cli will|More info: )", keep.known),
    Row(_ESTIMATE, keep.estimate),
    Row(r"(?:\d+ hours )?\d+\.\d\d minutes$", keep.known),
    Row(r"no implementations specified for speculative decoding$", keep.known),
    Row(r"\|\s*PP \|\s*TG \|\s*B \||\|-{4,8}\|-", keep.known),
    Row(
        rf"\|\s*(?P<n_prompt>{_COUNT}) \|\s*(?P<n_gen>{_COUNT}) \|\s*(?P<n_parallel>{_COUNT}) \|"
        rf"\s*(?P<n_kv>{_COUNT}) \|\s*(?P<t_pp_s>{NUMBER}) \|\s*(?P<speed_pp>{NUMBER}) \|\s*(?P<t_tg_s>{NUMBER}) \|"
        rf"\s*(?P<speed_tg>{NUMBER}) \|\s*(?P<t_s>{NUMBER}) \|\s*(?P<speed>{NUMBER}) \|$",
        keep.batched,
    ),
    Row(r'\{"n_kv_max": .*\}$', keep.batched_json),
)

# What the lines of a function that nobody knows yet begin with when they say what a record keeps.
_SIGNS = re.compile(
    r"\s*(?:(?P<timing>(?:load|sample|sampling|samplers|prompt eval|eval|total) time\s*=|graphs reused\s*=)"
    r"|(?P<loader>- kv\s|- type\s|loaded meta data with)"
    r"|(?P<weights>\S{1,64} (?:model )?buffer size\s*=|ggml ctx size\s*=|mem required\s*=)"
    r"|(?P<context>\S{1,64}\s+(?:KV|RS|compute|output) buffer size\s*=|(?:KV self |kv self )?size\s*=\s*[\d.]+ Mi?B"
    r"|compute buffer total size|graph(?: nodes| splits|:| \()|(?:n_ctx|n_batch|n_ubatch|n_seq_max|flash_attn)\s*=)"
    r"|(?P<metadata>(?:[A-Z]{2,4}|FIM [A-Z]{3}) token\s*=|(?:n_|f_|freq_)\w+\s*=|arch\s*="
    r"|(?:vocab|model|file) \w+\s*=))",
    re.ASCII,
)
_FAMILY_OF_SIGN: Mapping[str, Family] = {
    "timing": TIMINGS,
    "loader": LOADER,
    "weights": WEIGHTS,
    "context": CONTEXT,
    "metadata": METADATA,
}


# For the functions of one family, which are nearly all: what its lines are about, and what reads them.
READERS: Mapping[str, tuple[Category, Callable[[Sheet, str], LineOutcome]]] = {
    function: (families[0].category, families[0].read)
    for function, families in BY_FUNCTION.items()
    if len(families) == 1 and families[0] is not CHATTER
}


def read_timing(rest: str) -> tuple[str, Timing] | None:
    """The field of `Timings` and the figures of a line of timings; None for any other line."""
    match = TIMINGS.rows[0].compiled.match(rest)
    return None if match is None else (keep.LABELS[match["label"]], keep.timing(match))


@cache
def worth_reading() -> re.Pattern[str]:
    """What a line must begin with to be worth a closer look when no known function stands there."""
    return re.compile(
        rf"\d+\.\d\d\.\d{{3}}\.|[IWED] |(?:cmn|srv|slot|spec|res|que|mtmd) |[\w~]{{1,80}}(?:\(\)| ):|\$ |{BARE.pattern}"
        rf"|(?:[\w~]{{1,80}}: *)?(?:{_NAMES.sub('(?:', _SIGNS.pattern)})",
        re.ASCII,
    )


def is_known(component: str, function: str) -> bool:
    """Whether some llama.cpp has such a function (or component of its server)."""
    return bool(component) or function in BY_FUNCTION


def is_timing(function: str) -> bool:
    """Whether the function prints the block of timings."""
    return BY_FUNCTION.get(function) == (TIMINGS,)


def is_context(function: str) -> bool:
    """Whether the function makes the context."""
    return BY_FUNCTION.get(function) == (CONTEXT,)


def read_rest(sheet: Sheet, families: tuple[Family, ...], rest: str) -> tuple[Category, LineOutcome]:
    """Put what stands behind a known function's name into the sheet.

    Returns:
        What kind of line it is, and what became of it.
    """
    if not rest.isascii():
        rest = in_english(rest)
    family = families[0]
    if family is CHATTER:
        return "other", _chatter(rest)
    outcome = family.read(sheet, rest)
    if outcome is _KEPT or outcome is _KNOWN or len(families) == 1:
        return family.category, outcome
    for other in families[1:]:
        other_outcome = other.read(sheet, rest)
        if other_outcome is _KEPT or other_outcome is _KNOWN:
            return other.category, other_outcome
    return family.category, outcome


def recognise(sheet: Sheet, line: Line) -> tuple[Category, LineOutcome]:
    """Put what a line says into the sheet; as `read_rest`."""
    if line.component:
        return _of_component(sheet, line)
    families = BY_FUNCTION.get(line.function)
    return _of_nobody(sheet, line) if families is None else read_rest(sheet, families, line.rest)


def _of_component(sheet: Sheet, line: Line) -> tuple[Category, LineOutcome]:
    if line.function.startswith("print_timing"):
        rest = _SLOT.sub("", line.rest, count=1)
        return TIMINGS.category, TIMINGS.read(sheet, rest)
    # From b9829 on a component may print another function's line whole: `cmn  common_param: system_info: …`.
    inner = read(line.rest) if line.rest else line
    if inner.function in BY_FUNCTION:
        category, outcome = recognise(sheet, inner)
        if outcome is not _UNKNOWN:
            return category, outcome
    outcome = SERVER.read(sheet, line.rest)
    return "other", outcome if outcome is not _UNKNOWN else _chatter(line.text)


def _of_nobody(sheet: Sheet, line: Line) -> tuple[Category, LineOutcome]:
    outcome = BARE.read(sheet, line.text)
    if outcome is not _UNKNOWN:
        return "other", outcome
    if sign := _SIGNS.match(line.rest):
        family = _FAMILY_OF_SIGN[sign.lastgroup or "timing"]
        rest = line.rest.lstrip()
        return family.category, family.read(sheet, rest if rest.isascii() else in_english(rest))
    return "other", LineOutcome.UNKNOWN


_SLOT = re.compile(r"id\s+-?\d+ \| task -?\d+ \|\s*", re.ASCII)


def _chatter(text: str) -> LineOutcome:
    """Nothing to read here, unless it tells of a failure or looks like a figure that a record keeps."""
    low = text.lower()
    failure = "error" in low or "failed" in low or "unable" in low
    figure = "tokens per second" in low or " t/s" in low or "buffer size" in low or " time =" in low
    return _UNKNOWN if failure or figure else _KNOWN


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
_LOCALISED_SIGNS = ("时间", "个标记")
_LOCALISED_DECODED = re.compile(rf"在 (?P<s>{NUMBER}) 秒内解码了 (?P<n>\d+) 个标记，速度为 (?P<rate>{NUMBER}) t/s$")
_PHRASE = re.compile("|".join(sorted(_LOCALISED_PHRASES, key=len, reverse=True)))


def in_english(rest: str) -> str:
    """A line's rest with known translated labels put back into llama.cpp's own words."""
    if not any(sign in rest for sign in _LOCALISED_SIGNS):
        return rest
    if moved := _LOCALISED_DECODED.match(rest):
        return f"decoded {moved['n']} tokens in {moved['s']} s, speed: {moved['rate']} t/s"
    return _PHRASE.sub(lambda match: _LOCALISED_PHRASES[match.group()], rest)
