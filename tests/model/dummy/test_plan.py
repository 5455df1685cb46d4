"""What a dummy is to be: the header of a real file, marked; and the presets against the figures of real models."""

from __future__ import annotations

import struct
from pathlib import Path

import gguf
import pytest

from orchestrator.errors import ModelError, UsageError
from orchestrator.model.dummy.blocks import Pools
from orchestrator.model.dummy.content import tensor_bytes
from orchestrator.model.dummy.mark import is_dummy
from orchestrator.model.dummy.plan import DummyPlan, plan_like
from orchestrator.model.dummy.presets import PRESETS, Preset, preset_named, preset_of_file, preset_plan
from orchestrator.model.gguf.header import ArrayInfo, Header, read_header
from orchestrator.model.gguf.summary import summarise
from orchestrator.workspace import Workspace
from tests.model.gguf_files import Entry, Gguf, kv_array, kv_number, kv_text, kv_texts, tiny_model
from tests.model.sources import Bytes

KV = [
    kv_text("general.architecture", "llama"),
    kv_text("general.name", "Small"),
    kv_number("general.alignment", 64),
    kv_number("split.count", 2, 2, "<H"),
    kv_number("a.i8", -3, 1, "<b"),
    kv_number("a.f64", 0.5, 12, "<d"),
    kv_array("a.bools", 7, 3, b"\1\0\1"),
    kv_texts("tokenizer.ggml.tokens", ["a", "b", "</s>", "<|im_end|>", "c", "<unused>", "d", "e"]),
    kv_array("tokenizer.ggml.token_type", 5, 8, struct.pack("<8i", 1, 1, 3, 1, 1, 5, 4, 1)),
    kv_number("tokenizer.ggml.eot_token_id", 7),
]
TENSORS = [
    Entry(name="token_embd.weight", shape=(32, 8), kind=3),
    Entry(name="blk.0.attn_norm.weight", shape=(32,), kind=0, offset=192),
    Entry(name="blk.0.attn_q.bias", shape=(32,), kind=0, offset=320),
    Entry(name="blk.0.ffn_down_exps.weight", shape=(256, 2, 3), kind=11, offset=448),
    Entry(name="blk.0.ssm_a", shape=(5,), kind=0, offset=1152),
]
SMALL = Gguf(kv=KV, tensors=TENSORS, data=bytes(1280), alignment=64)


def small(gguf_file: Gguf = SMALL) -> DummyPlan:
    return plan_like("small-Q4_1.gguf", "here", [Bytes(gguf_file.build())])


def content(plan: DummyPlan, name: str) -> bytes:
    tensor = next(each for each in plan.tensors if each.name == name)
    raw = b"".join(tensor_bytes(tensor, plan, Pools("x")))
    assert len(raw) == tensor.n_bytes
    return raw


def comparable(header: Header) -> dict[str, object]:
    """The values of a header, without the places of arrays."""
    return {
        key: (value.element_type, value.count, value.n_bytes) if isinstance(value, ArrayInfo) else value
        for key, value in header.kv.items()
    }


def test_a_dummy_has_all_that_the_real_header_has_and_its_marks() -> None:
    plan = small()
    real, dummy = read_header(Bytes(SMALL.build())), plan.header()
    expected = comparable(real) | {
        "general.name": "dummy of Small",
        "lcpp.dummy": True,
        "lcpp.dummy.of": "here",
        "lcpp.dummy.format": 1,
    }
    del expected["split.count"]
    assert comparable(dummy) == expected
    assert [(each.name, each.shape, each.type_name, each.n_bytes) for each in dummy.tensors] == [
        (each.name, each.shape, each.type_name, each.n_bytes) for each in real.tensors
    ]
    assert dummy.alignment == 64
    assert plan.name == "small-Q4_1"
    assert is_dummy(dummy.kv)
    assert not is_dummy(real.kv)
    assert is_dummy(summarise(Bytes(plan.head + bytes(plan.size_bytes)), dummy).metadata)


