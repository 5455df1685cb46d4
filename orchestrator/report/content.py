"""What a report says, before it is put into any form. Pure: it looks at runs, and reads nothing."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from orchestrator.report.verdicts import MARGIN, WordedVerdict, change
from orchestrator.result.compare.comparable import WHICH_ENGINE, WITHOUT_WEIGHT, is_under
from orchestrator.result.compare.statistics import Summary, summarise
from orchestrator.result.limits import in_words
from orchestrator.result.measurement import PROMPT_HASH, Measurement
from orchestrator.result.memory_fit import MemoryFit
from orchestrator.result.registry import GENERATION, PEAK_MEMORY, shown_in
from orchestrator.result.schema import Result
from orchestrator.values import Value

# Of two runs the interval is twelve times as wide as their distance.
_FEWEST = 3


class Run(Value):
    """One run: its row in the store and, where its file is at hand, all of it.

    Args:
        result: None: there is no such file, or it cannot be read; `why_not` says which.
        folder: of the raw transcript.
    """

    measurement: Measurement
    result: Result | None = None
    folder: Path | None = None
    why_not: str = ""

    @property
    def started(self) -> datetime.datetime:
        """When it began, UTC; a time that is none is the epoch."""
        return _time(self.measurement.started_at)

    @property
    def rate(self) -> float | None:
        """Generated tokens a second."""
        return self.measurement.figures.get(GENERATION.name)


class Point(Value):
    """Runs that belong together: those of one case of one experiment, or all of one llama.cpp.

    Args:
        at: of the first run, UTC.
        values: of each run that counts, tokens a second.
        disturbed: of the runs that do not count.
        spread: None: no run counts.
    """

    at: datetime.datetime
    commit: str
    values: tuple[float, ...]
    disturbed: tuple[float, ...] = ()
    spread: Summary | None


class HistoryRow(Value):
    """A point of a history with all its rates. `n_runs`: those that count."""

    at: datetime.datetime
    commit: str
    spreads: Mapping[str, Summary]
    n_runs: int
    n_disturbed: int


class Series(Value):
    """One thing measured again and again: a recipe with one model and the same settings, on one machine.

    `by_date` and `by_commit` are by the name of the rate.
    """

    label: str
    by_date: Mapping[str, tuple[Point, ...]]
    by_commit: Mapping[str, tuple[Point, ...]]
    runs: tuple[Run, ...]

    @property
    def n_points(self) -> int:
        """Points of the history by date."""
        return max((len(points) for points in self.by_date.values()), default=0)

    def dates(self) -> list[HistoryRow]:
        """The history by date as a table, newest first."""
        return sorted(_table(self.by_date), key=lambda row: row.at, reverse=True)

    def commits(self) -> list[HistoryRow]:
        """The history by llama.cpp as a table, newest first."""
        return _table(self.by_commit)[::-1]


def _table(history: Mapping[str, Sequence[Point]]) -> list[HistoryRow]:
    rows: dict[tuple[datetime.datetime, str], dict[str, Point]] = {}
    for rate, points in history.items():
        for point in points:
            rows.setdefault((point.at, point.commit), {})[rate] = point
    return [
        HistoryRow(
            at=at,
            commit=commit,
            spreads={rate: point.spread for rate, point in points.items() if point.spread is not None},
            n_runs=max(len(point.values) for point in points.values()),
            n_disturbed=max(len(point.disturbed) for point in points.values()),
        )
        for (at, commit), points in rows.items()
    ]


class RecipeHistory(Value):
    """All series of one recipe on one machine."""

    name: str
    machine: str
    title: str
    series: tuple[Series, ...]


class MatrixCase(Value):
    """One case of an experiment, with the spread of each rate."""

    index: int
    label: str
    runs: tuple[Run, ...]
    n_left_out: int
    spreads: Mapping[str, Summary]
    change: WordedVerdict | None
    failure: str = ""


class Matrix(Value):
    """The cases of one experiment side by side."""

    experiment: str
    name: str
    kind: str
    at: datetime.datetime
    cases: tuple[MatrixCase, ...]

    @property
    def title(self) -> str:
        """For a heading."""
        return f"{self.name}, {self.kind} of {self.at:%Y-%m-%d %H:%M}"


class Latest(Value):
    """A series as it is now: the runs of its newest llama.cpp.

    Args:
        spreads: by the name of the rate.
        change: against the llama.cpp that ran before it; None: there is none.
        n_runs: those that count.
        share: of the machine's memory bandwidth, in words.
    """

    name: str
    label: str
    build: str
    spreads: Mapping[str, Summary]
    peak_bytes: float | None
    change: WordedVerdict | None
    n_runs: int
    newest: Run
    share: str


class MemoryRow(Value):
    """The newest run of a series that knows what it was thought to need."""

    label: str
    run: Run
    fit: MemoryFit


class Report(Value):
    """All that a report tells, newest first.

    Args:
        n_older: runs that were selected as well, and left out because they are older than those here.
    """

    title: str
    made_at: datetime.datetime
    lcpp_version: str
    runs: tuple[Run, ...]
    n_older: int
    histories: tuple[RecipeHistory, ...]
    latest: tuple[Latest, ...]
    matrices: tuple[Matrix, ...]
    memory: tuple[MemoryRow, ...]
    margin: float = MARGIN

    @property
    def machines(self) -> tuple[str, ...]:
        """Where they ran."""
        return tuple(dict.fromkeys(history.machine for history in self.histories))

    @property
    def has_shares(self) -> bool:
        """Whether a run knows how close to the machine's limit it came."""
        return any(latest.share for latest in self.latest)

    @property
    def disturbed(self) -> tuple[Run, ...]:
        """Runs that do not count because something disturbed them."""
        return tuple(run for run in self.runs if run.measurement.disturbed)

    @property
    def reasons(self) -> list[tuple[str, int]]:
        """What disturbed runs, and how many, most first."""
        counts = Counter(reason for run in self.runs for reason in run.measurement.disturbed)
        return counts.most_common()

    def count(self, status: str) -> int:
        """Runs with that status."""
        return sum(run.measurement.status == status for run in self.runs)


