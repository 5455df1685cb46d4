"""A against B: verdicts, refusals, texts, and what the documents say."""

from __future__ import annotations

import json
import math
import re
import time
from typing import Any

import jsonschema
import numpy as np
import pytest
from markdown_it import MarkdownIt

from orchestrator.errors import IncomparableError, LcppError, UsageError
from orchestrator.result.compare.comparison import Comparison, Side, compare, decided, json_schema, with_texts
from orchestrator.result.compare.markdown import change, headline, markdown
from orchestrator.result.measurement import Measurement
from orchestrator.values import replace
from tests.result.measured import one, side, turns
from tests.thorough import repeats

_HOSTILE = "<script>x</script> | @someone #1 [a](http://x) ![i](http://y) `code` **b** \x1b[31m \u202e\r\n| x |\n# h"


def verdict_of(a: list[float], b: list[float], **changes: Any) -> str:
    return compare(side(a), side(b, 1000), **changes).verdict


def adaptive(a: list[Measurement], b: list[Measurement], at_most: int = 15) -> Comparison:
    """As `lcpp compare` does it: a look after every round until it is decided."""
    for n in range(1, at_most + 1):
        found = compare(a[:n], b[:n])
        if decided(found):
            break
    return found


# Verdicts


def test_clear_cases() -> None:
    a = [100.0, 101, 99, 100, 100.5, 99.5]
    assert verdict_of(a, [value * 0.9 for value in a]) == "slower"
    assert verdict_of(a, [value * 1.1 for value in a]) == "faster"
    assert verdict_of(a, [value * 1.001 for value in a]) == "same"
    assert verdict_of(a, [60.0, 180, 90, 110, 70, 140]) == "undecided"


def test_the_whole_interval_must_be_beyond_the_margin() -> None:
    a, b = [100.0] * 6, [96.0, 95, 94, 96, 95, 94]
    assert verdict_of(a, b, margin=0.02) == "slower"
    # The 95 % interval would do; a difference wants 99 %.
    assert verdict_of(a, b, margin=0.03) == "undecided"
    assert verdict_of(a, b, margin=0.05) == "undecided"
    assert verdict_of(a, b, margin=0.10) == "same"


def test_a_drift_that_both_share_does_not_matter() -> None:
    drift = [100.0, 80, 60, 50, 70, 90]
    assert verdict_of(drift, [value * 0.99 for value in drift]) == "same"
    # Had they not run in turns, nobody could know.
    a = [replace(measured, experiment="other") for measured in side(drift)]
    found = compare(a, side([value * 0.99 for value in drift], 1000))
    assert found.verdict == "undecided"
    assert any("in turns" in note for note in found.notes)


def test_four_runs_are_too_few() -> None:
    found = compare(side([100.0] * 4), side([50.0] * 4, 1000))
    assert found.verdict == "undecided"
    assert found.main is not None
    assert found.main.why == "5 runs of each are needed, there are 4"
    assert found.main.ratio is not None
    assert found.main.ratio.ratio == pytest.approx(0.5)
    assert not decided(found)


@pytest.mark.parametrize("sd", [0.01, 0.03, 0.05])
def test_a_against_a_is_never_faster_or_slower(sd: float) -> None:
    """Comparisons stopped at the first verdict, some runs slowed down by something that nobody noticed."""
    rng = np.random.default_rng(20)
    for _ in range(repeats(6, 20)):
        found = adaptive(*turns(rng, 15, sd=sd, outliers=0.05))
        assert found.verdict in ("same", "undecided")
        assert found.main is not None
        assert found.main.resolution is not None
        assert found.main.resolution > 0.03


@pytest.mark.parametrize("sd", [0.01, 0.03])
def test_a_tenth_slower_is_found_within_15_rounds(sd: float) -> None:
    rng = np.random.default_rng(10)
    found = [adaptive(*turns(rng, 15, slower=0.1, sd=sd, outliers=0.02)).verdict for _ in range(repeats(10, 30))]
    assert found.count("slower") >= 0.9 * len(found)
    assert set(found) <= {"slower", "undecided"}


