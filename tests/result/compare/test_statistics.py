"""Medians, ratios and intervals, held against scipy and against truth that is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from orchestrator.result.compare import statistics
from orchestrator.result.compare.statistics import (
    DIFFERENCE_CONFIDENCE,
    paired_ratio,
    student,
    summarise,
    unpaired_ratio,
)
from tests.thorough import repeats


def noisy(rng: np.random.Generator, n: int, sd: float = 0.03, outliers: float = 0.05) -> list[float]:
    """Rates around 100: log-normal noise, and now and then a run that something slowed down."""
    logs = rng.normal(0, sd, n) - (rng.random(n) < outliers) * rng.uniform(0.05, 0.6, n)
    return [float(value) for value in 100 * np.exp(logs)]


@pytest.mark.parametrize("degrees", [1, 1.7, 2, 4, 4.6, 9, 14, 40, 300, 10_000])
@pytest.mark.parametrize("probability", [0.6, 0.9, 0.975, 0.995])
def test_student(probability: float, degrees: float) -> None:
    assert student(probability, degrees) == pytest.approx(stats.t.ppf(probability, degrees), rel=1e-4)


@pytest.mark.parametrize("n", [2, 4, 5, 9, 10, 33])
def test_the_ratio_is_the_trimmed_mean_of_the_logarithms(n: int) -> None:
    rng = np.random.default_rng(n)
    a, b = noisy(rng, n), noisy(rng, n)
    ratio = paired_ratio(a, b)
    assert ratio is not None
    assert math.log(ratio.ratio) == pytest.approx(stats.trim_mean(np.log(b) - np.log(a), 0.2))
    apart = unpaired_ratio(a, b)
    assert apart is not None
    assert math.log(apart.ratio) == pytest.approx(stats.trim_mean(np.log(b), 0.2) - stats.trim_mean(np.log(a), 0.2))


@pytest.mark.parametrize("n", [12, 30, 100])
def test_the_error_is_that_of_scipys_bootstrap(n: int) -> None:
    """For normal noise; the central part of the bootstrap distribution then says the same as its standard deviation."""
    rng = np.random.default_rng(n)
    a, b = noisy(rng, n, outliers=0), noisy(rng, n, outliers=0)
    ratio = paired_ratio(a, b)
    assert ratio is not None
    assert ratio.error is not None
    theirs = stats.bootstrap(
        (np.log(b) - np.log(a),),
        lambda values, axis: stats.trim_mean(values, 0.2, axis=axis),
        n_resamples=2000,
        rng=np.random.default_rng(1),
    )
    assert ratio.error == pytest.approx(theirs.standard_error * math.sqrt(n / (n - 1)), rel=0.1)
    low, high = theirs.confidence_interval
    assert ratio.low is not None
    assert ratio.high is not None
    # Student's t makes ours the wider one, and less so the more runs there are.
    assert math.log(ratio.high / ratio.low) == pytest.approx(high - low, rel=0.3 if n < 30 else 0.12)


@pytest.mark.parametrize("outliers", [0.0, 0.05])
@pytest.mark.parametrize("n", [5, 8, 15])
def test_the_interval_holds_the_truth_as_often_as_it_says(n: int, outliers: float) -> None:
    """Also with few runs, where the plain percentile bootstrap holds it in less than nine of ten cases."""
    rng = np.random.default_rng(1000 * n)
    n_tries = repeats(200, 400)
    held = dict.fromkeys(("paired", "unpaired", "summary"), 0)
    for _ in range(n_tries):
        # A drift that both sides share: pairs do not see it.
        a, b = noisy(rng, n, outliers=outliers), noisy(rng, n, outliers=outliers)
        drift = np.exp(np.cumsum(rng.normal(0, 0.1, n)))
        paired = paired_ratio([*(np.array(a) * drift)], [*(np.array(b) * drift * 0.9)])
        unpaired = unpaired_ratio(a, [0.9 * value for value in b])
        summary = summarise(noisy(rng, n, outliers=0))
        for name, found, truth in (("paired", paired, 0.9), ("unpaired", unpaired, 0.9), ("summary", summary, 100.0)):
            assert found is not None
            assert found.low is not None
            assert found.high is not None
            held[name] += found.low <= truth <= found.high
    assert min(held.values()) / n_tries >= 0.92, held


def test_the_smallest_detectable_change_is_detected_in_nine_of_ten() -> None:
    rng = np.random.default_rng(3)
    n_tries = repeats(150, 300)
    ratios = [paired_ratio(noisy(rng, 10, 0.03, 0), noisy(rng, 10, 0.03, 0)) for _ in range(n_tries)]
    change = np.median([ratio.smallest_detectable for ratio in ratios if ratio and ratio.smallest_detectable])
    found = 0
    for _ in range(n_tries):
        slower = [value / (1 + float(change)) for value in noisy(rng, 10, 0.03, 0)]
        ratio = paired_ratio(noisy(rng, 10, 0.03, 0), slower)
        assert ratio is not None
        ends = ratio.interval(DIFFERENCE_CONFIDENCE)
        assert ends is not None
        found += ends[1] < 1
    assert 0.85 <= found / n_tries <= 0.97


def test_the_same_data_give_the_same_answer() -> None:
    rng = np.random.default_rng(4)
    a, b = noisy(rng, 9), noisy(rng, 9)
    assert paired_ratio(a, b) == paired_ratio(a, b)
    assert unpaired_ratio(a, b) == unpaired_ratio(a, b)
    assert summarise(a) == summarise(a)


@given(st.lists(st.tuples(st.floats(1e-3, 1e6), st.floats(1e-3, 1e6)), min_size=2, max_size=12), st.floats(1e-3, 1e3))
def test_units_and_sides_do_not_matter(pairs: list[tuple[float, float]], unit: float) -> None:
    a, b = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    ratio, back = paired_ratio(a, b), paired_ratio(b, a)
    scaled = paired_ratio([unit * value for value in a], [unit * value for value in b])
    assert ratio is not None
    assert back is not None
    assert scaled is not None
    assert ratio.low is not None
    assert ratio.high is not None
    assert ratio.low <= ratio.ratio <= ratio.high
    assert back.ratio == pytest.approx(1 / ratio.ratio, rel=1e-9)
    assert scaled.ratio == pytest.approx(ratio.ratio, rel=1e-9)


def test_more_confidence_is_a_wider_interval_around_the_same_ratio() -> None:
    rng = np.random.default_rng(5)
    a, b = noisy(rng, 8), noisy(rng, 8)
    usual, sure = paired_ratio(a, b), paired_ratio(a, b, confidence=0.99)
    assert usual is not None
    assert sure is not None
    assert sure.ratio == usual.ratio
    assert usual.interval(0.99) == (sure.low, sure.high)
    assert usual.interval(0.95) == (usual.low, usual.high)
    assert sure.low is not None
    assert usual.low is not None
    assert sure.low < usual.low


def test_figures_that_are_rounded_coarsely_do_not_look_exact() -> None:
    """A slow machine prints 0.12 tokens/s each time; that may be anything from 0.115 to 0.125."""
    plain = paired_ratio([0.12] * 6, [0.12] * 6)
    honest = paired_ratio([0.12] * 6, [0.12] * 6, step=0.01)
    assert plain is not None
    assert honest is not None
    assert (plain.low, plain.high) == (1, 1)
    assert honest.high == pytest.approx(math.exp(0.01 / 0.12))


@pytest.mark.parametrize(("n_noisy", "n_steady"), [(2, 9), (3, 3), (4, 9), (9, 2), (12, 5)])
def test_beside_a_side_without_noise_the_degrees_are_those_of_the_other(n_noisy: int, n_steady: int) -> None:
    """Welch's: the runs of the noisy side, less one."""
    a, b = noisy(np.random.default_rng(n_noisy), n_noisy, outliers=0), [100.0] * n_steady
    for ratio in (unpaired_ratio(a, b), unpaired_ratio(b, a)):
        assert ratio is not None
        assert ratio.degrees == pytest.approx(n_noisy - 1)
        assert ratio.n == min(n_noisy, n_steady)
    paired = paired_ratio(a, [100.0] * n_noisy)
    assert paired is not None
    assert paired.degrees == n_noisy - 1


