"""A against B: two sets of measurements, what differs between them, and what may be concluded from it.

Pure: it reads no file. `Comparison` is a public document with a published JSON Schema; names of machines and models,
settings and texts in it come from strangers: escape them before they are printed.
"""

import math
import statistics as plain
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from orchestrator.errors import UsageError
from orchestrator.piece import Piece
from orchestrator.result.compare.comparable import Differing, differing, environment
from orchestrator.result.compare.statistics import (
    CONFIDENCE,
    DIFFERENCE_CONFIDENCE,
    MINIMUM_RUNS,
    Ratio,
    Summary,
    paired_ratio,
    summarise,
    unpaired_ratio,
)
from orchestrator.result.compare.text import TextDifference, compare_text
from orchestrator.result.measurement import Measurement
from orchestrator.result.registry import N_GEN, N_PROMPT, Figure, comparable, deciding, shown_in

MARGIN = 0.03
# Whoever looks after every round and stops at the first verdict has many chances to be wrong: each look wants more.
LOOK_CONFIDENCE = 0.99
# So have many figures of which only one decides.
_BESIDE_CONFIDENCE = 0.998

Verdict = Literal["faster", "slower", "less", "more", "same", "undecided"]

_EXAMPLES = 5
_LONGEST = 300


class Side(Piece):
    """A or B: what was selected. Where its runs differ in a thing that may differ, all values are named."""

    n_runs: int
    n_counted: Annotated[int, Field(description="Runs that statistics use.")]
    left_out: Annotated[dict[str, int], Field(description="failed, warm-up, disturbed: how many runs.")]
    disturbances: Annotated[tuple[str, ...], Field(description="Why runs are marked as disturbed; at most five.")] = ()
    names: Annotated[tuple[str, ...], Field(description="Of the recipes.")] = ()
    settings: Annotated[dict[str, str], Field(description="What sets the case apart in its experiment.")] = {}
    commits: tuple[str, ...] = ()
    build_numbers: tuple[int, ...] = ()
    programs: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()
    first_at: Annotated[str | None, Field(description="Start of its first run, UTC, ISO 8601.")] = None
    last_at: str | None = None


class FigureComparison(Piece):
    """One figure of A and of B."""

    name: Annotated[str, Field(description="As in a result's `measured`.")]
    label: str
    unit: str
    lower_is_better: bool
    a: Summary | None
    b: Summary | None
    ratio: Annotated[Ratio | None, Field(description="B/A.")]
    verdict: Annotated[Verdict, Field(description="Of B.")]
    why: Annotated[str | None, Field(description="Of an undecided one.")] = None
    resolution: Annotated[
        float | None,
        Field(description="The smallest change (0.05: 5 %) that such runs get a verdict for in 9 of 10 comparisons."),
    ] = None

    @property
    def is_worse(self) -> bool:
        """Slower, or more of what should be little."""
        return self.verdict in ("slower", "more")


class TextComparison(Piece):
    """Whether A and B generated the same text."""

    state: Annotated[
        Literal["same", "different", "unsteady", "unknown"],
        Field(description="unsteady: one side by itself gave several texts. unknown: see `why`."),
    ]
    why: str | None = None
    n_a: Annotated[int, Field(description="Different texts of A.")] = 0
    n_b: int = 0
    example_a: Annotated[str | None, Field(description="Id of a run of A with another text than `example_b`.")] = None
    example_b: str | None = None
    difference: TextDifference | None = None


class Comparison(Piece):
    """A against B."""

    lcpp_comparison: Literal[1] = 1
    verdict: Annotated[Verdict, Field(description="Of B, by the deciding figure.")]
    decides: Annotated[str | None, Field(description="Name of the deciding figure; None when both have none.")]
    margin: Annotated[float, Field(description="A ratio from 1/(1 + margin) to 1 + margin counts as the same.")]
    confidence: float
    figures: tuple[FigureComparison, ...]
    a: Side
    b: Side
    differing: Annotated[tuple[Differing, ...], Field(description="In what they differ by intent.")]
    environment: Annotated[tuple[Differing, ...], Field(description="What differs besides: compiler, kernel, …")]
    text: TextComparison
    notes: tuple[str, ...] = ()

    @property
    def main(self) -> FigureComparison | None:
        """The deciding figure."""
        return next((figure for figure in self.figures if figure.name == self.decides), None)

    @property
    def is_worse(self) -> bool:
        """B is worse than A by more than the margin: a gate closes."""
        return self.main is not None and self.main.is_worse


