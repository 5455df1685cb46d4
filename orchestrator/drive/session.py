"""pexpect behind one narrow class: start a program on a terminal of its own, watch it, stop it, keep what it printed.

Standard output is the pseudo-terminal, so that the program prints each token as it comes; standard error is a pipe of
its own, so that log lines and the answer cannot be mixed up. Standard input is empty, or, for a program that is talked
to, the terminal too.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import math
import os
import re
import resource
import select
import signal
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pexpect
import ptyprocess

from orchestrator.drive.transcript import StoppedBy, Stream, Tape, Transcript
from orchestrator.errors import DriveError
from orchestrator.machine import affinity, threads
from orchestrator.process import die_with_parent, interrupts_held
from orchestrator.values import Value
from orchestrator.workspace import disk_errors

OnOutput = Callable[[Stream, bytes, float], None]
# Called with the child's process id while it runs, at most every `_SAMPLE_REST_S`.
OnSample = Callable[[int], None]

_READ_BYTES = 1 << 16
# While the program is quiet, and while it prints: then each piece of output may be the last, but reading costs it time.
_SAMPLE_EVERY_S = 0.1
_SAMPLE_REST_S = 0.02
_DRAIN_S = 1.0
# How often a program that pauses behind its prompt mark is asked whether it waits; and for how long it must have been
# quiet where the kernel does not tell what its threads do.
_ASK_EVERY_S = 0.002
_QUIET_S = 0.5
# A piece of input: small enough that writing one never takes long.
_WRITE_BYTES = 2048
# The ladder: how long each signal may take to work before the next, harder one.
_LADDER = ((signal.SIGINT, 3.0), (signal.SIGTERM, 2.0), (signal.SIGKILL, 5.0))
_PEAK = re.compile(rb"^VmHWM:\s*(\d+) kB", re.MULTILINE)
# The unit of `ru_inblock`.
_BLOCK_BYTES = 512


class Limits(Value):
    """When to stop a program: seconds in all, seconds without output, bytes of output."""

    timeout_s: float
    idle_timeout_s: float
    max_output_bytes: int


class Ended(Exception):
    """The program is gone while somebody waits for it. Caught in `Session.run`."""


class _Stopped(Exception):
    """A limit was reached."""

    def __init__(self, by: StoppedBy) -> None:
        super().__init__(by)
        self.by: StoppedBy = by


if TYPE_CHECKING:
    _PexpectSpawn = pexpect.spawn[bytes]
else:
    _PexpectSpawn = pexpect.spawn


class _Spawn(_PexpectSpawn):
    """pexpect's spawn, letting one more descriptor through to the child: its standard error."""

    def __init__(
        self,
        program: str,
        args: list[str],
        *,
        stderr: int,
        talks: bool,
        cpus: tuple[int, ...] | None,
        **settings: Any,
    ) -> None:
        self._stderr = stderr
        self._talks = talks
        self._cpus = cpus
        self._die_with_lcpp = die_with_parent(signal.SIGKILL)
        super().__init__(program, args, preexec_fn=self._in_child, **settings)

    def _spawnpty(self, args: list[str], **settings: Any) -> ptyprocess.PtyProcess:
        self.process = ptyprocess.PtyProcess.spawn(args, pass_fds=(self._stderr,), **settings)
        return self.process

    def _in_child(self) -> None:
        # No translation of "\n" to "\r\n": the bytes of the answer stay exact.
        attributes = termios.tcgetattr(1)
        attributes[1] &= ~termios.OPOST
        if self._talks:
            # Nor of what is typed: no special characters, no echo, no lines (which the kernel cuts at 4,095 bytes).
            attributes[0] = 0
            attributes[3] = 0
            attributes[6][termios.VMIN], attributes[6][termios.VTIME] = 1, 0
        termios.tcsetattr(1, termios.TCSANOW, attributes)
        os.dup2(self._stderr, 2)
        os.close(self._stderr)
        if not self._talks:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        if self._cpus is not None:
            os.sched_setaffinity(0, self._cpus)
        self._die_with_lcpp()


def _spawn(
    argv: tuple[str, ...],
    folder: Path,
    stderr: int,
    *,
    environment: Mapping[str, str],
    talks: bool,
    cpus: tuple[int, ...] | None,
) -> _Spawn:
    """Start the program; a Ctrl-C meanwhile ends it.

    Raises:
        DriveError: it does not start.
    """
    child: _Spawn | None = None
    try:
        with interrupts_held():
            child = _Spawn(
                argv[0],
                list(argv[1:]),
                stderr=stderr,
                talks=talks,
                cpus=cpus,
                env=dict(environment),
                cwd=str(folder),
                timeout=None,
                maxread=_READ_BYTES,
                echo=False,
                dimensions=(50, 200),
            )
    except (pexpect.ExceptionPexpect, OSError) as error:
        raise DriveError(
            f"cannot start {Path(argv[0]).name}: {_first_line(error)}",
            where=argv[0],
            hint="build it again: `lcpp engine remove` the build, then `lcpp setup`",
        ) from error
    except KeyboardInterrupt:
        if child is not None:
            child.terminate(force=True)
        raise
    return child


