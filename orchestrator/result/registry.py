"""The one registry of figures: what each number is that a run gives, how it is compared, and where it is shown.

Every list of figures (columns of the store and of exports, comparisons, tables, plots, the schema, docs/results.md) is
a view of it. A new figure is an entry here, a field of `Measured` where it stands in a result's `measured`, and the
code that measures it; nothing else.
"""

from __future__ import annotations

import math
from typing import Literal

from orchestrator.errors import UsageError
from orchestrator.text.numbers import MIB
from orchestrator.values import Value, replace

Kind = Literal["count", "rate", "time", "size", "share", "score"]
# What is shown in histories is shown of cases too, and what is shown of cases is compared unasked.
Shown = Literal["histories", "cases", "comparisons"]
_SHOWN: tuple[Shown, ...] = ("histories", "cases", "comparisons")
_LONGEST_NAME = 100


class Figure(Value):
    """A number that a run gives.

    Args:
        name: in results, the store, exports, filters and on the command line.
        kind: rate: work a second; score: of what was computed, not of how fast.
        unit: tokens/s, tokens, ms, s, bytes, MiB, or nothing.
        label: for people.
        meaning: a sentence for the schema and docs/results.md.
        places: where a result has it, by attributes; the first that is known counts.
        record_place: where the record has it, or says why it is missing; None: it is made of several.
        better: whether B is better with more or with less of it; None: two runs are not compared by it.
        step: what programs round it to when they print it, in its unit.
        rank: the place among those that people look for first, from 1.
        shown: the narrowest place where it is shown without being asked for; None: only by its name.
        decides: it may decide a comparison: the first by rank that both sides have.
        heading: a shorter label for a column; the label when None.
        besides: what a report calls it where it got worse although another figure decides; None: it says nothing.
        n_tokens: the figure that counts the tokens of this rate.
        has_column: it has a column of its own in the store; others lie together in one.
    """

    name: str
    kind: Kind
    unit: str
    label: str
    meaning: str
    places: tuple[str, ...]
    record_place: str | None = None
    better: Literal["more", "less"] | None = None
    step: float = 0.0
    rank: int = 99
    shown: Shown | None = None
    decides: bool = False
    heading: str | None = None
    besides: str | None = None
    n_tokens: str | None = None
    has_column: bool = False

    @property
    def lower_is_better(self) -> bool:
        """Whether less of it is good news."""
        return self.better == "less"

    @property
    def smaller(self) -> Literal["slower", "faster", "less"]:
        """What to call B when its figure is the smaller one."""
        return "slower" if self.kind == "rate" else "faster" if self.kind == "time" else "less"

    @property
    def larger(self) -> Literal["faster", "slower", "more"]:
        """What to call B when its figure is the larger one."""
        return "faster" if self.kind == "rate" else "slower" if self.kind == "time" else "more"

    @property
    def column(self) -> str:
        """For the head of a column."""
        return self.heading or self.label

    @property
    def divisor(self) -> int:
        """What to divide it by to have it in `shown_unit`."""
        return MIB if self.unit == "bytes" else 1

    @property
    def shown_unit(self) -> str:
        """The unit in which people read it."""
        return "MiB" if self.unit == "bytes" else self.unit

    def value(self, result: object) -> float | None:
        """It, of a `Result` (which stands above this module); None where it is not known."""
        for place in self.places:
            value: object = result
            for name in place.split("."):
                value = getattr(value, name, None)
            if isinstance(value, (int, float)) and math.isfinite(value):
                return float(value)
        return None


def _speed(name: str, label: str, meaning: str, record_place: str, rank: int, n_tokens: Figure) -> Figure:
    return Figure(
        name=name,
        kind="rate",
        unit="tokens/s",
        label=label,
        meaning=meaning,
        places=(f"measured.{name}",),
        record_place=f"timings.{record_place}.tokens_per_second",
        better="more",
        step=0.01,
        rank=rank,
        shown="histories",
        decides=True,
        heading=name.removesuffix("_per_second"),
        n_tokens=n_tokens.name,
        has_column=True,
    )


def _duration_ms(name: str, label: str, meaning: str, record_place: str) -> Figure:
    return Figure(
        name=name,
        kind="time",
        unit="ms",
        label=label,
        meaning=meaning,
        places=(f"measured.{name}",),
        record_place=f"timings.{record_place}.ms",
        better="less",
        step=0.01,
        has_column=True,
    )


def _buffers_mib(name: str, label: str, meaning: str, heading: str | None = None) -> Figure:
    return Figure(
        name=name,
        kind="size",
        unit="MiB",
        label=label,
        meaning=meaning,
        places=(f"measured.{name}",),
        better="less",
        step=0.01,
        heading=heading,
        has_column=True,
    )


def _share(name: str, label: str, meaning: str, place: str) -> Figure:
    return Figure(name=name, kind="share", unit="", label=label, meaning=meaning, places=(place,), has_column=True)


