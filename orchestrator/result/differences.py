"""What a recipe asked for and what the program says it did, where the two are not the same."""

from typing import Annotated

from pydantic import Field

from orchestrator.parse.record import Record
from orchestrator.piece import Piece
from orchestrator.programs.plan.kinds import RunPlan


class Difference(Piece):
    """One setting that the program reports otherwise than it was asked for."""

    name: Annotated[str, Field(description="The recipe's key under `run`, or `tests` for those of a bench.")]
    asked: str
    reported: str


def differences(plan: RunPlan, record: Record) -> tuple[Difference, ...]:
    """Compare the settings that the recipe gives with what the program reports of them.

    What the recipe leaves to the program, and what the program does not report, is no difference.
    """
    pairs = plan.program.reported(plan.run, record)
    unequal = dict.fromkeys(
        Difference(name=name, asked=str(asked), reported=str(reported))
        for name, asked, reported in pairs
        if asked is not None and reported is not None and asked != reported
    )
    return tuple(unequal)