class Session:
    """One run of one program. Use it as a context manager: on leaving, the program is gone, whatever happened.

    Whoever talks to the program (`run` with `talk`) uses `send`, `wait_for_prompt`, `interrupt` and `wait_for_end`, and
    reads what came with `since`.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        talks: bool = False,
        cpus: tuple[int, ...] | None = None,
        on_sample: OnSample | None = None,
    ) -> None:
        """Start `argv` in `folder`, where the transcript is kept too.

        Args:
            talks: standard input is the terminal, in raw mode without echo; else it is empty.
            cpus: the CPUs that the program and all its threads stay on, by the kernel's numbers; None: any.
            on_sample: called with its process id now and then while it runs.

        Raises:
            DriveError: it does not start, or there is no such CPU.
        """
        if cpus is not None:
            affinity.check(cpus)
        self.argv = tuple(argv)
        self.folder = folder
        self._peak: int | None = None
        self._on_sample = on_sample
        self._used_before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with disk_errors("keep the transcript", folder):
            self._tape = Tape(folder)
        self._stderr, far_end = os.pipe()
        self.started_at = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
        self._start = time.monotonic()
        try:
            self._child = _spawn(self.argv, folder, far_end, environment=environment, talks=talks, cpus=cpus)
        except BaseException:
            os.close(self._stderr)
            self._tape.__exit__()
            raise
        finally:
            os.close(far_end)
        # pexpect and ptyprocess sleep that long when they close; here the child is gone by then.
        self._child.delayafterclose = self._child.process.delayafterclose = 0.0
        self._pid: int = self._child.process.pid
        os.set_blocking(self._stderr, False)
        # Never wait for a program that does not read what is typed.
        os.set_blocking(self._child.fileno(), False)
        self._open: dict[int, Stream] = {self._child.fileno(): "stdout", self._stderr: "stderr"}
        self._limits = Limits(timeout_s=0, idle_timeout_s=0, max_output_bytes=0)
        self._on_output: OnOutput | None = None
        self._last_output = self._start
        self._sampled = -math.inf
        self._status = _open(f"/proc/{self._pid}/status")

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
        if self._status >= 0:
            os.close(self._status)
        self._tape.__exit__()

    def run(self, limits: Limits, on_output: OnOutput, talk: Callable[[Session], None] | None = None) -> Transcript:
        """Watch the program until it ends, or until a limit or Ctrl-C stops it, and return all of it.

        Args:
            talk: called once, to talk to the program; when it returns, the program is watched until its end.
        """
        self._limits, self._on_output = limits, on_output
        stopped_by: StoppedBy | None = None
        try:
            with contextlib.suppress(Ended):
                if talk is not None:
                    talk(self)
                while True:
                    self._pump(_SAMPLE_EVERY_S)
        except _Stopped as stopped:
            stopped_by = stopped.by
        except KeyboardInterrupt:
            stopped_by = "interrupt"
        self._on_output = None
        if stopped_by is not None:
            self._stop()
        self._drain()
        wall_s = self.now_s
        # A program that has ended and is not reaped still tells this.
        run_delay_s = threads.run_delay_s(self._pid)
        self._child.close(force=True)
        used, before = resource.getrusage(resource.RUSAGE_CHILDREN), self._used_before
        return Transcript(
            argv=self.argv,
            stdout=self._tape.read("stdout"),
            stderr=self._tape.read("stderr"),
            timeline=tuple(self._tape.timeline),
            started_at=self.started_at,
            wall_s=wall_s,
            cpu_s=used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime,
            peak_memory_bytes=self._peak,
            exit_code=self._child.exitstatus,
            signal=self._child.signalstatus,
            stopped_by=stopped_by,
            folder=self.folder,
            run_delay_s=run_delay_s,
            involuntary_switches=used.ru_nivcsw - before.ru_nivcsw,
            major_faults=used.ru_majflt - before.ru_majflt,
            read_bytes=(used.ru_inblock - before.ru_inblock) * _BLOCK_BYTES,
        )

    @property
    def now_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def size(self, stream: Stream) -> int:
        """Bytes that have come from `stream` so far."""
        return self._tape.size(stream)

    def since(self, stream: Stream, begin: int) -> bytes:
        """What has come from `stream` behind its first `begin` bytes."""
        return self._tape.read(stream, begin)

    def first_after(self, stream: Stream, begin: int) -> float | None:
        """When the first byte behind the first `begin` bytes of `stream` came; None: none came."""
        return self._tape.first_after(stream, begin)

    def send(self, data: bytes) -> None:
        """Type `data`, taking what the program prints meanwhile.

        Raises:
            Ended: the program is gone.
        """
        terminal = self._child.fileno()
        self._tape.add("stdin", data, self.now_s)
        rest = memoryview(data)
        while rest:
            _, ready, _ = select.select([], [terminal], [], 0)
            if ready:
                with contextlib.suppress(BlockingIOError):
                    try:
                        rest = rest[os.write(terminal, rest[:_WRITE_BYTES]) :]
                    except OSError as error:
                        if error.errno != errno.EIO:
                            raise
                        raise Ended from None
            self._pump(0 if ready else _ASK_EVERY_S)
        # An answer may take its time from here.
        self._last_output = time.monotonic()

    def wait_for_prompt(self, mark: bytes, begin: int) -> None:
        """Wait until the program has printed something that ends with `mark` and waits for input.

        Behind the mark comes nothing, and a thread of the program waits for standard input while all others sleep:
        so it does not matter what an answer looks like. The program is asked only when its output pauses there.

        Args:
            begin: how much it had printed on standard output before; what came later counts.

        Raises:
            Ended: the program is gone.
        """
        while True:
            ends = self.size("stdout") >= begin + len(mark) and self._tape.ends_with("stdout", mark)
            if self._pump(_ASK_EVERY_S if ends else _SAMPLE_EVERY_S) or not ends:
                continue
            waits = threads.wait_for_input(self._pid)
            if waits is None:
                waits = time.monotonic() - self._last_output > _QUIET_S
            # Once more: what was printed before the question lies in the pipes now.
            if waits and not self._pump(0):
                return

    def interrupt(self) -> None:
        """Send Ctrl-C to the program."""
        self._signal(signal.SIGINT)

    def wait_for_end(self, patience_s: float) -> None:
        """Wait until the program is gone; after `patience_s` make it go."""
        end = time.monotonic() + patience_s
        with contextlib.suppress(Ended):
            while time.monotonic() < end:
                self._pump(_SAMPLE_EVERY_S)
            self._stop()

    def _pump(self, wait_s: float) -> bool:
        """Take what is there, waiting at most `wait_s` for it; whether anything came.

        Raises:
            Ended: nothing came, and the program is gone.
            _Stopped: a limit is reached.
        """
        now = time.monotonic()
        limits = self._limits
        if now - self._start > limits.timeout_s:
            raise _Stopped("timeout")
        if now - self._last_output > limits.idle_timeout_s:
            raise _Stopped("idle_timeout")
        if self._tape.n_bytes > limits.max_output_bytes:
            raise _Stopped("output_limit")
        came = self._read(wait_s)
        if came:
            self._last_output = time.monotonic()
        elif self._gone():
            raise Ended
        if now - self._sampled >= (_SAMPLE_REST_S if came else _SAMPLE_EVERY_S):
            self._sample()
            self._sampled = now
        return came

    def _read(self, wait_s: float) -> bool:
        """Take what is there, waiting at most `wait_s` for it; whether anything came."""
        if not self._open:
            time.sleep(min(wait_s, 0.001))
            return False
        ready, _, _ = select.select(list(self._open), [], [], wait_s)
        came = False
        for descriptor in ready:
            stream = self._open[descriptor]
            try:
                data = self._take(descriptor)
            except BlockingIOError:
                continue
            if not data:
                del self._open[descriptor]
                continue
            came = True
            at_s = time.monotonic() - self._start
            room = self._limits.max_output_bytes + _READ_BYTES - self._tape.n_bytes
            if room > 0:
                self._tape.add(stream, data[:room], at_s)
            if self._on_output is not None:
                self._on_output(stream, data, at_s)
        return came

    def _take(self, descriptor: int) -> bytes:
        """The bytes that are ready; none at the end.

        Raises:
            BlockingIOError: there are none after all.
        """
        # Not by pexpect's own reading: that costs the program's CPU several times as much for each token.
        try:
            return os.read(descriptor, _READ_BYTES)
        except OSError as error:
            # A terminal says so at its end.
            if error.errno == errno.EIO:
                return b""
            raise

    def _stop(self) -> None:
        """Interrupt, terminate, kill; what the program still prints meanwhile is kept."""
        for sig, patience_s in _LADDER:
            self._signal(sig)
            # A second Ctrl-C means: do not wait.
            with contextlib.suppress(KeyboardInterrupt):
                end = time.monotonic() + patience_s
                while time.monotonic() < end:
                    if not self._read(0.05) and self._gone():
                        return

    def _drain(self) -> None:
        """Take what is left in the pipes. A grandchild may hold them open, so not for ever."""
        end = time.monotonic() + _DRAIN_S
        while self._open and time.monotonic() < end:
            self._read(0.05)

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
            if match := _PEAK.search(os.pread(self._status, _READ_BYTES, 0)):
                self._peak = int(match.group(1)) * 1024
        if self._on_sample is not None:
            self._on_sample(self._pid)


def _open(path: str) -> int:
    """A descriptor to read `path` by; -1: it is not there, and reading is an error too."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
