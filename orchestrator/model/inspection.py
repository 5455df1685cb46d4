"""What a model's header says, as one document for people and programs.

Everything in it is the file's own word: names and texts are a stranger's and may hold escape sequences, and a value of
an unexpected type is left out (None) rather than guessed.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from orchestrator.model.dummy.mark import is_dummy
from orchestrator.model.gguf.byte_source import ByteSource
from orchestrator.model.gguf.header import ArrayInfo, Header, MetadataValue, Scalar, read_elements
from orchestrator.model.gguf.soundness import whats_unsound
from orchestrator.model.gguf.summary import adds_bos
from orchestrator.model.gguf.types import file_type_name
from orchestrator.model.source.open_model import OpenModel
from orchestrator.piece import Piece

FORMAT_VERSION = 1
_SPECIAL = (
    *("bos", "eos", "eot", "eom", "unknown", "separator", "padding", "cls", "mask"),
    *("fim_pre", "fim_suf", "fim_mid"),
)


class FilePart(Piece):
    """One file of the model."""

    name: str
    size_bytes: int
    header_bytes: Annotated[int, Field(description="Where the tensors' data begin.")]
    n_tensors: int
    sha256: Annotated[str | None, Field(description="What the hub says of it; not computed here.")]


class TypeUse(Piece):
    """What is stored in one tensor type."""

    type: str
    n_tensors: int
    n_params: int
    size_bytes: int
    bits_per_weight: float


class Hyperparameters(Piece):
    """The network's shape, by llama.cpp's names; a list has one value a layer."""

    n_layer: int | None = None
    n_ctx_train: int | None = None
    n_embd: int | None = None
    n_ff: int | tuple[int, ...] | None = None
    n_head: int | tuple[int, ...] | None = None
    n_head_kv: int | tuple[int, ...] | None = None
    n_embd_head_k: int | None = None
    n_embd_head_v: int | None = None
    n_rot: int | None = None
    n_expert: int | None = None
    n_expert_used: int | None = None
    sliding_window: int | None = None
    kv_lora_rank: int | None = None
    ssm_state_size: int | None = None
    rope_freq_base: float | None = None
    rope_scaling: str | None = None


class SpecialToken(Piece):
    """A token with a meaning of its own."""

    id: int
    text: str | None


class Vocabulary(Piece):
    """The tokenizer. `add_bos`: llama.cpp puts the BOS token before a prompt."""

    model: str | None
    pre: str | None
    n_tokens: int | None
    n_merges: int | None
    special: dict[str, SpecialToken]
    add_bos: bool


class ArrayValue(Piece):
    """An array of the metadata; `values` only when there are few."""

    element_type: str
    count: int
    values: tuple[str | int | float | bool | None, ...] | None


class TensorLine(Piece):
    """One tensor; `shape` has the fastest dimension first, `offset` counts from the beginning of file `part`."""

    name: str
    type: str
    shape: tuple[int, ...]
    n_params: int
    size_bytes: int
    part: int
    offset: int


class Inspection(Piece):
    """All that is in the header of a model; of a split model, in the headers of all its files."""

    lcpp_model: Annotated[Literal[1], Field(description="Version of this document's format.")] = 1
    source: str
    origin: str
    revision: str | None
    size_bytes: int
    parts: tuple[FilePart, ...]
    gguf_version: int
    alignment: int
    dummy: Annotated[bool, Field(description="The weights are random: made by `lcpp model dummy`.")]
    architecture: str | None
    name: str | None
    license: str | None
    file_type: int | None
    file_type_name: str | None
    n_tensors: int
    n_params: int
    tensor_bytes: int
    bits_per_weight: float | None
    types: tuple[TypeUse, ...]
    shape: Hyperparameters
    vocabulary: Vocabulary
    chat_template: str | None
    chat_templates: Annotated[tuple[str, ...], Field(description="Names of further templates.")]
    metadata: Annotated[
        dict[str, str | int | float | bool | ArrayValue | None], Field(description="null: a float that is no number.")
    ]
    tensors: Annotated[tuple[TensorLine, ...] | None, Field(description="With --tensors only.")]
    notes: Annotated[tuple[str, ...], Field(description="What is odd about the file.")]


def inspect(opened: OpenModel, *, tensors: bool = False) -> Inspection:
    """Read the headers of all parts and put together what they say.

    Args:
        tensors: list every tensor.

    Raises:
        ModelError: a part is no sound GGUF, or cannot be had.
    """
    headers = opened.headers()
    first, source = headers[0], opened.parts[0].source
    n_params, tensor_bytes = (
        sum(column) for column in zip(*((h.n_params, h.tensor_bytes) for h in headers), strict=True)
    )
    file_type = first.integer("general.file_type")
    return Inspection(
        source=opened.source,
        origin=opened.origin,
        revision=opened.revision,
        size_bytes=opened.size_bytes,
        parts=tuple(
            FilePart(
                name=part.name,
                size_bytes=part.source.size_bytes,
                header_bytes=header.data_offset,
                n_tensors=len(header.tensors),
                sha256=part.promised_sha256,
            )
            for part, header in zip(opened.parts, headers, strict=True)
        ),
        gguf_version=first.version,
        alignment=first.alignment,
        dummy=is_dummy(first.kv),
        architecture=first.architecture,
        name=first.text("general.name"),
        license=first.text("general.license"),
        file_type=file_type,
        file_type_name=None if file_type is None else file_type_name(file_type),
        n_tensors=sum(len(header.tensors) for header in headers),
        n_params=n_params,
        tensor_bytes=tensor_bytes,
        bits_per_weight=_bits(tensor_bytes, n_params),
        types=_types(headers),
        shape=_shape(first),
        vocabulary=_vocabulary(source, first),
        chat_template=first.text("tokenizer.chat_template"),
        chat_templates=_more_templates(first),
        metadata={key: _shown(value) for key, value in first.kv.items() if key != "tokenizer.chat_template"},
        tensors=_tensors(headers) if tensors else None,
        notes=tuple(_notes(headers)),
    )


def json_schema() -> dict[str, Any]:
    """The document as a JSON Schema (draft 2020-12)."""
    schema = Inspection.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "lcpp model inspection"}


def _bits(n_bytes: int, n_params: int) -> float | None:
    return round(n_bytes * 8 / n_params, 4) if n_params else None


def _types(headers: Sequence[Header]) -> tuple[TypeUse, ...]:
    """By what they take, the largest first."""
    uses: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for header in headers:
        for tensor in header.tensors:
            use = uses[tensor.type_name]
            use[0] += 1
            use[1] += tensor.n_elements
            use[2] += tensor.n_bytes
    return tuple(
        TypeUse(type=name, n_tensors=n, n_params=params, size_bytes=size, bits_per_weight=_bits(size, params) or 0.0)
        for name, (n, params, size) in sorted(uses.items(), key=lambda item: (-item[1][2], item[0]))
    )


def _shape(header: Header) -> Hyperparameters:
    def integer(name: str) -> int | None:
        return header.integer(f"{header.architecture}.{name}")

    def by_layer(name: str) -> int | tuple[int, ...] | None:
        array = header.array(f"{header.architecture}.{name}")
        if array is None:
            return integer(name)
        values = array.values or ()
        if not values or not all(isinstance(value, int) and not isinstance(value, bool) for value in values):
            return None
        return tuple(int(value) for value in values)

    base = header.kv.get(f"{header.architecture}.rope.freq_base")
    n_embd, n_head = integer("embedding_length"), by_layer("attention.head_count")
    # llama.cpp's own rule where a file does not say it.
    per_head = n_embd // n_head if isinstance(n_embd, int) and isinstance(n_head, int) and n_head > 0 else None
    return Hyperparameters(
        n_layer=integer("block_count"),
        n_ctx_train=integer("context_length"),
        n_embd=n_embd,
        n_ff=by_layer("feed_forward_length"),
        n_head=n_head,
        n_head_kv=_or(by_layer("attention.head_count_kv"), n_head),
        n_embd_head_k=_or(integer("attention.key_length"), per_head),
        n_embd_head_v=_or(integer("attention.value_length"), per_head),
        n_rot=integer("rope.dimension_count"),
        n_expert=integer("expert_count"),
        n_expert_used=integer("expert_used_count"),
        sliding_window=integer("attention.sliding_window"),
        kv_lora_rank=integer("attention.kv_lora_rank"),
        ssm_state_size=integer("ssm.state_size"),
        rope_freq_base=base if isinstance(base, float) and math.isfinite(base) else None,
        rope_scaling=header.text(f"{header.architecture}.rope.scaling.type"),
    )


def _or(value: Any, otherwise: Any) -> Any:
    return otherwise if value is None else value


def _vocabulary(source: ByteSource, header: Header) -> Vocabulary:
    tokens, merges = header.array("tokenizer.ggml.tokens"), header.array("tokenizer.ggml.merges")
    ids = {kind: header.integer(f"tokenizer.ggml.{kind}_token_id") for kind in _SPECIAL}
    known = {kind: number for kind, number in ids.items() if number is not None}
    texts: Mapping[int, object] = {}
    if tokens is not None and known:
        texts = read_elements(source, header, tokens, known.values())
    return Vocabulary(
        model=header.text("tokenizer.ggml.model"),
        pre=header.text("tokenizer.ggml.pre"),
        n_tokens=None if tokens is None else tokens.count,
        n_merges=None if merges is None else merges.count,
        special={
            kind: SpecialToken(id=number, text=text if isinstance(text := texts.get(number), str) else None)
            for kind, number in known.items()
        },
        add_bos=adds_bos(header),
    )


def _more_templates(header: Header) -> tuple[str, ...]:
    prefix = "tokenizer.chat_template."
    return tuple(key.removeprefix(prefix) for key in header.kv if key.startswith(prefix))


def _shown(value: MetadataValue) -> str | int | float | bool | ArrayValue | None:
    if isinstance(value, ArrayInfo):
        values = None if value.values is None else tuple(map(_finite, value.values))
        return ArrayValue(element_type=value.element_type, count=value.count, values=values)
    return _finite(value)


def _finite(value: Scalar) -> Scalar | None:
    """JSON has no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _tensors(headers: Sequence[Header]) -> tuple[TensorLine, ...]:
    return tuple(
        TensorLine(
            name=tensor.name,
            type=tensor.type_name,
            shape=tensor.shape,
            n_params=tensor.n_elements,
            size_bytes=tensor.n_bytes,
            part=number,
            offset=tensor.offset,
        )
        for number, header in enumerate(headers)
        for tensor in header.tensors
    )


def _notes(headers: Sequence[Header]) -> Iterable[str]:
    for unsound in filter(None, map(whats_unsound, headers)):
        yield f"llama.cpp is not given this file: {unsound}"
    first = headers[0]
    n_parts = first.integer("split.count") or 1
    if n_parts != len(headers):
        yield f"the file says that it is one of {n_parts} parts, its name says {len(headers)}"
    promised = first.integer("split.tensors.count")
    n_tensors = sum(len(header.tensors) for header in headers)
    if promised is not None and promised != n_tensors:
        yield f"the first part says that there are {promised} tensors in all, {n_tensors} are there"
    for number, header in enumerate(headers):
        if len(headers) > 1 and header.integer("split.no") != number:
            yield f"part {number + 1} says that it is number {header.integer('split.no')}"
    names = [tensor.name for header in headers for tensor in header.tensors]
    if len(set(names)) < len(names):
        yield "some tensors are in more than one part"
    if not n_tensors:
        yield "the file holds a vocabulary and no weights"