def test_a_dummy_of_a_dummy_is_marked_once() -> None:
    once = small()
    twice = plan_like("small-Q4_1-dummy.gguf", "there", [Bytes(once.head + bytes(once.size_bytes - len(once.head)))])
    assert twice.name == once.name
    assert twice.header().text("general.name") == "dummy of Small"
    assert twice.header().text("lcpp.dummy.of") == "there"
    assert len(twice.pairs) == len(once.pairs)


def test_the_first_version_of_gguf_stays_the_first_version() -> None:
    kv = [kv_text("general.architecture", "llama", 1), kv_text("general.name", "Old", 1)]
    plan = small(Gguf(kv=kv, tensors=[Entry(shape=(32, 4))], version=1))
    header = plan.header()
    assert header.version == 1
    assert header.text("general.name") == "dummy of Old"
    assert is_dummy(header.kv)


def test_the_parts_of_a_split_model_become_one() -> None:
    parts = [Bytes(tiny_model(split=(each, 2))) for each in range(2)]
    plan = plan_like("m-00001-of-00002.gguf", "hub", parts)
    assert plan.name == "m"
    assert [each.name for each in plan.tensors] == ["blk.0.attn_q.weight", "blk.1.attn_q.weight"]
    assert "split.count" not in plan.header().kv


def test_tensors_are_filled_by_what_they_are() -> None:
    plan = small()
    assert content(plan, "blk.0.attn_norm.weight") == struct.pack("<f", 1) * 32
    assert content(plan, "blk.0.attn_q.bias") == bytes(128)
    assert content(plan, "blk.0.ssm_a") == struct.pack("<f", -1) * 5
    experts = content(plan, "blk.0.ffn_down_exps.weight")
    assert len({experts[at : at + 220] for at in (0, 220, 440)}) == 3


def test_tokens_that_end_an_answer_have_no_logit() -> None:
    plan = small()
    # By type (2, 6), by looks (3), by id (7); what fills a vocabulary up (5) is as good as any.
    assert plan.silent_tokens == (2, 3, 6, 7)
    raw = content(plan, "token_embd.weight")
    rows = [raw[at : at + 20] for at in range(0, len(raw), 20)]
    assert [at for at, row in enumerate(rows) if row == bytes(20)] == [2, 3, 6, 7]


def test_an_output_matrix_takes_the_zeros_from_the_embeddings() -> None:
    tensors = [*TENSORS[:1], Entry(name="output.weight", shape=(32, 8), kind=3, offset=192)]
    plan = small(Gguf(kv=KV, tensors=tensors, data=bytes(384), alignment=64))
    assert bytes(20) not in [content(plan, "token_embd.weight")[at : at + 20] for at in range(0, 160, 20)]
    assert content(plan, "output.weight")[40:80] == bytes(40)


def test_a_vocabulary_alone_is_refused() -> None:
    with pytest.raises(ModelError, match="no weights"):
        small(Gguf(kv=KV, tensors=[], data=b"", alignment=64))


