"""A tiny model that every llama.cpp since GGUF can run, made here, not downloaded.

    python tests/portable_model.py FILE.gguf [GGUF VERSION]

Architecture llama, two layers, SPM vocabulary with byte tokens, 2 MB. It is not trained: its weights are written so that
its greedy answers are words, depend on all that was said before, and have a clear winner at every token, so that
builds with other kernels, batch sizes or a coarser KV cache answer alike.

How: every token has a direction of its own (its embedding) and a mood, +1 or -1. The first layer attends to all tokens
alike, so its output is the mean mood so far. Every token has two successors, one in the glad class and one in the sad
class; the sign of the mean mood chooses. BOS has mood 1/2, so the sum of moods is never 0. All other weights are small
noise, so that every kernel works on real numbers.
"""

from __future__ import annotations

import random
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

SEED = 111
N_EMBD, N_LAYER, N_HEAD, N_HEAD_KV, N_FF, N_CTX_TRAIN = 256, 2, 4, 2, 256, 2048
HEAD = N_EMBD // N_HEAD
NORM_EPS = 1e-5
NOISE = 1e-3
# How much louder the mood speaks than the token itself.
MOOD = 8.0
# Directions for the tokens that are no whole words.
OTHERS = 16
_WORDS = """
    the a one some no my your our old new red blue tall small dark warm cold wild calm kind
    river stone light bird house tree road ship rain wind song city door book lamp hill lake star
    bread wheel clock glass field cloud horse train paper bridge garden winter summer morning
    runs falls sings opens turns waits grows moves sleeps finds keeps makes calls knows asks
    and or but so then when where under over near from into with without after before
    here now soon again never always slowly quietly often café naïve über señor 日本
"""
WORDS = tuple(_WORDS.split())
# Behind these words comes a mark when the mood is glad; the text ends behind the last ones.
FULL_STOP = ("stone", "door", "lake", "glass", "winter", "here", "again", "lamp")
COMMA = ("bird", "city", "horse", "soon", "morning", "train")
END = ("star", "always", "bridge", "rain")
UNKNOWN, BOS, EOS, BYTE_0 = 0, 1, 2, 3
NEWLINE = BYTE_0 + 0x0A
NORMAL, CONTROL, BYTE = 1, 3, 6

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Vocabulary:
    """Pieces with their scores and types, as SPM has them: a merge needs its result in the vocabulary."""

    pieces: tuple[str, ...]
    scores: tuple[float, ...]
    types: tuple[int, ...]

    def id(self, piece: str) -> int:
        """The token of a piece."""
        return self.pieces.index(piece)


def vocabulary() -> Vocabulary:
    """Control and byte tokens, printable ASCII, and the words with all their beginnings."""
    fixed = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    characters = ["▁", *(chr(code) for code in range(0x21, 0x7F))]
    parts = {f"▁{word[:end]}" for word in WORDS for end in range(1, len(word) + 1)}
    merged = sorted(parts, key=lambda part: (len(part), part))
    types = [2, CONTROL, CONTROL] + [BYTE] * 256 + [NORMAL] * (len(characters) + len(merged))
    n_fixed = len(fixed)
    # Longer pieces score higher, so a word is put together before anything else is begun.
    scores = [0.0] * n_fixed + [-1000.0] * len(characters) + [-900.0 + i for i in range(len(merged))]
    return Vocabulary((*fixed, *characters, *merged), tuple(scores), tuple(types))


@dataclass(frozen=True)
class Chain:
    """For each token its glad and its sad successor, its mood, and the class (+1, -1, 0) it is in as a successor."""

    glad: tuple[int, ...]
    sad: tuple[int, ...]
    mood: tuple[float, ...]
    side: tuple[int, ...]


def chain(words: Vocabulary) -> Chain:
    """Two rings of words with many bridges between them."""
    dice = random.Random(SEED)
    tokens = [words.id(f"▁{word}") for word in WORDS]
    dice.shuffle(tokens)
    glads, sads = tokens[::2], tokens[1::2]
    n = len(words.pieces)
    glad = [glads[token % OTHERS] for token in range(n)]
    sad = [sads[token % OTHERS] for token in range(n)]
    bridges_up, bridges_down = glads[:], sads[:]
    dice.shuffle(bridges_up)
    dice.shuffle(bridges_down)
    for ring, other, onward, across in ((glads, bridges_down, glad, sad), (sads, bridges_up, sad, glad)):
        for index, token in enumerate(ring):
            onward[token] = ring[(index + 1) % len(ring)]
            across[token] = other[index % len(other)]
    stop, comma, mark = words.id("."), words.id(","), words.id(">")
    side = [0] * n
    for token in glads:
        side[token] = 1
    for token in sads:
        side[token] = -1
    for places, goal in ((FULL_STOP, stop), (COMMA, comma), (END, EOS)):
        side[goal] = 1
        for word in places:
            glad[words.id(f"▁{word}")] = goal
    side[NEWLINE], side[mark] = 1, 1
    # A line may begin with `> `, as the prompt of an interactive llama-cli does.
    glad[stop], glad[NEWLINE] = NEWLINE, mark
    mood = [dice.choice((-1.0, 1.0)) for _ in range(n)]
    mood[BOS] = 0.5
    return Chain(tuple(glad), tuple(sad), tuple(mood), tuple(side))


