"""The eras of llama.cpp's command line, and the commits that stand for them in the tests."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from orchestrator.recipe.schema.recipe import DEFAULT_REMOTE


@dataclass(frozen=True, kw_only=True)
class Era:
    """A stretch of upstream's history in which the programs are built, called and read alike. `last` None: today."""

    number: int
    name: str
    first: int
    last: int | None
    why: str


@dataclass(frozen=True, kw_only=True)
class Commit:
    """A build to test, and where its source can be had: the package index, or only a git remote with the history."""

    ref: str
    build: int
    source: Literal["package", "git"] = "package"


def _eras(*rows: tuple[str, int, str]) -> tuple[Era, ...]:
    lasts = [first - 1 for _, first, _ in rows[1:]]
    return tuple(
        Era(number=index + 1, name=name, first=first, last=last, why=why)
        for index, ((name, first, why), last) in enumerate(zip(rows, [*lasts, None], strict=True))
    )


ERAS = _eras(
    ("gguf-0", 1012, "the first GGUF"),
    ("decode", 1283, "llama_decode; `simple` answers in standard error"),
    ("buffers", 1843, "buffer sizes by backend"),
    ("gpt-params", 3087, "`simple` takes options; escapes are on by default"),
    ("renamed", 3142, "programs are called llama-…"),
    ("src-tree", 3236, "sources moved; GGML_… build options"),
    ("perf-1", 3681, "the timings block has new names"),
    ("log-1", 3761, "a logger thread; `llama-simple` answers on standard output"),
    ("simple-2", 3903, "`llama-simple` has a parser of its own"),
    ("make-gated", 4241, "make is deprecated"),
    ("split-src", 4408, "make does not link any more"),
    ("auto-chat", 4475, "conversation mode by itself"),
    ("single-turn", 4821, "`--single-turn`; the context object"),
    ("tools", 5269, "programs live in tools/"),
    ("new-cli", 7348, "llama-cli is another program; the old one is llama-completion"),
    ("quiet", 9151, "the loader's lines are hidden; log prefixes"),
    ("http-cli", 9927, "llama-cli is a client of its own server"),
)
# The last one's number is not known: upstream's history of that day is not at hand.
NEWEST = Commit(ref="0c1e57098bba43ac29e6e3b677cdceebdd22334f", build=1_000_000)
COMMITS = (
    *(Commit(ref=f"b{build}", build=build, source="git") for build in (1012, 1221, 1298)),
    *(Commit(ref=f"b{build}", build=build) for build in (1516, 1622, 1804, 1878, 2144, 2456, 2896, 3124, 3184)),
    *(Commit(ref=f"b{build}", build=build) for build in (3350, 3642)),
    Commit(ref="b3710", build=3710, source="git"),
    *(Commit(ref=f"b{build}", build=build) for build in (3826, 4094, 4295, 4447, 4579, 4875, 5308, 6170)),
    *(Commit(ref=f"b{build}", build=build, source="git") for build in (7210, 7400)),
    *(Commit(ref=f"b{build}", build=build) for build in (8475, 9445, 9976, 10454)),
    NEWEST,
)


def era_of(build: int) -> Era:
    """The era that a build is in."""
    return max((era for era in ERAS if era.first <= build), key=lambda era: era.first)


def remote() -> str:
    """A git remote with upstream's whole history: LCPP_UPSTREAM, else where upstream lives."""
    return os.environ.get("LCPP_UPSTREAM") or DEFAULT_REMOTE


def engine_overrides(commit: Commit) -> list[str]:
    """What a recipe says to get `commit`."""
    where = [f"engine.remote={remote()}"] if commit.source == "git" else []
    return [f"engine.ref={commit.ref}", f"engine.source={commit.source}", *where]
