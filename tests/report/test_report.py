"""What a report says: series, histories, experiments, memory, what does not count."""

from __future__ import annotations

import datetime
from pathlib import Path

from orchestrator.report.collect import collect
from orchestrator.report.content import Run, build_report, ends
from orchestrator.result.limits import GenerationLimits, PromptLimits, RunLimits
from orchestrator.result.measurement import measurement_of
from orchestrator.values import replace
from tests.report import made


def test_disturbed_and_failed_runs_count_nowhere_and_are_told(tmp_path: Path) -> None:
    report = made.report(tmp_path, 60)
    disturbed = [run for run in report.runs if run.measurement.disturbed]
    assert disturbed
    assert report.reasons == [("others used 0.9 CPUs", len(disturbed))]
    smoke = next(history for history in report.histories if history.name == "smoke")
    (series,) = smoke.series
    counted = sum(len(point.values) for point in series.by_date["generation_per_second"])
    assert counted == sum(run.measurement.counts for run in report.runs if run.measurement.name == "smoke")
    assert all(
        run.rate not in {value for point in series.by_date["generation_per_second"] for value in point.values}
        for run in disturbed
    )


def test_a_history_is_in_the_order_of_builds_and_dates(tmp_path: Path) -> None:
    report = made.report(tmp_path, 60)
    (series,) = next(history for history in report.histories if history.name == "smoke").series
    points = series.by_commit["generation_per_second"]
    assert [point.commit for point in points] == ["b3642", "b4500", "b6000", "b7400"]
    medians = [point.spread.median for point in points if point.spread]
    assert medians[2] == max(medians)
    for point in points:
        interval = ends(point.spread)
        assert interval is not None
        assert point.spread is not None
        assert interval[0] <= point.spread.median <= interval[1]
        assert max(point.values) / min(point.values) < 1.2
    dates = [row.at for row in series.dates()]
    assert dates == sorted(dates, reverse=True)


def test_a_change_between_llama_cpps_and_between_cases_has_a_verdict(tmp_path: Path) -> None:
    report = made.report(tmp_path, 120)
    (matrix,) = report.matrices
    assert [case.label for case in matrix.cases] == [f"n_threads={n}" for n in (1, 2, 3, 4)]
    assert matrix.cases[0].change is None
    assert matrix.cases[1].change is not None
    assert matrix.cases[1].change.words.startswith("faster: +")
    assert matrix.cases[1].change.tone == "ok"
    smoke = next(one for one in report.latest if one.name == "smoke")
    assert smoke.build == "b7400"
    assert smoke.change is not None
    assert smoke.change.words.startswith(("slower", "undecided"))


def test_settings_and_models_set_series_apart_and_commits_do_not(tmp_path: Path) -> None:
    report = made.report(tmp_path, 60)
    threads = next(history for history in report.histories if history.name == "santa_cruz")
    assert sorted(series.label for series in threads.series) == [f"n_threads={n}" for n in (1, 2, 3, 4)]
    one = made.real("smoke")
    other = one.model_copy(
        update={
            "id": "x",
            "ran": one.ran.model_copy(update={"model": one.ran.model.model_copy(update={"name": "Other"})}),
        }
    )
    report = build_report(
        [Run(measurement=measurement_of(result)) for result in (one, other)],
        title="t",
        made_at=made.BEGAN,
        lcpp_version="0",
    )
    assert {series.label for series in report.histories[0].series} == {one.ran.model.name, "Other"}


def test_two_machines_of_one_name_are_told_apart() -> None:
    one = measurement_of(made.real("smoke"))
    runs = [Run(measurement=replace(one, machine=key * 8, id=key)) for key in ("ab", "cd")]
    report = build_report(runs, title="t", made_at=made.BEGAN, lcpp_version="0")
    assert {history.title for history in report.histories} == {
        f"smoke on {one.machine_name} ({key * 4})" for key in ("ab", "cd")
    }


def test_of_two_runs_no_interval_is_shown() -> None:
    runs = [made.varied(made.real("smoke"), n, at=made.BEGAN, speed=1 + n / 10) for n in range(2)]
    report = build_report(
        [Run(measurement=measurement_of(result)) for result in runs], title="t", made_at=made.BEGAN, lcpp_version="0"
    )
    generation = report.latest[0].spreads["generation_per_second"]
    assert generation.n == 2
    assert ends(generation) is None


def test_a_time_that_is_none_does_not_stop_it() -> None:
    one = replace(measurement_of(made.real("smoke")), started_at="yesterday")
    report = build_report([Run(measurement=one)], title="t", made_at=made.BEGAN, lcpp_version="0")
    assert report.runs[0].started == datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def test_files_are_read_and_their_want_is_told(tmp_path: Path) -> None:
    result = made.real("smoke")
    whole = tmp_path / "whole.json"
    whole.write_text(result.model_dump_json())
    bad = tmp_path / "bad.json"
    bad.write_text('{"lcpp_result": 1}')
    outside = result.model_copy(
        update={
            "ran": result.ran.model_copy(
                update={"process": result.ran.process.model_copy(update={"transcript": "../.."})}
            )
        }
    )
    leads = tmp_path / "leads.json"
    leads.write_text(outside.model_dump_json())
    one = measurement_of(result)
    paths = (whole, bad, tmp_path / "gone.json", leads)
    runs = collect([*(replace(one, path=str(path)) for path in paths), replace(one, path=None)])
    assert runs[0].result == result
    assert runs[0].folder == tmp_path / result.ran.process.transcript
    assert [run.result is None for run in runs] == [False, True, True, False, True]
    assert all(run.why_not for run in runs if run.result is None)
    assert runs[3].folder is None


def test_how_close_a_run_came_to_the_limit_is_told() -> None:
    limits = RunLimits(
        generation=GenerationLimits(
            n_threads=2,
            bytes_per_token=97_000_000,
            weights_bytes_per_token=96_000_000,
            kv_bytes_per_token=1_000_000,
            bytes_per_second=6.2e9,
            bandwidth_bytes_per_second=1e10,
            bandwidth_share=0.62,
            bandwidth_share_of_threads=0.62,
        ),
        prompt=PromptLimits(
            n_threads=2,
            operations_per_token=None,
            operations_per_second=None,
            peak_operations_per_second=None,
            arithmetic=None,
            arithmetic_share=None,
            arithmetic_share_of_threads=None,
        ),
        cache_bytes=None,
        measured_at=None,
    )
    result = made.real("smoke").model_copy(update={"limits": limits})
    run = Run(measurement=measurement_of(result), result=result)
    report = build_report([run], title="t", made_at=made.BEGAN, lcpp_version="0")
    assert report.has_shares
    assert "62 % of this machine's memory bandwidth" in report.latest[0].share
