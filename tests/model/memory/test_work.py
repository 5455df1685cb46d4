"""The bytes and multiplications of a token, against sums made by hand and a count token by token."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.gguf.header import Header, Tensor
from orchestrator.model.memory.settings import MemorySettings, memory_settings
from orchestrator.model.memory.shape import Shape, shape_of
from orchestrator.model.memory.work import Span, generated, prompt
from orchestrator.values import replace
from tests.model.model_shapes import SHAPES, header_of
from tests.plans import planned

NEW, OLD = 10000, 1500


def _settings(build: int = NEW, *, n_ctx: int = 8192, flash_attn: bool | None = None) -> MemorySettings:
    asked = memory_settings(planned(build, program="complete", prompt="hi", n_ctx=n_ctx, n_predict=1))
    return asked if flash_attn is None else replace(asked, flash_attn=flash_attn)


def _shape(name: str) -> Shape:
    return shape_of([header_of(SHAPES[name])])


def _bytes(header: Header, *parts: str) -> int:
    return sum(tensor.n_bytes for tensor in header.tensors if any(part in tensor.name for part in parts))


def test_a_llama_of_8_billion() -> None:
    header = header_of(SHAPES["llama-3.1-8b"])
    work = generated(shape_of([header]), _settings(), [Span(100, 1)])
    embedding = _bytes(header, "token_embd")
    assert work.weights_bytes == pytest.approx(header.tensor_bytes - embedding + embedding / 128256)
    # 101 tokens, K and V of 8 heads of 128 in F16, 32 layers.
    assert work.kv_bytes == 101 * 2 * 8 * 128 * 2 * 32
    # 8,030,261,248 parameters; the token embeddings and the norms are not multiplied.
    assert work.multiply_adds["int8"] == 8_030_261_248 - 4096 * 128256 - 65 * 4096
    assert work.multiply_adds["f32"] == 101 * 32 * 32 * 256
    assert work.operations == 2 * sum(work.multiply_adds.values())


def test_tied_embeddings_are_read_as_the_output() -> None:
    header = header_of(SHAPES["smollm2-135m"])
    work = generated(shape_of([header]), _settings(), [Span(0, 1)])
    assert work.weights_bytes == header.tensor_bytes
    assert work.multiply_adds["int8"] == 134_515_008 - 61 * 576


def test_only_the_experts_that_are_used_count() -> None:
    header = header_of(SHAPES["mixtral-4-layers"])
    work = generated(shape_of([header]), _settings(), [Span(0, 1)])
    experts, embedding = _bytes(header, "_exps"), _bytes(header, "token_embd")
    rest = header.tensor_bytes - experts - embedding
    assert work.weights_bytes == pytest.approx(rest + experts / 4 + embedding / 32000)


def test_experts_that_all_share_count_whole() -> None:
    header = header_of(SHAPES["qwen2moe-6-layers"])
    work = generated(shape_of([header]), _settings(), [Span(0, 1)])
    experts, embedding = _bytes(header, "_exps"), _bytes(header, "token_embd")
    assert work.weights_bytes == pytest.approx(
        header.tensor_bytes - experts * (1 - 4 / 60) - embedding * (1 - 1 / 151936)
    )


def _with(header: Header, *more: tuple[str, tuple[int, ...]]) -> Header:
    n_bytes = [2 * extents[0] * extents[1] for _, extents in more]
    tensors = tuple(
        Tensor(name=name, shape=extents, type_name="F16", offset=0, n_bytes=size, n_elements=size // 2)
        for (name, extents), size in zip(more, n_bytes, strict=True)
    )
    return replace(header, tensors=(*header.tensors, *tensors))


def test_what_no_token_of_text_takes() -> None:
    plain = header_of(SHAPES["smollm2-135m"])
    more = _with(
        header_of(SHAPES["smollm2-135m"], **{"llama.block_count": 31, "llama.nextn_predict_layers": 1}),
        ("blk.30.ffn_up.weight", (576, 1536)),
        ("v.blk.0.ffn_up.weight", (576, 1536)),
        ("per_layer_token_embd.weight", (256, 49152)),
    )
    one, other = (generated(shape_of([header]), _settings(), [Span(0, 1)]) for header in (plain, more))
    assert other.multiply_adds == one.multiply_adds
    assert other.weights_bytes == pytest.approx(one.weights_bytes + 2 * 256)


def test_experts_in_tensors_of_their_own() -> None:
    facts = {"llama.expert_count": 8, "llama.expert_used_count": 2}
    names = [(f"blk.0.ffn_up.{expert}.weight", (576, 1536)) for expert in range(8)]
    plain = shape_of([header_of(SHAPES["smollm2-135m"], **facts)])
    more = shape_of([_with(header_of(SHAPES["smollm2-135m"], **facts), *names)])
    one, other = (generated(shape, _settings(), [Span(0, 1)]) for shape in (plain, more))
    assert other.weights_bytes - one.weights_bytes == 2 * 2 * 576 * 1536


def test_a_prompt_computes_the_output_once_since_builds_can_leave_it_out() -> None:
    shape, spans = _shape("smollm2-135m"), [Span(0, 100)]
    new, old = (prompt(shape, _settings(build), spans).multiply_adds for build in (NEW, OLD))
    once = 576 * 49152 + 3 * 576 * 1536
    assert old["int8"] - new["int8"] == pytest.approx(0.99 * once)
    # Each token looks at itself and those before it.
    assert new["f32"] == old["f32"] == 50.5 * 30 * 9 * 128
    assert prompt(shape, _settings(), [Span(0, 1)]) == generated(shape, _settings(), [Span(0, 1)])


def test_without_flash_attention_whole_steps_of_the_cache_are_read() -> None:
    shape, spans = _shape("smollm2-135m"), [Span(10, 1)]
    with_flash, without = (generated(shape, _settings(flash_attn=flash), spans).kv_bytes for flash in (True, False))
    assert with_flash / 11 == without / 256 == 2 * 192 * 2 * 30


def _counted(spans: list[Span], step: int, most: int | None) -> float:
    seen = [
        -(-(at + 1) // step) * step if most is None else min(most, -(-(at + 1) // step) * step)
        for first, n in spans
        for at in range(first, first + n)
    ]
    return sum(seen) / len(seen)


@given(
    st.lists(st.builds(Span, st.integers(0, 3000), st.integers(1, 1500)), min_size=1, max_size=3),
    st.booleans(),
    st.sampled_from((1500, 2500, 10000)),
)
def test_the_mean_is_that_of_all_tokens(spans: list[Span], flash: bool, build: int) -> None:
    shape = _shape("gemma3-1b")
    asked = _settings(build, flash_attn=flash)
    found = generated(shape, asked, spans)
    windows = [layer.window for layer in shape.layers]
    assert (windows.count(512), windows.count(None)) == (22, 4)
    step = 1 if flash else asked.era.cells(1, flash_attn=False)
    # The cache of a layer with a window, where it is smaller than the context, has room for a batch beside it.
    cells = 512 if flash else 1024 if build == NEW else None
    row = 2 * 256 * 2
    assert found.kv_bytes == pytest.approx(row * (4 * _counted(spans, step, None) + 22 * _counted(spans, step, cells)))