@pytest.mark.parametrize(("n_a", "n_b", "sd"), [(4, 3, 0.01), (3, 4, 0.1), (4, 4, 0.03), (4, 4, 0.001)])
def test_the_interval_is_that_of_scipys_welch(n_a: int, n_b: int, sd: float) -> None:
    """With so few runs nothing is cut off, and the trimmed mean is the mean."""
    a, b = (100 * np.exp(scale * stats.norm.ppf((np.arange(n) + 0.5) / n)) for n, scale in ((n_a, 0.03), (n_b, sd)))
    ratio = unpaired_ratio([*a], [*(0.9 * b)])
    theirs = stats.ttest_ind(np.log(0.9 * b), np.log(a), equal_var=False)
    assert ratio is not None
    assert ratio.degrees == pytest.approx(theirs.df, rel=0.15)
    assert ratio.low is not None
    assert ratio.high is not None
    low, high = theirs.confidence_interval(0.95)
    assert math.log(ratio.ratio) == pytest.approx((low + high) / 2)
    assert math.log(ratio.high / ratio.low) == pytest.approx(high - low, rel=0.15)


def test_the_errors_of_two_sides_add_up_as_welch_and_satterthwaite_say() -> None:
    rng = np.random.default_rng(6)
    a, b = noisy(rng, 15), noisy(rng, 6, sd=0.02)
    ratio, of_a, of_b = unpaired_ratio(a, b), unpaired_ratio(a, [100.0] * 5), unpaired_ratio([100.0] * 5, b)
    assert ratio is not None
    assert of_a is not None
    assert of_b is not None
    assert of_a.error
    assert of_b.error
    assert ratio.error is not None
    assert ratio.error == pytest.approx(math.hypot(of_a.error, of_b.error))
    assert ratio.degrees == pytest.approx(ratio.error**4 / (of_a.error**4 / 14 + of_b.error**4 / 5))


