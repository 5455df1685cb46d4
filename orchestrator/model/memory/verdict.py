"""Whether a run fits the memory there is, and if not, what would."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from orchestrator.errors import LcppError
from orchestrator.machine.memory import Available
from orchestrator.model.memory.allocator import BufferPlan
from orchestrator.model.memory.estimate import Estimate, estimate
from orchestrator.model.memory.settings import MemorySettings
from orchestrator.model.memory.shape import Shape
from orchestrator.text.numbers import MIB, mib
from orchestrator.values import Value, replace

State = Literal["fits", "tight", "does not fit"]

# Less than this share of what is there, or less than so much, left over: other programs may need it any moment.
_SPARE_SHARE = 0.05
_SPARE_BYTES = 256 * 1024 * 1024
_STEP = 256
# Bits per weight of whole models, about, by the quantization's name.
_QUANTIZATIONS = (
    ("Q8_0", 8.5),
    ("Q6_K", 6.6),
    ("Q5_K_M", 5.7),
    ("Q4_K_M", 4.9),
    ("Q3_K_L", 4.3),
    ("Q3_K_M", 4.0),
    ("Q3_K_S", 3.6),
    ("Q2_K", 3.2),
    ("IQ2_XS", 2.6),
    ("IQ1_S", 2.0),
)


class FitError(LcppError):
    """The run needs more memory than there is."""


class Option(Value):
    """A change that would fit: the setting as one writes it in a recipe, and what the run needs then.

    value: the setting's value; None: it is no setting of the recipe (another file).
    """

    setting: str
    value: str | None
    needed_bytes: int

    @property
    def text(self) -> str:
        change = self.setting if self.value is None else f"{self.setting}: {self.value}"
        return f"{change} (needs {mib(self.needed_bytes)} MiB)"


class Fit(Value):
    """The verdict on a run: what it needs, what there is, and what would fit if it does not (best first)."""

    state: State
    estimate: Estimate
    available: Available
    options: tuple[Option, ...]

    @property
    def reason(self) -> str:
        """One sentence with the parts that matter."""
        need = self.estimate
        parts = (
            ("weights", need.weights_bytes),
            ("rearranged copies of weights", need.repacked_bytes),
            (f"KV cache for {need.n_ctx} tokens", need.kv_cache_bytes),
            ("recurrent state", need.state_bytes),
            ("compute buffer", need.compute_bytes),
            ("program and the rest", need.needed_bytes - need.loader_bytes + need.output_bytes),
        )
        listed = ", ".join(f"{name} {mib(size)} MiB" for name, size in parts if size >= MIB)
        return (
            f"the run needs {mib(need.needed_bytes)} MiB of memory ({listed}); "
            f"{mib(self.available.usable_bytes)} MiB are available ({self.available.why})"
        )


def judge(needed_bytes: int, usable_bytes: int) -> State:
    """Whether so much fits into so much: fits, tight (hardly anything is left), or does not fit."""
    if needed_bytes > usable_bytes:
        return "does not fit"
    return "tight" if usable_bytes - needed_bytes < _spare(usable_bytes) else "fits"


def _spare(usable_bytes: int) -> int:
    return max(_SPARE_BYTES, int(_SPARE_SHARE * usable_bytes))


def fit(shape: Shape, settings: MemorySettings, available: Available, reserved: BufferPlan | None = None) -> Fit:
    """The verdict on a run of a model of that shape, with what would fit where it does not.

    Args:
        reserved: what `reserve` gave for these settings, where it is there already.
    """
    need = estimate(shape, settings, reserved=reserved)
    state = judge(need.needed_bytes, available.usable_bytes)
    options = tuple(_options(shape, settings, need, available)) if state == "does not fit" else ()
    return Fit(state=state, estimate=need, available=available, options=options)


def refuse(verdict: Fit) -> None:
    """Raise when the run cannot fit.

    Raises:
        FitError: with what is needed by part, what is there, and what would fit.
    """
    if verdict.state != "does not fit":
        return
    listed = " or ".join(option.text for option in verdict.options)
    instead = f"{listed} would fit" if listed else "a smaller model would fit"
    raise FitError(
        verdict.reason,
        where="run.n_ctx" if any(option.setting == "run.n_ctx" for option in verdict.options) else "model",
        hint=f"{instead}; --force runs it all the same",
    )


def _options(shape: Shape, settings: MemorySettings, need: Estimate, available: Available) -> Iterator[Option]:
    usable = available.usable_bytes - _spare(available.usable_bytes)
    n_ctx = _largest_context(shape, settings, need.n_ctx, usable)
    if n_ctx:
        yield Option(setting="run.n_ctx", value=str(n_ctx), needed_bytes=_needed(shape, replace(settings, n_ctx=n_ctx)))
    for kind in ("q8_0", "q4_0"):
        smaller = replace(settings, type_k=kind, type_v=kind, flash_attn=True)
        needed = _needed(shape, smaller)
        if "q" not in settings.type_k and needed <= usable:
            value = f"{kind}, run.type_v: {kind}, run.flash_attn: on"
            yield Option(setting="run.type_k", value=value, needed_bytes=needed)
            break
    rest = need.needed_bytes - need.weights_bytes - need.repacked_bytes
    now = 8 * need.weights_bytes / max(shape.n_params, 1)
    for name, bits in _QUANTIZATIONS:
        needed = rest + int(bits * shape.n_params / 8)
        if bits < now * 0.97 and needed <= usable:
            yield Option(setting=f"a {name} file of this model", value=None, needed_bytes=needed)
            break


def _needed(shape: Shape, settings: MemorySettings) -> int:
    return estimate(shape, settings, quick=True).needed_bytes


def _largest_context(shape: Shape, settings: MemorySettings, n_ctx: int, usable: int) -> int:
    """The largest context below `asked`, in steps of 256 tokens, that fits; 0: none does, or it cannot be set."""
    if settings.fixed_context:
        return 0
    low, high = 0, n_ctx // _STEP
    while low < high:
        middle = (low + high + 1) // 2
        if _needed(shape, replace(settings, n_ctx=middle * _STEP)) <= usable:
            low = middle
        else:
            high = middle - 1
    return low * _STEP
