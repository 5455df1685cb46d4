"""Small GGUF files for tests, written byte by byte so that they can also be wrong."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from orchestrator.values import Value

UINT8, UINT32, FLOAT32, BOOL, STRING, ARRAY = 0, 4, 6, 7, 8, 9
F32, Q4_1 = 0, 3


class Entry(Value):
    """A tensor's entry in the header."""

    name: str = "token_embd.weight"
    shape: tuple[int, ...] = (32, 4)
    kind: int = F32
    offset: int = 0


class Gguf(Value):
    """What to write; the counts can be made to lie."""

    kv: Sequence[bytes] = ()
    tensors: Sequence[Entry] = (Entry(),)
    data: bytes = bytes(512)
    version: int = 3
    alignment: int = 32
    magic: bytes = b"GGUF"
    n_kv: int | None = None
    n_tensors: int | None = None

    def header(self) -> bytes:
        """Everything before the data, not padded."""
        size = "<I" if self.version == 1 else "<Q"
        out = [self.magic, struct.pack("<I", self.version)]
        out.append(struct.pack(size, len(self.tensors) if self.n_tensors is None else self.n_tensors))
        out.append(struct.pack(size, len(self.kv) if self.n_kv is None else self.n_kv))
        out += self.kv
        for tensor in self.tensors:
            name = tensor.name.encode()
            out += [struct.pack(size, len(name)), name, struct.pack("<I", len(tensor.shape))]
            out += [struct.pack(size, extent) for extent in tensor.shape]
            out.append(struct.pack("<IQ", tensor.kind, tensor.offset))
        return b"".join(out)

    def build(self) -> bytes:
        """The whole file."""
        header = self.header()
        return header + bytes(-len(header) % self.alignment) + self.data


def text(value: str, version: int = 3) -> bytes:
    """A string as GGUF has it."""
    raw = value.encode()
    return struct.pack("<I" if version == 1 else "<Q", len(raw)) + raw


def kv_text(key: str, value: str, version: int = 3) -> bytes:
    """A key with a string."""
    return text(key, version) + struct.pack("<I", STRING) + text(value, version)


def kv_number(key: str, value: float, kind: int = UINT32, form: str = "<I", version: int = 3) -> bytes:
    """A key with a number, a uint32 unless said otherwise."""
    return text(key, version) + struct.pack("<I", kind) + struct.pack(form, value)


def kv_array(key: str, kind: int, count: int, raw: bytes) -> bytes:
    """A key with an array of `count` elements, whose bytes are `raw`."""
    return text(key) + struct.pack("<IIQ", ARRAY, kind, count) + raw


def kv_texts(key: str, values: Sequence[str]) -> bytes:
    """A key with an array of strings."""
    return kv_array(key, STRING, len(values), b"".join(text(value) for value in values))


def tiny_model(
    *,
    n_bytes: int = 512,
    chat_template: str | None = None,
    split: tuple[int, int] | None = None,
    fill: int = 0,
    layer: bool = False,
) -> bytes:
    """A whole, sound model with a vocabulary of four tokens and one F32 tensor of `n_bytes` (a multiple of 4).

    Args:
        layer: the tensor is one of a layer, so that the memory of a run can be judged.
    """
    kv = [
        kv_text("general.architecture", "llama"),
        kv_text("general.name", "Tiny"),
        kv_number("general.file_type", 0),
        kv_number("llama.context_length", 2048),
        kv_text("tokenizer.ggml.model", "llama"),
        kv_texts("tokenizer.ggml.tokens", ["<unk>", "<s>", "</s>", "a"]),
        kv_number("tokenizer.ggml.bos_token_id", 1),
        kv_number("tokenizer.ggml.eos_token_id", 2),
    ]
    if chat_template is not None:
        kv.append(kv_text("tokenizer.chat_template", chat_template))
    name = "token_embd.weight"
    if layer:
        sizes = {"embedding_length": 32, "block_count": 1, "attention.head_count": 1, "feed_forward_length": 64}
        kv += [kv_number(f"llama.{key}", value) for key, value in sizes.items()]
        name = "blk.0.attn_q.weight"
    if split is not None:
        kv += [kv_number("split.no", split[0], 2, "<H"), kv_number("split.count", split[1], 2, "<H")]
        name = f"blk.{split[0]}.attn_q.weight"
    data = bytes((each * 7 + fill) % 256 for each in range(256)) * (n_bytes // 256 + 1)
    return Gguf(kv=kv, tensors=[Entry(name=name, shape=(n_bytes // 4,))], data=data[:n_bytes]).build()
