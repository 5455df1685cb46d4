"""The one door to `subprocess`: helper programs (compilers, pip, make, CMake), never the driven llama.cpp."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

from orchestrator.errors import LcppError
from orchestrator.values import Value

_PR_SET_PDEATHSIG = 1
_LADDER = ((signal.SIGINT, 2.0), (signal.SIGTERM, 2.0))
_AFTER_KILL_S = 1.0
_POLL_S = 0.01


class Finished(Value):
    """A helper program that has ended. `returncode` is negative for a signal, as in `subprocess`."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str


def die_with_parent(sig: int = signal.SIGTERM) -> Callable[[], None]:
    """A `preexec_fn`: the child gets `sig` when lcpp is gone, even by kill -9, so that no orphan goes on working."""
    if not sys.platform.startswith("linux"):
        return lambda: None
    # Loaded here, in the parent: between fork and exec only simple calls are safe.
    libc, parent = ctypes.CDLL(None), os.getpid()

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(sig))
        # Gone before the kernel was asked: nothing would be sent any more.
        if os.getppid() != parent:
            os._exit(1)

    return ask


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Ctrl-C waits for the end of the block: for starting a child, and knowing it, as one act.

    A fork calls hooks of Python's own (of `logging`, say), and an exception in one of them is printed and forgotten: a
    Ctrl-C that comes during the fork would be lost. One that comes just after it would leave a child that nobody knows.
    """
    before = signal.getsignal(signal.SIGINT)
    # Other threads never see the exception.
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupts: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: interrupts.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if interrupts:
            before(*interrupts[0])


def run(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout_s: float | None = None,
) -> Finished:
    """Run a short helper to its end and return what it printed (decoded leniently).

    Raises:
        FileNotFoundError, PermissionError: the program cannot be started.
        subprocess.TimeoutExpired: it took longer than `timeout_s`; it has been killed.
    """
    completed = subprocess.run(
        list(argv),
        cwd=cwd,
        env=None if env is None else dict(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=timeout_s,
        check=False,
    )
    return Finished(
        argv=tuple(argv),
        returncode=completed.returncode,
        stdout=completed.stdout.decode(errors="replace"),
        stderr=completed.stderr.decode(errors="replace"),
    )


def stream(
    argv: Sequence[str],
    *,
    log: Path,
    on_line: Callable[[str], None],
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> int:
    """Run a long helper in its own process group, appending all its output to `log`, one call of `on_line` a line.

    Whatever ends this early (Ctrl-C among it), the whole group is stopped first.

    Returns:
        The exit code (negative for a signal).
    """
    child: subprocess.Popen[bytes] | None = None
    with log.open("ab") as out:
        out.write(f"$ {' '.join(argv)}\n".encode())
        out.flush()
        try:
            with interrupts_held():
                child = subprocess.Popen(
                    list(argv),
                    cwd=cwd,
                    env=None if env is None else dict(env),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=die_with_parent(),
                )
            if child.stdout is None:
                raise LcppError(f"no pipe from {argv[0]}")
            for raw in child.stdout:
                out.write(raw)
                on_line(raw.decode(errors="replace").rstrip("\r\n"))
            return child.wait()
        except BaseException:
            if child is not None:
                _stop_group(child)
            raise
        finally:
            if child is not None and child.stdout is not None:
                child.stdout.close()


def _stop_group(child: subprocess.Popen[bytes]) -> None:
    """Interrupt, terminate, kill the child's whole group, each with its time to work; a second Ctrl-C kills at once."""
    try:
        for sig, patience_s in _LADDER:
            _signal_group(child, sig)
            if _gone(child, patience_s):
                return
    finally:
        _signal_group(child, signal.SIGKILL)
        _gone(child, _AFTER_KILL_S)


def _signal_group(child: subprocess.Popen[bytes], sig: int) -> bool:
    """Send a signal (0: none) to all of the child's group; whether there was any process."""
    try:
        os.killpg(child.pid, sig)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _gone(child: subprocess.Popen[bytes], patience_s: float) -> bool:
    """Wait until the child has ended and nothing is left of its group, at most that long; whether it is so."""
    end = time.monotonic() + patience_s
    while child.poll() is None or _signal_group(child, 0):
        if time.monotonic() >= end:
            return False
        time.sleep(_POLL_S)
    return True
