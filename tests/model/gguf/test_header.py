"""The header reader: against the library's own reader, and against everything that a file can be instead."""

from __future__ import annotations

import contextlib
import math
import os
import struct
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from orchestrator.errors import ModelError
from orchestrator.model.gguf.byte_source import FileSource
from orchestrator.model.gguf.header import MAX_KEYS, ArrayInfo, Header, read_elements, read_header
from orchestrator.model.gguf.types import file_type_name, tensor_types
from tests.model.gguf_files import (
    ARRAY,
    BOOL,
    FLOAT32,
    STRING,
    UINT8,
    UINT32,
    Entry,
    Gguf,
    kv_array,
    kv_number,
    kv_text,
    kv_texts,
    text,
    tiny_model,
)
from tests.model.sources import Bytes


def read(raw: bytes) -> Header:
    return read_header(Bytes(raw))


def refusal(raw: bytes) -> str:
    with pytest.raises(ModelError) as caught:
        read(raw)
    assert caught.value.where == "memory.gguf"
    assert caught.value.hint
    return caught.value.what


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file by the library's own writer, with every kind of value and every type of tensor."""
    path = tmp_path_factory.mktemp("gguf") / "everything.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_uint8("a.u8", 255)
    writer.add_int8("a.i8", -128)
    writer.add_uint16("a.u16", 65535)
    writer.add_int16("a.i16", -32768)
    writer.add_uint32("a.u32", 2**32 - 1)
    writer.add_int32("a.i32", -(2**31))
    writer.add_uint64("a.u64", 2**64 - 1)
    writer.add_int64("a.i64", -(2**63))
    writer.add_float32("a.f32", 1.5)
    writer.add_float64("a.f64", math.pi)
    writer.add_bool("a.yes", True)
    writer.add_bool("a.no", False)
    writer.add_string("a.text", "grüße 🙂")
    writer.add_string("a.empty", " ")
    writer.add_array("a.few", [1, 2, 3])
    writer.add_array("a.floats", [0.5, -2.0])
    writer.add_array("a.many", list(range(5000)))
    writer.add_array("a.tags", ["x", "y"])
    writer.add_array("a.bools", [True, False])
    writer.add_token_list([f"token {each} ä" for each in range(3000)])
    writer.add_custom_alignment(64)
    for kind, (block, n_bytes) in gguf.GGML_QUANT_SIZES.items():
        raw = np.zeros((3, n_bytes * 2), dtype=np.uint8)
        writer.add_tensor(f"{kind.name}.weight", raw, raw_shape=(3, n_bytes * 2), raw_dtype=kind)
        assert block
    writer.add_tensor("four.dims", np.zeros((2, 3, 4, 5), dtype=np.float32))
    writer.add_tensor("one.dim", np.zeros((7,), dtype=np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_agrees_with_the_library(everything: Path) -> None:
    theirs = gguf.GGUFReader(everything)
    with FileSource(everything) as source:
        ours = read_header(source)
        names = [name for name in theirs.fields if not name.startswith("GGUF.")]
        assert list(ours.kv) == names
        for name in names:
            assert_same(source, ours, theirs.fields[name])
    assert (ours.alignment, ours.data_offset) == (64, theirs.data_offset)
    assert len(ours.tensors) == len(theirs.tensors) == len(gguf.GGML_QUANT_SIZES) + 2
    for mine, other in zip(ours.tensors, theirs.tensors, strict=True):
        assert (mine.name, mine.type_name) == (other.name, other.tensor_type.name)
        assert mine.shape == tuple(int(each) for each in other.shape)
        assert (mine.offset, mine.n_bytes) == (other.data_offset, other.n_bytes)
        assert mine.n_elements == other.n_elements
    assert ours.n_params == sum(int(each.n_elements) for each in theirs.tensors)
    assert ours.end_of_data <= everything.stat().st_size
    assert ours.architecture == "llama"


def assert_same(source: FileSource, header: Header, field: Any) -> None:
    mine, theirs = header.kv[field.name], field.contents()
    if not isinstance(mine, ArrayInfo):
        assert mine == theirs
        assert type(mine) is type(theirs)
        return
    assert mine.count == len(theirs)
    if mine.values is not None:
        assert list(mine.values) == theirs
    there = {0, 1, mine.count // 2, mine.count - 1}
    found = read_elements(source, header, mine, [*there, mine.count, -1])
    assert found == {index: theirs[index] for index in there}


def test_long_arrays_are_not_kept(everything: Path) -> None:
    with FileSource(everything) as source:
        header = read_header(source)
    tokens, many, few = (header.array(key) for key in ("tokenizer.ggml.tokens", "a.many", "a.few"))
    assert tokens is not None
    assert many is not None
    assert few is not None
    assert (tokens.element_type, tokens.count, tokens.values) == ("string", 3000, None)
    assert (many.element_type, many.count, many.values, many.n_bytes) == ("int32", 5000, None, 20000)
    assert few.values == (1, 2, 3)


def test_types_follow_the_library() -> None:
    for kind, (elements, n_bytes) in gguf.GGML_QUANT_SIZES.items():
        assert tensor_types()[int(kind)] == (kind.name, elements, n_bytes)
    assert tensor_types()[31].name == "Q4_0_4_4"
    assert file_type_name(int(gguf.LlamaFileType.MOSTLY_Q4_1)) == "Q4_1"
    assert file_type_name(9999) == "9999"


@pytest.mark.parametrize("version", [1, 2, 3])
def test_all_versions(version: int) -> None:
    kv = [kv_text("general.architecture", "llama", version), kv_number("x", 7, version=version)]
    header = read(Gguf(kv=kv, version=version).build())
    assert header.version == version
    assert dict(header.kv) == {"general.architecture": "llama", "x": 7}
    assert header.tensors[0].shape == (32, 4)


def test_only_the_header_is_read() -> None:
    """What a range request costs: not more than the header and one piece."""
    strings = [f"token number {each}" for each in range(100_000)]
    gguf_file = Gguf(kv=[kv_texts("tokens", strings), kv_texts("merges", strings)], data=bytes(512))
    source = Bytes(gguf_file.build() + bytes(50_000_000))
    read_header(source)
    assert sum(n_bytes for _, n_bytes in source.reads) < 1.1 * len(gguf_file.header())


def test_every_truncation_is_found() -> None:
    whole = tiny_model(chat_template="{{ messages }}")
    for length in range(len(whole)):
        what = refusal(whole[:length])
        assert "not a GGUF" in what or "truncated" in what or "too short" in what, (length, what)
    read(whole)
    read(whole + b"more")


def test_every_bit_flip_is_our_error_or_none() -> None:
    whole = bytearray(tiny_model()[:800])
    whole += bytes(1024)
    for index in range(len(whole) * 8):
        whole[index // 8] ^= 1 << index % 8
        with contextlib.suppress(ModelError):
            read(bytes(whole))
        whole[index // 8] ^= 1 << index % 8


HUGE = 2**64 - 1


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (Gguf(n_tensors=HUGE).build(), "tensors; no model has more"),
        (Gguf(n_tensors=30_000).build(), "too short for them"),
        (Gguf(n_kv=HUGE).build(), "key-value pairs; no model has more"),
        (Gguf(n_kv=MAX_KEYS).build(), "too short for them"),
        (Gguf(version=4).build(), "version 4 is unknown"),
        (Gguf(version=0).build(), "version 0 is unknown"),
        (Gguf(version=3 << 24).build(), "big-endian"),
        (Gguf(kv=[struct.pack("<Q", HUGE)], n_kv=1).build(), "a key has"),
        (Gguf(kv=[kv_number("", 1)]).build(), "a key is empty"),
        (Gguf(kv=[kv_number("a", 1), kv_number("a", 2)]).build(), "stands there twice"),
        (Gguf(kv=[struct.pack("<Q", 2) + b"\xff\xfe" + struct.pack("<II", UINT32, 1)]).build(), "not UTF-8"),
        (Gguf(kv=[text("a") + struct.pack("<I", 13)]).build(), "the type of 'a' is 13"),
        (Gguf(kv=[text("a") + struct.pack("<IQ", STRING, HUGE)]).build(), "the text of 'a' has"),
        (Gguf(kv=[text("a") + struct.pack("<IQ", STRING, 5000)]).build(), "truncated"),
        (Gguf(kv=[text("a") + struct.pack("<IB", BOOL, 2)]).build(), "truth value"),
        (Gguf(kv=[kv_array("a", UINT8, HUGE, b"")]).build(), "too short for them"),
        (Gguf(kv=[kv_array("a", STRING, 2**60, b"")]).build(), "too short for them"),
        (Gguf(kv=[kv_array("a", STRING, 1, struct.pack("<Q", HUGE))]).build(), "text of 'a' has"),
        (Gguf(kv=[kv_array("a", STRING, 70, struct.pack("<Q", HUGE) * 70)]).build(), "truncated"),
        (Gguf(kv=[kv_array("a", 99, 1, b"")]).build(), "element type of 'a' is 99"),
        (Gguf(kv=[kv_array("a", ARRAY, 1, b"")]).build(), "array of arrays"),
        (Gguf(kv=[kv_number("general.alignment", 0)]).build(), "power of two"),
        (Gguf(kv=[kv_number("general.alignment", 48)]).build(), "power of two"),
        (Gguf(kv=[kv_number("general.alignment", 2**31)]).build(), "power of two"),
        (Gguf(kv=[kv_text("general.alignment", "32")]).build(), "power of two"),
        (Gguf(kv=[kv_number("general.alignment", 32, FLOAT32, "<f")]).build(), "power of two"),
        (Gguf(tensors=[Entry(name="x" * 64)]).build(), "64 bytes; the most are 63"),
        (Gguf(tensors=[Entry(), Entry(offset=512)], data=bytes(1024)).build(), "stands there twice"),
        (Gguf(tensors=[Entry(shape=(1, 1, 1, 1, 1))]).build(), "5 dimensions"),
        (Gguf(tensors=[Entry(shape=(2**62, 4))]).build(), "beyond 64 bits"),
        (Gguf(tensors=[Entry(shape=(2**63,))]).build(), "beyond 64 bits"),
        (Gguf(tensors=[Entry(shape=(0, 2**63))]).build(), "beyond 64 bits"),
        (Gguf(tensors=[Entry(kind=200)]).build(), "type 200"),
        (Gguf(tensors=[Entry(kind=3, shape=(33,))]).build(), "not a multiple of 32"),
        (Gguf(tensors=[Entry(offset=8)]).build(), "not aligned"),
        (Gguf(tensors=[Entry(offset=2**63)]).build(), "truncated"),
        (Gguf(tensors=[Entry(), Entry(name="b", offset=32)], data=bytes(1024)).build(), "overlap"),
        (Gguf(data=bytes(511)).build(), "truncated: the tensor 'token_embd.weight' ends at byte"),
    ],
)
def test_hostile_values(raw: bytes, words: str) -> None:
    assert words in refusal(raw)


def test_errors_tell_the_place() -> None:
    raw = Gguf(kv=[kv_number("a", 1), kv_number("a", 2)]).build()
    assert f"at byte {24 + len(kv_number('a', 1))}" in refusal(raw)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", "Git LFS pointer"),
        (b"<!DOCTYPE html><html>", "HTML page"),
        (b"\n <html lang=en>", "HTML page"),
        (b'{"error":"Repository not found"}', "error message of a server"),
        (b"Entry not found", "error message of a server"),
        (b"PK\x03\x04rest of a zip", "zip archive"),
        (struct.pack("<Q", 100) + b'{"__metadata__":{}}', "safetensors"),
        (b"tjgg\x03\0\0\0", "before GGUF"),
        (bytes(4096), "begins with zeros"),
        (b"FUGG" + bytes(20), "bytes swapped"),
        (b"\x93NUMPY", "starts with b'\\x93NUMPY'"),
        (b"GG", "starts with b'GG'"),
    ],
)
def test_what_was_taken_for_a_gguf(raw: bytes, words: str) -> None:
    assert words in refusal(raw)


def test_no_regular_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.gguf"
    os.mkfifo(pipe)
    with pytest.raises(ModelError, match="not a regular file"):
        FileSource(pipe)
    with pytest.raises(ModelError, match="cannot be read"):
        FileSource(tmp_path / "missing.gguf")
