"""The portable model is the same each time, in both GGUF versions, and its chain speaks as it is meant to."""

from __future__ import annotations

import hashlib
from pathlib import Path

import gguf
import numpy as np
import pytest
from numpy.typing import NDArray

from orchestrator.model.gguf.byte_source import FileSource
from orchestrator.model.gguf.header import ArrayInfo, Header, read_elements, read_header
from tests import portable_model


def test_it_is_the_same_each_time_and_small(tmp_path: Path) -> None:
    once, again = (portable_model.make(tmp_path / name) for name in ("once.gguf", "again.gguf"))
    assert hashlib.sha256(once.read_bytes()).digest() == hashlib.sha256(again.read_bytes()).digest()
    assert once.stat().st_size < 2_500_000


def test_both_versions_say_the_same(tmp_path: Path) -> None:
    with FileSource(portable_model.make(tmp_path / "new.gguf")) as source:
        new = read_header(source)
        new_words = read_elements(source, new, array(new), range(len(portable_model.vocabulary().pieces)))
    with FileSource(portable_model.make(tmp_path / "old.gguf", version=1)) as source:
        old = read_header(source)
        old_words = read_elements(source, old, array(old), range(len(portable_model.vocabulary().pieces)))
    assert (new.version, old.version) == (3, 1)
    plain = {key: value for key, value in new.kv.items() if not isinstance(value, ArrayInfo)}
    assert plain == {key: value for key, value in old.kv.items() if not isinstance(value, ArrayInfo)}
    assert new_words == old_words
    assert [tensor.shape for tensor in new.tensors] == [tensor.shape for tensor in old.tensors]
    assert new.type_counts == old.type_counts


def array(header: Header) -> ArrayInfo:
    """The vocabulary's pieces."""
    found = header.array("tokenizer.ggml.tokens")
    assert found is not None
    return found


def test_the_weights_say_what_the_chain_says(tmp_path: Path) -> None:
    """The model in numpy, with the attention that its nearly silent queries and keys amount to."""
    reader = gguf.GGUFReader(portable_model.make(tmp_path / "model.gguf"))
    weights = {tensor.name: np.asarray(tensor.data, dtype=np.float64) for tensor in reader.tensors}

    def normed(x: NDArray[np.float64]) -> NDArray[np.float64]:
        length: NDArray[np.float64] = np.sqrt(np.mean(np.square(x), axis=-1, keepdims=True) + portable_model.NORM_EPS)
        return x / length

    words = portable_model.vocabulary()
    prompt = "where now"
    tokens = [portable_model.BOS, *portable_model.tokens_of(prompt)]
    said = ""
    while len(said) < 1000:
        x = weights["token_embd.weight"][tokens]
        for layer in range(portable_model.N_LAYER):
            values = normed(x) @ weights[f"blk.{layer}.attn_v.weight"].T
            mean = values.mean(axis=0).reshape(portable_model.N_HEAD_KV, portable_model.HEAD)
            heads = np.repeat(mean, portable_model.N_HEAD // portable_model.N_HEAD_KV, axis=0).reshape(-1)
            # Only the last token's state is followed: the other layers add noise alone.
            x = x + heads @ weights[f"blk.{layer}.attn_output.weight"].T
        logits = normed(x[-1]) @ weights["output.weight"].T
        best, second = np.argsort(logits)[-1:-3:-1]
        assert logits[best] - logits[second] > 0.5
        if best == portable_model.EOS:
            break
        tokens.append(int(best))
        said += "\n" if best == portable_model.NEWLINE else words.pieces[best].replace("▁", " ")
    assert portable_model.continuation(prompt, 100) == portable_model.Continuation(said, len(tokens) - 3, ended=True)


def test_a_limit_cuts_and_an_unknown_word_is_refused() -> None:
    whole = portable_model.continuation("the old river", 40)
    part = portable_model.continuation("the old river", 10)
    assert (part.n_tokens, part.ended) == (10, False)
    assert whole.text.startswith(part.text)
    with pytest.raises(ValueError, match="not in tuple"):
        portable_model.continuation("the old zebra", 10)