def _groups(words: Vocabulary) -> list[int]:
    """Which direction each token has: a word or mark its own, all else one of a few."""
    whole = [words.id(f"▁{word}") for word in WORDS] + [words.id(mark) for mark in ".,>"] + [BOS, EOS, NEWLINE]
    places = {token: OTHERS + place for place, token in enumerate(whole)}
    return [places.get(token, token % OTHERS) for token in range(len(words.pieces))]


def _orthogonal(size: int) -> NDArray[np.float64]:
    """A matrix of 1 and -1 whose rows are orthogonal (Sylvester's); `size` is a power of 2."""
    rows = np.ones((1, 1))
    while len(rows) < size:
        rows = np.block([[rows, rows], [rows, -rows]])
    return rows


def tensors(words: Vocabulary) -> list[tuple[str, Array]]:
    """All weights, matrices as rows of outputs; norms are float32, matrices float16."""
    plan = chain(words)
    n = len(words.pieces)
    # The legacy generator: its numbers stay the same in every numpy.
    dice = np.random.RandomState(SEED)
    axes = _orthogonal(N_EMBD) / np.sqrt(N_EMBD)
    mood_in, mood_out = axes[0], axes[1]
    own = [axes[2 + group] for group in _groups(words)]
    # All embeddings have the same length, so that norms change nothing.
    embedding = np.array([own[t] * np.sqrt(2 - plan.mood[t] ** 2) + mood_in * plan.mood[t] for t in range(n)])
    # What never follows gets noise, and so never wins.
    output = NOISE * dice.standard_normal((n, N_EMBD))
    followed = {
        (group, goal) for group, *pair in zip(_groups(words), plan.glad, plan.sad, strict=True) for goal in pair
    }
    for group, goal in sorted(followed):
        output[goal] += axes[2 + group]
    output += MOOD * np.array(plan.side)[:, None] * mood_out

    def noise(rows: int, columns: int) -> Array:
        return (NOISE * dice.standard_normal((rows, columns))).astype(np.float32)

    made: list[tuple[str, Array]] = [("token_embd.weight", embedding.astype(np.float32))]
    for layer in range(N_LAYER):
        value, mix = noise(N_HEAD_KV * HEAD, N_EMBD), noise(N_EMBD, N_EMBD)
        if layer == 0:
            # A normed embedding has length 16, not sqrt(2): undone here, so the mood comes out as it was put in.
            value[::HEAD] += mood_in * np.sqrt(2 / N_EMBD)
            mix[:, ::HEAD] += mood_out[:, None] / N_HEAD
        made += [
            (f"blk.{layer}.attn_norm.weight", np.ones(N_EMBD, np.float32)),
            (f"blk.{layer}.attn_q.weight", noise(N_EMBD, N_EMBD)),
            (f"blk.{layer}.attn_k.weight", noise(N_HEAD_KV * HEAD, N_EMBD)),
            (f"blk.{layer}.attn_v.weight", value),
            (f"blk.{layer}.attn_output.weight", mix),
            (f"blk.{layer}.ffn_norm.weight", np.ones(N_EMBD, np.float32)),
            (f"blk.{layer}.ffn_gate.weight", noise(N_FF, N_EMBD)),
            (f"blk.{layer}.ffn_up.weight", noise(N_FF, N_EMBD)),
            (f"blk.{layer}.ffn_down.weight", noise(N_EMBD, N_FF)),
        ]
    made.append(("output_norm.weight", np.ones(N_EMBD, np.float32)))
    made.append(("output.weight", output.astype(np.float32)))
    return made


@dataclass(frozen=True)
class Continuation:
    """What the model says. `n_tokens` is without the end mark; `ended`: it ends the text itself."""

    text: str
    n_tokens: int
    ended: bool


def tokens_of(prompt: str, *, leading_blank: bool = True) -> list[int]:
    """The tokens of words of WORDS between single blanks, without BOS.

    leading_blank: the tokenizer puts a blank before the text, as all llama.cpps do but `main` of b1385 to b1517.
    """
    words = vocabulary()
    first, *others = prompt.split(" ")
    begin = [words.id(f"▁{first}")] if leading_blank else [words.id(character) for character in first]
    return begin + [words.id(f"▁{word}") for word in others]


def continuation(prompt: str, limit: int, *, leading_blank: bool = True) -> Continuation:
    """What the model says greedily after `prompt` (see `tokens_of`), in at most `limit` tokens.

    Computed from the chain alone, without any arithmetic of the weights.
    """
    words = vocabulary()
    plan = chain(words)
    tokens = tokens_of(prompt, leading_blank=leading_blank)
    total = plan.mood[BOS] + sum(plan.mood[token] for token in tokens)
    last, said = tokens[-1], ""
    for n_tokens in range(limit):
        last = (plan.glad if total > 0 else plan.sad)[last]
        if last == EOS:
            return Continuation(said, n_tokens, ended=True)
        total += plan.mood[last]
        said += "\n" if last == NEWLINE else words.pieces[last].replace("▁", " ")
    return Continuation(said, limit, ended=False)


