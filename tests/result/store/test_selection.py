"""How people name results."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.errors import UsageError
from orchestrator.progress import Silent
from orchestrator.result.store.database import Database, opened
from orchestrator.result.store.selection import conditions, select
from tests.result.varied import BEGAN, document, write


def _part(experiment: str, case: int, round_: int) -> dict[str, Any]:
    settings = {"run.n_threads": str(case + 1)}
    return {"experiment": experiment, "kind": "sweep", "case": case, "settings": settings, "round": round_}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Two experiments of two cases in turns, runs by themselves before, between and behind, and another recipe."""
    runs = tmp_path_factory.mktemp("runs")
    made = [document(0), document(1, status="failed", failure={"what": "x", "where": None, "hint": None})]
    made += [
        document(10 + turn, part=_part("first", turn % 2, turn // 2), n_threads=1 + turn % 2, speed=1 + turn)
        for turn in range(6)
    ]
    made.append(document(20))
    made += [
        document(30 + turn, part=_part("second", turn % 2, turn // 2), n_threads=1 + turn % 2) for turn in range(4)
    ]
    made.append(document(2000, name="other-recipe", n_threads=4, noise={"disturbed": ["busy"]}))
    write(runs, *made)
    with opened(runs, Silent()) as store:
        yield store


def _minutes(database: Database, *texts: str) -> list[int]:
    """The results by the minute in which they ran, oldest first."""
    now = BEGAN + datetime.timedelta(minutes=2010)
    found = database.find(conditions(database, texts, now=now))
    return sorted(int(one.id.rpartition("-")[2], 16) for one in found)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("@france", [31, 33]),
        ("@france~0", [31, 33]),
        ("@france~1", [30, 32]),
        ("@france~2", [20]),
        ("@france~3", [11, 13, 15]),
        ("@france~4", [10, 12, 14]),
        ("@france~5", [1]),
        ("@france~6", [0]),
        ("@other-recipe", [2000]),
        ("20261101T0020", [20]),
        ("runs/20261101T002000Z-france-000014.json", [20]),
        ("experiment=first,case=1", [11, 13, 15]),
        ("experiment=first,round>=1,run.n_threads=2", [13, 15]),
        ("n_threads=4", [2000]),
        ("n_threads>2", [2000]),
        ("n_threads!=1,n_threads!=2", [2000]),
        ("run.sampling.temperature=0", [0, 1, *range(10, 16), 20, *range(30, 34), 2000]),
        ("model=SMOLLM2 135m,recipe=other-recipe", [2000]),
        ("model=b179c952,recipe=other-recipe", [2000]),
        ("model=*135M*,recipe=other*", [2000]),
        ("model=*135M", []),
        ("commit=1d1ccce,recipe=other-recipe", [2000]),
        ("commit=B3642", []),
        ("commit=b3642,recipe!=france", [2000]),
        ("machine=amd epyc,status=failed", [1]),
        ("status!=ok", [1]),
        ("disturbed=true", [2000]),
        ("disturbed!=no", [2000]),
        ("imported=yes", []),
        ("since=2026-11-02", [2000]),
        ("since=30m", [2000]),
        ("until=2026-11-01T00:10:00Z", [0, 1, 10]),
        ("since=2026-11-01T01:31:00+01:00,until=2026-11-01", [31, 32, 33]),
        ("generation_per_second>100000", []),
        ("n_gen>=1,perplexity>0", []),
        ("build.compiler=*Debian*,status=failed", [1]),
    ],
)
def test_what_a_selection_chooses(database: Database, text: str, minutes: list[int]) -> None:
    assert _minutes(database, text) == minutes


def test_figures_are_compared_as_numbers(database: Database) -> None:
    base = min(one.figures["generation_per_second"] for one in database.find())
    assert _minutes(database, f"generation_per_second>{2.5 * base}") == [12, 13, 14, 15]
    assert _minutes(database, f"generation_per_second={base}", "experiment=first") == [10]


def test_several_texts_must_all_hold(database: Database) -> None:
    assert _minutes(database, "@france~3", "round<1") == [11]


def test_a_group_comes_in_the_order_in_which_it_ran(database: Database) -> None:
    assert [one.round for one in select(database, "@france~3")] == [0, 1, 2]


def test_a_value_may_hold_a_comma(database: Database) -> None:
    assert _minutes(database, "n_parallel=[1, 2],status=ok") == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("@fance", "france"),
        ("@france~7", "7 groups"),
        ("@france~x", "@RECIPE~2"),
        ("@", "@RECIPE"),
        ("2026", "several"),
        ("1999", "results list"),
        ("a b", "no selection"),
        ("\x1b[31m=1", "no selection"),
        ("\udcff", "no selection"),
        ("", "no selection"),
        ("n_thread=1", "run.n_threads"),
        ("generation_per_secnd>1", "generation_per_second"),
        ("generation_per_second>fast", "number"),
        ("generation_per_second>nan", "number"),
        ("case=x", "number"),
        ("seed>x", "number"),
        ("since=yesterday", "2026-11-22"),
        ("since!=2026-11-01", "only ="),
        ("commit<b3642", "only = and !="),
        ("commit=", "no value"),
        ("disturbed=maybe", "true or false"),
        ("status=ok,nonsense", None),
    ],
)
def test_a_selection_that_is_none_says_what_helps(database: Database, text: str, told: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        select(database, text)
    assert told is None or told in str(caught.value)


@pytest.mark.parametrize("value", ["' OR 1=1 --", '"; DROP TABLE results; --', "%", "_", "[a-z]*", "?" * 21])
def test_a_value_is_only_a_value(database: Database, value: str) -> None:
    before = database.count()
    for key in ("recipe", "model", "machine", "commit", "status", "experiment", "run.program", "id", "file"):
        assert _minutes(database, f"{key}={value}") == []
    assert database.count() == before
