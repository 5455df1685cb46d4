"""Estimates of memory against what llama.cpp's loader printed and what the processes took (memory_loader.json).

Recorded with `llama-cli` of b3642 (make) and `llama-completion` of b10587 (CMake) on a CPU with AVX-512, each with a
prompt of two tokens.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import ModelError
from orchestrator.machine.memory import Available
from orchestrator.model.gguf.byte_source import FileSource
from orchestrator.model.gguf.header import ArrayInfo, Header, read_header
from orchestrator.model.gguf.types import tensor_types
from orchestrator.model.memory.estimate import Estimate, estimate, reserve, row_bytes, window_cells
from orchestrator.model.memory.settings import MemorySettings, memory_settings
from orchestrator.model.memory.shape import shape_of
from orchestrator.model.memory.verdict import fit
from orchestrator.values import replace
from tests.model.model_shapes import SHAPES, header_of, write_shape
from tests.plans import planned

MIB = 2**20
CPU = frozenset({"avx2", "avx512f"})


class Loader(NamedTuple):
    """One run: what was asked, the loader's figures in MiB, and the peak."""

    shape: str
    build: int
    n_ctx: int
    cache: str
    flash_attn: int
    weights: float
    repacked: float
    kv_cache: float
    compute: float
    output: float
    peak: float


LOADER = [Loader(*row) for row in json.loads(Path(__file__).with_name("memory_loader.json").read_text())]


def _settings(build: int, n_ctx: int, *, cache: str = "f16", flash_attn: bool = False) -> MemorySettings:
    plan = planned(build, program="complete", prompt="hi", n_ctx=n_ctx, n_predict=1)
    asked = memory_settings(plan, repack=build != 3642, cpu=CPU)
    # The V cache cannot be quantized without flash attention.
    return replace(asked, n_prompt=2, type_k=cache, type_v=cache if flash_attn else "f16", flash_attn=flash_attn)


def _estimate(header: Header, build: int, n_ctx: int, *, cache: str = "f16", flash_attn: bool = False) -> Estimate:
    return estimate(shape_of([header]), _settings(build, n_ctx, cache=cache, flash_attn=flash_attn))


@pytest.mark.parametrize("name", sorted({row.shape for row in LOADER}))
def test_each_part_is_what_the_loader_printed_and_the_peak_what_was_taken(name: str) -> None:
    header = header_of(SHAPES[name])
    rows = [row for row in LOADER if row.shape == name]
    assert len(rows) >= 12
    for row in rows:
        one = _estimate(header, row.build, row.n_ctx, cache=row.cache, flash_attn=bool(row.flash_attn))
        found = {
            "weights": one.weights_bytes,
            "repacked": one.repacked_bytes,
            "kv_cache": one.kv_cache_bytes,
            "compute": one.compute_bytes,
            "output": one.output_bytes,
        }
        for part, size in found.items():
            wanted = getattr(row, part)
            # Far stricter than it must be: a step of the allocator that is followed wrongly shows at once.
            assert size / MIB == pytest.approx(wanted, rel=0.01, abs=0.02), (row, part)
        # SmolLM2 has merges, which the shape here has not (8 MiB).
        merges = 170 * 48_900 if name == "smollm2-135m" else 0
        assert (one.peak_bytes + merges) / MIB == pytest.approx(row.peak, rel=0.02), row
        printed = row.weights + row.repacked + row.kv_cache + row.compute + row.output
        assert one.loader_bytes / MIB == pytest.approx(printed, rel=0.003)


@pytest.mark.parametrize(
    ("build", "flash_attn", "peak_mib"), [(3642, False, 277.6), (3642, True, 218.2), (10587, False, 315.4)]
)
def test_the_peak_of_a_long_prompt(build: int, flash_attn: bool, peak_mib: float) -> None:
    """4,001 tokens with n_ctx 4096, measured on a CPU without AVX-512, with b3642 and with 0c1e57098bba of October 2026
    (which the tables take for one with b10587): the scores that the latter converts to F16 are a tenth of the peak."""
    settings = replace(_settings(build, 4096, flash_attn=flash_attn), n_prompt=4001)
    peak = estimate(shape_of([header_of(SHAPES["smollm2-135m"])]), settings).peak_bytes
    assert peak / MIB == pytest.approx(peak_mib, rel=0.02)


