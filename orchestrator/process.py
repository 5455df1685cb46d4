"""The one door to `subprocess`: helper programs (compilers, pip, make, CMake), never the driven llama.cpp."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import LcppError

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, kw_only=True)
class Finished:
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
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(_PR_SET_PDEATHSIG, int(sig))


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
    done = subprocess.run(
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
        returncode=done.returncode,
        stdout=done.stdout.decode(errors="replace"),
        stderr=done.stderr.decode(errors="replace"),
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
    with log.open("ab") as out:
        out.write(f"$ {' '.join(argv)}\n".encode())
        out.flush()
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
        try:
            if child.stdout is None:
                raise LcppError(f"no pipe from {argv[0]}")
            for raw in child.stdout:
                out.write(raw)
                on_line(raw.decode(errors="replace").rstrip("\r\n"))
            return child.wait()
        except BaseException:
            _stop_group(child)
            raise
        finally:
            if child.stdout is not None:
                child.stdout.close()


def _stop_group(child: subprocess.Popen[bytes], deadline_s: float = 5.0) -> None:
    """Interrupt, terminate, kill the child's group, all under one deadline."""
    end = time.monotonic() + deadline_s
    for sig, share in ((signal.SIGINT, 0.4), (signal.SIGTERM, 0.8), (signal.SIGKILL, 1.0)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, sig)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=max(0.1, end - time.monotonic() - deadline_s * (1.0 - share)))
            return