def build_report(
    runs: Iterable[Run], *, title: str, made_at: datetime.datetime, lcpp_version: str, n_older: int = 0
) -> Report:
    """Put runs in order.

    Args:
        made_at: when the report is made, UTC.
    """
    ordered = sorted(runs, key=lambda run: (run.measurement.started_at, run.measurement.id), reverse=True)
    histories = _histories(ordered)
    return Report(
        title=title,
        made_at=made_at,
        lcpp_version=lcpp_version,
        runs=tuple(ordered),
        n_older=n_older,
        histories=histories,
        latest=tuple(_latest(history, series) for history in histories for series in history.series),
        matrices=_matrices(ordered),
        memory=_memory(histories),
    )


def ends(spread: Summary | None) -> tuple[float, float] | None:
    """The ends of the interval; None where the runs are so few that it says nothing."""
    if spread is None or spread.n < _FEWEST or spread.low is None or spread.high is None:
        return None
    return spread.low, spread.high


def build_name(commit: str | None, build_number: int | None) -> str:
    """A llama.cpp in a word: `b3642`, or the beginning of its commit."""
    if build_number is not None and build_number > 1:
        return f"b{build_number}"
    return commit[:9] if commit else "unknown"


def case_label(settings: Mapping[str, str]) -> str:
    """What sets a case apart; the last words of its keys, where they can be told apart by them."""
    short = {key: key.rpartition(".")[2] for key in settings}
    clear = len(set(short.values())) == len(short)
    return ", ".join(f"{short[key] if clear else key}={value}" for key, value in settings.items())


def name_of(run: Run) -> str:
    """The llama.cpp of a run in a word."""
    return build_name(run.measurement.commit, run.measurement.build_number)


