"""What decides how much memory a model takes, read from its header: layers, heads, experts, vocabulary, weights."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from orchestrator.errors import ModelError
from orchestrator.model.gguf.header import Header
from orchestrator.values import Value

# llama.cpp's own limit (LLAMA_MAX_LAYERS), one for all other numbers of a header, and one for the experts that are used
# in all layers together, as each is a part of the graph.
MAX_LAYERS = 512
_MAX_NUMBER = 1 << 24
_MAX_EXPERTS = 16_384

_LAYER_TENSOR = re.compile(r"blk\.(\d+)\.(.+)")

# Which layers have a sliding window where the header does not say: every n-th layer has none (gemma2: 1 of 2 …).
# As `load_swa_pattern` calls in src/models/; True: the first of n has none, else the last.
_WINDOW_PATTERNS: Mapping[str, tuple[int, bool]] = {
    "afmoe": (4, False),
    "cohere2": (4, False),
    "cohere2moe": (4, True),
    "exaone-moe": (4, False),
    "exaone4": (4, False),
    "gemma-embedding": (6, False),
    "gemma2": (2, False),
    "gemma3": (6, False),
    "gemma3n": (5, False),
    "gpt-oss": (2, False),
    "laguna": (4, True),
    "llama4": (4, False),
    "mellum": (4, False),
    "modern-bert": (3, True),
    "olmo2": (4, False),
    "plamo3": (8, False),
    "smallthinker": (4, True),
}
# The window where the header does not say.
_WINDOWS: Mapping[str, int] = {"gemma2": 4096, "llama4": 8192, "exaone4": 4096, "exaone-moe": 128, "smallthinker": 4096}
_PATTERN_KEY = "attention.sliding_window_pattern"


class Weight(NamedTuple):
    """One tensor of the file: where it lies (in which part of a split model), and how it is used: multiplied with, or
    looked up in row by row (the token embeddings)."""

    name: str
    type_name: str
    n_bytes: int
    n_elements: int
    rows: int
    part: int
    offset: int
    multiplied: bool
    looked_up: bool


class Layer(Value):
    """One layer. `tensors` has the shapes of its tensors by their names without `blk.N.`; head sizes in elements.

    window: how many tokens it looks back; None: all.
    recurrent: it keeps a state instead of a KV cache.
    """

    n_head: int
    n_head_kv: int
    head_k: int
    head_v: int
    window: int | None
    recurrent: bool
    tensors: Mapping[str, tuple[int, ...]]

    @property
    def k_width(self) -> int:
        """Elements of K for one token."""
        return self.head_k * self.n_head_kv

    @property
    def v_width(self) -> int:
        """Elements of V for one token."""
        return self.head_v * self.n_head_kv


class Shape(Value):
    """All of a model that its memory depends on.

    n_ctx_train: the context it was trained for, in tokens; None: not said.
    state_r, state_s: elements of the recurrent state of one sequence in one recurrent layer (convolution, state).
    latent: it keeps one latent vector a token in place of K and V (MLA, multi-head latent attention).
    """

    architecture: str
    n_vocab: int
    n_merges: int
    n_embd: int
    n_params: int
    n_ctx_train: int | None
    layers: tuple[Layer, ...]
    n_expert: int
    n_expert_used: int
    attention_cap: bool
    logits_cap: bool
    latent: bool
    tied: bool
    state_r: int
    state_s: int
    weights: tuple[Weight, ...]
    sizes_of_parts: tuple[int, ...]

    @property
    def file_bytes(self) -> int:
        """All parts together, to the end of their tensors."""
        return sum(self.sizes_of_parts)

    @property
    def recurrent(self) -> bool:
        """No layer has a KV cache."""
        return all(layer.recurrent for layer in self.layers)


def shape_of(headers: Sequence[Header]) -> Shape:
    """The shape of the model whose parts have these headers, in their order.

    Raises:
        ModelError: it is no language model with layers, or its numbers are beyond sense.
    """
    facts = _Facts(headers[0])
    by_layer, outside = _sorted_tensors(headers)
    if not by_layer:
        raise ModelError("the file has no layers, so there is nothing to run", hint="name a file that holds the model")
    embedding = outside.get("token_embd.weight", (0, 0))
    n_embd = facts.number("embedding_length") or embedding[0]
    tokens = headers[0].array("tokenizer.ggml.tokens")
    merges = headers[0].array("tokenizer.ggml.merges")
    n_vocab = tokens.count if tokens else embedding[1] if len(embedding) > 1 else 0
    tied = "output.weight" not in outside
    n_used = facts.number("expert_used_count")
    facts.sane(n_used, "expert_used_count", most=_MAX_EXPERTS // len(by_layer))
    return Shape(
        architecture=facts.architecture,
        n_vocab=facts.sane(n_vocab, "the vocabulary"),
        n_merges=merges.count if merges else 0,
        n_embd=facts.sane(n_embd, "embedding_length"),
        n_params=sum(header.n_params for header in headers),
        n_ctx_train=headers[0].integer(f"{facts.architecture}.context_length"),
        layers=_layers(facts, by_layer, n_embd),
        n_expert=facts.number("expert_count"),
        n_expert_used=n_used,
        attention_cap=facts.has("attn_logit_softcapping") or facts.architecture in ("gemma2", "grok"),
        logits_cap=facts.has("final_logit_softcapping") or facts.architecture == "gemma2",
        latent=facts.number("attention.key_length_mla") > 0,
        tied=tied,
        state_r=_state_r(facts, n_embd),
        state_s=_state_s(facts, n_embd),
        weights=tuple(_weights(headers, tied=tied)),
        sizes_of_parts=tuple(header.end_of_data for header in headers),
    )


def _sorted_tensors(
    headers: Sequence[Header],
) -> tuple[dict[int, dict[str, tuple[int, ...]]], dict[str, tuple[int, ...]]]:
    """The tensors' shapes: of each layer, by their names without `blk.N.`, and of those outside the layers."""
    by_layer: dict[int, dict[str, tuple[int, ...]]] = {}
    outside: dict[str, tuple[int, ...]] = {}
    for header in headers:
        for tensor in header.tensors:
            match = _LAYER_TENSOR.fullmatch(tensor.name)
            if match is None:
                outside[tensor.name] = tensor.shape
            elif len(match[1]) > 6 or int(match[1]) >= MAX_LAYERS:
                raise ModelError(
                    f"the tensor {tensor.name!r} is of a layer beyond the {MAX_LAYERS} that any llama.cpp loads",
                    hint="the file may be damaged; `lcpp model verify` checks it",
                )
            else:
                by_layer.setdefault(int(match[1]), {})[match[2]] = tensor.shape
    return by_layer, outside


