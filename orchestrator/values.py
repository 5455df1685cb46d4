"""The base of all values of this house: frozen, keyword-only, and quickly made as modules are imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct, StructMeta, field

if TYPE_CHECKING:
    from dataclasses import replace

    from typing_extensions import dataclass_transform
else:
    # The checker knows `dataclasses.replace` by heart: it holds the fields that change against the class.
    from msgspec.structs import replace

    def dataclass_transform(**_):
        return lambda kind: kind


__all__ = ["Struct", "Value", "field", "replace"]

_Kind = TypeVar("_Kind", bound="_ValueKind")


class _ValueKind(StructMeta):
    """Makes a class frozen and keyword-only if it does not say otherwise; msgspec inherits only the former."""

    def __new__(
        mcls: type[_Kind],
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        frozen: bool = True,
        kw_only: bool = True,
        **configuration: Any,
    ) -> _Kind:
        return super().__new__(mcls, name, bases, namespace, frozen=frozen, kw_only=kw_only, **configuration)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
class Value(Struct, frozen=True, metaclass=_ValueKind):
    """A frozen value; equal where its fields are. `kw_only=False` where the order of the fields says enough."""