def compare(
    a: Sequence[Measurement],
    b: Sequence[Measurement],
    *,
    margin: float = MARGIN,
    allow: frozenset[str] = frozenset(),
    figure: str | None = None,
    confidence: float = CONFIDENCE,
) -> Comparison:
    """Compare two sets of measurements. Those that do not count are left out and counted.

    Args:
        margin: a change of less than this share is none, above 0.
        allow: keys that may differ (or all below a key): `run.n_threads`, `machine`, `model`, …
        figure: the one that decides; else token generation, prompt processing or wall time, the first that both have.
        confidence: of all intervals, 0 to 1.

    Raises:
        IncomparableError: they differ in more than what is to be compared.
        UsageError: there is no such figure, or no such margin.
    """
    if not 0 < margin < 10:
        raise UsageError(f"a margin of {margin:g} says nothing", hint="give a share such as 3%")
    chosen = None if figure is None else comparable(figure)
    counted_a, counted_b = ([run for run in side if run.counts] for side in (a, b))
    # Also before the first quiet run it shows that two sets will never be comparable.
    differs = differing(counted_a or a, counted_b or b, allow)
    figures, main = _figures(counted_a, counted_b, chosen, margin, confidence)
    return Comparison(
        verdict="undecided" if main is None else main.verdict,
        decides=None if main is None else main.name,
        margin=margin,
        confidence=confidence,
        figures=figures,
        a=_side(a),
        b=_side(b),
        differing=differs,
        environment=environment(counted_a, counted_b),
        text=_text(a, b),
        notes=tuple(_notes(counted_a, counted_b, main)),
    )


def decided(comparison: Comparison) -> bool:
    """Whether to stop after a look: the verdict also holds with the confidence that a look needs.

    Between looks nothing else may depend on the verdicts. The last comparison, whether it was decided or the budget was
    spent, is at the usual confidence: then it says the same as the look that stopped, or more than it.
    """
    main = comparison.main
    if main is None or main.ratio is None:
        return False
    return _judged(main, comparison.margin, LOOK_CONFIDENCE, LOOK_CONFIDENCE).verdict != "undecided"


def with_texts(comparison: Comparison, text_a: str, text_b: str) -> Comparison:
    """The comparison with the place where the two example texts part."""
    text = comparison.text.model_copy(update={"difference": compare_text(text_a, text_b)})
    return comparison.model_copy(update={"text": text})


def json_schema() -> dict[str, Any]:
    """The comparison format as a JSON Schema (draft 2020-12)."""
    schema = Comparison.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "lcpp comparison"}


def _figures(
    a: Sequence[Measurement], b: Sequence[Measurement], chosen: Figure | None, margin: float, confidence: float
) -> tuple[tuple[FigureComparison, ...], FigureComparison | None]:
    """All figures that a side has, and the one of them that decides."""
    shown = shown_in("comparisons")
    if chosen is not None and chosen not in shown:
        shown = (chosen, *shown)
    compared = {
        figure.name: comparison
        for figure in shown
        if (comparison := _figure(figure, a, b, margin, confidence)) is not None
    }
    both = [name for name, comparison in compared.items() if comparison.ratio is not None]
    main = next((figure.name for figure in ((chosen,) if chosen else deciding()) if figure.name in both), None)
    if main is None:
        return tuple(compared.values()), None
    # What one looks at first is one figure: no correction for many.
    compared[main] = _judged(compared[main], margin, confidence, DIFFERENCE_CONFIDENCE)
    return tuple(compared.values()), compared[main]


