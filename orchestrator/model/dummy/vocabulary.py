"""A tokenizer for a preset: out of the vocabularies that llama.cpp has among its own test files."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator.errors import ModelError
from orchestrator.model.dummy.metadata import FLOAT32, INT32, STRING, Coding, Pair, read_pairs
from orchestrator.model.gguf.byte_source import FileSource
from orchestrator.model.gguf.header import read_header
from orchestrator.values import Value
from orchestrator.workspace import Workspace

_CONTROL, _UNUSED = 3, 5
_MAX_BYTES = 64 * 1024 * 1024
_PREFIX = "tokenizer.ggml."


class VocabularySpec(Value):
    """Which tokenizer a preset has.

    files: names in llama.cpp's folder `models`, the best one first (they were renamed in 2024).
    n_vocab: how many tokens the model has; a shorter vocabulary is filled up, a longer one cut.
    control: the texts of the first tokens, where they are not those of the file.
    filler: the text of a token that is filled in, with its number as `{}`.
    """

    files: tuple[str, ...]
    n_vocab: int
    control: tuple[str, ...] = ()
    filler: str = "[PAD{}]"


def find_vocabulary(spec: VocabularySpec, workspace: Workspace, checkout: Path | None = None) -> Path:
    """The file in llama.cpp's sources: those of `checkout`, else of any checkout in the workspace.

    Raises:
        ModelError: there is none.
    """
    others = sorted(workspace.checkouts.glob("[!.]*/models"), key=lambda folder: folder.parent.name)
    for models in [*([checkout / "models"] if checkout is not None else []), *others]:
        for name in spec.files:
            if (models / name).is_file():
                return models / name
    raise ModelError(
        f"no llama.cpp is here whose folder `models` has {' or '.join(spec.files)}: presets take their tokenizer there",
        where=str(workspace.checkouts),
        hint="`lcpp setup` gets a llama.cpp; or make the dummy from the model's own header",
    )


def read_vocabulary(spec: VocabularySpec, path: Path) -> Mapping[str, Pair]:
    """The tokens, types, scores and merges of a vocabulary file by their keys, with just `n_vocab` tokens.

    Raises:
        ModelError: it is no sound GGUF, or holds no vocabulary.
    """
    with FileSource(path) as source:
        header = read_header(source)
        if header.data_offset > _MAX_BYTES:
            raise ModelError(f"the vocabulary has more than {_MAX_BYTES} bytes", where=str(path))
        pairs = read_pairs(source.read_at(0, header.data_offset), header.version, str(path))
    old = Coding(header.version)
    arrays = {pair.key.removeprefix(_PREFIX): old.array_of(pair) for pair in pairs if _is_wanted(pair.key)}
    if "tokens" not in arrays or arrays["tokens"][0] != STRING:
        raise ModelError("the file holds no vocabulary", where=str(path), hint="get the sources of llama.cpp again")
    _, count, raw = arrays["tokens"]
    tokens = list(old.split(raw, min(count, spec.n_vocab)))
    n_missing = spec.n_vocab - len(tokens)
    tokens[: len(spec.control)] = [text.encode() for text in spec.control]
    tokens += [spec.filler.format(len(tokens) + number).encode() for number in range(n_missing)]
    coding = Coding(3)
    new_pairs = [coding.array(f"{_PREFIX}tokens", STRING, len(tokens), coding.join(tokens))]
    if "scores" in arrays and arrays["scores"][0] == FLOAT32:
        scores = _numbers(arrays["scores"], "f", spec.n_vocab, 0.0)
        new_pairs.append(
            coding.array(f"{_PREFIX}scores", FLOAT32, len(scores), struct.pack(f"<{len(scores)}f", *scores))
        )
    if "token_type" in arrays and arrays["token_type"][0] == INT32:
        types = [int(number) for number in _numbers(arrays["token_type"], "i", spec.n_vocab, _UNUSED)]
        types[: len(spec.control)] = [_CONTROL] * len(spec.control)
        new_pairs.append(coding.numbers(f"{_PREFIX}token_type", types))
    if "merges" in arrays:
        _, count, raw = arrays["merges"]
        new_pairs.append(coding.array(f"{_PREFIX}merges", STRING, count, coding.join(old.split(raw, count))))
    return {pair.key: pair for pair in new_pairs}


def _is_wanted(key: str) -> bool:
    return key.removeprefix(_PREFIX) in ("tokens", "scores", "token_type", "merges")


def _numbers(array: tuple[int, int, bytes], form: str, count: int, filler: float) -> Sequence[float]:
    numbers = list(struct.unpack(f"<{array[1]}{form}", array[2]))[:count]
    return numbers + [filler] * (count - len(numbers))