def _histories(runs: Sequence[Run]) -> tuple[RecipeHistory, ...]:
    families: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        families.setdefault((run.measurement.name, run.measurement.machine), []).append(run)
    # By the fingerprint: two machines may have one name.
    machines = {machine: members[0].measurement.machine_name for (_, machine), members in families.items()}
    known = Counter(machines.values())
    histories = []
    for (name, machine), members in families.items():
        shown = machines[machine] or "an unknown machine"
        if known[machines[machine]] > 1:
            shown = f"{shown} ({machine[:8]})"
        title = name if len(machines) == 1 else f"{name} on {shown}"
        histories.append(RecipeHistory(name=name, machine=shown, title=title, series=_series(members)))
    return tuple(histories)


def _series(runs: Sequence[Run]) -> tuple[Series, ...]:
    apart: dict[tuple[tuple[str, str], ...], list[Run]] = {}
    for run in runs:
        apart.setdefault(_key(run.measurement), []).append(run)
    labels = _labels([dict(key) for key in apart])
    return tuple(
        Series(
            label=label or members[0].measurement.model_name,
            by_date={name: points for name in _rates() if (points := _by_date(members, name))},
            by_commit={name: points for name in _rates() if (points := _by_commit(members, name))},
            runs=tuple(members),
        )
        for label, members in zip(labels, apart.values(), strict=True)
    )


def _key(run: Measurement) -> tuple[tuple[str, str], ...]:
    """All that sets a series apart, but the llama.cpp."""
    # The llama.cpp is what a history is about, not what sets two histories apart.
    same = WHICH_ENGINE | WITHOUT_WEIGHT
    settings = {key: value for key, value in run.settings.items() if not is_under(key, same)}
    model = {"model": run.model_name, "model file": run.model_sha256[:12], "program": run.program}
    prompt = {"prompt": digest[:8]} if (digest := run.environment.get(PROMPT_HASH)) else {}
    weights = {"weights": "dummy"} if run.dummy else {}
    return tuple(sorted({**settings, **model, **prompt, **weights}.items()))


def _labels(keys: Sequence[Mapping[str, str]]) -> list[str]:
    """What sets each apart from the others, in words; nothing for one alone."""
    names = sorted({name for key in keys for name in key})
    differing = [name for name in names if len({key.get(name) for key in keys}) > 1]
    # A model is known by its name, unless two have the same; where the recipe says the file, that is said already.
    hidden = {name for name in differing if name.startswith("model.")}
    if len({key.get("model") for key in keys}) == len({(key.get("model"), key.get("model file")) for key in keys}):
        hidden.add("model file")
    shown = [name for name in differing if name not in hidden]

    def n_apart(names: Sequence[str]) -> int:
        return len({tuple(key.get(name) for name in names) for key in keys})

    # Few of them, with which no two are alike: the model, then whatever tells most apart, a digest last.
    naming = [name for name in shown if name == "model"]
    while n_apart(naming) < n_apart(shown):
        naming.append(max(shown, key=lambda name: (n_apart([*naming, name]), name != "prompt")))
    return [
        ", ".join(
            key[name] if name in ("model", "program") else f"{name.rpartition('.')[2]}={key[name]}"
            for name in naming
            if name in key
        )
        for key in keys
    ]


def _by_date(runs: Sequence[Run], rate: str) -> tuple[Point, ...]:
    groups: dict[tuple[str, int, str], list[Run]] = {}
    for run in runs:
        measurement = run.measurement
        group = measurement.id if measurement.experiment is None else measurement.experiment
        groups.setdefault((group, measurement.case, name_of(run)), []).append(run)
    points = (_point(members, rate) for members in groups.values())
    return tuple(sorted((point for point in points if point), key=lambda point: point.at))


