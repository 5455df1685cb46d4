"""A llama.cpp that compiles in a second, shared by all commands here."""

from tests.experiment.conftest import lab, shared

__all__ = ["lab", "shared"]
