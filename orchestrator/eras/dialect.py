"""One llama.cpp build, as far as it matters for how its programs are named, called and read.

A build is asked what it knows (`engine/build/capabilities`); what it cannot say is looked up by its number, in the
tables of this room and in those beside each program. An unknown or future build gets the newest entries.
"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Literal

from orchestrator.eras.placing import DATES, LAST_KNOWN, bounds_from_sources, estimate_build
from orchestrator.eras.since import FIRST_BUILD, NEWEST
from orchestrator.values import Value


class Dialect(Value):
    """How the programs of one llama.cpp build are named, called and read.

    build: its number, as it is or as it was estimated; far above all for a build that the table does not know.
    known: counted: the number is the build's own. estimated: from the date or the sources. newer: past the table's end,
        or nothing is known; the newest entries are used.
    """

    build: int
    known: Literal["counted", "estimated", "newer"]

    @property
    def name(self) -> str:
        """The build, for people: b3642, about b3642, …"""
        if self.known == "newer":
            return "of an unknown build" if self.build == NEWEST else f"b{self.build}"
        return f"b{self.build}" if self.known == "counted" else f"about b{self.build}"

    @property
    def note(self) -> str | None:
        """What the user should know when the table does not reach to this build."""
        if self.known != "newer":
            return None
        return (
            f"this llama.cpp ({self.name}) is newer than those that this lcpp knows (to about b{LAST_KNOWN} of "
            f"{DATES[-1][1]}), or its age is unknown: it is called and read like the newest"
        )


def dialect_for(build_number: int | None, commit_date: datetime.date | None, sources: Path | None = None) -> Dialect:
    """The dialect of a build, by its number, else by its date and what its sources hold, else the newest.

    Args:
        sources: the llama.cpp directory, read only when the number is not known.
    """
    build = build_number
    if build is None:
        low, high = (FIRST_BUILD, NEWEST) if sources is None else bounds_from_sources(sources)
        if commit_date is not None:
            build = min(max(estimate_build(commit_date), low), high)
        else:
            build = high if high == NEWEST else low
    return Dialect(
        build=build,
        known="newer" if build > LAST_KNOWN else "estimated" if build_number is None else "counted",
    )