@pytest.mark.parametrize(
    ("name", "n_rows", "widest"), [("llama-8b-4-layers", 512, 14336), ("qwen3moe-6-layers", 512 * 8, 4096)]
)
def test_the_cpu_needs_room_for_the_other_side_of_its_largest_product(name: str, n_rows: int, widest: int) -> None:
    """A batch of 512 tokens, each once for each expert that it goes to, in blocks of 9/8 bytes a number."""
    shape = shape_of([header_of(SHAPES[name])])
    short, long = (replace(_settings(3642, 4096), n_prompt=n_prompt) for n_prompt in (1, 512))
    grown = estimate(shape, long).program_bytes - estimate(shape, short).program_bytes
    assert grown == n_rows * widest * 9 // 8 - (n_rows // 512) * widest * 9 // 8


@pytest.mark.parametrize(
    ("build", "n_ctx", "flash_attn", "kv_mib", "compute_mib", "repacked_mib"),
    [
        (2896, 4000, False, 15.63, 273.82, 0),
        (2896, 4000, True, 16.0, 70.5, 0),
        (3642, 4000, False, 15.63, 273.82, 0),
        (4295, 4000, False, 15.63, 273.82, 94.5),
        (7400, 4000, True, 16.0, 70.5, 94.5),
        (7400, 4000, False, 16.0, 281.01, 94.5),
    ],
)
def test_eras(build: int, n_ctx: int, flash_attn: bool, kv_mib: float, compute_mib: float, repacked_mib: float) -> None:
    """The same shape in builds of two years: rounding of the context, graphs, rearranged weights."""
    small = replace(
        SHAPES["llama-8b-4-layers"],
        n_vocab=32000,
        n_embd=2048,
        n_head_kv=4,
        n_ff=5632,
        kind="Q4_0",
        embedding="Q6_K",
    )
    one = _estimate(header_of(small), build, n_ctx, flash_attn=flash_attn)
    assert one.kv_cache_bytes / MIB == pytest.approx(kv_mib, abs=0.01)
    assert one.compute_bytes / MIB == pytest.approx(compute_mib, rel=0.005)
    assert one.repacked_bytes / MIB == pytest.approx(repacked_mib, abs=0.1)


def test_the_seeds_own_run() -> None:
    """Its log: KV cache 16384.00 MiB, output 0.49 MiB, compute 8480.00 MiB."""
    one = _estimate(header_of(SHAPES["llama-3.1-8b"]), 3642, 131072)
    assert one.kv_cache_bytes == 16384 * MIB
    assert one.output_bytes / MIB == pytest.approx(0.49, abs=0.005)
    assert one.compute_bytes / MIB == pytest.approx(8480.0, abs=0.05)


def test_a_file_of_holes_has_the_shape_it_was_made_for(tmp_path: Path) -> None:
    small = replace(SHAPES["gemma2-2b"], n_vocab=1000, n_layer=3)
    path = write_shape(small, tmp_path / "holes.gguf")
    assert path.stat().st_blocks * 512 < path.stat().st_size / 10
    with FileSource(path) as source:
        read = shape_of([read_header(source)])
    made = shape_of([header_of(small)])
    assert replace(read, weights=(), sizes_of_parts=()) == replace(made, weights=(), sizes_of_parts=())
    assert [weight.n_bytes for weight in read.weights] == [weight.n_bytes for weight in made.weights]