def test_five_percent_are_never_the_same() -> None:
    rng = np.random.default_rng(5)
    for sd in (0.01, 0.03, 0.05):
        for _ in range(repeats(6, 20)):
            assert adaptive(*turns(rng, 15, slower=0.05, sd=sd)).verdict in ("slower", "undecided")


def test_a_look_wants_more_than_the_last_comparison() -> None:
    """And what a look decides, the last comparison says too: its interval lies within that of the look."""
    rng = np.random.default_rng(8)
    stricter = 0
    for _ in range(40):
        found = compare(*turns(rng, 10, slower=0.0))
        if decided(found):
            assert found.verdict != "undecided"
        stricter += found.verdict != "undecided" and not decided(found)
    assert stricter > 0


def test_figures_that_do_not_decide_want_more() -> None:
    """There are several of them: one of twenty would differ by chance."""
    speeds = [100.0, 101, 99, 100, 100.5, 99.5]
    prompt = [90.0, 93, 89, 92, 88, 92]
    a = [replace(one, figures={"generation_per_second": 50.0, "prompt_per_second": 100.0}) for one in side(speeds)]
    b = [
        replace(one, figures={"generation_per_second": 50.0, "prompt_per_second": rate})
        for one, rate in zip(side(speeds, 1000), prompt, strict=True)
    ]
    beside = {one.name: one.verdict for one in compare(a, b).figures}
    assert beside == {"generation_per_second": "same", "prompt_per_second": "undecided"}
    decides = {one.name: one.verdict for one in compare(a, b, figure="prompt_per_second").figures}
    assert decides["prompt_per_second"] == "slower"


def test_less_memory_and_a_shorter_load_are_better() -> None:
    def runs(first: int, memory: float, load: float) -> list[Measurement]:
        extra = {"peak_memory_bytes": memory, "load_ms": load}
        return [replace(run, figures={**run.figures, **extra}) for run in side([100.0] * 5, first)]

    found = compare(runs(0, 1e9, 50), runs(1000, 1.2e9, 40))
    verdicts = {figure.name: figure.verdict for figure in found.figures}
    assert verdicts == {"generation_per_second": "same", "load_ms": "faster", "peak_memory_bytes": "more"}
    assert found.verdict == "same"
    assert not found.is_worse
    by_memory = compare(runs(0, 1e9, 50), runs(1000, 1.2e9, 40), figure="peak_memory_bytes")
    assert by_memory.verdict == "more"
    assert by_memory.is_worse


def test_without_generation_the_prompt_decides() -> None:
    def runs(first: int, rate: float) -> list[Measurement]:
        return [replace(run, figures={"prompt_per_second": rate}) for run in side([1.0] * 5, first)]

    found = compare(runs(0, 500), runs(1000, 400))
    assert (found.decides, found.verdict) == ("prompt_per_second", "slower")


def test_unknown_figures_and_margins() -> None:
    with pytest.raises(UsageError, match="no figure"):
        compare(side([1.0]), side([1.0], 1000), figure="n_gen")
    for margin in (0.0, -1.0, float("nan"), 50.0):
        with pytest.raises(UsageError, match="margin"):
            compare(side([1.0]), side([1.0], 1000), margin=margin)


# What counts


def test_what_does_not_count_is_left_out_and_counted() -> None:
    a, b = side([100.0] * 8), side([100.0] * 8, 1000)
    b[0] = replace(b[0], figures={"generation_per_second": 1.0}, warmup=True)
    b[1] = replace(b[1], figures={"generation_per_second": 1.0}, disturbed=("other processes kept 0.9 CPUs busy",))
    b[2] = replace(b[2], figures={"generation_per_second": 1.0}, status="failed")
    found = compare(a, b)
    assert found.verdict == "same"
    assert (found.b.n_runs, found.b.n_counted) == (8, 5)
    assert found.b.left_out == {"warm-up": 1, "disturbed": 1, "failed": 1}
    assert found.b.disturbances == ("other processes kept 0.9 CPUs busy",)
    assert found.main is not None
    assert found.main.ratio is not None
    assert (found.main.ratio.n, found.main.ratio.paired) == (5, True)
    assert any("without a partner" in note for note in found.notes)


