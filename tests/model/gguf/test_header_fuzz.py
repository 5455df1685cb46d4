"""Fuzzing the header reader: only our own errors, whatever the bytes."""

from __future__ import annotations

import struct

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.errors import ModelError
from orchestrator.model.gguf.header import ArrayInfo, read_elements, read_header
from tests.model.gguf_files import Entry, Gguf, kv_array, kv_number, kv_text, kv_texts, tiny_model
from tests.model.sources import Bytes

_SETTINGS = settings(suppress_health_check=list(HealthCheck))
_WHOLE = tiny_model(chat_template="{{ bos_token }}")
_EDGES = [0, 1, 7, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**53, 2**63 - 1, 2**63, 2**64 - 1]
_numbers = st.one_of(st.sampled_from(_EDGES), st.integers(0, 2**64 - 1), st.integers(0, 300))


def only_our_errors(raw: bytes) -> None:
    source = Bytes(raw)
    try:
        header = read_header(source)
        for value in header.kv.values():
            if isinstance(value, ArrayInfo):
                read_elements(source, header, value, [value.count - 1])
    except ModelError as error:
        complete = bool(error.what and error.hint)
    else:
        complete = True
    assert complete


@_SETTINGS
@given(st.lists(st.tuples(st.integers(0, len(_WHOLE) - 1), st.sampled_from([1, 2, 4, 8]), _numbers), max_size=6))
def test_overwritten(changes: list[tuple[int, int, int]]) -> None:
    raw = bytearray(_WHOLE)
    for at, width, number in changes:
        raw[at : at + width] = struct.pack("<Q", number)[:width]
    only_our_errors(bytes(raw))


@_SETTINGS
@given(st.data())
def test_cut_and_flipped(data: st.DataObject) -> None:
    raw = bytearray(_WHOLE[: data.draw(st.integers(0, len(_WHOLE)))])
    for bit in data.draw(st.lists(st.integers(0, max(len(raw) * 8 - 1, 0)), max_size=8)):
        if raw:
            raw[bit // 8] ^= 1 << bit % 8
    only_our_errors(bytes(raw))


@_SETTINGS
@given(st.binary(max_size=600), st.integers(1, 3), _numbers, _numbers)
def test_any_bytes_after_a_beginning(rest: bytes, version: int, n_tensors: int, n_kv: int) -> None:
    only_our_errors(b"GGUF" + struct.pack("<IQQ", version, n_tensors % 20, n_kv % 20) + rest)


_entries = st.builds(
    Entry,
    name=st.text(max_size=70),
    shape=st.lists(_numbers, max_size=5).map(tuple),
    kind=st.integers(0, 60),
    offset=_numbers,
)
_kv = st.one_of(
    st.builds(kv_text, st.text(max_size=20), st.text(max_size=20)),
    st.builds(kv_texts, st.text(max_size=20), st.lists(st.text(max_size=5), max_size=80)),
    st.builds(lambda key, kind, raw: kv_array(key, kind, 3, raw), st.text(max_size=9), st.integers(0, 14), st.binary()),
    st.builds(lambda number: kv_number("general.alignment", number % 2**32), _numbers),
)


@_SETTINGS
@given(st.lists(_kv, max_size=5), st.lists(_entries, max_size=4), st.binary(max_size=200))
def test_well_formed_nonsense(kv: list[bytes], tensors: list[Entry], data: bytes) -> None:
    only_our_errors(Gguf(kv=kv, tensors=tensors, data=data).build())