def test_windows_by_pattern_key_and_array() -> None:
    header = header_of(SHAPES["gemma3-1b"])
    assert [layer.window for layer in shape_of([header]).layers[:7]] == [512] * 5 + [None, 512]
    flags = ArrayInfo(element_type="bool", count=26, offset=0, n_bytes=26, values=(True, False) * 13)
    header = header_of(SHAPES["gemma3-1b"], **{"gemma3.attention.sliding_window_pattern": flags})
    assert [layer.window for layer in shape_of([header]).layers[:4]] == [512, None, 512, None]


def test_heads_by_layer() -> None:
    heads = ArrayInfo(element_type="uint32", count=4, offset=0, n_bytes=16, values=(8, 4, 2, 8))
    header = header_of(SHAPES["llama-8b-4-layers"], **{"llama.attention.head_count_kv": heads})
    one = _estimate(header, 3642, 1024)
    assert one.kv_cache_bytes == 2 * 2 * 128 * (8 + 4 + 2 + 8) * 1024


def test_latent_attention_keeps_one_vector_and_later_no_v() -> None:
    shape = replace(SHAPES["llama-8b-4-layers"], architecture="deepseek2", n_head_kv=1)
    keys = {"attention.key_length": 576, "attention.value_length": 512, "attention.key_length_mla": 192}
    header = header_of(shape, **{f"deepseek2.{key}": value for key, value in keys.items()})
    assert _estimate(header, 6000, 1024).kv_cache_bytes == 4 * 2 * (576 + 512) * 1024
    assert _estimate(header, 10587, 1024).kv_cache_bytes == 4 * 2 * 576 * 1024


def test_flash_attention_is_off_where_an_old_build_turns_it_off() -> None:
    """b3642 does so when K and V differ in size; then n_ctx is rounded to 32 and scores need room."""
    keys = {"attention.key_length": 192, "attention.value_length": 128}
    header = header_of(SHAPES["llama-8b-4-layers"], **{f"llama.{key}": value for key, value in keys.items()})
    assert _estimate(header, 3642, 4000, flash_attn=True) == _estimate(header, 3642, 4000)
    assert _estimate(header, 10587, 4000, flash_attn=True) != _estimate(header, 10587, 4000)


def test_two_parts_of_a_split_model_are_one_model() -> None:
    header = header_of(SHAPES["llama-8b-4-layers"])
    half = len(header.tensors) // 2
    parts = [replace(header, tensors=header.tensors[:half]), replace(header, tensors=header.tensors[half:])]
    whole, split = shape_of([header]), shape_of(parts)
    assert (split.n_params, split.layers, split.n_vocab) == (whole.n_params, whole.layers, whole.n_vocab)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("attention.head_count", 2**31),
        ("embedding_length", 2**62),
        ("expert_used_count", 2**40),
        ("expert_used_count", 5000),
        ("attention.key_length", -5),
        ("ssm.inner_size", 2**33),
    ],
)
def test_numbers_beyond_sense_are_our_error(key: str, value: int) -> None:
    with pytest.raises(ModelError, match="no model has that"):
        shape_of([header_of(SHAPES["llama-8b-4-layers"], **{f"llama.{key}": value})])


def test_layers_beyond_any_are_our_error() -> None:
    header = header_of(replace(SHAPES["llama-8b-4-layers"], n_layer=1))
    tensor = replace(header.tensors[2], name="blk.99999999999.attn_q.weight")
    with pytest.raises(ModelError, match="layer beyond"):
        shape_of([replace(header, tensors=(*header.tensors, tensor))])


def test_a_file_without_layers_is_our_error() -> None:
    header = header_of(replace(SHAPES["llama-8b-4-layers"], n_layer=0))
    with pytest.raises(ModelError, match="no layers"):
        shape_of([header])


_KEYS = [
    *("attention.head_count", "attention.head_count_kv", "attention.key_length", "attention.value_length"),
    *("block_count", "embedding_length", "expert_count", "attention.sliding_window", "ssm.inner_size"),
    *("attention.sliding_window_pattern", "nextn_predict_layers", "wkv.head_size", "ssm.conv_kernel"),
]


