"""pexpect behind one narrow class: start a program on a terminal of its own, watch it, stop it, keep what it printed.

Standard output and input are the pseudo-terminal, so that the program prints each token as it comes; standard error
is a pipe of its own, so that log lines and the answer cannot be mixed up.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import os
import re
import resource
import select
import signal
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pexpect
import ptyprocess

from orchestrator.drive.transcript import StoppedBy, Stream, Tape, Transcript
from orchestrator.errors import DriveError
from orchestrator.process import die_with_parent
from orchestrator.workspace import disk_errors

OnOutput = Callable[[Stream, bytes, float], None]

_READ_BYTES = 1 << 16
_SAMPLE_EVERY_S = 0.1
_DRAIN_S = 1.0
# The ladder: how long each signal may take to work before the next, harder one.
_LADDER = ((signal.SIGINT, 3.0), (signal.SIGTERM, 2.0), (signal.SIGKILL, 5.0))
_PEAK = re.compile(rb"^VmHWM:\s*(\d+) kB", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When to stop a program: seconds in all, seconds without output, bytes of output."""

    timeout_s: float
    idle_timeout_s: float
    max_output_bytes: int


if TYPE_CHECKING:
    _PexpectSpawn = pexpect.spawn[bytes]
else:
    _PexpectSpawn = pexpect.spawn


class _Spawn(_PexpectSpawn):
    """pexpect's spawn, letting one more descriptor through to the child: its standard error."""

    def __init__(self, program: str, args: list[str], *, stderr: int, **settings: Any) -> None:
        self._stderr = stderr
        self._die_with_lcpp = die_with_parent(signal.SIGKILL)
        super().__init__(program, args, preexec_fn=self._in_child, **settings)

    def _spawnpty(self, args: list[str], **settings: Any) -> ptyprocess.PtyProcess:
        self.process = ptyprocess.PtyProcess.spawn(args, pass_fds=(self._stderr,), **settings)
        return self.process

    def _in_child(self) -> None:
        # No translation of "\n" to "\r\n": the bytes of the answer stay exact.
        attributes = termios.tcgetattr(1)
        attributes[1] &= ~termios.OPOST
        termios.tcsetattr(1, termios.TCSANOW, attributes)
        os.dup2(self._stderr, 2)
        os.close(self._stderr)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        self._die_with_lcpp()


