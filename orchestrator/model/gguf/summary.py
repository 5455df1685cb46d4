"""What the rest of lcpp needs to know of a model, small enough to keep beside the verdict on its file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from orchestrator.model.gguf.byte_source import ByteSource
from orchestrator.model.gguf.header import ArrayInfo, Header, Scalar, read_elements
from orchestrator.model.gguf.types import file_type_name
from orchestrator.values import Value, replace

# Longer texts (templates, licences) are no facts to compare or to show.
_MAX_METADATA_CHARS = 4096

# Vocabularies that begin every text with their BOS token unless `add_bos_token` says otherwise, as llama.cpp's
# `llama_vocab::impl::load` has it: by tokenizer, and for byte-pair encoding (gpt2) by pre-tokenizer.
_BOS_TOKENIZERS = {"llama", "bert"}
_BOS_PRE_TOKENIZERS = {
    *("llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano"),
    *("tekken", "chameleon", "gemma4"),
}


class HeaderSummary(Value):
    """The header of a model in short; of a split model, of all parts together.

    `metadata` has every single value (no arrays, no text above 4096 characters). `add_bos` says whether llama.cpp
    itself puts the BOS token before a prompt. `n_parts` is what the file says (1: not split).
    """

    version: int
    architecture: str | None
    name: str | None
    file_type: int | None
    file_type_name: str | None
    alignment: int
    context_length: int | None
    n_vocab: int | None
    n_tensors: int
    n_params: int
    tensor_bytes: int
    type_counts: Mapping[str, int]
    n_parts: int
    chat_template: str | None
    bos_id: int | None
    eos_id: int | None
    bos_token: str | None
    eos_token: str | None
    add_bos: bool
    metadata: Mapping[str, Scalar]


def summarise(source: ByteSource, header: Header) -> HeaderSummary:
    """The summary of a header that was just read from `source`."""
    tokens = header.array("tokenizer.ggml.tokens")
    bos_id, eos_id = (header.integer(f"tokenizer.ggml.{kind}_token_id") for kind in ("bos", "eos"))
    texts = _tokens(source, header, tokens, bos_id, eos_id)
    file_type = header.integer("general.file_type")
    return HeaderSummary(
        version=header.version,
        architecture=header.architecture,
        name=header.text("general.name"),
        file_type=file_type,
        file_type_name=None if file_type is None else file_type_name(file_type),
        alignment=header.alignment,
        context_length=header.integer(f"{header.architecture}.context_length"),
        n_vocab=tokens.count if tokens else None,
        n_tensors=len(header.tensors),
        n_params=header.n_params,
        tensor_bytes=header.tensor_bytes,
        type_counts=header.type_counts,
        n_parts=header.integer("split.count") or 1,
        chat_template=header.text("tokenizer.chat_template"),
        bos_id=bos_id,
        eos_id=eos_id,
        bos_token=texts.get(bos_id),
        eos_token=texts.get(eos_id),
        add_bos=adds_bos(header),
        metadata={
            key: value
            for key, value in header.kv.items()
            if not isinstance(value, ArrayInfo) and not (isinstance(value, str) and len(value) > _MAX_METADATA_CHARS)
        },
    )


def merge(parts: Sequence[HeaderSummary]) -> HeaderSummary:
    """The summary of a split model: the first part's, with the tensors of all."""
    counts: Counter[str] = Counter()
    for part in parts:
        counts.update(part.type_counts)
    return replace(
        parts[0],
        n_tensors=sum(part.n_tensors for part in parts),
        n_params=sum(part.n_params for part in parts),
        tensor_bytes=sum(part.tensor_bytes for part in parts),
        type_counts=dict(counts),
    )


def _tokens(source: ByteSource, header: Header, tokens: ArrayInfo | None, *ids: int | None) -> dict[int | None, str]:
    """The texts of some tokens, by their ids."""
    if tokens is None:
        return {}
    texts = read_elements(source, header, tokens, [token_id for token_id in ids if token_id is not None])
    return {index: text for index, text in texts.items() if isinstance(text, str)}


def adds_bos(header: Header) -> bool:
    """Whether llama.cpp itself puts the BOS token before a prompt."""
    flag = header.kv.get("tokenizer.ggml.add_bos_token")
    if isinstance(flag, bool):
        return flag
    tokenizer = header.text("tokenizer.ggml.model")
    if tokenizer in _BOS_TOKENIZERS:
        return True
    return tokenizer == "gpt2" and header.text("tokenizer.ggml.pre") in _BOS_PRE_TOKENIZERS
