"""Programs that hang, crash, chatter and die: the transcript is whole and the program is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from orchestrator.drive.session import Limits, Session
from orchestrator.drive.transcript import Transcript
from orchestrator.errors import DriveError, WorkspaceError

ENOUGH = Limits(timeout_s=20, idle_timeout_s=20, max_output_bytes=1_000_000)
ENVIRONMENT = {"PATH": os.environ["PATH"]}


def drive(script: str, folder: Path, limits: Limits = ENOUGH, seen: list[bytes] | None = None) -> Transcript:
    """Run a shell script in a session."""
    with Session(["sh", "-c", script], environment=ENVIRONMENT, folder=folder) as session:
        return session.run(limits, lambda stream, data, at_s: seen.append(data) if seen is not None else None)


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_the_streams_stay_apart_and_exact(tmp_path: Path) -> None:
    seen: list[bytes] = []
    transcript = drive(r"printf 'a\nb\tc\r\n\001'; printf 'log\n' >&2; exit 3", tmp_path, seen=seen)
    assert transcript.stdout == b"a\nb\tc\r\n\x01"
    assert transcript.stderr == b"log\n"
    assert (transcript.exit_code, transcript.signal, transcript.stopped_by) == (3, None, None)
    assert (tmp_path / "stdout.log").read_bytes() == transcript.stdout
    assert (tmp_path / "stderr.log").read_bytes() == transcript.stderr
    assert b"".join(sorted(seen)) == b"".join(sorted([transcript.stdout, transcript.stderr]))


def test_standard_output_is_a_terminal_and_input_is_empty(tmp_path: Path) -> None:
    transcript = drive("test -t 1 && echo terminal; test -t 2 || echo pipe; cat; echo end", tmp_path)
    assert transcript.stdout == b"terminal\npipe\nend\n"


def test_the_timeline_tells_when_each_piece_came(tmp_path: Path) -> None:
    transcript = drive("printf one; sleep 0.4; printf two", tmp_path)
    first, second = transcript.timeline
    assert (first.n_bytes, second.n_bytes) == (3, 3)
    assert second.at_s - first.at_s == pytest.approx(0.4, abs=0.3)
    rows = [row.split("\t") for row in (tmp_path / "timeline.tsv").read_text().splitlines()]
    assert [row[1:] for row in rows] == [["stdout", "3"], ["stdout", "3"]]


def test_memory_and_cpu_time_are_the_childs(tmp_path: Path) -> None:
    script = "import time\nx = bytearray(150_000_000)\nt = time.time()\nwhile time.time() - t < 0.5: pass\nprint('x')"
    with Session([sys.executable, "-c", script], environment=ENVIRONMENT, folder=tmp_path) as session:
        transcript = session.run(ENOUGH, lambda stream, data, at_s: None)
    assert transcript.peak_memory_bytes is not None
    assert 150_000_000 < transcript.peak_memory_bytes < 250_000_000
    assert transcript.cpu_s is not None
    assert 0.2 < transcript.cpu_s < 5


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGILL", "SIGKILL", "SIGABRT", "SIGBUS"])
def test_a_crash_is_told_by_its_signal(tmp_path: Path, name: str) -> None:
    transcript = drive(f"echo before; kill -{name[3:]} $$", tmp_path)
    assert transcript.signal == signal.Signals[name]
    assert transcript.exit_code is None
    assert transcript.stdout == b"before\n"


def test_time_out(tmp_path: Path) -> None:
    limits = Limits(timeout_s=0.5, idle_timeout_s=20, max_output_bytes=1000)
    transcript = drive("echo $$; while :; do echo on; sleep 0.1; done", tmp_path, limits)
    assert transcript.stopped_by == "timeout"
    assert transcript.wall_s < 6
    assert not alive(int(transcript.stdout.split()[0]))


def test_idle_time_out_keeps_what_the_program_prints_when_interrupted(tmp_path: Path) -> None:
    limits = Limits(timeout_s=20, idle_timeout_s=0.5, max_output_bytes=1000)
    transcript = drive("trap 'echo timings >&2; exit 130' INT; echo start; sleep 60 & wait", tmp_path, limits)
    assert transcript.stopped_by == "idle_timeout"
    assert transcript.exit_code == 130
    assert transcript.stderr == b"timings\n"


def test_a_program_that_ignores_signals_is_killed_with_its_children(tmp_path: Path) -> None:
    limits = Limits(timeout_s=0.3, idle_timeout_s=20, max_output_bytes=1000)
    transcript = drive("trap '' INT TERM; sleep 300 & echo $$ $!; wait", tmp_path, limits)
    assert transcript.signal == signal.SIGKILL
    assert not any(alive(int(pid)) for pid in transcript.stdout.split())


def test_endless_output_is_capped(tmp_path: Path) -> None:
    limits = Limits(timeout_s=20, idle_timeout_s=20, max_output_bytes=100_000)
    transcript = drive("yes", tmp_path, limits)
    assert transcript.stopped_by == "output_limit"
    assert 100_000 < len(transcript.stdout) < 300_000


def test_a_child_that_leaves_a_grandchild_behind_does_not_hang(tmp_path: Path) -> None:
    begun = time.monotonic()
    transcript = drive("sleep 30 >&2 & echo done", tmp_path)
    assert transcript.stdout == b"done\n"
    assert time.monotonic() - begun < 10


def test_what_does_not_start_is_an_error_with_a_next_step(tmp_path: Path) -> None:
    (tmp_path / "no-program").write_text("neither a script nor a binary")
    (tmp_path / "no-program").chmod(0o755)
    for path in (tmp_path / "absent", tmp_path / "no-program"):
        with pytest.raises(DriveError, match="cannot start") as caught:
            Session([str(path)], environment=ENVIRONMENT, folder=tmp_path)
        assert caught.value.hint


def test_an_error_in_the_watcher_takes_the_program_down(tmp_path: Path) -> None:
    def fail(stream: str, data: bytes, at_s: float) -> None:
        pids.append(int(data))
        raise RuntimeError("the screen broke")

    pids: list[int] = []
    session = Session(["sh", "-c", "echo $$; sleep 60"], environment=ENVIRONMENT, folder=tmp_path)
    with pytest.raises(RuntimeError), session:
        session.run(ENOUGH, fail)
    assert not alive(pids[0])


HOST = """
    import sys
    from pathlib import Path
    from orchestrator.drive.session import Limits, Session
    with Session(["sh", "-c", "echo $$; exec sleep 60"], environment={"PATH": "/usr/bin:/bin"}, folder=Path(sys.argv[1])) as s:
        t = s.run(Limits(timeout_s=50, idle_timeout_s=50, max_output_bytes=1000), lambda *a: print(int(a[1]), flush=True))
    print(t.stopped_by, t.signal, flush=True)
"""


def test_a_full_disk_stops_the_program_and_is_told(tmp_path: Path) -> None:
    (tmp_path / "stdout.log").symlink_to("/dev/full")
    with pytest.raises(WorkspaceError, match="cannot keep the transcript: no space left on device") as error:
        drive("echo $$ > pid; while echo more; do :; done", tmp_path)
    assert "free some space" in (error.value.hint or "")
    assert not alive(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize(("sig", "told"), [(signal.SIGINT, "interrupt 2"), (signal.SIGKILL, "")])
def test_when_lcpp_is_interrupted_or_killed_the_program_goes_too(tmp_path: Path, sig: int, told: str) -> None:
    host = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOST), str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert host.stdout is not None
    child = int(host.stdout.readline())
    host.send_signal(sig)
    assert host.stdout.read().strip() == told
    host.wait(timeout=10)
    deadline = time.monotonic() + 5
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(child)
    # What had arrived is on the disk, whatever happened to lcpp.
    assert (tmp_path / "stdout.log").read_text() == f"{child}\n"