@given(
    changed=st.dictionaries(st.sampled_from(_KEYS), st.integers(-3, 1 << 25), max_size=4),
    dropped=st.sets(st.integers(0, 40), max_size=8),
    build=st.sampled_from([1012, 2500, 3642, 6000, 10587]),
    flash_attn=st.booleans(),
)
def test_odd_headers_give_an_estimate_or_our_error(
    changed: dict[str, int], dropped: set[int], build: int, flash_attn: bool
) -> None:
    header = header_of(
        replace(SHAPES["qwen2moe-6-layers"], n_layer=2),
        **{f"qwen2moe.{key}": value for key, value in changed.items()},
    )
    kept = tuple(tensor for index, tensor in enumerate(header.tensors) if index not in dropped)
    try:
        one = _estimate(replace(header, tensors=kept), build, 4096, flash_attn=flash_attn)
    except ModelError:
        return
    assert one.needed_bytes >= one.loader_bytes >= 0
    assert one.compute_bytes > 0


def test_the_largest_header_is_judged_in_seconds() -> None:
    """As many layers and experts as are let through, and a search for what would fit."""
    shape = shape_of([header_of(replace(SHAPES["qwen3moe-6-layers"], n_layer=512, n_used=32))])
    there = Available(total_bytes=2**45, free_bytes=2**44, swap_free_bytes=0, cgroup=None)
    began = time.process_time()
    verdict = fit(shape, _settings(10587, 100_000_000), there)
    assert (verdict.state, bool(verdict.options)) == ("does not fit", True)
    assert time.process_time() - began < 4


def test_quick_is_near() -> None:
    for name in ("llama-3.1-8b", "gemma2-2b", "gemma3-1b"):
        shape = shape_of([header_of(SHAPES[name])])
        for build in (3642, 10587):
            asked = _settings(build, 32768)
            whole, quick = (estimate(shape, asked, quick=quick).needed_bytes for quick in (False, True))
            assert quick == pytest.approx(whole, rel=0.01)


def _of(build: int, **run: object) -> MemorySettings:
    return memory_settings(planned(build, **run))


def test_settings_of_each_program() -> None:
    complete = _of(3642, prompt="x" * 100, n_predict=28)
    assert (complete.n_ctx, complete.n_batch, complete.n_ubatch, complete.flash_attn) == (256, 2048, 512, False)
    old = _of(2000, prompt="x")
    assert (old.n_batch, old.n_ubatch) == (512, 512)
    simple = _of(10587, program="llama-simple", prompt="x" * 44, n_predict=20)
    assert (simple.n_ctx, simple.n_batch, simple.n_ubatch, simple.full_window) == (30, 11, 11, True)
    bench = _of(10587, program="bench", n_prompt=4096, n_gen=64)
    assert (bench.n_ctx, bench.flash_attn) == (4096, True)
    batched = _of(3642, program="batched-bench", n_prompt=128, n_gen=8, n_parallel=(1, 4))
    assert (batched.n_ctx, batched.n_seq) == (544, 4)
    perplexity = _of(3642, program="perplexity", prompt="x")
    assert (perplexity.n_ctx, perplexity.n_seq) == (2048, 4)
    chat = _of(10587, program="chat", prompt="x")
    assert chat.outputs_limited
    longest = _of(10587, program="chat", mode="chat", prompts=("x" * 100, "y" * 50), history="keep", n_predict=600)
    # Both prompts and answers, 64 tokens of the template for each, 512 for its beginning, 8 spare ones: 1998.
    assert longest.n_ctx == 2048
    assert not _of(9000, program="chat", prompt="x").outputs_limited


def test_llama_bench_has_flash_attention_off_for_longer_than_the_others() -> None:
    # Told by a run of llama-bench -v of b7000: 300.00 MiB of compute for pp4096 of a Llama 3.1 8B.
    shape = shape_of([header_of(SHAPES["llama-3.1-8b"])])
    bench = estimate(shape, _of(7000, program="bench", n_prompt=4096, n_gen=0))
    assert bench.compute_bytes / 2**20 == pytest.approx(300.0, abs=0.5)
    assert _of(7000, prompt="x").flash_attn
    assert [_of(build, program="bench").flash_attn for build in (9436, 9437)] == [False, True]


