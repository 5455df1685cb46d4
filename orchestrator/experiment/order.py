"""In which order the cases of an experiment run: in rounds, so that all cases meet the same drift of the machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.values import Value


class Slot(Value):
    """One run that is to be had: which case (0-based), in which round (0-based), to warm up or to count."""

    case: int
    round: int
    warmup: bool = False


def one_round(cases: Sequence[int], number: int, *, warmup: bool = False) -> tuple[Slot, ...]:
    """Each case once: forwards in even rounds, backwards in odd ones (A B, B A, …).

    So over two rounds every case runs at the same mean time, and a machine that becomes slower slows all alike.
    """
    order = cases if number % 2 == 0 else cases[::-1]
    return tuple(Slot(case=case, round=number, warmup=warmup) for case in order)


def all_rounds(cases: Sequence[int], *, repeat: int, warmup: int) -> Iterator[tuple[Slot, ...]]:
    """The rounds that warm up, then those that count."""
    for number in range(warmup):
        yield one_round(cases, number, warmup=True)
    for number in range(repeat):
        yield one_round(cases, number)
