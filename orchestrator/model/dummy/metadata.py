"""The key-value pairs of a GGUF as bytes: taken out of a header as they are, or written anew."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence

from orchestrator.errors import ModelError
from orchestrator.values import Value

UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
_SCALAR_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_U32 = struct.Struct("<I")


class Pair(Value, kw_only=False):
    """One key with its value: `kind` is the number of the value's type, `raw` the value's bytes behind it."""

    key: str
    kind: int
    raw: bytes


class Coding(Value, kw_only=False):
    """How a version of GGUF writes counts and lengths: the first one in 32 bits, the others in 64."""

    version: int

    @property
    def length(self) -> struct.Struct:
        """A count, a length or a dimension."""
        return struct.Struct("<I" if self.version == 1 else "<Q")

    def string(self, value: str) -> bytes:
        """A string with its length."""
        raw = value.encode(errors="replace")
        return self.length.pack(len(raw)) + raw

    def text(self, key: str, value: str) -> Pair:
        """A key with a string."""
        return Pair(key, STRING, self.string(value))

    def texts(self, key: str, values: Sequence[str]) -> Pair:
        """A key with an array of strings."""
        return self.array(key, STRING, len(values), b"".join(map(self.string, values)))

    def numbers(self, key: str, values: Sequence[int]) -> Pair:
        """A key with an array of 32-bit integers."""
        return self.array(key, INT32, len(values), struct.pack(f"<{len(values)}i", *values))

    def array(self, key: str, kind: int, count: int, raw: bytes) -> Pair:
        """A key with an array whose elements are there as bytes."""
        return Pair(key, ARRAY, _U32.pack(kind) + self.length.pack(count) + raw)

    def encode(self, pair: Pair) -> bytes:
        """A pair as it stands in a file."""
        return self.string(pair.key) + _U32.pack(pair.kind) + pair.raw

    def array_of(self, pair: Pair) -> tuple[int, int, bytes]:
        """The element type, the count and the bytes of the elements of an array."""
        (kind,) = _U32.unpack_from(pair.raw)
        (count,) = self.length.unpack_from(pair.raw, 4)
        return kind, count, pair.raw[4 + self.length.size :]

    def split(self, raw: bytes, count: int) -> Iterator[bytes]:
        """The first `count` strings of an array, without their lengths."""
        at, width, unpack = 0, self.length.size, self.length.unpack_from
        for _ in range(count):
            begin = at + width
            at = begin + unpack(raw, at)[0]
            yield raw[begin:at]

    def join(self, strings: Iterable[bytes]) -> bytes:
        """Strings with their lengths."""
        pack = self.length.pack
        return b"".join(part for string in strings for part in (pack(len(string)), string))


def uint(key: str, value: int) -> Pair:
    """A key with a 32-bit number."""
    return Pair(key, UINT32, struct.pack("<I", value))


def integer(key: str, value: int) -> Pair:
    """A key with a 32-bit number that has a sign."""
    return Pair(key, INT32, struct.pack("<i", value))


def real(key: str, value: float) -> Pair:
    """A key with a 32-bit floating point number."""
    return Pair(key, FLOAT32, struct.pack("<f", value))


def truth(key: str, value: bool) -> Pair:
    """A key with a truth value."""
    return Pair(key, BOOL, bytes([value]))


def read_pairs(raw: bytes, version: int, where: str) -> list[Pair]:
    """The pairs of a header that `header.read_header` found to be sound.

    Args:
        raw: the file's beginning, up to its data.

    Raises:
        ModelError: it is another header than the one that was checked.
    """
    coding = Coding(version)
    try:
        return list(_walk(raw, coding))
    except (struct.error, KeyError, UnicodeDecodeError) as error:
        raise ModelError(
            "the model's header changed while it was read", where=where, hint="run the same command again"
        ) from error


def _walk(raw: bytes, coding: Coding) -> Iterator[Pair]:
    width = coding.length.size
    (count,) = coding.length.unpack_from(raw, 8 + width)
    at = 8 + 2 * width
    for _ in range(count):
        begin = at + width
        at = begin + coding.length.unpack_from(raw, at)[0]
        key = raw[begin:at].decode()
        (kind,) = _U32.unpack_from(raw, at)
        at += 4
        end = _value_end(raw, at, kind, coding)
        yield Pair(key, kind, raw[at:end])
        at = end


def _value_end(raw: bytes, at: int, kind: int, coding: Coding) -> int:
    width, unpack = coding.length.size, coding.length.unpack_from
    if kind == STRING:
        return at + width + int(unpack(raw, at)[0])
    if kind != ARRAY:
        return at + _SCALAR_BYTES[kind]
    (element,) = _U32.unpack_from(raw, at)
    count = int(unpack(raw, at + 4)[0])
    at += 4 + width
    if element != STRING:
        return at + count * _SCALAR_BYTES[element]
    for _ in range(count):
        at += width + unpack(raw, at)[0]
    return at