Kind = gguf.GGUFValueType
Value = str | int | float | Sequence[str] | Sequence[int] | Sequence[float]


def metadata(words: Vocabulary, architecture: str) -> list[tuple[str, Kind, Value]]:
    """The key-value pairs."""
    return [
        ("general.architecture", Kind.STRING, architecture),
        ("general.name", Kind.STRING, "lcpp portable"),
        ("general.file_type", Kind.UINT32, 1),
        (f"{architecture}.context_length", Kind.UINT32, N_CTX_TRAIN),
        (f"{architecture}.embedding_length", Kind.UINT32, N_EMBD),
        (f"{architecture}.block_count", Kind.UINT32, N_LAYER),
        (f"{architecture}.feed_forward_length", Kind.UINT32, N_FF),
        (f"{architecture}.rope.dimension_count", Kind.UINT32, HEAD),
        (f"{architecture}.attention.head_count", Kind.UINT32, N_HEAD),
        (f"{architecture}.attention.head_count_kv", Kind.UINT32, N_HEAD_KV),
        (f"{architecture}.attention.layer_norm_rms_epsilon", Kind.FLOAT32, NORM_EPS),
        ("tokenizer.ggml.model", Kind.STRING, "llama"),
        ("tokenizer.ggml.tokens", Kind.ARRAY, words.pieces),
        ("tokenizer.ggml.scores", Kind.ARRAY, words.scores),
        ("tokenizer.ggml.token_type", Kind.ARRAY, words.types),
        ("tokenizer.ggml.bos_token_id", Kind.UINT32, BOS),
        ("tokenizer.ggml.eos_token_id", Kind.UINT32, EOS),
        ("tokenizer.ggml.unknown_token_id", Kind.UINT32, UNKNOWN),
    ]


def make(path: Path, *, version: int = 3, architecture: str = "llama") -> Path:
    """Write the model to `path`, as a GGUF of that version.

    Args:
        version: 3, which llama.cpp reads since b1087, or 1, which it reads until b1404 (before b1087 nothing else).
        architecture: another name makes a file that no llama.cpp knows what to do with.
    """
    words = vocabulary()
    pairs = metadata(words, architecture)
    weights = [(name, weight.astype(np.float16) if weight.ndim == 2 else weight) for name, weight in tensors(words)]
    path.parent.mkdir(parents=True, exist_ok=True)
    if version == 1:
        path.write_bytes(_version_1(pairs, weights))
        return path
    writer = gguf.GGUFWriter(path, architecture)
    for key, kind, value in pairs[1:]:
        sub_type = _element(value) if kind == Kind.ARRAY else None
        writer.add_key_value(key, value, kind, sub_type=sub_type)
    for name, weight in weights:
        writer.add_tensor(name, weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _element(value: Value) -> Kind:
    assert not isinstance(value, (int, float))
    return {str: Kind.STRING, float: Kind.FLOAT32, int: Kind.INT32}[type(value[0])]


def _version_1(pairs: list[tuple[str, Kind, Value]], weights: list[tuple[str, NDArray[np.floating]]]) -> bytes:
    """The file as the first GGUF was, with 32-bit counts; the library writes it no more."""

    def text(string: str) -> bytes:
        raw = string.encode()
        return struct.pack("<I", len(raw)) + raw

    def single(kind: Kind, value: object) -> bytes:
        if kind == Kind.STRING:
            return text(str(value))
        return struct.pack({Kind.UINT32: "<I", Kind.INT32: "<i", Kind.FLOAT32: "<f"}[kind], value)

    out = [b"GGUF", struct.pack("<III", 1, len(weights), len(pairs))]
    for key, kind, value in pairs:
        out += [text(key), struct.pack("<I", kind)]
        if kind == Kind.ARRAY:
            assert not isinstance(value, (int, float))
            inner = _element(value)
            out += [struct.pack("<II", inner, len(value)), *(single(inner, one) for one in value)]
        else:
            out.append(single(kind, value))
    data = b""
    for name, weight in weights:
        data += bytes(-len(data) % 32)
        kind_of_tensor = 0 if weight.dtype == np.float32 else 1
        out += [text(name), struct.pack("<I", weight.ndim), *(struct.pack("<I", n) for n in reversed(weight.shape))]
        out.append(struct.pack("<IQ", kind_of_tensor, len(data)))
        data += weight.tobytes()
    header = b"".join(out)
    return header + bytes(-len(header) % 32) + data


if __name__ == "__main__":
    print(make(Path(sys.argv[1]), version=int(sys.argv[2]) if len(sys.argv) > 2 else 3))
