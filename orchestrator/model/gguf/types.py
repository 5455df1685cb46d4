"""The tensor types and file types of GGUF, from the `gguf` library's own tables."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import NamedTuple

from orchestrator.errors import ModelError


class TensorType(NamedTuple):
    """How a tensor type stores numbers: `block_elements` of them in `block_bytes`."""

    name: str
    block_elements: int
    block_bytes: int


# Types that files of some eras hold and the `gguf` library does not list: removed before it (the rearranged types of
# 2024, same blocks as their base type), or added after its last release.
_BESIDE_THE_LIBRARY = {
    31: TensorType("Q4_0_4_4", 32, 18),
    32: TensorType("Q4_0_4_8", 32, 18),
    33: TensorType("Q4_0_8_8", 32, 18),
    36: TensorType("IQ4_NL_4_4", 32, 18),
    37: TensorType("IQ4_NL_4_8", 32, 18),
    38: TensorType("IQ4_NL_8_8", 32, 18),
    42: TensorType("Q2_0", 64, 18),
}


@functools.lru_cache(maxsize=1)
def tensor_types() -> Mapping[int, TensorType]:
    """Every known tensor type by its number in a file."""
    sizes = _constants().GGML_QUANT_SIZES
    known = {int(kind): TensorType(kind.name, elements, n_bytes) for kind, (elements, n_bytes) in sizes.items()}
    return MappingProxyType({**_BESIDE_THE_LIBRARY, **known})


def file_type_name(number: int) -> str:
    """The name of a `general.file_type`, such as `Q4_1`; its number as text when the library has no name."""
    for kind in _constants().LlamaFileType:
        if int(kind) == number:
            return str(kind.name).removeprefix("MOSTLY_").removeprefix("ALL_")
    return str(number)


@functools.lru_cache(maxsize=1)
def _constants() -> ModuleType:
    """The module `gguf.constants`, loaded by its file.

    Importing it by name runs the package's `__init__`, which loads numpy and more: four times the time and three
    times the memory, for two tables that need nothing but `enum`.
    """
    package = importlib.util.find_spec("gguf")
    if package is None or not package.submodule_search_locations:
        raise ModelError("the Python package `gguf` is not installed", hint="install lcpp again with its dependencies")
    path = Path(package.submodule_search_locations[0], "constants.py")
    spec = importlib.util.spec_from_file_location("orchestrator.model._gguf_constants", path)
    if spec is None or spec.loader is None:
        raise ModelError("the Python package `gguf` has no table of tensor types", where=str(path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
