"""Which build a llama.cpp is whose number is not known: from its commit's date, or from what stands in its sources."""

from __future__ import annotations

import datetime
from bisect import bisect_right
from pathlib import Path

from orchestrator.eras.since import FIRST_BUILD, NEWEST

# Commit dates of some builds (a shallow clone cannot count). The last one's number is reckoned from its date.
DATES: tuple[tuple[int, str], ...] = (
    (1012, "2023-08-21"),
    (1289, "2023-09-28"),
    (1521, "2023-11-17"),
    (1665, "2023-12-21"),
    (1855, "2024-01-13"),
    (2122, "2024-02-11"),
    (2413, "2024-03-13"),
    (2709, "2024-04-21"),
    (3087, "2024-06-04"),
    (3142, "2024-06-13"),
    (3236, "2024-06-26"),
    (3470, "2024-07-27"),
    (3681, "2024-09-07"),
    (3761, "2024-09-15"),
    (3903, "2024-10-10"),
    (4014, "2024-11-02"),
    (4241, "2024-12-02"),
    (4475, "2025-01-13"),
    (4821, "2025-03-04"),
    (5064, "2025-04-07"),
    (5269, "2025-05-02"),
    (5922, "2025-07-17"),
    (6206, "2025-08-19"),
    (6569, "2025-09-24"),
    (6975, "2025-11-07"),
    (7348, "2025-12-10"),
    (7407, "2025-12-15"),
    (7728, "2026-01-14"),
    (8475, "2026-03-22"),
    (8834, "2026-04-18"),
    (9151, "2026-05-14"),
    (9829, "2026-06-28"),
    (10105, "2026-07-23"),
    (10587, "2026-08-22"),
    (11200, "2026-10-01"),
)
LAST_KNOWN = DATES[-1][0]

# What stands in the sources since which build: in one of these files, this text (nothing: the file itself).
_PARSER = ("common/arg.cpp", "common/common.cpp", "examples/common.cpp")
_LANDMARKS: tuple[tuple[int, tuple[str, ...], str], ...] = (
    (1012, ("llama.cpp",), "gguf_init_from_file"),
    (1283, ("llama.h", "include/llama.h"), "llama_decode("),
    (1289, _PARSER, "--threads-batch"),
    (1366, ("examples/batched-bench/batched-bench.cpp",), ""),
    (1448, _PARSER, "--min-p"),
    (1619, _PARSER, "--cache-type-k"),
    (1855, _PARSER, "--no-display-prompt"),
    (2413, _PARSER, "--ubatch-size"),
    (2613, ("examples/batched-bench/batched-bench.cpp",), "[N_BATCH]"),
    (2771, _PARSER, '"--flash-attn"'),
    (2817, _PARSER, "--conversation"),
    (3087, _PARSER, "--no-escape"),
    (3142, ("examples/main/CMakeLists.txt",), "set(TARGET llama-cli)"),
    (3236, ("ggml/CMakeLists.txt",), ""),
    (3676, _PARSER, "--output-format"),
    (3716, ("common/arg.cpp",), ""),
    (3761, ("common/log.cpp",), ""),
    (3903, ("examples/simple/simple.cpp",), "-ngl"),
    (4408, ("src/llama-arch.cpp",), ""),
    (4475, _PARSER, "--no-conversation"),
    (4821, _PARSER, "--single-turn"),
    (5269, ("tools/CMakeLists.txt",), ""),
    (6325, ("include/llama.h",), "LLAMA_FLASH_ATTN_TYPE"),
    (7348, ("tools/completion/completion.cpp",), ""),
    (7407, _PARSER, '"--fit"'),
    (9151, _PARSER, "--no-log-prefix"),
    (9437, ("tools/llama-bench/llama-bench.cpp",), "<on|off|auto>"),
    (10105, _PARSER, "--load-mode"),
)
_MAX_SOURCE_BYTES = 4_000_000


def estimate_build(commit_date: datetime.date) -> int:
    """The number of the build of that day, by interpolation: right to a few builds; after the table's end, newest."""
    dates = [datetime.date.fromisoformat(day) for _, day in DATES]
    index = bisect_right(dates, commit_date)
    if index == 0:
        return FIRST_BUILD
    if index == len(dates):
        return LAST_KNOWN if commit_date == dates[-1] else NEWEST
    (low, _), (high, _) = DATES[index - 1], DATES[index]
    share = (commit_date - dates[index - 1]) / (dates[index] - dates[index - 1])
    return low + int((high - low) * share)


def bounds_from_sources(sources: Path) -> tuple[int, int]:
    """The first and last build that a llama.cpp directory can be, by what stands in its sources.

    The last one is far above all when every landmark is there, and when none is (then nothing is known).
    """
    texts: dict[str, str | None] = {}

    def text_of(name: str) -> str | None:
        if name not in texts:
            try:
                with (sources / name).open("rb") as file:
                    texts[name] = file.read(_MAX_SOURCE_BYTES).decode(errors="replace")
            except OSError:
                texts[name] = None
        return texts[name]

    def is_there(names: tuple[str, ...], text: str) -> bool:
        return any(content is not None and text in content for content in map(text_of, names))

    present = [first for first, names, text in _LANDMARKS if is_there(names, text)]
    if not present:
        return (FIRST_BUILD, NEWEST)
    later = [first for first, _, _ in _LANDMARKS if first > present[-1]]
    return (present[-1], min(later) - 1 if later else NEWEST)
