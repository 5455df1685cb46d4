"""What a dummy is to be: the header of a model and, for each tensor, what to fill it with. Nothing is written here."""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterator, Sequence
from functools import cached_property

from orchestrator.errors import ModelError
from orchestrator.model.dummy.blocks import check_type
from orchestrator.model.dummy.mark import KEY, KEY_FORMAT, KEY_ORIGIN, NAME_PREFIX
from orchestrator.model.dummy.metadata import ARRAY, INT32, STRING, Coding, Pair, read_pairs, truth, uint
from orchestrator.model.gguf.byte_source import ByteSource
from orchestrator.model.gguf.header import DEFAULT_ALIGNMENT, Header, read_header
from orchestrator.model.gguf.types import tensor_types
from orchestrator.values import Value

# Change it when the same plan is filled with other bytes: older dummies are then made anew.
_FORMAT = 1
# It is held in memory; the longest of today have some 16 MiB.
MAX_METADATA_BYTES = 64 * 1024 * 1024
_MAX_NAME_CHARS = 120
_PART = re.compile(r"-[0-9]{5}-of-[0-9]{5}$")
# Token types of GGUF (`llama_token_type`).
_UNKNOWN, _CONTROL, _USER_DEFINED, _UNUSED = 2, 3, 4, 5
_TOKENS, _TOKEN_TYPES = "tokenizer.ggml.tokens", "tokenizer.ggml.token_type"
_SPECIAL_ID = re.compile(r"tokenizer\.ggml\.[a-z0-9_]+_token_id$")


class PlannedTensor(Value):
    """A tensor to write; `shape` is in ggml's order, `offset` counts from the beginning of the data."""

    name: str
    shape: tuple[int, ...]
    type_name: str
    n_bytes: int
    offset: int