N_PROMPT = Figure(
    name="n_prompt",
    kind="count",
    unit="tokens",
    label="prompt tokens",
    meaning="Prompt tokens that were processed.",
    places=("measured.n_prompt",),
    record_place="timings.prompt_eval.n",
    has_column=True,
)
N_GEN = Figure(
    name="n_gen",
    kind="count",
    unit="tokens",
    label="generated tokens",
    meaning="Generated tokens.",
    places=("measured.n_gen",),
    record_place="timings.eval.n",
    has_column=True,
)
PROMPT = _speed("prompt_per_second", "prompt processing", "Prompt processing.", "prompt_eval", 2, N_PROMPT)
GENERATION = _speed("generation_per_second", "token generation", "Token generation.", "eval", 1, N_GEN)
LOAD = replace(
    _duration_ms("load_ms", "load time", "Loading the model, as the program reports it.", "load"),
    rank=3,
    shown="cases",
    heading="load",
    besides="load time",
)
PEAK_MEMORY = Figure(
    name="peak_memory_bytes",
    kind="size",
    unit="bytes",
    label="peak memory",
    meaning="The program's own memory at its largest (VmHWM).",
    # A transcript that is parsed again has no process; its result may.
    places=("measured.peak_memory_bytes", "ran.process.peak_memory_bytes"),
    better="less",
    rank=4,
    shown="cases",
    besides="memory",
    has_column=True,
)
WALL = Figure(
    name="wall_s",
    kind="time",
    unit="s",
    label="wall time",
    meaning="From the program's start to its end, by lcpp's own clock.",
    places=("ran.process.wall_s",),
    better="less",
    rank=5,
    shown="comparisons",
    decides=True,
    has_column=True,
)
CPU = Figure(
    name="cpu_s",
    kind="time",
    unit="s",
    label="CPU time",
    meaning="Of all threads of the program, as the kernel counts it.",
    places=("ran.process.cpu_s",),
    better="less",
    step=0.01,
    rank=6,
    shown="comparisons",
    has_column=True,
)
PERPLEXITY = Figure(
    name="perplexity",
    kind="score",
    unit="",
    label="perplexity",
    meaning="Of the text that the recipe gives: how surprised the model is, the less the better.",
    places=("record.perplexity.estimate",),
    better="less",
    step=0.0001,
    rank=7,
    shown="comparisons",
    has_column=True,
)

# In the order of `Measured` and of the store's columns.
FIGURES: dict[str, Figure] = {
    figure.name: figure
    for figure in (
        N_PROMPT,
        N_GEN,
        PROMPT,
        GENERATION,
        LOAD,
        _duration_ms("prompt_ms", "prompt time", "Processing the prompt.", "prompt_eval"),
        _duration_ms("generation_ms", "generation time", "Generating the tokens.", "eval"),
        _duration_ms("sample_ms", "sampling time", "Choosing the tokens.", "sample"),
        _duration_ms("total_ms", "total time", "All that the program counts together.", "total"),
        Figure(
            name="n_ctx",
            kind="count",
            unit="tokens",
            label="context",
            meaning="As the program reports it.",
            places=("measured.n_ctx",),
            has_column=True,
        ),
        _buffers_mib("weights_mib", "weights", "The buffers of the weights, as the loader prints them."),
        _buffers_mib("kv_cache_mib", "KV cache", "The KV cache, as the loader prints it."),
        _buffers_mib("compute_mib", "compute buffers", "The compute buffers, as the loader prints them.", "compute"),
        _buffers_mib("output_mib", "output buffers", "The output buffers, as the loader prints them.", "output"),
        PEAK_MEMORY,
        WALL,
        CPU,
        PERPLEXITY,
        _share(
            "bandwidth_share",
            "share of the memory bandwidth",
            "Bytes that were read a second, as a share of what this machine can read.",
            "limits.generation.bandwidth_share",
        ),
        _share(
            "arithmetic_share",
            "share of the peak arithmetic",
            "Operations a second on the prompt, as a share of what this machine can do.",
            "limits.prompt.arithmetic_share",
        ),
    )
}


def figures_of(result: object) -> dict[str, float]:
    """All figures of a `Result` that are known."""
    return {name: value for name, figure in FIGURES.items() if (value := figure.value(result)) is not None}


def columns() -> tuple[str, ...]:
    """The figures that have a column of their own in the store."""
    return tuple(name for name, figure in FIGURES.items() if figure.has_column)


def shown_in(place: Shown) -> tuple[Figure, ...]:
    """The figures that a place shows without being asked for, the most looked for first."""
    widest = _SHOWN.index(place)
    chosen = (f for f in FIGURES.values() if f.shown is not None and _SHOWN.index(f.shown) <= widest)
    return tuple(sorted(chosen, key=lambda figure: figure.rank))


def deciding() -> tuple[Figure, ...]:
    """The figures that may decide a comparison; the first that both sides have does."""
    return tuple(sorted((f for f in FIGURES.values() if f.decides), key=lambda figure: figure.rank))


def comparable(name: str) -> Figure:
    """The figure of that name, by which two runs can be compared.

    Raises:
        UsageError: there is none.
    """
    figure = FIGURES.get(name)
    if figure is None or figure.better is None:
        known = ", ".join(shown.name for shown in shown_in("comparisons"))
        raise UsageError(f"no figure to compare by: {name[:_LONGEST_NAME]!r}", hint=f"one of {known}")
    return figure


def documentation() -> str:
    """The table of docs/results.md."""
    rows = (
        f"| `{figure.name}` | {figure.unit or '–'} | {figure.better or '–'} | {figure.meaning} |"
        for figure in FIGURES.values()
    )
    return "\n".join(("| figure | unit | better | what it is |", "|---|---|---|---|", *rows))
