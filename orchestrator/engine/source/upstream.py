"""What is known of upstream's history without asking anyone: the commits that llama-cpp-python's sdists vendor."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import resources

from orchestrator.eras.since import FIRST_BUILD
from orchestrator.values import Value

FULL_COMMIT = re.compile(r"[0-9a-f]{40}")
SHORT_COMMIT = re.compile(r"[0-9a-f]{7,39}")
BUILD_TAG = re.compile(r"b(\d{1,6})")


class Vendored(Value):
    """One source distribution of llama-cpp-python and the llama.cpp commit inside."""

    version: str
    commit: str
    build_number: int | None
    commit_date: str

    @property
    def requirement(self) -> str:
        """What pip is asked for."""
        return f"llama-cpp-python=={self.version}"


@lru_cache(maxsize=1)
def table() -> tuple[Vendored, ...]:
    """The shipped table, newest version first."""
    text = resources.files("orchestrator.engine.source").joinpath("sdists.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines()[1:] if line.strip()]
    return tuple(
        Vendored(version=version, commit=commit, build_number=int(build) if build else None, commit_date=date)
        for version, commit, build, date in rows
    )


def find(ref: str) -> Vendored | None:
    """The newest sdist with the commit that `ref` (commit, short commit, bNNNN) names; None: none, or not just one."""
    if tag := BUILD_TAG.fullmatch(ref):
        rows = [row for row in table() if row.build_number == int(tag[1])]
    elif FULL_COMMIT.fullmatch(ref) or SHORT_COMMIT.fullmatch(ref):
        rows = [row for row in table() if row.commit.startswith(ref)]
    else:
        rows = []
    return rows[0] if len({row.commit for row in rows}) == 1 else None


def build_number(commit: str) -> int | None:
    """The build number of a commit in the table."""
    return next((row.build_number for row in table() if row.commit == commit), None)


def counted(commits: int) -> int | None:
    """The build number that a count of commits means; None: upstream's history is longer, so it is not that."""
    return commits if commits >= FIRST_BUILD else None


def nearest(number: int, count: int = 2) -> list[Vendored]:
    """The sdists whose builds lie nearest to a build number."""
    numbered = {row.build_number: row for row in table() if row.build_number is not None}
    return [numbered[n] for n in sorted(numbered, key=lambda n: abs(n - number))[:count]]