def test_nothing_that_counts_is_undecided() -> None:
    disturbed = [replace(run, disturbed=("busy",)) for run in side([100.0] * 6)]
    for a in (disturbed, []):
        found = compare(a, side([100.0] * 6, 1000))
        assert (found.verdict, found.decides) == ("undecided", None)
        assert not decided(found)
        assert "no figure" in headline(found)
        assert markdown(found)


def test_runs_of_a_round_that_was_repeated_count_as_one() -> None:
    a, b = side([100.0] * 5), side([100.0] * 5, 1000)
    found = compare([*a, replace(a[4], id="again")], b)
    assert found.main is not None
    assert found.main.ratio is not None
    assert found.main.ratio.n == 5


# Comparable or not


def refused(a: Measurement, b: Measurement, **changes: Any) -> str:
    with pytest.raises(IncomparableError) as caught:
        compare([a], [b], **changes)
    assert caught.value.exit_code == 1
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"machine": "e" * 16}, "machine"),
        ({"model_sha256": "c" * 64}, "model"),
        ({"dummy": True}, "dummy_weights"),
        ({"settings": {"run.n_threads": "1"}}, "run.n_threads"),
        ({"settings": {"run.n_threads": None}}, "run.n_threads"),
        ({"settings": {"engine.options.GGML_NATIVE": "false"}}, "engine.options.GGML_NATIVE"),
        ({"environment": {"prompt_sha256": "1" * 16}}, "run.prompt"),
    ],
)
def test_what_must_be_the_same(changes: dict[str, Any], key: str) -> None:
    a, b = one(1), one(2, **changes)
    told = refused(a, b)
    assert f"  {key}: A " in told
    assert f"--allow {key}" in told
    found = compare([a], [b], allow=frozenset({key}))
    assert [differs.key for differs in found.differing] == [key]


def test_all_that_differs_is_said_at_once() -> None:
    told = refused(one(1), one(2, machine="e" * 16, settings={"run.n_threads": "1", "run.n_predict": "32"}))
    assert all(f"--allow {key}" in told for key in ("machine", "run.n_threads", "run.n_predict"))
    assert "run.n_threads: A 2; B 1" in told


def test_the_engine_and_what_changes_nothing_may_differ() -> None:
    other = {"engine.ref": "b9999", "engine.source": "package", "model.path": "/elsewhere", "run.timeout_s": "9.0"}
    a = one(1)
    b = one(2, commit="2" * 40, build_number=9999, settings=other, environment={"build.compiler": "cc 13"})
    found = compare([a], [b])
    assert [differs.key for differs in found.differing] == ["engine.commit"]
    assert [(differs.key, differs.a, differs.b) for differs in found.environment] == [
        ("build.compiler", ("cc 12",), ("cc 13",))
    ]


def test_a_side_that_is_a_mixture_is_refused() -> None:
    mixed = [one(1), one(2, commit="2" * 40)]
    with pytest.raises(IncomparableError, match="A a mixture of 1d1c"):
        compare(mixed, [one(3)])
    assert compare(mixed, [one(3)], allow=frozenset({"engine"})).a.commits == (mixed[0].commit, "2" * 40)


def test_a_key_allows_what_is_below_it() -> None:
    a, b = one(1), one(2, settings={"run.sampling.seed": "7"})
    assert compare([a], [b], allow=frozenset({"run.sampling"})).differing
    assert "run.sampling.seed" in refused(a, b, allow=frozenset({"run.samp"}))


