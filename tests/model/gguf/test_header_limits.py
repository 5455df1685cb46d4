"""What the worst files cost, to the whole of `lcpp model inspect`: at most 5 seconds of CPU time and 200 MB, measured in
a process of its own."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from tests.model.gguf_files import UINT8, Entry, Gguf, kv_array, kv_number, kv_text, text

_PROGRAM = """
import json, sys, time
from pathlib import Path
from orchestrator.errors import ModelError
from orchestrator.model.inspection import inspect
from orchestrator.model.source.open_model import OpenModel, OpenPart
from orchestrator.model.gguf.byte_source import FileSource
begin = time.process_time()
try:
    with FileSource(Path(sys.argv[1])) as source:
        part = OpenPart(name="x.gguf", source=source, path=None)
        opened = OpenModel(source="path", origin="x.gguf", revision=None, parts=(part,))
        inspect(opened, tensors=True).model_dump_json()
    what = None
except ModelError as error:
    what = error.what
seconds = time.process_time() - begin
# Not getrusage: its peak is at least that of the process that started this one.
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps([seconds, int(peak.split()[1]) * 1024, what]))
"""


def many_keys() -> bytes:
    kv = [kv_number(f"{each:06d}", each) for each in range(65_536)]
    return Gguf(kv=kv).build()


def many_kept_arrays() -> bytes:
    kv = [kv_array(f"{each:06d}", UINT8, 1024, bytes(1024)) for each in range(65_536)]
    return Gguf(kv=kv).build()


def many_tensors() -> bytes:
    tensors = [Entry(name=f"{each:063d}", shape=(1, 1, 1, 1), offset=32 * each) for each in range(32_768)]
    return Gguf(tensors=tensors, data=bytes(32 * 32_768)).build()


def empty_strings() -> bytes:
    return Gguf(kv=[kv_array("a", 8, 4_000_000, bytes(32_000_000))]).build()


def one_byte_strings_in_many_arrays() -> bytes:
    each = (struct.pack("<Q", 1) + b"x") * 100_000
    return Gguf(kv=[kv_array(f"{number}", 8, 100_000, each) for number in range(100)]).build()


def long_texts() -> bytes:
    return Gguf(kv=[kv_text(f"{each}", "x" * 4_000_000) for each in range(30)]).build()


def long_keys() -> bytes:
    kv = [text(f"{each:06d}" + "x" * 65_000) + struct.pack("<IB", UINT8, 1) for each in range(2000)]
    return Gguf(kv=kv).build()


@pytest.mark.parametrize(
    "make",
    [
        many_keys,
        many_kept_arrays,
        many_tensors,
        empty_strings,
        one_byte_strings_in_many_arrays,
        long_texts,
        long_keys,
    ],
    ids=lambda make: make.__name__,
)
def test_worst_files(make: object, tmp_path: Path) -> None:
    assert callable(make)
    path = tmp_path / "worst.gguf"
    path.write_bytes(make())
    seconds, peak_bytes, what = measure(path)
    print(f"{seconds:.2f} s, {peak_bytes / 1e6:.0f} MB, {what}")
    assert seconds < 5
    assert peak_bytes < 200e6


def test_a_huge_hole(tmp_path: Path) -> None:
    """A sparse file of a terabyte that is all header: a text array of as many empty strings as fit."""
    path = tmp_path / "hole.gguf"
    head = Gguf(kv=[kv_array("a", 8, 2**36, b"")], tensors=()).header()
    with path.open("wb") as file:
        file.write(head)
        file.truncate(2**40)
    seconds, peak_bytes, what = measure(path)
    assert "strings" in str(what)
    assert seconds < 5
    assert peak_bytes < 200e6


def test_a_header_as_large_as_a_model(tmp_path: Path) -> None:
    """An array of texts of four megabytes each: a gigabyte of header, mostly holes."""
    path = tmp_path / "large.gguf"
    with path.open("wb") as file:
        file.write(Gguf(kv=[kv_array("a", 8, 250, b"")], tensors=()).header())
        for _ in range(250):
            file.write(struct.pack("<Q", 4_000_000))
            file.seek(4_000_000, 1)
        file.truncate()
    seconds, peak_bytes, what = measure(path)
    assert "the header is larger than" in str(what)
    assert seconds < 5
    assert peak_bytes < 200e6


def measure(path: Path) -> tuple[float, float, str | None]:
    done = subprocess.run([sys.executable, "-c", _PROGRAM, str(path)], capture_output=True, check=True, timeout=60)
    seconds, peak_bytes, what = json.loads(done.stdout)
    return seconds, peak_bytes, what
