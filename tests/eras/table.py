"""Make docs/compatibility.md of the reports that a run of `pytest -m eras` left: `python -m tests.eras.table`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

from orchestrator.programs.all_programs import PROGRAMS
from orchestrator.recipe.schema.recipe import ProgramName
from tests.eras.upstream import COMMITS, ERAS, Commit, Era, era_of
from tests.eras.walk import LOSES_ITS_END

ROOT = Path(__file__).parents[2]
REPORTS = ROOT / "tests/data/eras"
PAGE = ROOT / "docs/compatibility.md"
COLUMNS = {
    "complete": "complete",
    "complete-end": "… to its end",
    "simple": "llama-simple",
    "chat": "chat",
    "bench": "bench",
    "batched-bench": "batched-bench",
    "perplexity": "perplexity",
    "session-keep": "session",
    "session-reset": "session, reset",
}
CATEGORIES = ("loader", "metadata", "context", "timing", "other")
Json = dict[str, Any]


def reports(folder: Path = REPORTS) -> list[Json]:
    """What was kept, oldest build first."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("b*.json")]
    return sorted(found, key=lambda report: report["build"])


def page(found: Sequence[Json]) -> str:
    """The whole page."""
    reached = [report for report in found if report.get("outcomes")]
    parts = [_introduction(reached), _eras(reached), _purposes(reached), _coverage(reached), _rest(found)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _introduction(reached: Sequence[Json]) -> str:
    days = sorted(report["day"] for report in reached)
    when = days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"
    systems = ", ".join(sorted({report["ran_on"] for report in reached}))
    return f"""# Which llama.cpp does what

Made by `python -m tests.eras.table` from what `pytest -m eras` found; do not edit it. lcpp got, built and ran each of these
{len(reached)} commits, from `{_name(reached[0])}` to `{_name(reached[-1])}`, on {when} ({systems}).

**yes** means: lcpp came to a complete result, and what it says is what the same command says that is run by hand: the greedy
text (which is also what the test model's weights say), the token counts, the tests of a bench, the values of a perplexity, the
answers of a session. Every completion, bench and session gave a speed, where llama.cpp times itself. The test model is a GGUF of version 3, for
builds before b1087, which read nothing else, of version 1; chats are with SmolLM2-135M."""


def _eras(reached: Sequence[Json]) -> str:
    rows = []
    for era in ERAS:
        here = [report for report in reached if report["era"] == era.number]
        systems = ", ".join(sorted({report["build_system"] for report in here}))
        ran = ", ".join(f"{_name(report)}" for report in here) or "not reached"
        rows.append((str(era.number), era.name, _span(era), era.why, ran, systems))
    return "## Eras\n\n" + _table(("era", "name", "builds", "what is new", "run here", "built by"), rows)


def _purposes(reached: Sequence[Json]) -> str:
    reasons: list[str] = []
    rows = []
    for report in reached:
        by_case = {outcome["case"]: outcome for outcome in report["outcomes"]}
        cells = [_cell(report, by_case.get(case), reasons) for case in COLUMNS]
        rows.append((_name(report), report["commit"][:12], report["commit_date"], str(report["era"]), *cells))
    notes = "\n".join(f"{number}. {reason}" for number, reason in enumerate(reasons, 1))
    head = ("build", "commit", "date", "era", *COLUMNS.values())
    return f"## Programs\n\n{_table(head, rows)}\n\n{notes}"


def _cell(report: Json, outcome: Json | None, reasons: list[str]) -> str:
    if outcome is None:
        return ""
    if outcome["status"] == "works":
        file = PROGRAMS[cast(ProgramName, outcome["program"])].FILE.at(report["build"])
        return f"yes (`{file}`)"
    # The reason without the build in it, so that one note stands for many.
    reason = outcome["why"] or "; ".join(outcome["problems"])
    for name in (f" ({_name(report)})", " (of an unknown build)"):
        reason = reason.replace(name, "")
    if reason not in reasons:
        reasons.append(reason)
    word = "no" if outcome["status"] == "cannot" else "**failed**"
    return f"{word} [{reasons.index(reason) + 1}]"


def _coverage(reached: Sequence[Json]) -> str:
    total_lines, total_known = Counter[str](), Counter[str]()
    rows = []
    for report in reached:
        n_lines, n_known = Counter[str](), Counter[str]()
        for outcome in report["outcomes"]:
            for category, (lines, known) in outcome["coverage"].items():
                n_lines[category] += lines
                n_known[category] += known
        total_lines += n_lines
        total_known += n_known
        rows.append((_name(report), *(_share(n_known[name], n_lines[name]) for name in CATEGORIES)))
    rows.append(("all", *(_share(total_known[name], total_lines[name]) for name in CATEGORIES)))
    return "## Lines that were recognised\n\nOf all runs of a build, by what the lines are about.\n\n" + _table(
        ("build", *CATEGORIES), rows
    )


def _share(known: int, lines: int) -> str:
    return f"{known} of {lines}" if known != lines else f"all {lines}"


def _rest(found: Sequence[Json]) -> str:
    parts = []
    kept = {report["ref"] for report in found}
    absent = [(report["ref"], report.get("unreachable") or report.get("broken")) for report in found]
    absent = [(ref, why) for ref, why in absent if why]
    absent += [(commit.ref, "not tried") for commit in COMMITS if commit.ref not in kept]
    if absent:
        listed = "\n".join(f"- {ref[:12]} ({_era_name(ref)}): {why}" for ref, why in absent)
        parts.append(f"## Not reached\n\n{listed}")
    lost = sum(outcome.get("lost", 0) for report in found for outcome in report.get("outcomes", ()))
    parts.append(
        f"""## Lost ends

From b{LOSES_ITS_END} on upstream leaves its logger thread behind when a program ends, and whatever that thread has not yet written
is lost, the last words of the text included, with exit code 0. It shows with models as small and quick as the test model.
lcpp makes such a run again, three times at most, and the result says so. Here that happened {_times(lost)}."""
    )
    return "\n\n".join(parts)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _era_name(ref: str) -> str:
    commit = next((commit for commit in COMMITS if commit.ref == ref), Commit(ref=ref, build=1012))
    era = era_of(commit.build)
    return f"era {era.number}, {era.name}"


def _name(report: Json) -> str:
    return str(report["ref"]) if str(report["ref"]).startswith("b") else str(report["commit"])[:12]


def _span(era: Era) -> str:
    return f"b{era.first} to b{era.last}" if era.last else f"b{era.first} on"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(reports()), encoding="utf-8")
    print(PAGE)