def test_the_cases_of_an_experiment_differ_by_intent() -> None:
    shared: dict[str, Any] = {"experiment": "e1"}
    a = one(1, settings={"run.n_threads": "1"}, case_settings={"run.n_threads": "1"}, **shared)
    b = one(2, case=1, case_settings={"run.n_threads": "2"}, **shared)
    assert [differs.key for differs in compare([a], [b]).differing] == ["run.n_threads"]
    other_model = replace(b, model_sha256="c" * 64, case_settings={"model.path": "/other"}, settings=a.settings)
    assert [differs.key for differs in compare([a], [other_model]).differing] == ["model"]
    refused(a, replace(b, experiment="e2"))
    refused(a, replace(b, settings={**b.settings, "run.n_predict": "9"}))


def test_a_run_is_not_compared_with_itself() -> None:
    runs = side([100.0] * 5)
    with pytest.raises(IncomparableError, match="share 5 runs"):
        compare(runs, runs)


# Texts


def test_texts() -> None:
    def state(a: list[Measurement], b: list[Measurement], **changes: Any) -> str:
        return compare(a, b, **changes).text.state

    same, other = one(1), one(2, text_sha256="c" * 64)
    assert state([same], [one(3)]) == "same"
    found = compare([same], [other]).text
    assert (found.state, found.example_a, found.example_b) == ("different", same.id, other.id)
    assert state([same, other], [one(3)]) == "unsteady"
    assert state([same], [one(3, text_sha256=None)]) == "unknown"
    warm: dict[str, Any] = {"settings": {"run.sampling.temperature": "0.8"}}
    assert state([one(1, **warm)], [one(2, text_sha256="c" * 64, **warm)]) == "unknown"
    # Noise does not change a text.
    assert state([same], [replace(other, disturbed=("busy",)), one(4)]) == "unsteady"


def test_where_the_texts_part() -> None:
    found = compare([one(1)], [one(2, text_sha256="c" * 64)])
    told = with_texts(found, "The capital is Paris.", "The capital is Rome.")
    assert told.text.difference is not None
    assert told.text.difference.position == 15
    assert "different texts" in markdown(told)
    assert "`Paris.`" in markdown(told)


def test_why_the_texts_cannot_be_compared() -> None:
    silent: dict[str, Any] = {"text_sha256": None}
    for a, b, why in (
        ([one(1, **silent)], [one(2)], "not both have a text"),
        ([one(1, dummy=True)], [one(2, dummy=True)], "dummy weights write no text"),
        ([one(1, status="failed")], [one(2)], "not both have a text"),
    ):
        text = compare(a, b).text
        assert (text.state, text.why) == ("unknown", why)
    found = compare([one(1)], [one(2, **silent), one(3, **silent)]).text
    assert (found.n_a, found.n_b) == (1, 0)
    for written in ("0.8", "warm"):
        warm: dict[str, Any] = {"settings": {"run.sampling.temperature": written}}
        found = compare([one(1, **warm), one(4, text_sha256="c" * 64, **warm)], [one(2, **warm)]).text
        assert (found.state, found.why, found.n_a, found.n_b) == ("unknown", "the sampling is not greedy", 2, 1)
    # What a recipe does not say is greedy.
    silent_recipe: dict[str, Any] = {"settings": {"run.sampling.temperature": None}}
    found = compare(
        [one(1, **silent_recipe), one(4, text_sha256="c" * 64, **silent_recipe)], [one(2, **silent_recipe)]
    ).text
    assert (found.state, found.why, found.n_a, found.n_b) == ("unsteady", None, 2, 1)


# What is told of it


