"""How much of a file lies in memory already: a model that does not is read from the disk while the program loads it."""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

# Of a large file so many stretches of so many pages are looked at, evenly spread: 40 GB take some milliseconds.
_STRETCHES = 1024
_STRETCH_PAGES = 32
_EFFECTIVE = os.access in os.supports_effective_ids
_PROT_READ, _MAP_SHARED = 1, 1
_MAP_FAILED = ctypes.c_void_p(-1).value


# Of what the kernel says of a page only the lowest bit has a meaning.
_RESIDENT = bytes(page & 1 for page in range(256))


def cached_share(paths: Sequence[Path]) -> float | None:
    """The share of `paths` together, 0 to 1, that is in the page cache; of what is larger than 128 MiB a sample.

    None where the system does not tell: Linux tells it only to those who may write the file, and says of the files of
    others that all of it is cached.
    """
    if not sys.platform.startswith("linux"):
        return None
    all_bytes = cached_bytes = 0.0
    for path in paths:
        try:
            share = _share(path)
            n_bytes = path.stat().st_size
        except OSError:
            return None
        if share is None:
            return None
        all_bytes += n_bytes
        cached_bytes += share * n_bytes
    return cached_bytes / all_bytes if all_bytes else None


def _share(path: Path) -> float | None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not status.st_size:
            return 1.0
        if status.st_uid != os.geteuid() and not os.access(path, os.W_OK, effective_ids=_EFFECTIVE):
            return None
        return _share_of_mapping(descriptor, status.st_size)
    finally:
        os.close(descriptor)


def _share_of_mapping(descriptor: int, n_bytes: int) -> float | None:
    # The module `mmap` gives no address of a read-only mapping.
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p]
    # Mapped and never touched: that reads nothing.
    base = libc.mmap(None, n_bytes, _PROT_READ, _MAP_SHARED, descriptor, 0)
    if base in (None, _MAP_FAILED):
        return None
    try:
        n_pages = -(-n_bytes // mmap.PAGESIZE)
        residency = ctypes.create_string_buffer(_STRETCH_PAGES)
        n_looked_at = n_cached = 0
        for first in _stretches(n_pages):
            count = min(_STRETCH_PAGES, n_pages - first)
            if libc.mincore(base + first * mmap.PAGESIZE, count * mmap.PAGESIZE, residency):
                return None
            n_looked_at += count
            n_cached += residency.raw[:count].translate(_RESIDENT).count(1)
        return n_cached / n_looked_at
    finally:
        libc.munmap(base, n_bytes)


def _stretches(n_pages: int) -> Iterable[int]:
    """The first pages of the stretches to look at."""
    if n_pages <= _STRETCHES * _STRETCH_PAGES:
        return range(0, n_pages, _STRETCH_PAGES)
    last = n_pages - _STRETCH_PAGES
    return (last * index // (_STRETCHES - 1) for index in range(_STRETCHES))