class DummyPlan(Value, dict=True):
    """A dummy to be written.

    name: the file's name without `-dummy.gguf`.
    origin: where its header comes from, for people.
    silent_tokens: those that must never be generated, in rising order: the ones that end an answer, or may.
    """

    name: str
    origin: str
    version: int
    alignment: int
    pairs: tuple[Pair, ...]
    tensors: tuple[PlannedTensor, ...]
    silent_tokens: tuple[int, ...]

    @cached_property
    def head(self) -> bytes:
        """Everything before the data, padded."""
        coding = Coding(self.version)
        numbers = {kind.name: number for number, kind in tensor_types().items()}
        out = [b"GGUF", struct.pack("<I", self.version)]
        out += [coding.length.pack(len(self.tensors)), coding.length.pack(len(self.pairs))]
        out += map(coding.encode, self.pairs)
        for tensor in self.tensors:
            out += [coding.string(tensor.name), struct.pack("<I", len(tensor.shape))]
            out += map(coding.length.pack, tensor.shape)
            out.append(struct.pack("<IQ", numbers[tensor.type_name], tensor.offset))
        head = b"".join(out)
        return head + bytes(-len(head) % self.alignment)

    @property
    def size_bytes(self) -> int:
        """The size of the file."""
        last = self.tensors[-1]
        return len(self.head) + padded(last.offset + last.n_bytes, self.alignment)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that decides what is written, in hex."""
        digest = hashlib.sha256(f"{_FORMAT} {self.name} {self.silent_tokens}\n".encode())
        digest.update(self.head)
        return digest.hexdigest()

    def header(self) -> Header:
        """The header that the dummy will have, read as from its file."""
        return read_header(_Unwritten(self))


class _Unwritten:
    """A dummy of which only the header is there, as a `ByteSource`."""

    def __init__(self, plan: DummyPlan) -> None:
        self.name = f"{plan.name}-dummy.gguf"
        self.size_bytes = plan.size_bytes
        self._head = plan.head

    def read_at(self, offset: int, n_bytes: int) -> bytes:
        return self._head[offset : offset + n_bytes]


def padded(offset: int, alignment: int) -> int:
    """The next multiple of `alignment`."""
    return (offset + alignment - 1) // alignment * alignment


def make_plan(
    name: str,
    origin: str,
    pairs: Sequence[Pair],
    tensors: Sequence[tuple[str, tuple[int, ...], str]],
    *,
    version: int = 3,
    alignment: int = DEFAULT_ALIGNMENT,
) -> DummyPlan:
    """A dummy with these key-value pairs, to which its marks are added, and these tensors (name, shape, type).

    Raises:
        ModelError: there are no tensors, or ones that nothing can be made up for.
    """
    if not tensors:
        raise ModelError(
            "the file holds a vocabulary and no weights", where=origin, hint="name a file that holds the whole model"
        )
    sizes = {kind.name: kind for kind in tensor_types().values()}
    placed, offset = [], 0
    for tensor, shape, type_name in tensors:
        check_type(type_name, tensor, origin)
        n_elements = 1
        for extent in shape:
            n_elements *= extent
        n_bytes = n_elements // sizes[type_name].block_elements * sizes[type_name].block_bytes
        placed.append(PlannedTensor(name=tensor, shape=shape, type_name=type_name, n_bytes=n_bytes, offset=offset))
        # Both gguf.c and gguf.cpp want each tensor just behind the one before it.
        offset = padded(offset + n_bytes, alignment)
    coding = Coding(version)
    return DummyPlan(
        name=_file_name(name),
        origin=origin,
        version=version,
        alignment=alignment,
        pairs=tuple(_marked(pairs, origin, coding)),
        tensors=tuple(placed),
        silent_tokens=tuple(sorted(set(_silent(pairs, coding)))),
    )


def plan_like(name: str, origin: str, sources: Sequence[ByteSource]) -> DummyPlan:
    """A dummy of the model in `sources` (all its parts, in order), whose headers are read and nothing else.

    The parts of a split model become one file.

    Raises:
        ModelError: a header is not sound, or there is a tensor that nothing can be made up for.
    """
    headers = [read_header(source) for source in sources]
    first = headers[0]
    if first.data_offset > MAX_METADATA_BYTES:
        raise ModelError(
            f"the header has {first.data_offset} bytes; dummies are made of headers up to {MAX_METADATA_BYTES}",
            where=sources[0].name,
        )
    raw = sources[0].read_at(0, first.data_offset)
    pairs = [
        pair
        for pair in read_pairs(raw, first.version, sources[0].name)
        if not pair.key.startswith(("split.", f"{KEY}.")) and pair.key != KEY
    ]
    return make_plan(
        _PART.sub("", name.removesuffix(".gguf")).removesuffix("-dummy"),
        origin,
        pairs,
        [(tensor.name, tensor.shape, tensor.type_name) for header in headers for tensor in header.tensors],
        version=first.version,
        alignment=first.alignment,
    )


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", name).strip("-.")[:_MAX_NAME_CHARS] or "model"


def _marked(pairs: Sequence[Pair], origin: str, coding: Coding) -> Iterator[Pair]:
    """The pairs with a name that says what it is, and with our own keys behind them."""
    named = False
    for pair in pairs:
        if pair.key == "general.name" and pair.kind == STRING:
            named = True
            name = pair.raw[coding.length.size :].decode(errors="replace").removeprefix(NAME_PREFIX)
            yield coding.text(pair.key, NAME_PREFIX + name)
        else:
            yield pair
    if not named:
        yield coding.text("general.name", f"{NAME_PREFIX}a model without a name")
    yield truth(KEY, True)
    yield coding.text(KEY_ORIGIN, origin)
    yield uint(KEY_FORMAT, _FORMAT)


def _silent(pairs: Sequence[Pair], coding: Coding) -> Iterator[int]:
    """The tokens that end an answer, or that some llama.cpp takes for such: by their ids, their types, their looks."""
    by_key = {pair.key: pair for pair in pairs}
    for key, pair in by_key.items():
        if _SPECIAL_ID.match(key) and len(pair.raw) == 4:
            yield struct.unpack("<I", pair.raw)[0]
    types = _token_types(by_key.get(_TOKEN_TYPES), coding)
    yield from (at for at, token_type in enumerate(types) if token_type in (_UNKNOWN, _CONTROL, _USER_DEFINED))
    tokens = by_key.get(_TOKENS)
    if tokens is None or tokens.kind != ARRAY:
        return
    kind, count, raw = coding.array_of(tokens)
    if kind != STRING:
        return
    for at, text in enumerate(coding.split(raw, count)):
        # Thousands of unused ones may fill a vocabulary up.
        unused = at < len(types) and types[at] == _UNUSED
        if text[-1:] in (b">", b"]") and text.lstrip(b" _")[:1] in (b"<", b"[") and not unused:
            yield at


def _token_types(pair: Pair | None, coding: Coding) -> Sequence[int]:
    if pair is None or pair.kind != ARRAY:
        return ()
    kind, count, raw = coding.array_of(pair)
    return struct.unpack(f"<{count}i", raw) if kind == INT32 else ()
