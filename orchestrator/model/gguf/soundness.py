"""What a header must say beyond being well-formed, because llama.cpp believes it without looking.

llama.cpp before March 2026 reads the scores and types of tokens for as many tokens as there are, whatever the length
of those arrays is: with a short one, or one of smaller numbers, it reads memory that is not its own.
"""

from __future__ import annotations

from orchestrator.errors import ModelError
from orchestrator.model.gguf.header import Header

# Far above any model there is (some 200); llama.cpp makes a list of this length before it looks for the tensors.
MAX_LAYERS = 4096
_TOKENS = "tokenizer.ggml.tokens"
# By key: the element types that llama.cpp takes its values for, and whether there is one for each token.
_ARRAYS = {
    _TOKENS: (("string",), True),
    "tokenizer.ggml.scores": (("float32", "int32"), True),
    "tokenizer.ggml.token_type": (("int32", "uint32"), True),
    "tokenizer.ggml.merges": (("string",), False),
    "tokenizer.ggml.precompiled_charsmap": (("uint8", "int8"), False),
}


def check_sound(header: Header, name: str) -> None:
    """Refuse a header that would lead llama.cpp astray.

    Args:
        name: what a message calls the file.

    Raises:
        ModelError: it says what no sound model says.
    """
    why = whats_unsound(header)
    if why is not None:
        hint = "fetch the file again, or another file: this one is damaged or was made to do harm"
        raise ModelError(f"not a sound GGUF: {why}", where=name, hint=hint)


def whats_unsound(header: Header) -> str | None:
    """What is wrong with a header that is well-formed; None when nothing is."""
    tokens = header.array(_TOKENS)
    for key, (types, one_each) in _ARRAYS.items():
        if key not in header.kv:
            continue
        array = header.array(key)
        if array is None:
            return f"{key} is no array"
        if array.element_type not in types:
            return f"{key} is an array of {array.element_type}, not of {types[0]} (at byte {array.offset})"
        if one_each and tokens is not None and array.count < tokens.count:
            return f"{key} has {array.count} values for {tokens.count} tokens (at byte {array.offset})"
    layers = header.kv.get(f"{header.architecture}.block_count")
    if layers is not None and not (isinstance(layers, int) and 0 <= layers <= MAX_LAYERS):
        return f"{header.architecture}.block_count is {layers!r}; no model has more than {MAX_LAYERS} layers"
    return None