def test_two_sides_without_noise_have_the_degrees_of_all_runs() -> None:
    ratio = unpaired_ratio([100.0] * 5, [90.0] * 7)
    assert ratio is not None
    assert (ratio.error, ratio.degrees) == (0, 10)
    assert ratio.low == ratio.high == pytest.approx(0.9)


def test_one_run_has_no_interval() -> None:
    for ratio in (paired_ratio([10.0], [9.0]), unpaired_ratio([10.0], [9.0, 9.0])):
        assert ratio is not None
        assert ratio.ratio == pytest.approx(0.9)
        assert (ratio.low, ratio.high, ratio.error, ratio.smallest_detectable) == (None, None, None, None)
        assert ratio.interval(0.95) is None
    summary = summarise([3.0])
    assert (summary.n, summary.median, summary.low, summary.high, summary.spread) == (1, 3.0, None, None, None)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_what_is_no_positive_number_does_not_count(bad: float) -> None:
    ratio = paired_ratio([10.0, bad, 10.0], [9.0, 9.0, 9.0])
    assert ratio is not None
    assert ratio.n == 2
    assert ratio.ratio == pytest.approx(0.9)
    assert paired_ratio([bad], [1.0]) is None
    assert unpaired_ratio([1.0], [bad]) is None
    assert unpaired_ratio([], [1.0]) is None
    for ratio in (paired_ratio([9.0] * 3, [10.0, bad, 10.0]), unpaired_ratio([9.0] * 3, [10.0, bad, 10.0])):
        assert ratio is not None
        assert (ratio.n, ratio.n_b) == (2, 2)
        assert ratio.ratio == pytest.approx(10 / 9)


def test_extreme_values_stay_finite_numbers() -> None:
    for ratio in (paired_ratio([1e-300, 1e300], [1e300, 1e-300]), unpaired_ratio([1e-300, 1e300], [1e300, 1e-300])):
        assert ratio is not None
        assert all(math.isfinite(value) for value in ratio.model_dump().values() if value is not None)
        assert type(ratio).model_validate_json(ratio.model_dump_json()) == ratio


