"""How fast transcripts are parsed: `python benchmarks/parse.py [MB]`, in megabytes per second of CPU time on one core.

The exit code is 1 when recorded transcripts take more than a second for 20 MB, or time is not linear in size.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from orchestrator.parse.layout import Layout
from orchestrator.parse.parser import parse_run

CORPUS = Path(__file__).parents[1] / "tests/data/transcripts"
LIMIT = 20.0
STDOUT = Layout(shape="stdout")


def kinds() -> Iterator[tuple[str, bytes, bytes]]:
    """Names, and what is repeated on standard output and on standard error."""
    logs = [path.read_bytes() for path in sorted(CORPUS.glob("*/complete/stderr.log"))]
    yield "recorded logs of all builds", b"", b"".join(logs)
    yield "recorded log, 1d1ccce67613", b"", (CORPUS / "1d1ccce67613/complete/stderr.log").read_bytes()
    yield "recorded log, 0c1e57098bba", b"", (CORPUS / "0c1e57098bba/complete/stderr.log").read_bytes()
    yield "generated text", b"Santa Cruz, where the sea ends.\n> main: decoded 3 tokens\n", b""
    yield "lines that nothing matches", b"", b"something: that no format knows, 12 of it\n"
    yield "colour codes", b"", b"\x1b[1m\x1b[32mload\x1b[0m: x\n"
    yield "one line", b"", b"x" * 64
    yield "random bytes", b"", bytes((i * 197 + i // 7) % 256 for i in range(65536))


def repeated(piece: bytes, size: int) -> bytes:
    """`piece` again and again, each time with other digits, so that no two lines with a number are alike."""
    chance = random.Random(1)
    parts = []
    for _ in range(size // len(piece) + 1):
        digits = bytes(chance.sample(range(48, 58), 10))
        parts.append(piece.translate(bytes.maketrans(b"0123456789", digits)))
    return b"".join(parts)[:size]


def rate(out: bytes, err: bytes, size: int) -> float:
    """MB/s of CPU time for `size` bytes."""
    piece = out or err
    data = repeated(piece, size)
    begun = time.process_time()
    parse_run(data if out else b"", data if err else b"", STDOUT, "")
    return size / (time.process_time() - begun) / 1e6


def main() -> int:
    size = int(float(sys.argv[1] if len(sys.argv) > 1 else 50) * 1e6)
    failed = False
    for name, out, err in kinds():
        small, large = (max(rate(out, err, n) for _ in range(3)) for n in (size // 5, size))
        recorded = name.startswith("recorded")
        bad = (recorded and large < LIMIT) or large < small / 2
        failed = failed or bad
        print(f"{name:32} {large:8.1f} MB/s  ({small:.1f} at a fifth of the size)" + ("  too slow" if bad else ""))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
