"""Fuzzing of the header reader by mutation: damaged and crafted files, and what reading them costs.

`python -m tests.model.fuzz [COUNT] [SEED]` reads COUNT inputs (100,000 unless said otherwise) and prints what came of
them, the slowest one and the peak memory. It fails when anything but our own error is raised, or a limit is passed.
"""

from __future__ import annotations

import random
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.errors import ModelError
from orchestrator.model.gguf.header import ArrayInfo, read_elements, read_header
from orchestrator.model.gguf.soundness import check_sound
from orchestrator.model.gguf.summary import summarise
from orchestrator.model.inspection import inspect
from orchestrator.model.source.open_model import OpenModel, OpenPart
from tests.model.gguf_files import Entry, Gguf, kv_array, kv_number, kv_text, kv_texts, tiny_model
from tests.model.sources import Bytes

MAX_SECONDS = 5.0
MAX_BYTES = 200e6
_EDGES = [
    *(0, 1, 2, 3, 7, 8, 9, 31, 32, 63, 64, 255, 256, 1023, 1024, 1025, 65_535, 65_536, 131_072, 131_073, 4_000_000),
    *(2**24, 2**28, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1),
]


@dataclass
class Outcome:
    """What came of a number of inputs."""

    n_inputs: int = 0
    read: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    failures: list[str] = field(default_factory=list)


def seeds() -> list[bytes]:
    """Whole, sound files to begin with: each version, arrays of all kinds, many tensors, a long vocabulary."""
    numbers = [
        kv_array(f"array.{kind}", kind, 5, bytes(range(5 * width)))
        for kind, width in ((0, 1), (1, 1), (2, 2), (3, 2), (4, 4), (5, 4), (6, 4), (10, 8), (11, 8), (12, 8))
    ]
    long_texts = [kv_texts("tokenizer.ggml.tokens", [f"token {each}" for each in range(3000)])]
    long_texts.append(kv_array("tokenizer.ggml.scores", 6, 3000, bytes(12_000)))
    long_texts.append(kv_number("tokenizer.ggml.bos_token_id", 2999))
    blocks = [Entry(name=f"blk.{each}.attn_q.weight", shape=(32, 4), offset=512 * each) for each in range(40)]
    quants = [Entry(name=f"q{kind}", shape=(256, 1), kind=kind, offset=1024 * kind) for kind in (2, 3, 8, 10, 14, 20)]
    split = [kv_number("split.no", 0, 2, "<H"), kv_number("split.count", 2, 2, "<H")]
    shape = [kv_text("general.architecture", "llama"), kv_number("llama.block_count", 40)]
    shape += [kv_array("llama.attention.head_count_kv", 5, 40, bytes(160)), kv_number("general.alignment", 64)]
    return [
        tiny_model(chat_template="{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}"),
        tiny_model(split=(0, 2)),
        Gguf(version=1, kv=[kv_text("general.architecture", "llama", 1), kv_number("a", 1, version=1)]).build(),
        Gguf(version=2, kv=numbers).build(),
        Gguf(kv=[*shape, *split], tensors=blocks, data=bytes(512 * 40), alignment=64).build(),
        Gguf(kv=long_texts).build(),
        Gguf(tensors=quants, data=bytes(1024 * 21)).build(),
    ]


def _cut(raw: bytearray, chance: random.Random) -> None:
    del raw[chance.randrange(len(raw) + 1) :]


def _flip(raw: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 1, 2, 4, 16, 64))):
        raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)


def _number(raw: bytearray, chance: random.Random) -> None:
    at, width = chance.randrange(len(raw)), chance.choice((1, 2, 4, 8, 8))
    number = chance.choice(_EDGES) if chance.random() < 0.8 else chance.getrandbits(64)
    raw[at : at + width] = struct.pack("<Q", number)[:width]


def _count(raw: bytearray, chance: random.Random) -> None:
    """A count or a length of the file's own: where a plausible small number stands, another one."""
    for _ in range(50):
        at = chance.randrange(max(len(raw) - 8, 1))
        (value,) = struct.unpack("<Q", raw[at : at + 8].ljust(8, b"\0"))
        if 0 < value < 100_000:
            near = (value - 1, value + 1, value * 2, value * 1000)
            raw[at : at + 8] = struct.pack("<Q", chance.choice((*near, *_EDGES)))
            return