def _weights(headers: Sequence[Header], *, tied: bool) -> Iterator[Weight]:
    for part, header in enumerate(headers):
        for tensor in header.tensors:
            yield Weight(
                name=tensor.name,
                type_name=tensor.type_name,
                n_bytes=tensor.n_bytes,
                n_elements=tensor.n_elements,
                rows=tensor.shape[1] if len(tensor.shape) > 1 else 1,
                part=part,
                offset=tensor.offset,
                multiplied=_multiplied(tensor.name, tensor.shape, tied=tied),
                looked_up=tensor.name == "token_embd.weight",
            )


class _Facts:
    """The header's keys of its architecture; each number is checked before anything is computed with it."""

    def __init__(self, header: Header) -> None:
        self.header = header
        self.architecture = header.architecture or "unknown"

    def has(self, key: str) -> bool:
        return f"{self.architecture}.{key}" in self.header.kv

    def number(self, key: str, default: int = 0) -> int:
        value = self.header.integer(f"{self.architecture}.{key}")
        return default if value is None else self.sane(value, key)

    def by_layer(self, key: str, layer: int, default: int) -> int:
        """A value that may be one number or one a layer."""
        array = self.header.array(f"{self.architecture}.{key}")
        if array is None:
            return self.number(key, default)
        if array.values is None or layer >= len(array.values):
            return default
        return self.sane(int(array.values[layer]), key)

    def sane(self, value: int, what: str, most: int = _MAX_NUMBER) -> int:
        if not 0 <= value <= most:
            raise ModelError(
                f"the header says {value} for {what}; no model has that",
                hint="the file may be damaged; `lcpp model verify` checks it",
            )
        return value