def test_what_a_side_is() -> None:
    a = [
        one(1, case_settings={"run.n_threads": "2"}, disturbed=("busy",)),
        one(2, case_settings={"run.n_threads": "2"}, disturbed=("busy",)),
        one(3, case_settings={"run.n_threads": "2"}, warmup=True, disturbed=("cold",)),
        one(4, case_settings={"run.n_threads": "2"}, build_number=None, commit=None),
    ]
    told = compare(a, [one(9, case_settings={"x": "1"}), one(8, case_settings={"x": "2"})], allow=frozenset({"engine"}))
    assert told.a == Side(
        n_runs=4,
        n_counted=1,
        left_out={"disturbed": 2, "warm-up": 1},
        disturbances=("busy",),
        names=("smoke",),
        settings={"run.n_threads": "2"},
        commits=("1d1ccce67613674c75c9c7e3fa4c1e24e428ba48",),
        build_numbers=(3642,),
        programs=("llama-cli",),
        models=("small",),
        machines=("Some CPU, 2 CPUs, 8 GiB",),
        first_at="2026-01-01T00:00:01.000+00:00",
        last_at="2026-01-01T00:00:04.000+00:00",
    )
    assert told.b.settings == {}
    empty = compare([], [one(1)]).a
    assert (empty.n_runs, empty.first_at, empty.last_at, empty.settings) == (0, None, None, {})


def test_why_there_is_no_verdict() -> None:
    def why(n: int, rates: list[float] | None = None, **changes: Any) -> str | None:
        found = compare(side(rates or [100.0] * n, **changes), side([100.0] * n, 1000))
        return {figure.name: figure.why for figure in found.figures}["generation_per_second"]

    assert why(1) == "5 runs of each are needed, there is 1"
    assert why(2) == "5 runs of each are needed, there are 2"
    assert why(5, figures={"generation_per_second": None, "prompt_per_second": 1.0}) == "not measured on both sides"
    noisy = compare(side([100.0, 101, 99, 100, 100.5]), side([60.0, 180, 90, 110, 70], 1000)).main
    assert noisy is not None
    assert noisy.ratio is not None
    assert noisy.verdict == "undecided"
    ends = noisy.ratio.interval(0.99)
    assert ends is not None
    assert noisy.why == (
        f"a ratio from {ends[0]:.3f} to {ends[1]:.3f} (99 % interval) reaches across the margin: more runs or less noise"
    )


def test_a_figure_of_one_side_is_shown_and_decides_nothing() -> None:
    found = compare([one(1, figures={"load_ms": 50.0})], [one(2)])
    load = {figure.name: figure for figure in found.figures}["load_ms"]
    assert load.a is not None
    assert (load.b, load.ratio, load.verdict, load.why) == (None, None, "undecided", "not measured on both sides")
    assert not decided(compare([one(1)], []))


def test_what_such_runs_can_resolve() -> None:
    """The margin and, beyond it, the smallest change that is seen."""
    rates = [100.0, 101, 99, 100, 100.5]
    for n in (4, 5):
        main = compare(side(rates[:n]), side(list(reversed(rates))[:n], 1000), margin=0.1).main
        assert main is not None
        assert main.ratio is not None
        assert main.ratio.smallest_detectable is not None
        expected = None if n < 5 else pytest.approx(1.1 * (1 + main.ratio.smallest_detectable) - 1)
        assert main.resolution == expected


def test_runs_of_no_experiment_are_two_sets() -> None:
    """And what a figure is rounded to is part of the interval, for pairs too."""
    rates = [0.12] * 6
    for paired in (True, False):
        shared: dict[str, Any] = {} if paired else {"experiment": None}
        main = compare(side(rates, **shared), side(rates, 1000, **shared), confidence=0.9).main
        assert main is not None
        assert main.ratio is not None
        assert (main.ratio.paired, main.ratio.confidence) == (paired, 0.9)
        assert main.ratio.ratio == pytest.approx(1)
        assert main.ratio.rounding == pytest.approx(0.01 / 0.12)


def test_pairs_need_a_partner_for_most_runs() -> None:
    a, b = side([100.0] * 6), side([100.0] * 6, 1000)
    for n_common, paired in ((3, True), (2, False)):
        # Those of B behind these have rounds that A has not.
        moved = [*b[:n_common], *(replace(run, round=run.round + 50) for run in b[n_common:])]
        main = compare(a, moved).main
        assert main is not None
        assert main.ratio is not None
        assert (main.ratio.paired, main.ratio.n) == (paired, n_common if paired else 6)