class Session:
    """One run of one program. Use it as a context manager: on leaving, the program is gone, whatever happened."""

    def __init__(self, argv: Sequence[str], *, environment: Mapping[str, str], folder: Path) -> None:
        """Start `argv` in `folder`, where the transcript is kept too.

        Raises:
            DriveError: it does not start.
        """
        self.argv = tuple(argv)
        self.folder = folder
        self._peak: int | None = None
        self._cpu_before = _children_cpu_s()
        with disk_errors("keep the transcript", folder):
            self._tape = Tape(folder)
        self._stderr, far_end = os.pipe()
        self.started_at = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
        self._start = time.monotonic()
        try:
            self._child = _Spawn(
                self.argv[0],
                list(self.argv[1:]),
                stderr=far_end,
                env=dict(environment),
                cwd=str(folder),
                timeout=None,
                maxread=_READ_BYTES,
                echo=False,
                dimensions=(50, 200),
            )
        except (pexpect.ExceptionPexpect, OSError) as error:
            os.close(self._stderr)
            self._tape.__exit__()
            raise DriveError(
                f"cannot start {Path(self.argv[0]).name}: {_first_line(error)}",
                where=self.argv[0],
                hint="build it again: `lcpp engine remove` the build, then `lcpp setup`",
            ) from error
        finally:
            os.close(far_end)
        # pexpect and ptyprocess sleep that long when they close; here the child is gone by then.
        self._child.delayafterclose = self._child.process.delayafterclose = 0.0
        self._pid: int = self._child.process.pid
        os.set_blocking(self._stderr, False)
        self._open: dict[int, Stream] = {self._child.fileno(): "stdout", self._stderr: "stderr"}

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._gone():
            self._signal(signal.SIGKILL)
            self._wait_gone(_LADDER[-1][1])
        self._child.close(force=True)
        os.close(self._stderr)
        self._tape.__exit__()

    def run(self, limits: Limits, on_output: OnOutput) -> Transcript:
        """Watch the program until it ends, or until a limit or Ctrl-C stops it, and return all of it."""
        stopped_by: StoppedBy | None = None
        try:
            stopped_by = self._watch(limits, on_output)
        except KeyboardInterrupt:
            stopped_by = "interrupt"
        if stopped_by is not None:
            self._stop(limits)
        self._drain(limits)
        wall_s = time.monotonic() - self._start
        self._child.close(force=True)
        cpu_s = _children_cpu_s() - self._cpu_before
        return Transcript(
            argv=self.argv,
            stdout=self._tape.read("stdout"),
            stderr=self._tape.read("stderr"),
            timeline=tuple(self._tape.timeline),
            started_at=self.started_at,
            wall_s=wall_s,
            cpu_s=cpu_s,
            peak_memory_bytes=self._peak,
            exit_code=self._child.exitstatus,
            signal=self._child.signalstatus,
            stopped_by=stopped_by,
            folder=self.folder,
        )

    def _watch(self, limits: Limits, on_output: OnOutput) -> StoppedBy | None:
        """Read until the program is gone; the name of the limit that it ran into, if any."""
        last_output = sampled = self._start
        while True:
            now = time.monotonic()
            if now - self._start > limits.timeout_s:
                return "timeout"
            if now - last_output > limits.idle_timeout_s:
                return "idle_timeout"
            if self._tape.n_bytes > limits.max_output_bytes:
                return "output_limit"
            if self._read(_SAMPLE_EVERY_S, limits, on_output):
                last_output = time.monotonic()
            elif self._gone():
                return None
            if now - sampled >= _SAMPLE_EVERY_S or last_output > now:
                self._sample()
                sampled = now

    def _read(self, wait_s: float, limits: Limits, on_output: OnOutput | None) -> bool:
        """Take what is there, waiting at most `wait_s` for it; whether anything came."""
        if not self._open:
            time.sleep(min(wait_s, 0.005))
            return False
        ready, _, _ = select.select(list(self._open), [], [], wait_s)
        came = False
        for descriptor in ready:
            stream = self._open[descriptor]
            data = self._take(descriptor)
            if not data:
                del self._open[descriptor]
                continue
            came = True
            at_s = time.monotonic() - self._start
            room = limits.max_output_bytes + _READ_BYTES - self._tape.n_bytes
            if room > 0:
                self._tape.add(stream, data[:room], at_s)
            if on_output is not None:
                on_output(stream, data, at_s)
        return came

    def _take(self, descriptor: int) -> bytes:
        """The bytes that are ready; none at the end."""
        if descriptor != self._stderr:
            try:
                return self._child.read_nonblocking(_READ_BYTES, timeout=0)
            except pexpect.EOF:
                return b""
        try:
            return os.read(descriptor, _READ_BYTES)
        except OSError as error:
            if error.errno == errno.EAGAIN:
                return b""
            raise

    def _stop(self, limits: Limits) -> None:
        """Interrupt, terminate, kill; what the program still prints meanwhile is kept."""
        for sig, patience_s in _LADDER:
            self._signal(sig)
            # A second Ctrl-C means: do not wait.
            with contextlib.suppress(KeyboardInterrupt):
                end = time.monotonic() + patience_s
                while time.monotonic() < end:
                    if not self._read(0.05, limits, None) and self._gone():
                        return

    def _drain(self, limits: Limits) -> None:
        """Take what is left in the pipes. A grandchild may hold them open, so not for ever."""
        end = time.monotonic() + _DRAIN_S
        while self._open and time.monotonic() < end:
            self._read(0.05, limits, None)

    def _signal(self, sig: int) -> None:
        # The child leads a session of its own, so this reaches all of its processes and nothing else.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, sig)

    def _gone(self) -> bool:
        """Whether the child has ended; it is not reaped, so its figures can still be read."""
        try:
            ended = os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        except ChildProcessError:
            return True
        return ended is not None

    def _wait_gone(self, patience_s: float) -> None:
        end = time.monotonic() + patience_s
        while not self._gone() and time.monotonic() < end:
            time.sleep(0.01)

    def _sample(self) -> None:
        """Read VmHWM; the kernel keeps it as a maximum, so the last reading before the end is the peak."""
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{self._pid}/status").read_bytes()
            if match := _PEAK.search(status):
                self._peak = int(match.group(1)) * 1024


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
