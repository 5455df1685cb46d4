"""A bound on calls into libraries that have none of their own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, call: Callable[[], T]) -> T:
    """The result of `call`, which is given up (not stopped) after so many seconds.

    It runs in a daemon thread, which keeps no program from ending: the look-up of a host's name, for one, cannot be
    interrupted in any other way.

    Raises:
        TimeoutError: it took longer. What `call` itself raises comes through.
    """
    answers: queue.Queue[T | BaseException] = queue.Queue(maxsize=1)

    def work() -> None:
        try:
            answers.put(call())
        except BaseException as error:  # noqa: BLE001 - handed over to the thread that asked
            answers.put(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer within {seconds:g} s") from None
    if isinstance(answer, BaseException):
        raise answer
    return answer
