"""Random content for every tensor type, made so that a program computes with it as with real weights.

A block of random bits is a valid block of any type but for a few fields: a scale that is infinite, not a number or so
small that arithmetic becomes slow. Those get sound values, the rest stays random. `_LAYOUTS` says where they are; the
block structures are those of ggml-common.h.

The scales differ from block to block as those of real models do. On x86, ggml converts a half by looking it up in a
table of 256 KiB; with the same scale everywhere that costs nothing, and generation is up to 25 % too fast.

A pool is some megabytes of such blocks. Tensors are cut out of it at random places, so that files of many gigabytes
are written as fast as the disk takes them.
"""

from __future__ import annotations

import math
import random
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterator
from statistics import NormalDist

from orchestrator.errors import ModelError
from orchestrator.values import Value

POOL_BYTES = 2 * 1024 * 1024
_MAX_POOLS = 12
_MIN_RMS, _MAX_RMS = 2.0**-9, 1.0

# How the scales of a tensor differ: standard deviations of their logarithms to base 2, each with the number of values
# that it holds for. Most tensors of SmolLM2 are narrow (0.26 to 0.37), those of its attention wide (0.84). With these
# values, as many look-ups miss the fastest cache as with its own weights, in each type: 5 to 15 %.
_SPREADS = ((0.3, 3686), (0.9, 410))
_QUANTILES = tuple(
    2.0 ** (spread * NormalDist().inv_cdf((index + 0.5) / count))
    for spread, count in _SPREADS
    for index in range(count)
)

_Fields = Callable[[float], "list[_Field]"]


class _Field(Value, kw_only=False):
    """The byte at `offset` of a block: the one of `values` that a random number chooses.

    There are as many as `_QUANTILES`; or 256, and the number is the random byte that was there. Fields with the same
    `draw` have the same number.
    """

    offset: int
    values: bytes
    draw: int


class _Layout(Value, kw_only=False):
    """A block of `n_bytes`; `fields` gives what is not random in it for a root mean square of its weights."""

    n_bytes: int
    fields: _Fields


def _masked(offset: int, random_bits: int, fixed: int) -> _Field:
    """A byte of which only some bits are random."""
    return _Field(offset, bytes((byte & random_bits) | fixed for byte in range(256)), offset)


def _float16(value: float) -> int:
    """The bits of a half; never 0."""
    bits = int.from_bytes(struct.pack("<e", value), "little")
    return bits if bits & 0x7FFF else bits | 1


def _halves(offset: int, value: float, draw: int, *, signed: bool = False) -> list[_Field]:
    """A little-endian half of about `value`, spread as real scales are; `signed`: every second one is negative."""
    spread = [
        _float16(-value * quantile if signed and at % 2 else value * quantile) for at, quantile in enumerate(_QUANTILES)
    ]
    low, high = bytes(bits & 0xFF for bits in spread), bytes(bits >> 8 for bits in spread)
    return [_Field(offset, low, draw), _Field(offset + 1, high, draw)]


def _scaled(n_bytes: int, unit_rms: float, *scales: int, signed: bool = False) -> _Layout:
    """A block with half-precision scales at `scales`.

    `unit_rms` is the root mean square of the weights of a random block whose scale is 1. Where their mean is not 0,
    the scale is `signed`, as it is in real files: weights must be 0 on average, else all activations grow into one
    direction, and every answer is one token again and again.
    """

    def fields(rms: float) -> list[_Field]:
        return [field for at in scales for field in _halves(at, rms / unit_rms, at, signed=signed)]

    return _Layout(n_bytes, fields)


def _shifted(n_bytes: int, unit_rms: float, scale: int, minimum: int, ratio: float) -> _Layout:
    """A block with a scale at `scale` and, at `minimum`, `ratio` times as much, which makes the mean of weights 0."""

    def fields(rms: float) -> list[_Field]:
        value = rms / unit_rms
        return _halves(scale, value, scale) + _halves(minimum, value * ratio, scale)

    return _Layout(n_bytes, fields)