def test_a_row_of_the_kv_cache_is_what_the_table_of_types_says() -> None:
    by_name = {kind.name.lower(): kind for kind in tensor_types().values()}
    for name in ("f32", "f16", "bf16", "q8_0", "q4_0", "iq4_nl"):
        kind = by_name[name]
        assert row_bytes(name, 96) == -(-96 // kind.block_elements) * kind.block_bytes


def test_what_was_reserved_serves_again_when_other_tokens_came() -> None:
    shape = shape_of([header_of(SHAPES["gemma2-2b"])])
    asked = _of(10587, prompt="x" * 4000, n_ctx=8192)
    reserved = reserve(shape, asked)
    for n_prompt in (3, 1000, 5000):
        ran = replace(asked, n_prompt=n_prompt)
        assert estimate(shape, ran, reserved=reserved) == estimate(shape, ran)


@pytest.mark.parametrize(("build", "n_ctx"), [(7248, 512), (7347, 512), (7348, 1024), (7448, 1024)])
def test_llama_cli_makes_room_for_a_template_once_it_only_chats(build: int, n_ctx: int) -> None:
    plan = planned(build, program="llama-cli", prompt="Hello" * 50, n_predict=100)
    estimated = estimate(shape_of([header_of(SHAPES["smollm2-135m"])]), memory_settings(plan))
    assert estimated.n_ctx == n_ctx
    # K and V of 30 layers, each of 3 heads of 64 numbers of 2 bytes.
    assert estimated.kv_cache_bytes == n_ctx * 30 * 2 * 3 * 64 * 2


def test_recurrent_layers_keep_a_state_for_each_sequence_and_no_cache() -> None:
    plain = shape_of([header_of(SHAPES["llama-8b-4-layers"])])
    layers = (*(replace(layer, recurrent=True) for layer in plain.layers[:2]), *plain.layers[2:])
    mixed = replace(plain, layers=layers, state_r=100, state_s=1000)
    settings = _settings(10587, 4096)
    one, both = (estimate(mixed, replace(settings, n_seq=n_seq)) for n_seq in (1, 3))
    assert (one.state_bytes, both.state_bytes) == (2 * 4 * 1100, 3 * 2 * 4 * 1100)
    assert 2 * one.kv_cache_bytes == estimate(plain, settings).kv_cache_bytes
    # It is taken whole.
    huge = estimate(replace(mixed, state_s=10_000_000), settings)
    assert huge.peak_bytes - one.peak_bytes >= huge.state_bytes - one.state_bytes


def test_the_context_is_the_trained_one_where_nothing_is_asked_for() -> None:
    shape = shape_of([header_of(SHAPES["smollm2-135m"])])
    settings = _settings(10587, 512)
    assert shape.n_ctx_train
    assert estimate(shape, replace(settings, n_ctx=None)).n_ctx == shape.n_ctx_train
    unknown = replace(shape, n_ctx_train=0)
    assert estimate(unknown, replace(settings, n_ctx=None)).n_ctx == 4096
    assert estimate(shape, replace(settings, n_ctx=500)).n_ctx == 512


def test_the_outputs_that_a_program_keeps_are_part_of_the_peak() -> None:
    shape = shape_of([header_of(SHAPES["smollm2-135m"])])
    settings = replace(_settings(10587, 4096), n_prompt=512)
    some, many = (estimate(shape, replace(settings, kept_outputs=n)).peak_bytes for n in (100, 300))
    assert many - some == 200 * 4 * shape.n_vocab


def test_a_search_takes_the_first_layers_for_all() -> None:
    for name, n_least in (("smollm2-135m", 0.9), ("gemma3-1b", 0.8)):
        shape = shape_of([header_of(SHAPES[name])])
        settings = _settings(10587, 4096)
        exact, quick = estimate(shape, settings), estimate(shape, settings, quick=True)
        assert n_least * exact.compute_bytes <= quick.compute_bytes <= exact.compute_bytes
        assert quick.kv_cache_bytes == exact.kv_cache_bytes
    few = shape_of([header_of(SHAPES["qwen2moe-6-layers"])])
    assert estimate(few, settings, quick=True) == estimate(few, settings)


def test_a_file_that_is_mapped_may_come_into_memory_whole() -> None:
    shape = shape_of([header_of(SHAPES["llama-8b-4-layers"])])
    settings = _settings(10587, 4096)
    mapped, read = estimate(shape, settings), estimate(shape, replace(settings, mmap=False))
    assert read.repacked_bytes == mapped.repacked_bytes > 0
    # Read, what is rearranged is not there a second time.
    assert read.weights_bytes == shape.file_bytes - read.repacked_bytes
    assert mapped.peak_bytes - read.peak_bytes == shape.file_bytes - read.weights_bytes


def test_each_weight_is_in_its_file_or_rearranged() -> None:
    shape = shape_of([header_of(SHAPES["llama-8b-4-layers"])])
    settings = replace(_settings(10587, 4096), mmap=False)
    one = estimate(shape, settings)
    assert one.repacked_bytes > 0
    assert one.weights_bytes + one.repacked_bytes == sum(weight.n_bytes for weight in shape.weights)
    parts = tuple(weight._replace(part=at % 2, offset=weight.offset + 1000) for at, weight in enumerate(shape.weights))
    split = estimate(replace(shape, weights=parts), replace(settings, mmap=True, repack=False))
    ranges = [
        max(w.offset + w.n_bytes for w in parts if w.part == part) - min(w.offset for w in parts if w.part == part)
        for part in (0, 1)
    ]
    assert split.weights_bytes == sum(ranges)


@pytest.mark.parametrize(
    ("build", "changes", "cells"),
    [
        (3642, {}, 8192),
        # The window and one physical batch, in steps of 256.
        (10587, {}, 512 + 512),
        (10587, {"n_ubatch": 100}, 768),
        (10587, {"n_ubatch": 4096, "n_batch": 100}, 768),
        (10587, {"n_ubatch": 256}, 768),
        (10587, {"n_ubatch": 257}, 1024),
        (10587, {"n_ubatch": 4096, "n_batch": 4096}, 512 + 4096),
        (10587, {"n_ubatch": 9000, "n_batch": 9000}, 8192),
        (10587, {"full_window": True}, 8192),
        (10587, {"n_seq": 3}, 3 * 1024),
    ],
)
def test_the_cache_of_a_sliding_window(build: int, changes: dict[str, Any], cells: int) -> None:
    settings = replace(replace(_settings(build, 8192), n_ubatch=512, n_batch=2048), **changes)
    assert window_cells(512, settings, 8192) == cells


def test_a_batch_no_larger_than_the_context_needs_no_more_cells() -> None:
    settings = replace(_settings(10587, 8192), n_ubatch=512, n_batch=2048)
    assert window_cells(16, settings, 200) == 200
    assert window_cells(16, settings, 257) == 257


def test_settings_are_those_of_the_plan() -> None:
    plain = memory_settings(planned(10587, program="complete", n_predict=7))
    assert (plain.type_k, plain.type_v, plain.mmap, plain.n_gen, plain.repack) == ("f16", "f16", True, 7, True)
    asked = memory_settings(
        planned(10587, program="complete", type_k="q8_0", type_v="q4_0", flash_attn="on", mmap=False)
    )
    assert (asked.type_k, asked.type_v, asked.flash_attn, asked.mmap) == ("q8_0", "q4_0", True, False)
    off = memory_settings(planned(10587, program="complete", flash_attn="off", mmap=True))
    assert (off.flash_attn, off.mmap, off.fixed_context) == (False, True, False)
