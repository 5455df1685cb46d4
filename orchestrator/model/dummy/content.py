"""What each tensor of a dummy holds, by its name and type: numbers that a model can compute with for hours.

Weights are random, with a root mean square of two over the square root of a row's length, so that activations stay of
one size from layer to layer, as large as in real models. Norms are 1, biases 0. The rows of tokens that would end an
answer are 0 in the output matrix: among thousands of random logits the greatest is never 0.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence

from orchestrator.model.dummy.blocks import FLOATS, INTEGERS, Pools, constant, zeros
from orchestrator.model.dummy.plan import DummyPlan, PlannedTensor

_OUTPUT, _EMBEDDING = "output.weight", "token_embd.weight"


def tensor_bytes(tensor: PlannedTensor, plan: DummyPlan, pools: Pools) -> Iterator[memoryview]:
    """The content of a tensor, in pieces of `tensor.n_bytes` together."""
    if tensor.type_name in INTEGERS:
        yield from _integers(tensor)
        return
    value = _constant(tensor)
    if value is not None:
        yield from constant(tensor.type_name, value, tensor.n_bytes)
        return
    rms = 2 / math.sqrt(max(1, *tensor.shape[:1]))
    if tensor.name == _output_name(plan):
        for n_bytes, silent in _rows(tensor, plan.silent_tokens):
            yield from zeros(n_bytes) if silent else pools.cut(tensor.type_name, rms, n_bytes)
    else:
        yield from pools.cut(tensor.type_name, rms, tensor.n_bytes)


def _constant(tensor: PlannedTensor) -> float | None:
    """The one value of a tensor that is no matrix of weights."""
    name = tensor.name
    if tensor.type_name not in FLOATS:
        return None
    if name.endswith(".bias"):
        return 0.0
    if "norm" in name or "scale" in name.rpartition(".")[2] or name.endswith("scale.weight"):
        return 1.0
    if name.startswith("rope_") or ".rope_" in name:
        return 1.0  # factors of frequencies
    if name.endswith(".ssm_a"):
        return -1.0  # a decay, which must not grow
    if name.endswith(".ssm_d"):
        return 1.0
    return None


def _output_name(plan: DummyPlan) -> str:
    """The matrix that gives the logits: the embeddings where a model has none of its own."""
    return _OUTPUT if any(tensor.name == _OUTPUT for tensor in plan.tensors) else _EMBEDDING


def _rows(tensor: PlannedTensor, silent: Sequence[int]) -> Iterator[tuple[int, bool]]:
    """The tensor's bytes in runs of rows, with whether their tokens must not be generated."""
    n_rows = tensor.shape[1] if len(tensor.shape) == 2 else 0
    if not n_rows:
        yield tensor.n_bytes, False
        return
    row_bytes, row = tensor.n_bytes // n_rows, 0
    for begin, end in _runs(silent):
        begin, end = min(begin, n_rows), min(end, n_rows)
        yield (begin - row) * row_bytes, False
        yield (end - begin) * row_bytes, True
        row = end
    yield (n_rows - row) * row_bytes, False


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Rising numbers as half-open ranges."""
    begin = end = -1
    for number in numbers:
        if number != end:
            if end > begin:
                yield begin, end
            begin = number
        end = number + 1
    if end > begin:
        yield begin, end


def _integers(tensor: PlannedTensor) -> Iterator[memoryview]:
    """The one table of integers that models have says which experts a token goes to: 0, 1, … for every token.

    Others are 0.
    """
    if tensor.type_name != "I32" or not tensor.name.endswith("_tid2eid.weight") or not tensor.shape[0]:
        yield from zeros(tensor.n_bytes)
        return
    row = struct.pack(f"<{tensor.shape[0]}i", *range(tensor.shape[0]))
    for _ in range(tensor.n_bytes // len(row)):
        yield memoryview(row)
