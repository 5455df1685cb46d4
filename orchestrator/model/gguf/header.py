"""Read the header of a GGUF: key-value pairs and the list of tensors, never their data.

The header is a stranger's data. Every count, length and offset is checked against the size of the file and against
fixed limits before anything is allocated for it, so that no crafted file costs more than a few seconds and some tens
of megabytes. Long arrays (the vocabulary) are skipped, not kept.

The library's own `gguf.GGUFReader` makes several numpy objects for each token: seconds and hundreds of megabytes for
a vocabulary of today, without bounds. It is what the tests compare this reader with.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NoReturn

from orchestrator.errors import ModelError
from orchestrator.model.gguf.byte_source import ByteSource
from orchestrator.model.gguf.not_gguf import explain_not_gguf
from orchestrator.model.gguf.types import TensorType, tensor_types
from orchestrator.values import Value

Scalar = str | int | float | bool

DEFAULT_ALIGNMENT = 32

# Far above any model there is (a header of today has some 10 MiB, 50 keys, 2,000 tensors and 500,000 strings), and low
# enough that a file made of nothing but header is refused in seconds.
MAX_HEADER_BYTES = 256 * 1024 * 1024
MAX_KEYS = 65_536
MAX_TENSORS = 32_768
MAX_ARRAY_STRINGS = 4_000_000
MAX_KEY_BYTES = 65_535
MAX_STRING_BYTES = 4 * 1024 * 1024
MAX_KEPT_BYTES = 32 * 1024 * 1024
MAX_ALIGNMENT = 1024 * 1024
MAX_DIMENSIONS = 4
MAX_NAME_BYTES = 63  # GGML_MAX_NAME - 1

# Arrays up to this length are kept (such as one head count a layer), longer ones only located.
MAX_KEPT_NUMBERS = 1024
MAX_KEPT_STRINGS = 64

# How much is read at a time: a small piece, or what the arrays ahead will surely need. Over a network a piece costs a
# request, and what is read beyond the header is wasted.
_CHUNK_BYTES = 64 * 1024
_MAX_CHUNK_BYTES = 4 * 1024 * 1024
_KEPT_ELEMENT_BYTES = 40  # about what a number costs in a tuple
_INT64_MAX = 2**63 - 1
_STRING, _ARRAY, _BOOL = 8, 9, 7
_SCALARS = {
    0: ("uint8", struct.Struct("<B")),
    1: ("int8", struct.Struct("<b")),
    2: ("uint16", struct.Struct("<H")),
    3: ("int16", struct.Struct("<h")),
    4: ("uint32", struct.Struct("<I")),
    5: ("int32", struct.Struct("<i")),
    6: ("float32", struct.Struct("<f")),
    _BOOL: ("bool", struct.Struct("<B")),
    10: ("uint64", struct.Struct("<Q")),
    11: ("int64", struct.Struct("<q")),
    12: ("float64", struct.Struct("<d")),
}
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")


class ArrayInfo(Value):
    """An array of the header: what it holds and where it lies; its values only when there are few."""

    element_type: str
    count: int
    offset: int
    n_bytes: int
    values: tuple[Scalar, ...] | None


MetadataValue = Scalar | ArrayInfo


class Tensor(Value):
    """One tensor. `shape` is in ggml's order (fastest first); `offset` counts from the file's beginning."""

    name: str
    shape: tuple[int, ...]
    type_name: str
    offset: int
    n_bytes: int
    n_elements: int


class Header(Value):
    """The header of one GGUF file. `end_of_data` is the byte after the last tensor."""

    version: int
    kv: Mapping[str, MetadataValue]
    tensors: tuple[Tensor, ...]
    alignment: int
    data_offset: int
    end_of_data: int

    @property
    def architecture(self) -> str | None:
        """`general.architecture`, such as `llama`."""
        return self.text("general.architecture")

    @property
    def type_counts(self) -> dict[str, int]:
        """How many tensors there are of each type."""
        return dict(Counter(tensor.type_name for tensor in self.tensors))

    @property
    def n_params(self) -> int:
        """The number of elements of all tensors together."""
        return sum(tensor.n_elements for tensor in self.tensors)

    @property
    def tensor_bytes(self) -> int:
        """The size of all tensors together, without padding."""
        return sum(tensor.n_bytes for tensor in self.tensors)

    def text(self, key: str) -> str | None:
        """The value of `key` if it is a string."""
        value = self.kv.get(key)
        return value if isinstance(value, str) else None

    def integer(self, key: str) -> int | None:
        """The value of `key` if it is an integer (and no bool)."""
        value = self.kv.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def array(self, key: str) -> ArrayInfo | None:
        """The value of `key` if it is an array."""
        value = self.kv.get(key)
        return value if isinstance(value, ArrayInfo) else None


def read_header(source: ByteSource) -> Header:
    """Read and check the header of the GGUF in `source`; all tensors must lie within it.

    Raises:
        ModelError: it is no GGUF, not a whole one, or not a sound one; the message has the byte offset.
    """
    return _Reader(source).header()


def read_elements(source: ByteSource, header: Header, array: ArrayInfo, indices: Iterable[int]) -> dict[int, Scalar]:
    """Elements of an array that was not kept, such as the texts of some tokens, in one pass; those that it has."""
    in_range = sorted({index for index in indices if 0 <= index < array.count})
    if array.values is not None:
        return {index: array.values[index] for index in in_range}
    return _Reader(source, version=header.version).elements(array, in_range)


class _Reader:
    """A position in a source, a buffer, and what has been spent of the limits."""

    def __init__(self, source: ByteSource, version: int = 3) -> None:
        self._source = source
        self._size = source.size_bytes
        self._buffer = b""
        self._buffer_offset = 0
        self._position = 0
        self._kept_bytes = 0
        self._array_strings = 0
        self._set_version(version)

    def _set_version(self, version: int) -> None:
        self._version = version
        # Version 1 (August 2023) had 32-bit counts, lengths and dimensions.
        self._length = _U32 if version == 1 else _U64

    # The parts of the file, in their order.

    def header(self) -> Header:
        self._read_magic()
        n_tensors = self._count("tensors", MAX_TENSORS, self._length.size + 16)
        n_kv = self._count("key-value pairs", MAX_KEYS, self._length.size + 5)
        kv: dict[str, MetadataValue] = {}
        for _ in range(n_kv):
            at = self._position
            key = self._name("a key", MAX_KEY_BYTES)
            if not key:
                self._fail("a key is empty", at)
            if key in kv:
                self._fail(f"the key {key!r} stands there twice", at)
            kv[key] = self._value(key)
        alignment = self._alignment(kv)
        tensors, table_end = self._tensors(n_tensors), self._position
        data_offset = _padded(table_end, alignment)
        placed = tuple(self._placed(tensor, at, alignment, data_offset) for tensor, at in tensors)
        return Header(
            version=self._version,
            kv=MappingProxyType(kv),
            tensors=placed,
            alignment=alignment,
            data_offset=data_offset,
            end_of_data=self._check_places(placed, data_offset),
        )

    def _read_magic(self) -> None:
        self._buffer = self._source.read_at(0, min(_CHUNK_BYTES, self._size))
        if self._buffer[:4] != b"GGUF":
            raise explain_not_gguf(self._buffer[:512], self._source.name)
        self._take(4, "the magic number")
        at = self._position
        (version,) = _U32.unpack(self._take(4, "the version"))
        if version & 0xFFFF == 0 and version != 0:
            raise ModelError(
                "this GGUF is big-endian (made for s390x or the like); llama.cpp on this machine cannot read it",
                where=self._source.name,
                hint="fetch the little-endian file, or convert a copy with `gguf-convert-endian FILE little`",
            )
        if version not in (1, 2, 3):
            self._fail(f"GGUF version {version} is unknown; known are 1, 2 and 3", at, hint="update lcpp")
        self._set_version(version)

    def _count(self, of_what: str, most: int, least_bytes: int) -> int:
        at = self._position
        count = self._number(f"the number of {of_what}")
        if count > most:
            self._fail(f"the header says that there are {count} {of_what}; no model has more than {most}", at)
        if count * least_bytes > self._size - self._position:
            self._fail(f"the header says that there are {count} {of_what}; the file is too short for them", at)
        return count

    def _value(self, key: str) -> MetadataValue:
        at = self._position
        (kind,) = _U32.unpack(self._take(4, f"the type of {key!r}"))
        if kind == _STRING:
            return self._string(key)
        if kind == _ARRAY:
            return self._array(key)
        return self._scalar(kind, key, at)

    def _scalar(self, kind: int, key: str, at: int) -> int | float | bool:
        if kind not in _SCALARS:
            self._fail(f"the type of {key!r} is {kind}; known are 0 to 12", at)
        _, form = _SCALARS[kind]
        at = self._position
        value: int | float = form.unpack(self._take(form.size, f"the value of {key!r}"))[0]
        if kind != _BOOL:
            return value
        if value not in (0, 1):
            self._fail(f"the truth value of {key!r} is {value}, not 0 or 1", at)
        return bool(value)

    def _string(self, key: str) -> str:
        at = self._position
        length = self._number(f"the length of {key!r}")
        if length > MAX_STRING_BYTES:
            self._fail(f"the text of {key!r} has {length} bytes; the limit is {MAX_STRING_BYTES}", at)
        self._keep(length, at)
        # Descriptions in the wild are not always clean UTF-8; they are shown, never compared.
        return self._take(length, f"the text of {key!r}").decode(errors="replace")

    def _array(self, key: str) -> ArrayInfo:
        at = self._position
        (kind,) = _U32.unpack(self._take(4, f"the element type of {key!r}"))
        if kind == _ARRAY:
            self._fail(f"{key!r} is an array of arrays, which no llama.cpp reads", at)
        if kind != _STRING and kind not in _SCALARS:
            self._fail(f"the element type of {key!r} is {kind}; known are 0 to 12", at)
        at = self._position
        count = self._number(f"the length of {key!r}")
        element_bytes = self._length.size if kind == _STRING else _SCALARS[kind][1].size
        if count * element_bytes > self._size - self._position:
            self._fail(f"the array {key!r} says that it has {count} elements; the file is too short for them", at)
        start = self._position
        few = MAX_KEPT_STRINGS if kind == _STRING else MAX_KEPT_NUMBERS
        values: tuple[Scalar, ...] | None = None
        if count <= few and self._kept_bytes + count * _KEPT_ELEMENT_BYTES <= MAX_KEPT_BYTES:
            self._kept_bytes += count * _KEPT_ELEMENT_BYTES
            values = tuple(self._string(key) if kind == _STRING else self._scalar(kind, key, at) for _ in range(count))
        elif kind == _STRING:
            self._skip_strings(count, key)
        else:
            self._position = start + count * element_bytes
        self._check_position(f"the array {key!r}")
        return ArrayInfo(
            element_type="string" if kind == _STRING else _SCALARS[kind][0],
            count=count,
            offset=start,
            n_bytes=self._position - start,
            values=values,
        )

    def _alignment(self, kv: Mapping[str, MetadataValue]) -> int:
        value = kv.get("general.alignment", DEFAULT_ALIGNMENT)
        sane = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MAX_ALIGNMENT
        if not isinstance(value, int) or not sane or value & (value - 1):
            self._fail(f"general.alignment is {value!r}, not a power of two up to {MAX_ALIGNMENT}", self._position)
        return value

    def _tensors(self, count: int) -> list[tuple[Tensor, int]]:
        """The list of tensors with the place of each entry; offsets are still relative to the data."""
        known = tensor_types() if count else {}
        names: set[str] = set()
        tensors = []
        for _ in range(count):
            at = self._position
            name = self._name("a tensor's name", MAX_NAME_BYTES)
            if name in names:
                self._fail(f"the tensor {name!r} stands there twice", at)
            names.add(name)
            tensors.append((self._tensor(name, known, at), at))
        return tensors

    def _tensor(self, name: str, known: Mapping[int, TensorType], at: int) -> Tensor:
        what = f"the entry of tensor {name!r}"
        (n_dims,) = _U32.unpack(self._take(4, what))
        if n_dims > MAX_DIMENSIONS:
            self._fail(f"the tensor {name!r} has {n_dims} dimensions; the most are {MAX_DIMENSIONS}", at)
        size = "I" if self._version == 1 else "Q"
        form = struct.Struct(f"<{n_dims}{size}IQ")
        *shape, kind, offset = form.unpack(self._take(form.size, what))
        n_elements = 1
        for extent in shape:
            n_elements *= extent
        if max(shape, default=0) > _INT64_MAX or n_elements > _INT64_MAX:
            self._fail(f"the dimensions {shape} of tensor {name!r} are beyond 64 bits", at)
        if kind not in known:
            self._fail(
                f"the tensor {name!r} has type {kind}, which this version of the `gguf` library does not know",
                at,
                hint="the file may be newer than lcpp: `pip install --upgrade gguf`; it may also be damaged",
            )
        row = shape[0] if shape else 1
        if row % known[kind].block_elements:
            self._fail(
                f"the tensor {name!r} of type {known[kind].name} has rows of {row} elements, "
                f"not a multiple of {known[kind].block_elements}",
                at,
            )
        return Tensor(
            name=name,
            shape=tuple(shape),
            type_name=known[kind].name,
            offset=offset,
            n_bytes=n_elements // known[kind].block_elements * known[kind].block_bytes,
            n_elements=n_elements,
        )

    def _placed(self, tensor: Tensor, at: int, alignment: int, data_offset: int) -> Tensor:
        if tensor.offset % alignment:
            self._fail(f"the offset {tensor.offset} of tensor {tensor.name!r} is not aligned to {alignment}", at)
        return Tensor(
            name=tensor.name,
            shape=tensor.shape,
            type_name=tensor.type_name,
            offset=data_offset + tensor.offset,
            n_bytes=tensor.n_bytes,
            n_elements=tensor.n_elements,
        )

    def _check_places(self, tensors: tuple[Tensor, ...], data_offset: int) -> int:
        """No two tensors may share bytes, and the last one must end within the file; returns where that is."""
        end, before = data_offset, ""
        for tensor in sorted(tensors, key=lambda place: (place.offset, place.n_bytes)):
            if tensor.offset < end and tensor.n_bytes:
                self._fail(f"the tensors {before!r} and {tensor.name!r} overlap", tensor.offset)
            if tensor.n_bytes:
                end, before = tensor.offset + tensor.n_bytes, tensor.name
        if before and end > self._size:
            raise ModelError(
                f"the file is truncated: the tensor {before!r} ends at byte {end}, the file has {self._size} bytes",
                where=self._source.name,
                hint="fetch the file again; it is not whole",
            )
        return end

    def elements(self, array: ArrayInfo, indices: list[int]) -> dict[int, Scalar]:
        """Some elements, in rising order, of an array that `header` has checked."""
        values: dict[int, Scalar] = {}
        if array.element_type == "string":
            self._position, at = array.offset, 0
            for index in indices:
                self._skip_strings(index - at, "the array", of=array)
                values[index] = self._string("the array")
                at = index + 1
            return values
        kind, form = next((kind, form) for kind, (name, form) in _SCALARS.items() if name == array.element_type)
        for index in indices:
            self._position = array.offset + index * form.size
            values[index] = self._scalar(kind, "the array", self._position)
        return values

    # Reading.

    def _number(self, what: str) -> int:
        number: int = self._length.unpack(self._take(self._length.size, what))[0]
        return number

    def _name(self, what: str, most: int) -> str:
        at = self._position
        length = self._number(f"the length of {what}")
        if length > most:
            self._fail(f"{what} has {length} bytes; the most are {most}", at)
        self._keep(length, at)
        try:
            return self._take(length, what).decode()
        except UnicodeDecodeError:
            self._fail(f"{what} is not UTF-8", at)

    def _keep(self, n_bytes: int, at: int) -> None:
        self._kept_bytes += n_bytes
        if self._kept_bytes > MAX_KEPT_BYTES:
            self._fail(f"the texts of the header have more than {MAX_KEPT_BYTES} bytes together", at)

    def _take(self, n_bytes: int, what: str) -> bytes:
        start = self._at_hand(n_bytes, what)
        self._position += n_bytes
        return self._buffer[start : start + n_bytes]

    def _at_hand(self, n_bytes: int, what: str, ahead: int = 0) -> int:
        """Have `n_bytes` from the position on in the buffer; returns where in the buffer they begin.

        `ahead` is how many bytes will be wanted from the position on, as far as one can say.
        """
        start = self._position - self._buffer_offset
        if 0 <= start <= len(self._buffer) - n_bytes:
            return start
        self._check_position(what, n_bytes)
        n_ahead = min(max(n_bytes, _CHUNK_BYTES, min(ahead, _MAX_CHUNK_BYTES)), self._size - self._position)
        self._buffer = self._source.read_at(self._position, n_ahead)
        self._buffer_offset = self._position
        if len(self._buffer) < n_bytes:
            self._fail(f"the file became shorter while it was read, in {what}", self._position)
        return 0

    def _check_position(self, what: str, n_bytes: int = 0) -> None:
        end = self._position + n_bytes
        if end > self._size:
            raise ModelError(
                f"the file is truncated: {what} ends at byte {end}, the file has {self._size} bytes",
                where=self._source.name,
                hint="fetch the file again; it is not whole",
            )
        if end > MAX_HEADER_BYTES:
            self._fail(f"the header is larger than {MAX_HEADER_BYTES} bytes, in {what}", self._position)

    def _skip_strings(self, count: int, what: str, of: ArrayInfo | None = None) -> None:
        """Go past `count` strings. The one hot loop: half a million strings in a model of today.

        `of` is the array, when it is known where it ends.
        """
        self._array_strings += count
        if self._array_strings > MAX_ARRAY_STRINGS:
            self._fail(f"the arrays hold more than {MAX_ARRAY_STRINGS} strings, in {what!r}", self._position)
        width, unpack = self._length.size, self._length.unpack_from
        first, total = self._position, count
        while count:
            # Each string has a length at least; and as a rule they become longer, not shorter.
            gone = self._position - first
            ahead = count * max(width, gone * 7 // (8 * (total - count)) if total > count else width)
            if of is not None:
                ahead = min(ahead, of.offset + of.n_bytes - self._position)
            begin = start = self._at_hand(width, f"the array {what!r}", ahead)
            buffer, last = self._buffer, len(self._buffer) - width
            while count and start <= last:
                start += width + unpack(buffer, start)[0]
                count -= 1
            self._position += start - begin
            self._check_position(f"the array {what!r}")

    def _fail(
        self, what: str, at: int, hint: str = "fetch the file again, or another file: this one is damaged"
    ) -> NoReturn:
        raise ModelError(f"not a sound GGUF: {what} (at byte {at})", where=self._source.name, hint=hint)


def _padded(offset: int, alignment: int) -> int:
    return (offset + alignment - 1) // alignment * alignment
