"""The base of all documents that lcpp writes: results, records, comparisons, plans."""

from pydantic import BaseModel, ConfigDict


class Piece(BaseModel):
    """A part of a document: unknown keys are errors, values do not change."""

    # Deferred, as start-up time counts: only what a command uses is built. Fields may be called `model_…`.
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), defer_build=True)