def _figure(
    figure: Figure, a: Sequence[Measurement], b: Sequence[Measurement], margin: float, confidence: float
) -> FigureComparison | None:
    """None when neither side has it."""
    values_a, values_b = _values(a, figure.name), _values(b, figure.name)
    if not values_a and not values_b:
        return None
    ratio = _ratio(a, b, figure, confidence)
    resolution = None
    if ratio is not None and ratio.smallest_detectable is not None and ratio.n >= MINIMUM_RUNS:
        resolution = (1 + margin) * (1 + ratio.smallest_detectable) - 1
    unjudged = FigureComparison(
        name=figure.name,
        label=figure.label,
        unit=figure.unit,
        lower_is_better=figure.lower_is_better,
        a=summarise(values_a) if values_a else None,
        b=summarise(values_b) if values_b else None,
        ratio=ratio,
        verdict="undecided",
        resolution=resolution,
    )
    return _judged(unjudged, margin, confidence, _BESIDE_CONFIDENCE)


def _judged(comparison: FigureComparison, margin: float, confidence: float, of_difference: float) -> FigureComparison:
    """With its verdict: "same" with one confidence, a difference with another."""
    verdict, why = _verdict(comparison.ratio, margin, comparable(comparison.name), confidence, of_difference)
    return comparison.model_copy(update={"verdict": verdict, "why": why})


def _values(side: Sequence[Measurement], name: str) -> list[float]:
    return [value for run in side if (value := run.figures.get(name)) is not None and math.isfinite(value)]


def _ratio(a: Sequence[Measurement], b: Sequence[Measurement], figure: Figure, confidence: float) -> Ratio | None:
    rounds = _rounds(a, b, figure.name)
    if rounds is not None:
        return paired_ratio(*rounds, confidence=confidence, step=figure.step)
    return unpaired_ratio(_values(a, figure.name), _values(b, figure.name), confidence=confidence, step=figure.step)


def _rounds(a: Sequence[Measurement], b: Sequence[Measurement], name: str) -> tuple[list[float], list[float]] | None:
    """The figure of both sides by round, where most runs have a partner in their round; else None."""
    if not _in_turns(a, b):
        return None
    by_round_a, by_round_b = _by_round(a, name), _by_round(b, name)
    common = sorted(by_round_a.keys() & by_round_b.keys())
    if 2 * len(common) < max(len(by_round_a), len(by_round_b)):
        return None
    return [by_round_a[number] for number in common], [by_round_b[number] for number in common]


def _in_turns(a: Sequence[Measurement], b: Sequence[Measurement]) -> bool:
    experiments = {run.experiment for run in (*a, *b)}
    return len(experiments) == 1 and experiments != {None}


def _by_round(side: Sequence[Measurement], name: str) -> Mapping[int, float]:
    rounds: dict[int, list[float]] = {}
    for run in side:
        value = run.figures.get(name)
        if value is not None and math.isfinite(value) and value > 0:
            rounds.setdefault(run.round, []).append(value)
    return {number: plain.geometric_mean(values) for number, values in rounds.items()}


def _verdict(
    ratio: Ratio | None, margin: float, figure: Figure, confidence: float, of_difference: float
) -> tuple[Verdict, str | None]:
    """The verdict on B, and why there is none."""
    if ratio is None:
        return "undecided", "not measured on both sides"
    if ratio.n < MINIMUM_RUNS:
        return "undecided", f"{MINIMUM_RUNS} runs of each are needed, there {'is' if ratio.n == 1 else 'are'} {ratio.n}"
    ends, wide = ratio.interval(confidence), ratio.interval(max(confidence, of_difference))
    if ends is None or wide is None:
        return "undecided", "a single run has no spread"
    least, most = 1 / (1 + margin), 1 + margin
    if least <= ends[0] and ends[1] <= most:
        return "same", None
    if wide[1] < least:
        return figure.smaller, None
    if wide[0] > most:
        return figure.larger, None
    interval = f"a ratio from {wide[0]:.3f} to {wide[1]:.3f} ({100 * max(confidence, of_difference):g} % interval)"
    return "undecided", f"{interval} reaches across the margin: more runs or less noise"