def _by_commit(runs: Sequence[Run], rate: str) -> tuple[Point, ...]:
    """In the order of the build numbers; those that have none, by their first run."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(name_of(run), []).append(run)
    points = {name: point for name, members in groups.items() if (point := _point(members, rate))}
    numbers = {name: groups[name][0].measurement.build_number for name in points}
    order = sorted(points, key=lambda name: (points[name].at, name))
    if all((number or 0) > 1 for number in numbers.values()):
        order.sort(key=lambda name: numbers[name] or 0)
    return tuple(points[name] for name in order)


def _point(runs: Sequence[Run], rate: str) -> Point | None:
    values = _values((run for run in runs if run.measurement.counts), rate)
    disturbed = _values((run for run in runs if run.measurement.disturbed), rate)
    if not values and not disturbed:
        return None
    return Point(
        at=min(run.started for run in runs),
        commit=name_of(runs[0]),
        values=values,
        disturbed=disturbed,
        spread=summarise(values) if values else None,
    )


def _has(run: Run, rate: str) -> bool:
    return rate in run.measurement.figures


def _matrices(runs: Sequence[Run]) -> tuple[Matrix, ...]:
    experiments: dict[str, list[Run]] = {}
    for run in runs:
        if run.measurement.experiment is not None:
            experiments.setdefault(run.measurement.experiment, []).append(run)
    matrices = []
    for experiment, members in experiments.items():
        cases: dict[int, list[Run]] = {}
        for run in members:
            cases.setdefault(run.measurement.case, []).append(run)
        if len(cases) > 1:
            part = next((run.result.part for run in members if run.result and run.result.part), None)
            matrices.append(
                Matrix(
                    experiment=experiment,
                    name=members[0].measurement.name,
                    kind="sweep" if part is None else part.kind,
                    at=min(run.started for run in members),
                    cases=tuple(_case(index, cases[index], cases[min(cases)]) for index in sorted(cases)),
                )
            )
    return tuple(matrices)


def _latest(history: RecipeHistory, series: Series) -> Latest:
    newest = next((run for run in series.runs if run.measurement.counts), series.runs[0])
    build = name_of(newest)
    now = [run for run in series.runs if name_of(run) == build]
    counting = [run for run in now if run.measurement.counts]
    older = next((name_of(run) for run in series.runs if name_of(run) != build and run.measurement.counts), None)
    before = [run for run in series.runs if name_of(run) == older and run.measurement.counts]
    peaks = sorted(_values(counting, PEAK_MEMORY.name))
    return Latest(
        name=history.title,
        label=series.label,
        build=build,
        spreads=_spreads(counting),
        peak_bytes=peaks[len(peaks) // 2] if peaks else None,
        change=change(_rows(before), _rows(now), WHICH_ENGINE) if before and counting else None,
        n_runs=len(counting),
        newest=newest,
        share=next((in_words(run.result.limits) for run in counting if run.result and run.result.limits), ""),
    )


def _rows(runs: Iterable[Run]) -> list[Measurement]:
    return [run.measurement for run in runs]


def _values(runs: Iterable[Run], figure: str) -> tuple[float, ...]:
    return tuple(run.measurement.figures[figure] for run in runs if _has(run, figure))


def _rates() -> tuple[str, ...]:
    """The figures that have a history, by name."""
    return tuple(figure.name for figure in shown_in("histories"))


def _spreads(runs: Sequence[Run]) -> dict[str, Summary]:
    return {name: summarise(values) for name in _rates() if (values := _values(runs, name))}


def _case(index: int, runs: Sequence[Run], first: Sequence[Run]) -> MatrixCase:
    settings = runs[0].measurement.case_settings
    counting = [run for run in runs if run.measurement.counts]
    failures = [run.result.failure.what for run in runs if run.result is not None and run.result.failure is not None]
    return MatrixCase(
        index=index,
        label=case_label(settings) or f"case {index + 1}",
        runs=tuple(runs),
        n_left_out=len(runs) - len(counting),
        spreads=_spreads(counting),
        change=None if runs is first else change(_rows(first), _rows(runs), frozenset(settings)),
        failure=failures[0] if failures and not counting else "",
    )


def _memory(histories: Iterable[RecipeHistory]) -> tuple[MemoryRow, ...]:
    rows = []
    for history in histories:
        for series in history.series:
            for run in series.runs:
                if run.result is not None and run.result.memory is not None and run.measurement.status != "failed":
                    label = f"{history.name}: {series.label}"
                    rows.append(MemoryRow(label=label, run=run, fit=run.result.memory))
                    break
    return tuple(rows)


def _time(text: str) -> datetime.datetime:
    try:
        at = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return datetime.datetime.fromtimestamp(0, datetime.timezone.utc)
    return at if at.tzinfo is not None else at.replace(tzinfo=datetime.timezone.utc)