def _layers(facts: _Facts, by_layer: Mapping[int, dict[str, tuple[int, ...]]], n_embd: int) -> tuple[Layer, ...]:
    window = _window(facts)
    # Equal layers share their tensors, and layers that predict further tokens are not run.
    n_run = (facts.number("block_count") or len(by_layer)) - facts.number("nextn_predict_layers")
    return tuple(
        _layer(facts, index, tensors, n_embd, window) for index, tensors in sorted(by_layer.items()) if index < n_run
    )


def _layer(facts: _Facts, index: int, tensors: dict[str, tuple[int, ...]], n_embd: int, window: int) -> Layer:
    n_head = facts.by_layer("attention.head_count", index, 0)
    n_head_kv = facts.by_layer("attention.head_count_kv", index, n_head)
    has_window = window > 0 and _has_window(facts, index)
    suffix = "_swa" if has_window and facts.has("attention.key_length_swa") else ""
    head = n_embd // n_head if n_head else 0
    head_k = facts.number(f"attention.key_length{suffix}", head)
    head_v = facts.number(f"attention.value_length{suffix}", head)
    attends = any(name.startswith(("attn_q", "attn_k", "attn_qkv")) for name in tensors)
    state = any(name.startswith(("ssm_", "time_mix_", "shortconv")) for name in tensors)
    if not attends:
        n_head_kv = 0
    return Layer(
        n_head=n_head,
        n_head_kv=n_head_kv,
        head_k=head_k,
        head_v=head_v,
        window=window if has_window else None,
        recurrent=state and (n_head_kv == 0 or "attn_output.weight" not in tensors),
        tensors=MappingProxyType(tensors),
    )


def _window(facts: _Facts) -> int:
    # phi3 has a window that llama.cpp does not use; so do others that are not in the list and do not say a pattern.
    if facts.architecture not in _WINDOW_PATTERNS and not facts.has(_PATTERN_KEY):
        return 0
    return facts.number("attention.sliding_window", _WINDOWS.get(facts.architecture, 0))


def _has_window(facts: _Facts, index: int) -> bool:
    pattern = facts.header.array(f"{facts.architecture}.{_PATTERN_KEY}")
    if pattern is not None and pattern.values is not None:
        return index < len(pattern.values) and bool(pattern.values[index])
    every, dense_first = _WINDOW_PATTERNS.get(facts.architecture, (0, False))
    every = facts.number(_PATTERN_KEY, every)
    if every == 0:
        return True
    return index % every != 0 if dense_first else index % every < every - 1


def _state_r(facts: _Facts, n_embd: int) -> int:
    if facts.number("wkv.head_size"):
        return facts.number("token_shift_count", 2) * n_embd
    if facts.number("shortconv.l_cache"):
        return n_embd * (facts.number("shortconv.l_cache") - 1)
    conv, inner = facts.number("ssm.conv_kernel"), facts.number("ssm.inner_size")
    return max(conv - 1, 0) * (inner + 2 * facts.number("ssm.group_count") * facts.number("ssm.state_size"))


def _state_s(facts: _Facts, n_embd: int) -> int:
    if facts.number("wkv.head_size"):
        return n_embd * facts.number("wkv.head_size")
    return facts.number("ssm.state_size") * facts.number("ssm.inner_size")


def _multiplied(name: str, shape: tuple[int, ...], *, tied: bool) -> bool:
    """Whether llama.cpp multiplies with it, so that the CPU may want it in another order of its own."""
    if name == "token_embd.weight":
        return tied
    return name.endswith(".weight") and sum(extent > 1 for extent in shape) > 1 and "norm" not in name