def _side(side: Sequence[Measurement]) -> Side:
    left_out: dict[str, int] = {}
    for run in side:
        reason = "failed" if run.status == "failed" else "warm-up" if run.warmup else "disturbed"
        if not run.counts:
            left_out[reason] = left_out.get(reason, 0) + 1
    starts = sorted(run.started_at for run in side)
    apart = side[0].case_settings if side and len({tuple(run.case_settings.items()) for run in side}) == 1 else {}
    return Side(
        n_runs=len(side),
        n_counted=sum(run.counts for run in side),
        left_out=left_out,
        disturbances=_unique(reason for run in side if not run.warmup for reason in run.disturbed)[:_EXAMPLES],
        names=_unique(run.name for run in side),
        settings={key[:_LONGEST]: value[:_LONGEST] for key, value in apart.items()},
        commits=_unique(run.commit for run in side if run.commit is not None),
        build_numbers=tuple(sorted({run.build_number for run in side if run.build_number is not None})),
        programs=_unique(run.program for run in side),
        models=_unique(run.model_name for run in side),
        machines=_unique(run.machine_name for run in side),
        first_at=starts[0] if starts else None,
        last_at=starts[-1] if starts else None,
    )


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value[:_LONGEST] for value in values))


def _text(a: Sequence[Measurement], b: Sequence[Measurement]) -> TextComparison:
    """Noise and warming up do not change a text, so all runs that did not fail have a say."""
    texts_a, texts_b = _texts(a), _texts(b)
    if not texts_a or not texts_b:
        dummy = any(run.dummy for run in (*a, *b))
        why = "dummy weights write no text" if dummy else "not both have a text"
        return TextComparison(state="unknown", why=why, n_a=len(texts_a), n_b=len(texts_b))
    if not all(_is_greedy(run) for run in (*a, *b)):
        why = "the sampling is not greedy"
        return TextComparison(state="unknown", why=why, n_a=len(texts_a), n_b=len(texts_b))
    example_a, example_b = next(
        ((id_a, id_b) for hash_a, id_a in texts_a.items() for hash_b, id_b in texts_b.items() if hash_a != hash_b),
        (None, None),
    )
    steady = len(texts_a) == len(texts_b) == 1
    state: Literal["same", "different", "unsteady"] = "same"
    if not texts_a.keys() & texts_b.keys():
        state = "different"
    elif not steady:
        state = "unsteady"
    return TextComparison(state=state, n_a=len(texts_a), n_b=len(texts_b), example_a=example_a, example_b=example_b)


def _texts(side: Sequence[Measurement]) -> dict[str, str]:
    """The hashes of its texts, each with the id of a run that wrote it."""
    texts: dict[str, str] = {}
    for run in side:
        if run.text_sha256 is not None and run.status != "failed" and not run.dummy:
            texts.setdefault(run.text_sha256, run.id)
    return texts


def _is_greedy(run: Measurement) -> bool:
    try:
        return float(run.settings.get("run.sampling.temperature", "0")) == 0
    except ValueError:
        return False


def _notes(a: Sequence[Measurement], b: Sequence[Measurement], main: FigureComparison | None) -> Iterator[str]:
    if a and b and not _in_turns(a, b):
        yield (
            "A and B did not run in turns: what changed on the machine between them counts as their difference. "
            "`lcpp compare RECIPE -a … -b …` runs them in turns"
        )
    elif main is not None and main.ratio is not None and main.a is not None and main.b is not None:
        alone = (main.a.n - main.ratio.n, main.b.n - main.ratio.n)
        if main.ratio.paired and any(alone):
            yield f"without a partner in their round, and not in the ratio: {alone[0]} of A, {alone[1]} of B"
    for count in (N_GEN, N_PROMPT):
        values_a, values_b = _values(a, count.name), _values(b, count.name)
        if values_a and values_b and (of_a := plain.median(values_a)) != (of_b := plain.median(values_b)):
            numbers = f"A {of_a:g}, B {of_b:g}"
            yield f"not the same number of {count.label}: {numbers}; wall and CPU time are of different work"
    if any(run.status == "unexpected" for run in (*a, *b)):
        n_a, n_b = (sum(run.status == "unexpected" for run in side) for side in (a, b))
        yield f"runs that did not meet what their recipe expects: {n_a} of A, {n_b} of B; they count"
    if any(run.dummy for run in (*a, *b)):
        yield "on dummy weights: speed and memory are real, there is no text"