def test_hostile_names_and_ids_stay_harmless() -> None:
    kv = [*KV[:2], kv_number("tokenizer.ggml.eos_token_id", 2**32 - 1), kv_number("tokenizer.ggml.tokens", 7)]
    plan = plan_like("../../etc/\x1b[31mpass wd.gguf", "x", [Bytes(Gguf(kv=kv).build())])
    assert plan.name == "etc-31mpass-wd"
    assert len(content(plan, "token_embd.weight")) == 512


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with a checkout whose vocabularies are short: presets fill them up."""
    root = tmp_path_factory.mktemp("vendor")
    models = root / "checkouts" / "abc" / "models"
    models.mkdir(parents=True)
    files = {name for preset in PRESETS for name in preset.vocabulary.files}
    for name in files:
        kv = [
            kv_text("general.architecture", "llama"),
            kv_texts("tokenizer.ggml.tokens", ["a", "b", "</s>", *(f"t{each}" for each in range(30))]),
            kv_array("tokenizer.ggml.token_type", 5, 33, struct.pack("<33i", *[1] * 33)),
        ]
        if "spm" in name or name == "ggml-vocab-llama.gguf":
            kv.append(kv_array("tokenizer.ggml.scores", 6, 33, struct.pack("<33f", *range(33))))
        else:
            kv.append(kv_texts("tokenizer.ggml.merges", ["a b"]))
        (models / name).write_bytes(Gguf(kv=kv, tensors=[], data=b"").build())
    return Workspace(vendor=root, runs=root)


def test_the_preset_of_the_seed_has_the_figures_of_the_seed(workspace: Workspace) -> None:
    header = preset_plan(preset_named("llama-3.1-8b"), workspace).header()
    assert len(header.tensors) == 292
    assert header.type_counts == {"F32": 66, "Q3_K": 129, "Q5_K": 96, "Q6_K": 1}
    assert f"{header.n_params / 1e9:.2f}" == "8.03"
    assert f"{header.tensor_bytes / 2**30:.2f}" == "4.02"
    assert f"{header.tensor_bytes / 2**20:.2f}" == "4114.27"
    assert f"{8 * header.tensor_bytes / header.n_params:.2f}" == "4.30"
    # The seed's log has 33 keys; three say that it is a dummy.
    assert len(header.kv) == 36
    tokens = header.array("tokenizer.ggml.tokens")
    assert tokens is not None
    assert tokens.count == 128256
    types = header.array("tokenizer.ggml.token_type")
    assert types is not None
    assert types.count == 128256


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_every_preset_makes_a_sound_header(preset: Preset, workspace: Workspace) -> None:
    plan = preset_plan(preset, workspace)
    header = plan.header()
    assert is_dummy(header.kv)
    assert header.architecture == preset.architecture
    tokens = header.array("tokenizer.ggml.tokens")
    assert tokens is not None
    assert tokens.count == preset.vocabulary.n_vocab
    embeddings = next(each for each in header.tensors if each.name == "token_embd.weight")
    assert embeddings.shape == (preset.n_embd, preset.vocabulary.n_vocab)
    # Nearly all rows can be generated.
    assert len(plan.silent_tokens) < 100


@pytest.mark.parametrize(
    ("name", "mix", "gib"),
    # Of the real files, without their headers.
    [
        ("llama-3.1-8b", "Q4_K_M", 4.58),
        ("llama-3.1-8b", "Q8_0", 7.95),
        ("llama-3.1-8b", "IQ4_XS", 4.14),
        ("llama-3.1-8b", "Q2_K", 2.95),
        ("mixtral-8x7b", "Q4_K_M", 26.49),
        ("gemma-2-2b", "Q4_K_M", 1.59),
    ],
)
def test_mixes_are_as_large_as_the_real_files(name: str, mix: str, gib: float, workspace: Workspace) -> None:
    header = preset_plan(preset_named(name), workspace, mix=mix).header()
    assert header.tensor_bytes / 2**30 == pytest.approx(gib, rel=0.01)


def test_the_library_reads_a_dummy_as_we_do(tmp_path: Path) -> None:
    plan = small()
    path = tmp_path / "x.gguf"
    path.write_bytes(plan.head + bytes(plan.size_bytes - len(plan.head)))
    reader = gguf.GGUFReader(path)
    assert [each.name for each in reader.tensors] == [each.name for each in plan.tensors]
    assert [each.data_offset for each in reader.tensors] == [each.offset for each in plan.header().tensors]
    assert reader.fields["lcpp.dummy"].types == [gguf.GGUFValueType.BOOL]


def test_files_of_known_models_have_their_preset() -> None:
    found = preset_of_file("Meta-Llama-3.1-8B-Instruct-Q3_K_L.gguf")
    assert found is not None
    assert (found[0].name, found[1]) == ("llama-3.1-8b", "Q3_K_L")
    assert preset_of_file("Hermes-3-Llama-3.1-8B-Q3_K_L.gguf") is None
    assert preset_of_file("Meta-Llama-3.1-8B-Instruct-Q9_X.gguf") is None


def test_what_is_not_known_is_named(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        preset_named("gpt-5")
    assert caught.value.hint
    assert "llama-3.1-8b" in caught.value.hint
    with pytest.raises(UsageError):
        preset_plan(PRESETS[0], workspace, mix="Q9")
    with pytest.raises(ModelError, match="presets take their tokenizer"):
        preset_plan(PRESETS[0], Workspace(vendor=tmp_path, runs=tmp_path))
