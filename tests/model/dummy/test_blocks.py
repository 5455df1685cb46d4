"""Random blocks: what the `gguf` library makes of them are sound weights, in every type."""

from __future__ import annotations

import random
import struct

import gguf
import numpy as np
import pytest

from orchestrator.errors import ModelError
from orchestrator.model.dummy.blocks import FLOATS, Pools, check_type, constant, make_pool
from orchestrator.model.gguf.types import tensor_types

# The library can turn these back into weights.
KNOWN = [
    *("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "F16", "BF16"),
    *("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_NL", "IQ4_XS", "TQ1_0", "TQ2_0"),
    *("MXFP4", "NVFP4"),
]
# Only results between two steps have them, and no file.
NO_FILE_HAS = {"Q8_1", "Q8_K"}


def weights(type_name: str, rms: float) -> np.ndarray:
    raw = make_pool(type_name, rms, random.Random(1), 200_000)
    kind = gguf.GGMLQuantizationType[type_name]
    blocks = np.frombuffer(raw, np.uint8).reshape(-1, gguf.GGML_QUANT_SIZES[kind][1])
    return np.asarray(gguf.quants.dequantize(blocks, kind), dtype=np.float64)


@pytest.mark.parametrize("type_name", KNOWN)
@pytest.mark.parametrize("rms", [2.0**-8, 2.0**-4])
def test_weights_have_the_wanted_size_and_no_mean(type_name: str, rms: float) -> None:
    found = weights(type_name, rms)
    assert np.isfinite(found).all()
    assert 0.6 < np.sqrt((found**2).mean()) / rms < 1.5
    assert abs(found.mean()) < 0.02 * rms


@pytest.mark.parametrize("type_name", ["Q4_0", "Q4_1", "Q8_0", "Q4_K", "Q5_K", "IQ4_XS"])
def test_scales_differ_from_block_to_block_as_real_ones_do(type_name: str) -> None:
    block = next(kind for kind in tensor_types().values() if kind.name == type_name)
    raw = make_pool(type_name, 2.0**-4, random.Random(1), 200_000)
    scales = np.frombuffer(raw, np.uint8).reshape(-1, block.block_bytes)[:, :2].copy().view("<f2").astype(float)
    logarithms = np.log2(np.abs(scales))
    assert 0.3 < logarithms.std() < 0.55
    assert len(np.unique(scales)) > 400


def test_every_type_that_a_file_can_have_is_known() -> None:
    for kind in tensor_types().values():
        if kind.name in NO_FILE_HAS:
            with pytest.raises(ModelError, match=r"no llama\.cpp runs"):
                check_type(kind.name, "blk.0.attn_q.weight", "x.gguf")
        else:
            check_type(kind.name, "blk.0.attn_q.weight", "x.gguf")
            if not kind.name.startswith("I") or kind.name.startswith("IQ"):
                pool = make_pool(kind.name, 2.0**-5, random.Random(1), 10_000)
                assert pool
                assert len(pool) % kind.block_bytes == 0


def test_the_ternary_type_has_no_fourth_value() -> None:
    blocks = np.frombuffer(make_pool("TQ2_0", 0.1, random.Random(1), 100_000), np.uint8).reshape(-1, 66)[:, :64]
    assert all((blocks >> shift & 3).max() == 2 for shift in (0, 2, 4, 6))


@pytest.mark.parametrize("type_name", sorted(FLOATS))
def test_constants(type_name: str) -> None:
    raw = b"".join(constant(type_name, -1.0, 800_000))
    assert len(raw) == 800_000
    form = {"F32": "<f", "F16": "<e", "F64": "<d"}.get(type_name)
    if form is None:
        assert raw == struct.pack("<f", -1.0)[2:] * 400_000
    else:
        assert raw == struct.pack(form, -1.0) * (800_000 // struct.calcsize(form))


def test_pools_cut_whole_tensors_the_same_way_each_time() -> None:
    def cut() -> bytes:
        pools = Pools("seed")
        return b"".join(piece for size in (18 * 7, 18 * 400_000) for piece in pools.cut("Q4_0", 0.02, size))

    first = cut()
    assert len(first) == 18 * 400_007
    assert first == cut()
    # No piece repeats the one before it at the same place.
    assert first[: 18 * 1000] != first[18 * 1000 : 18 * 2000]


def test_a_thousand_shapes_need_few_pools() -> None:
    pools = Pools("seed")
    for n_row in range(1, 1000):
        for _ in pools.cut("Q8_0", 2 / n_row, 34):
            pass
    assert len(pools._pools) <= 12
