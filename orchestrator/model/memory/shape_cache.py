"""A model's shape, kept beside the verdict: the header of a large vocabulary takes a while to read."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

from msgspec.structs import asdict

from orchestrator.errors import WorkspaceError
from orchestrator.model.check import facts_cache
from orchestrator.model.memory.shape import Layer, Shape, Weight
from orchestrator.workspace import Workspace


def load_shape(files: Sequence[facts_cache.Identity], workspace: Workspace) -> Shape | None:
    """The shape of the model that these files make; None: it is not known yet."""
    facts = facts_cache.load("shapes", files, workspace)
    if facts is None:
        return None
    try:
        return _shape(facts)
    except (KeyError, TypeError):
        # Damaged: reading the header again mends it.
        return None


def save_shape(shape: Shape, files: Sequence[facts_cache.Identity], workspace: Workspace) -> None:
    """Keep it, where the disk lets us; `files` as they were before they were read."""
    plain = asdict(shape)
    plain["layers"] = [{**asdict(layer), "tensors": dict(layer.tensors)} for layer in shape.layers]
    with contextlib.suppress(WorkspaceError):
        facts_cache.save("shapes", files, plain, workspace)


def _shape(plain: Any) -> Shape:
    return Shape(
        **{
            **plain,
            "layers": tuple(_layer(**layer) for layer in plain["layers"]),
            "weights": tuple(Weight(*weight) for weight in plain["weights"]),
            "sizes_of_parts": tuple(plain["sizes_of_parts"]),
        }
    )


def _layer(*, tensors: dict[str, list[int]], **numbers: Any) -> Layer:
    shapes = {name: tuple(extents) for name, extents in tensors.items()}
    return Layer(tensors=MappingProxyType(shapes), **numbers)
