"""The figures of each answer of a session, from the lines of the server inside llama-cli (b7348 and later)."""

from __future__ import annotations

import re

from orchestrator.parse import formats, lines
from orchestrator.parse.record import SlotTiming, Timing

_SLOT = re.compile(r"id\s+(?P<slot>-?\d{1,9}) \| task (?P<task>-?\d{1,18}) \|\s*(?P<rest>.*)$", re.ASCII)
# Until b8900 or so one line names the slot and the figures follow on lines of their own.
_SIGN = b"slot print_timing: "
_LINES_BEHIND = 4
_FIELDS = ("prompt_eval", "eval", "total")


def parse_slot_timings(stderr: bytes) -> tuple[SlotTiming, ...]:
    """The timings that the server printed behind each answer, in the order of the answers.

    Args:
        stderr: the standard error of a llama-cli that was asked for them (`-lv 3`, from b9151 on `-lv 4`).
    """
    if _SIGN not in stderr:
        return ()
    answers: list[tuple[int, int, dict[str, Timing]]] = []
    behind = 0
    for line in lines.split(lines.scrub(stderr)):
        if line.component == "slot" and line.function == "print_timing":
            named = _SLOT.match(line.rest)
            if named is None:
                continue
            key, rest, behind = (int(named["slot"]), int(named["task"])), named["rest"], _LINES_BEHIND
        elif behind and not line.component and answers:
            (slot, task, _), rest, behind = answers[-1], line.text.strip(), behind - 1
            key = slot, task
        else:
            behind = 0
            continue
        labelled_timing = formats.read_timing(rest)
        if labelled_timing is None:
            # A new answer, if the figures follow.
            if not rest:
                answers.append((*key, {}))
            continue
        label, timing = labelled_timing
        if not answers or answers[-1][:2] != key or label in answers[-1][2]:
            answers.append((*key, {}))
        answers[-1][2][label] = timing
    return tuple(
        SlotTiming(slot=slot, task=task, **{name: figures[name] for name in _FIELDS if name in figures})
        for slot, task, figures in answers
        if figures
    )