def _remove(raw: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(raw))
    del raw[at : at + chance.choice((1, 4, 8, 32, 500))]


def _double(raw: bytearray, chance: random.Random) -> None:
    at, width = chance.randrange(len(raw)), chance.choice((1, 4, 8, 32, 500))
    raw[at:at] = raw[at : at + width] * chance.choice((1, 1, 2, 30))


def _noise(raw: bytearray, chance: random.Random) -> None:
    at, width = chance.randrange(len(raw)), chance.choice((4, 16, 100))
    raw[at : at + width] = chance.randbytes(width)


_MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    *(_cut, _flip, _flip, _number, _number, _number, _count, _count, _count),
    *(_remove, _double, _noise),
)


def mutated(originals: list[bytes], chance: random.Random) -> bytes:
    """One of the files with some things wrong in it, or the beginning of one with the end of another."""
    raw = bytearray(chance.choice(originals))
    if chance.random() < 0.05:
        other = chance.choice(originals)
        raw[chance.randrange(len(raw)) :] = other[chance.randrange(len(other)) :]
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        if raw:
            chance.choice(_MUTATIONS)(raw, chance)
    if chance.random() < 0.9:
        raw[:4] = b"GGUF"  # else most would end at the first look
    return bytes(raw)


def read_all(raw: bytes) -> None:
    """Everything that is done with a header before llama.cpp would see the file."""
    source = Bytes(raw)
    header = read_header(source)
    for value in header.kv.values():
        if isinstance(value, ArrayInfo):
            read_elements(source, header, value, [0, value.count // 2, value.count - 1])
    summarise(source, header)
    part = OpenPart(name="memory.gguf", source=source, path=None)
    inspect(OpenModel(source="path", origin="", revision=None, parts=(part,)), tensors=True).model_dump_json()
    check_sound(header, source.name)


def fuzz(n_inputs: int, seed: int) -> Outcome:
    """Read so many inputs. They depend on `seed` alone."""
    chance, originals, outcome = random.Random(seed), seeds(), Outcome()
    for number in range(n_inputs):
        raw = mutated(originals, chance)
        begin = time.thread_time()
        try:
            read_all(raw)
            outcome.read += 1
        except ModelError as error:
            if not error.what or not error.hint or not error.where:
                outcome.failures.append(f"input {number}: an error without a part: {error!r}")
            outcome.refused[_kind(error.what)] += 1
        except Exception as error:  # noqa: BLE001 - what must not be
            outcome.failures.append(f"input {number}: {error!r}")
        outcome.slowest_s = max(outcome.slowest_s, time.thread_time() - begin)
        outcome.n_inputs += 1
    return outcome


def _kind(what: str) -> str:
    """An error's message without what differs from file to file."""
    plain = "".join("#" if char.isdigit() else char for char in what.split("'")[0])
    return " ".join(plain.replace("not a sound GGUF: ", "").split())[:50]


def main(n_inputs: int = 100_000, seed: int = 1) -> int:
    """Fuzz, and print what came of it."""
    begin = time.process_time()
    outcome = fuzz(n_inputs, seed)
    seconds = time.process_time() - begin
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    peak_bytes = int(peak.split()[1]) * 1024
    print(f"{outcome.n_inputs} inputs (seed {seed}) in {seconds:.0f} s of CPU time")
    print(f"read as sound: {outcome.read}; refused: {outcome.refused.total()}")
    for what, n in outcome.refused.most_common(12):
        print(f"  {n:7d}  {what}")
    print(f"slowest input: {outcome.slowest_s * 1000:.1f} ms; peak memory of the process: {peak_bytes / 1e6:.0f} MB")
    print(f"other errors: {len(outcome.failures)}")
    for failure in outcome.failures[:20]:
        print(f"  {failure}")
    return int(bool(outcome.failures) or outcome.slowest_s > MAX_SECONDS or peak_bytes > MAX_BYTES)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