def test_a_summary() -> None:
    summary = summarise([10.0, 11.0, 12.0, 13.0, 100.0])
    assert (summary.n, summary.median, summary.min, summary.max) == (5, 12.0, 10.0, 100.0)
    assert summary.spread == pytest.approx(1.4826)
    assert summary.low is not None
    assert summary.high is not None
    assert 0 < summary.low <= 12 <= summary.high
    assert summarise([-1.0, 0.0, math.nan, 1.0]).n == 3
    assert summarise([5.0] * 4).low == pytest.approx(5.0)
    with pytest.raises(ValueError, match="no value"):
        summarise([math.nan])


def test_scipy_is_not_needed_to_run() -> None:
    """Importing it takes longer than a comparison of stored results may take in all."""
    assert not any("scipy" in str(value) for value in vars(statistics).values())


@pytest.mark.parametrize("n", [2, 3, 8, 15])
@pytest.mark.parametrize("scale", [1.0, 0.01])
def test_the_interval_of_a_summary_is_that_of_its_ratio_to_one(n: int, scale: float) -> None:
    values = [scale * value for value in noisy(np.random.default_rng(n), n, outliers=0)]
    summary, ratio = summarise(values), paired_ratio([1.0] * n, values)
    assert ratio is not None
    assert ratio.low is not None
    assert ratio.high is not None
    assert summary.low == pytest.approx(min(ratio.low, summary.median))
    assert summary.high == pytest.approx(max(ratio.high, summary.median))


def test_the_interval_of_values_around_zero_is_in_their_own_unit() -> None:
    """Student's t of the runs less one, times the error, around the trimmed mean."""
    values = [-2.0, -1.0, 0.0, 1.0, 2.5, 0.5]
    summary, with_zero = summarise(values), summarise([0.0, 1.0, 2.0])
    error = statistics._error(np.array(values))
    half = stats.t.ppf(0.975, 5) * error
    middle = stats.trim_mean(values, 0.2)
    assert summary.low == pytest.approx(middle - half, rel=1e-5)
    assert summary.high == pytest.approx(middle + half, rel=1e-5)
    assert with_zero.low is not None
    assert with_zero.low < 0


def test_the_smallest_detectable_change_follows_from_error_degrees_and_rounding() -> None:
    rng = np.random.default_rng(7)
    for step in (0.0, 0.5):
        ratio = paired_ratio(noisy(rng, 6), noisy(rng, 6), step=step)
        assert ratio is not None
        assert ratio.error is not None
        assert ratio.degrees == 5
        assert (ratio.rounding > 0) == (step > 0)
        needed = stats.t.ppf(0.995, 5)
        factor = needed + stats.norm.ppf(0.9) * math.sqrt(1 + needed**2 / 10)
        expected = math.exp(factor * ratio.error + ratio.rounding) - 1
        assert ratio.smallest_detectable == pytest.approx(expected, rel=1e-4)


def test_a_ratio_says_of_how_many_runs_it_is_and_whether_they_are_pairs() -> None:
    paired, apart = paired_ratio([1.0, 2.0], [1.0, 2.0]), unpaired_ratio([0.5, 0.2, 0.3], [1.0, 2.0])
    single = paired_ratio([1.0], [2.0])
    assert paired is not None
    assert apart is not None
    assert single is not None
    assert (paired.n, paired.n_a, paired.n_b, paired.paired) == (2, 2, 2, True)
    assert (apart.n, apart.n_a, apart.n_b, apart.paired) == (2, 3, 2, False)
    assert (single.degrees, single.error) == (None, None)
    with pytest.raises(ValueError, match=r"^3 values of A and 2 of B are no pairs$"):
        paired_ratio([1.0, 2.0, 3.0], [1.0, 2.0])
    with pytest.raises(ValueError, match=r"^no value to summarise$"):
        summarise([])