def test_rates_below_one_are_pairs_and_those_that_are_none_are_not() -> None:
    a = side([0.5] * 5)
    b = [
        *side([0.5] * 5, 1000),
        *(one(2000 + n, rate, experiment="e1", case=1, round=7) for n, rate in enumerate((0.0, math.inf))),
    ]
    main = compare(a, b).main
    assert main is not None
    assert main.ratio is not None
    assert (main.ratio.n, main.ratio.paired, main.ratio.ratio) == (5, True, 1)


def test_the_notes() -> None:
    a, b = side([100.0] * 5), side([100.0] * 7, 1000)
    assert compare(a, b).notes == ("without a partner in their round, and not in the ratio: 0 of A, 2 of B",)
    assert compare(b, a).notes == ("without a partner in their round, and not in the ratio: 2 of A, 0 of B",)
    assert compare(a, side([100.0] * 5, 1000)).notes == ()
    alone: dict[str, Any] = {"experiment": None}
    assert compare([one(1)], [one(2)]).notes == compare(side([1.0], **alone), side([1.0], 1000, **alone)).notes
    assert compare([one(1)], [one(2)]).notes == (
        "A and B did not run in turns: what changed on the machine between them counts as their difference. "
        "`lcpp compare RECIPE -a … -b …` runs them in turns",
    )
    counted = [replace(run, figures={**run.figures, "n_gen": 7, "n_prompt": 5}) for run in side([100.0] * 5, 1000)]
    more = [replace(run, figures={**run.figures, "n_gen": 8, "n_prompt": 5}) for run in a]
    (note,) = compare(more, counted).notes
    assert note.startswith("not the same number of ")
    assert note.endswith(": A 8, B 7; wall and CPU time are of different work")
    assert compare(a, counted).notes == ()
    odd = [replace(a[0], status="unexpected"), replace(a[1], status="unexpected"), *a[2:]]
    assert compare(odd, side([100.0] * 5, 1000)).notes == (
        "runs that did not meet what their recipe expects: 2 of A, 0 of B; they count",
    )
    dummies = [[replace(run, dummy=True) for run in runs] for runs in (a, side([100.0] * 5, 1000))]
    assert compare(*dummies).notes == ("on dummy weights: speed and memory are real, there is no text",)


def test_margins_at_their_ends() -> None:
    assert compare(side([1.0]), side([1.0], 1000), margin=9.99)
    with pytest.raises(UsageError, match=r"^a margin of 10 says nothing") as caught:
        compare(side([1.0]), side([1.0], 1000), margin=10.0)
    assert caught.value.hint == "give a share such as 3%"


def test_sets_that_can_never_be_compared_are_refused_before_a_quiet_run() -> None:
    busy: dict[str, Any] = {"disturbed": ("busy",)}
    with pytest.raises(IncomparableError, match="machine"):
        compare([one(1, **busy)], [one(2, machine="e" * 16, **busy)])
    # Once there are quiet ones, those that do not count have no say.
    assert compare([one(1), one(3, machine="e" * 16, **busy)], [one(2)])
    assert compare([one(1)], [one(2), one(3, machine="e" * 16, **busy)])


def test_a_figure_that_is_not_shown_by_itself_can_be_chosen() -> None:
    runs = [
        [replace(run, figures={**run.figures, "total_ms": 100.0 + first}) for run in side([100.0] * 5, first)]
        for first in (0, 1000)
    ]
    assert "total_ms" not in {figure.name for figure in compare(*runs).figures}
    found = compare(*runs, figure="total_ms")
    assert (found.decides, found.verdict, found.figures[0].name) == ("total_ms", "slower", "total_ms")


def test_the_schema_says_what_it_is() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == "lcpp comparison"


# Documents


