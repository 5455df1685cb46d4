"""Which type `llama-quantize` gives each tensor of a model, by the name of the mix (`Q3_K_L`, `Q4_K_M`, …).

A port of the rules in `llama_tensor_get_type` (llama.cpp's src/llama-quant.cpp; the same in 2024 and 2026 for what is
here), without an importance matrix.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.errors import UsageError
from orchestrator.values import Value

# The type that most tensors get, and the number in `general.file_type`.
MIXES = {
    "F16": ("F16", 1),
    "BF16": ("BF16", 32),
    "Q8_0": ("Q8_0", 7),
    "Q6_K": ("Q6_K", 18),
    "Q5_K_M": ("Q5_K", 17),
    "Q5_K_S": ("Q5_K", 16),
    "Q4_K_M": ("Q4_K", 15),
    "Q4_K_S": ("Q4_K", 14),
    "Q4_0": ("Q4_0", 2),
    "Q4_1": ("Q4_1", 3),
    "Q5_0": ("Q5_0", 8),
    "Q5_1": ("Q5_1", 9),
    "Q3_K_L": ("Q3_K", 13),
    "Q3_K_M": ("Q3_K", 12),
    "Q3_K_S": ("Q3_K", 11),
    "Q2_K": ("Q2_K", 10),
    "IQ4_XS": ("IQ4_XS", 30),
    "IQ4_NL": ("IQ4_NL", 25),
    "MXFP4_MOE": ("MXFP4", 38),
}
# What a tensor gets whose rows are no multiple of 256 (since 2026, Q2_K and Q3_K give way to Q4_0, of the same size).
_FALLBACKS = {"Q2_K": "IQ4_NL", "Q3_K": "IQ4_NL", "IQ4_XS": "IQ4_NL", "Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"}


class MixFacts(Value):
    """What the rules ask about a model. `n_gqa`: query heads for each key head; `n_expert` is 0 without experts."""

    n_layer: int
    n_gqa: int
    n_expert: int
    tied: bool


def check_mix(mix: str) -> str:
    """`mix` in upper case.

    Raises:
        UsageError: it is not known here.
    """
    if mix.upper() not in MIXES:
        raise UsageError(f"the quantization {mix} is not known", hint=f"one of {', '.join(MIXES)}")
    return mix.upper()


def tensor_type(mix: str, name: str, shape: Sequence[int], facts: MixFacts) -> str:
    """The type of one tensor in a mix (one of `MIXES`)."""
    if len(shape) < 2 or "ffn_gate_inp" in name or "_norm" in name:
        return "F32"
    base = MIXES[mix][0]
    if base in ("F16", "BF16"):
        return base
    mixed = _mixed_type(mix, base, name, shape, facts)
    return mixed if shape[0] % 256 == 0 else _FALLBACKS.get(mixed, mixed)


def _mixed_type(mix: str, base: str, name: str, shape: Sequence[int], facts: MixFacts) -> str:
    if name == "output.weight" or (facts.tied and name == "token_embd.weight"):
        return "Q8_0" if mix in ("Q8_0", "MXFP4_MOE") else "Q6_K"
    if mix == "MXFP4_MOE":
        return "MXFP4" if len(shape) > 2 else "Q8_0"
    if name == "token_embd.weight":
        return base
    layer = int(name.split(".")[1])
    if "attn_v.weight" in name:
        return "Q8_0" if facts.n_expert == 8 else _of_values(mix, base, layer, facts)
    if "attn_k.weight" in name and facts.n_expert == 8:
        return "Q8_0"
    if "ffn_down" in name:
        return _of_ffn_down(mix, base, layer, facts)
    if "attn_output.weight" in name:
        return _of_attention_output(mix, base, facts)
    return base


def _of_values(mix: str, base: str, layer: int, facts: MixFacts) -> str:
    grouped = facts.n_gqa >= 4
    if mix in ("Q4_K_M", "Q5_K_M"):
        return "Q6_K" if _more_bits(layer, facts.n_layer) else base
    if mix == "Q3_K_M":
        return "Q5_K" if layer < 2 else "Q4_K"
    if mix == "Q4_K_S":
        return "Q5_K" if layer < 4 else base
    if mix in ("IQ4_NL", "IQ4_XS"):
        return "Q5_K" if grouped else base
    if mix == "Q2_K":
        return "Q4_K" if grouped else "Q3_K"
    return "Q5_K" if mix == "Q3_K_L" else base


def _of_ffn_down(mix: str, base: str, layer: int, facts: MixFacts) -> str:
    n_layer = facts.n_layer
    if mix in ("Q4_K_M", "Q5_K_M"):
        return "Q6_K" if _more_bits(layer, n_layer) else base
    if mix in ("Q4_K_S", "IQ4_NL", "IQ4_XS"):
        return "Q5_K" if layer < n_layer // 8 else base
    if mix == "Q3_K_M":
        return "Q5_K" if layer < n_layer // 16 else "Q4_K"
    return {"Q2_K": "Q3_K", "Q3_K_L": "Q5_K"}.get(mix, base)


def _of_attention_output(mix: str, base: str, facts: MixFacts) -> str:
    if facts.n_expert == 8:
        raised = ("Q2_K", "Q3_K_S", "Q3_K_M", "IQ4_NL", "Q4_K_S", "Q4_K_M", "IQ4_XS")
        return "Q5_K" if mix in raised else base
    return {"Q2_K": "Q3_K", "Q3_K_M": "Q4_K", "Q3_K_L": "Q5_K"}.get(mix, base)


def _more_bits(layer: int, n_layer: int) -> bool:
    return layer < n_layer // 8 or layer >= 7 * n_layer // 8 or (layer - n_layer // 8) % 3 == 2