def _float(mantissa_bits: int, exponent_bias: int, n_bytes: int) -> _Layout:
    """A floating point number of either sign, between 2/3 and 4/3 of a power of two near the root mean square."""

    def fields(rms: float) -> list[_Field]:
        # Random mantissas have a root mean square of 1.53 times their power of two.
        exponent = round(math.log2(rms / 1.53)) + exponent_bias
        bits = exponent << mantissa_bits
        free = (1 << mantissa_bits) - 1 | 1 << (8 * n_bytes - 1)
        return [
            _masked(offset, free >> 8 * offset & 0xFF, bits >> 8 * offset & 0xFF)
            for offset in range(n_bytes)
            if free >> 8 * offset & 0xFF != 0xFF
        ]

    return _Layout(n_bytes, fields)


def _ternary(rms: float) -> list[_Field]:
    """TQ2_0: four values of 2 bits a byte, of which the fourth is not in use."""
    valid = [byte for byte in range(256) if all(byte >> shift & 3 != 3 for shift in (0, 2, 4, 6))]
    table = bytes(valid[byte * len(valid) // 256] for byte in range(256))
    return [*_halves(64, rms / 0.816, 64), *(_Field(offset, table, offset) for offset in range(64))]


def _iq1_m(rms: float) -> list[_Field]:
    """IQ1_M: the scale is a half whose nibbles are the highest ones of four 16-bit words; two of them stay random."""
    bits = _float16(rms / 7.19)
    return [_masked(49 + 2 * word, 0x0F, (bits >> 4 * word & 0xF) << 4) for word in (2, 3)]


def _mxfp4(rms: float) -> list[_Field]:
    """MXFP4: one power of two a block, counted for values that stand doubled in the table."""
    return [_Field(0, bytes(round(math.log2(rms * quantile / 5.85)) + 128 for quantile in _QUANTILES), 0)]


def _nvfp4(rms: float) -> list[_Field]:
    """NVFP4: four scales of 4 bits of exponent and 3 of mantissa; below 2^-6 they have no exponent."""

    def code(scale: float) -> int:
        if scale < 2.0**-6:
            return max(1, round(scale * 512))
        exponent = math.floor(math.log2(scale))
        return exponent + 7 << 3 | min(7, round((scale / 2.0**exponent - 1) * 8))

    table = bytes(code(rms * quantile / 2.93) for quantile in _QUANTILES)
    return [_Field(offset, table, offset) for offset in range(4)]


# Types that only intermediate results have (Q8_1, Q8_K) are not here: no model is made of them.
_LAYOUTS: dict[str, _Layout] = {
    "F32": _float(23, 127, 4),
    "F16": _float(10, 15, 2),
    "BF16": _float(7, 127, 2),
    "F64": _float(52, 1023, 8),
    "Q4_0": _scaled(18, 4.64, 0, signed=True),
    "Q4_1": _shifted(20, 4.61, 0, 2, -7.5),
    "Q5_0": _scaled(22, 9.25, 0, signed=True),
    "Q5_1": _shifted(24, 9.23, 0, 2, -15.5),
    "Q8_0": _scaled(34, 73.9, 0),
    "Q2_K": _shifted(84, 13.9, 80, 82, 1.5),
    "Q3_K": _scaled(110, 43.3, 108, signed=True),
    "Q4_K": _shifted(144, 259.0, 0, 2, 7.5),
    "Q5_K": _shifted(176, 528.0, 0, 2, 15.5),
    "Q6_K": _scaled(210, 1367.0, 208, signed=True),
    "IQ1_S": _scaled(50, 7.19, 0),
    "IQ1_M": _Layout(56, _iq1_m),
    "IQ2_XXS": _scaled(66, 53.4, 0),
    "IQ2_XS": _scaled(74, 56.0, 0),
    "IQ2_S": _scaled(82, 56.3, 0),
    "IQ3_XXS": _scaled(98, 143.0, 0),
    "IQ3_S": _scaled(110, 140.0, 0),
    "IQ4_NL": _scaled(18, 67.5, 0, signed=True),
    "IQ4_XS": _scaled(136, 1247.0, 0, signed=True),
    "TQ1_0": _scaled(54, 0.817, 52),
    "TQ2_0": _Layout(66, _ternary),
    "MXFP4": _Layout(17, _mxfp4),
    "NVFP4": _Layout(36, _nvfp4),
    "Q1_0": _scaled(18, 1.0, 0),
    "Q2_0": _scaled(18, 1.22, 0, signed=True),
    # Four or eight blocks woven into one, their scales in front.
    "Q4_0_4_4": _scaled(72, 4.64, *range(0, 8, 2), signed=True),
    "Q4_0_4_8": _scaled(72, 4.64, *range(0, 8, 2), signed=True),
    "Q4_0_8_8": _scaled(144, 4.64, *range(0, 16, 2), signed=True),
    "IQ4_NL_4_4": _scaled(72, 67.5, *range(0, 8, 2), signed=True),
    "IQ4_NL_4_8": _scaled(72, 67.5, *range(0, 8, 2), signed=True),
    "IQ4_NL_8_8": _scaled(144, 67.5, *range(0, 16, 2), signed=True),
}
FLOATS = frozenset({"F32", "F16", "BF16", "F64"})
INTEGERS = frozenset({"I8", "I16", "I32", "I64"})


def check_type(type_name: str, tensor: str, where: str) -> None:
    """Refuse a tensor type that nothing can be made up for.

    Raises:
        ModelError: no llama.cpp runs a model with such tensors.
    """
    if type_name not in _LAYOUTS and type_name not in INTEGERS:
        raise ModelError(
            f"the tensor {tensor} has type {type_name}, of which no llama.cpp runs a model",
            where=where,
            hint="take another file of the model",
        )


def make_pool(type_name: str, rms: float, rng: random.Random, n_bytes: int = POOL_BYTES) -> bytes:
    """About `n_bytes` of random blocks of a type; their weights have about the root mean square `rms`."""
    layout = _LAYOUTS[type_name]
    n_blocks = max(1, n_bytes // layout.n_bytes)
    pool = bytearray(rng.randbytes(n_blocks * layout.n_bytes))
    draws: dict[int, list[int]] = {}
    for field in layout.fields(rms):
        column = slice(field.offset, None, layout.n_bytes)
        if len(field.values) == 256:
            pool[column] = pool[column].translate(field.values)
            continue
        if field.draw not in draws:
            draws[field.draw] = rng.choices(range(len(_QUANTILES)), k=n_blocks)
        pool[column] = bytes(map(field.values.__getitem__, draws[field.draw]))
    return bytes(pool)


class Pools:
    """Cuts random tensors out of pools, which are made when they are first needed. The same seed gives the same."""

    def __init__(self, seed: str) -> None:
        self._rng = random.Random(seed)
        self._pools: OrderedDict[tuple[str, float], bytes] = OrderedDict()

    def cut(self, type_name: str, rms: float, n_bytes: int) -> Iterator[memoryview]:
        """`n_bytes` (whole blocks) of a tensor, in pieces that begin at random places of the pool."""
        pool, block = memoryview(self._pool(type_name, rms)), _LAYOUTS[type_name].n_bytes
        n_blocks = len(pool) // block
        while n_bytes > 0:
            start = self._rng.randrange(n_blocks) * block
            piece = pool[start : start + n_bytes]
            n_bytes -= len(piece)
            yield piece

    def _pool(self, type_name: str, rms: float) -> bytes:
        # To a power of two: a file with thousands of different shapes needs few pools.
        key = (type_name, 2.0 ** round(math.log2(min(max(rms, _MIN_RMS), _MAX_RMS))))
        if key not in self._pools:
            while len(self._pools) >= _MAX_POOLS:
                self._pools.popitem(last=False)
            self._pools[key] = make_pool(*key, self._rng)
        self._pools.move_to_end(key)
        return self._pools[key]


def constant(type_name: str, value: float, n_bytes: int) -> Iterator[memoryview]:
    """A tensor of a floating point type with the same value everywhere (one that BF16 has, such as 0, 1 or -1)."""
    raw = {"F32": struct.pack("<f", value), "F16": struct.pack("<e", value), "F64": struct.pack("<d", value)}
    element = raw.get(type_name, struct.pack("<f", value)[2:])
    pool = memoryview(element * (min(n_bytes, 65536) // len(element)))
    yield from _repeated(pool, n_bytes)


def zeros(n_bytes: int) -> Iterator[memoryview]:
    """Zero bytes, which mean the weight zero in every type."""
    yield from _repeated(memoryview(bytes(min(n_bytes, POOL_BYTES))), n_bytes)


def _repeated(pool: memoryview, n_bytes: int) -> Iterator[memoryview]:
    while n_bytes > 0:
        piece = pool[:n_bytes]
        n_bytes -= len(piece)
        yield piece