def hostile(text: str = _HOSTILE) -> Comparison:
    changes: dict[str, Any] = {
        "name": text,
        "machine_name": text,
        "model_name": text,
        "environment": {text: "1"},
        "experiment": "e1",
    }
    a = [one(n, 100 + n, case_settings={text: "x"}, round=n, **changes) for n in range(6)]
    changes["environment"] = {text: text}
    changes["settings"] = {text: text}
    b = [
        one(100 + n, 90 + n, case=1, case_settings={text: "y"}, round=n, text_sha256="c" * 64, **changes)
        for n in range(6)
    ]
    b.append(replace(b[0], id="busy", disturbed=(text,)))
    return with_texts(compare(a, b), f"{text} a", f"{text} b{text}")


def test_the_json_document() -> None:
    found = hostile()
    document = json.loads(found.model_dump_json())
    jsonschema.validate(document, json_schema())
    assert Comparison.model_validate(document) == found
    assert document["lcpp_comparison"] == 1


@pytest.mark.parametrize("written", [_HOSTILE, re.sub("[|`]", "", _HOSTILE), " ", "\n", "\\", "a\\|b", "``"])
def test_what_strangers_wrote_stays_text_in_markdown(written: str) -> None:
    text = markdown(hostile(written))
    assert all(char not in text for char in "\x1b\u202e\r")
    tokens = MarkdownIt("commonmark", {"linkify": False}).enable("table").parse(text)
    inline = [child for token in tokens for child in token.children or []]
    assert not [token for token in tokens if token.type == "html_block"]
    assert {child.type for child in inline} <= {
        "text",
        "code_inline",
        "html_inline",
        "text_special",
        "strong_open",
        "strong_close",
        "softbreak",
    }
    assert {child.content for child in inline if child.type == "html_inline"} <= {"<code>", "</code>"}
    ours, in_code = [], False
    for child in inline:
        in_code = child.content == "<code>" if child.type == "html_inline" else in_code
        if child.type == "text" and not in_code:
            ours.append(child.content)
    assert not any("someone" in content or "#1" in content for content in ours)
    # Each row of the two tables has its cells and no more.
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} == {4, 6}
    assert text.count("### ") == 1


def test_the_words() -> None:
    a = [100.0, 101, 99, 100, 100.5, 99.5]
    slower = compare(side(a), side([value * 0.9 for value in a], 1000))
    assert headline(slower) == "B is slower than A: token generation -10.0 % (-10.0 % to -10.0 %)"
    assert slower.main is not None
    assert "| **token generation, tokens/s** | 100 ± 0.7413 | 90 ± 0.6672 | -10.0 %" in markdown(slower)
    assert "6 rounds of one run each; 95 % intervals; margin 3 %." in markdown(slower)
    much = compare(side(a), side([value * 4 for value in a], 1000))
    assert much.main is not None
    assert change(much.main).startswith("×4 (")
    assert headline(compare(side(a), side(a, 1000))).startswith("B is the same as A within 3 %: token generation 0.0 %")
    single = compare(side([1.0]), side([2.0], 1000))
    assert headline(single).startswith("Undecided: token generation +100.0 %; 5 runs")


def test_a_look_is_cheap() -> None:
    """After every round of an adaptive comparison, and on a loaded machine too."""
    figures = {"prompt_per_second": 500.0, "load_ms": 50.0, "wall_s": 3.0, "cpu_s": 5.0}
    a, b = (
        [replace(run, figures={**run.figures, **figures}) for run in runs]
        for runs in turns(np.random.default_rng(1), 30)
    )
    compare(a, b)
    spent = []
    for _ in range(5):
        begun = time.process_time()
        decided(compare(a, b))
        spent.append(time.process_time() - begun)
    assert min(spent) < 0.05


def test_a_refusal_of_hostile_values_commands_no_terminal() -> None:
    told = refused(one(1), one(2, machine="e" * 16, machine_name=_HOSTILE, settings={"run.\x1bx": _HOSTILE * 100}))
    assert "\x1b" not in told
    assert "\u202e" not in told
    assert len(told) < 2000
    assert isinstance(IncomparableError("x"), LcppError)
