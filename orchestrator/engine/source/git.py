"""The one user of GitPython: git commands that neither prompt, nor run hooks, nor hang on a dead host.

Importing GitPython takes longer than all of `lcpp setup` with nothing to do, so modules that import this one are
themselves imported only when something has to be fetched.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import git as gitpython

from orchestrator import process
from orchestrator.engine.source.remote import Remote
from orchestrator.errors import SourceError
from orchestrator.progress import Progress, Silent

# A host that says nothing at all for so long is taken for unreachable.
_FIRST_WORD_S = 25.0
# Once a transfer has begun, git may work in silence (checking what came) before it is given up.
_SILENCE_S = 300.0

_CONFIG = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.autocrlf=false",
    "core.attributesFile=/dev/null",
    "core.logAllRefUpdates=false",
    "advice.detachedHead=false",
    "init.templateDir=",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "fetch.prune=false",
    "fetch.pruneTags=false",
    "fetch.writeCommitGraph=false",
    "fetch.unpackLimit=1",
    "fetch.fsckObjects=true",
    # Harmless blemishes that the history of some remotes has; git's hashes are checked all the same.
    "fetch.fsck.zeroPaddedFilemode=ignore",
    "fetch.fsck.missingSpaceBeforeDate=ignore",
    "fetch.fsck.badTimezone=ignore",
    "fetch.fsck.gitmodulesUrl=ignore",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=20",
)
_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "SSH_ASKPASS": "",
    "SSH_ASKPASS_REQUIRE": "never",
    "GIT_OPTIONAL_LOCKS": "0",
    # Leaves out ext:: and fd::, which run commands.
    "GIT_ALLOW_PROTOCOL": ":".join(("file", "git", "http", "https", "ssh")),
    # What a surrounding `git` (a hook, `git bisect run`) may have set.
    "GIT_ALTERNATE_OBJECT_DIRECTORIES": "",
    "GIT_NAMESPACE": "",
}
_UNREACHABLE = re.compile(
    r"Could not resolve (host|proxy)|Couldn't connect|Failed to connect|Connection (refused|timed out|reset)|"
    r"Network is unreachable|No route to host|Operation too slow|unable to access|Operation timed out|"
    r"unable to connect to|ssh: connect to host|Could not resolve hostname|Connection closed by|"
    r"Temporary failure in name resolution|early EOF|RPC failed|unexpected disconnect",
    re.IGNORECASE,
)

# The last two are git's own wording; where it cannot write a reference that it has just opened, it gives no reason.
_DISK_FULL = re.compile(r"No space left on device|Disk quota exceeded|Out of diskspace|couldn't write '[^']*\.lock'")


class GitFailed(SourceError):
    """A git command failed; `stderr` is its own message."""

    def __init__(self, what: str, *, stderr: str = "", where: str | None = None, hint: str | None = None) -> None:
        super().__init__(what, where=where, hint=hint)
        self.stderr = stderr


class Unreachable(GitFailed):
    """The git host cannot be reached, as far as git can tell."""


class _Bar(gitpython.RemoteProgress):
    """Hands git's own progress lines on."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress

    def update(
        self, op_code: int, cur_count: str | float, max_count: str | float | None = None, message: str = ""
    ) -> None:
        total = float(max_count) if max_count else None
        names = {self.RECEIVING: "receiving objects", self.RESOLVING: "resolving deltas"}
        self._progress.advance(
            float(cur_count or 0), total, f"{names.get(op_code & self.OP_MASK, '')} {message}".strip()
        )


class Git:
    """git on one git directory, with its own work tree when there is one."""

    def __init__(self, git_dir: Path, *, work_tree: Path | None = None, own: bool = True) -> None:
        """`own`: objects and index lie in `git_dir` itself, so what the environment says of them can be overruled."""
        self.git_dir = git_dir
        self._cwd = work_tree or git_dir
        self._environment = {
            **_ENVIRONMENT,
            "GIT_DIR": str(git_dir),
            "GIT_WORK_TREE": str(self._cwd),
        }
        if own:
            self._environment |= {
                "GIT_OBJECT_DIRECTORY": str(git_dir / "objects"),
                "GIT_INDEX_FILE": str(git_dir / "index"),
            }

    def run(self, *arguments: str, remote: Remote | None = None, progress: Progress | None = None) -> str:
        """Run `git ARGUMENTS` and return what it printed on stdout.

        Args:
            remote: the remote that it talks to, for messages and to know a dead host.

        Raises:
            Unreachable: the host of `remote` cannot be reached, or fell silent.
            GitFailed: git ended with an error.
        """
        configured = [part for item in _CONFIG for part in ("-c", item)]
        executable = gitpython.Git.GIT_PYTHON_GIT_EXECUTABLE or "git"
        bar = _Bar(progress or Silent())
        with contextlib.ExitStack() as stack:
            with process.interrupts_held():
                # Kept in a name of its own: GitPython ends the process when this goes.
                started = gitpython.Git(str(self._cwd)).execute(
                    [executable, *configured, *arguments],
                    as_process=True,
                    env=self._environment,
                    start_new_session=True,
                    preexec_fn=process.die_with_parent(),
                )
                child = started.proc
                if child is None:
                    raise GitFailed("git did not start", hint="check that `git --version` works")
                stack.enter_context(_stopped(child))
            out, lines, silent_s = _pump(child, bar, bounded=remote is not None and not remote.local)
        if silent_s is None and child.returncode == 0:
            return out
        raise _explain(arguments, remote, "\n".join(lines), silent_s)


@contextlib.contextmanager
def _stopped(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """Whatever happens inside (Ctrl-C among it), the child's whole group is gone afterwards."""
    try:
        yield
    finally:
        if child.poll() is None:
            for sig, patience_s in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 3.0)):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, sig)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(timeout=patience_s)
                    break
        for pipe in (child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()


def _pump(child: subprocess.Popen[bytes], bar: _Bar, *, bounded: bool) -> tuple[str, list[str], float | None]:
    """Read both pipes to their end. Returns stdout, the lines of stderr, and after how much silence it was given up."""
    if child.stdout is None or child.stderr is None:
        raise GitFailed("no pipe from git")
    out = bytearray()
    rest = b""
    lines: list[str] = []
    show = bar.new_message_handler()
    spoke, patience_s = time.monotonic(), _FIRST_WORD_S
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        selector.register(child.stderr, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(timeout=1.0)
            if not ready and bounded and time.monotonic() - spoke > patience_s:
                return out.decode(errors="replace"), lines, patience_s
            for key, _ in ready:
                chunk = os.read(key.fd, 65536)
                spoke, patience_s = time.monotonic(), _SILENCE_S
                if not chunk:
                    selector.unregister(key.fileobj)
                elif key.fileobj is child.stdout:
                    out += chunk
                else:
                    *whole, rest = re.split(rb"[\r\n]", rest + chunk)
                    for raw in whole:
                        line = raw.decode(errors="replace").rstrip()
                        show(line)
                        # Progress is for the bar; what remains is what git has to say.
                        if line and not re.search(r"\d+% \(\d+/\d+\)|: \d+(, done\.)?$", line):
                            lines.append(line)
    if rest:
        lines.append(rest.decode(errors="replace").rstrip())
    child.wait()
    return out.decode(errors="replace"), lines, None


def _explain(arguments: tuple[str, ...], remote: Remote | None, stderr: str, silent_s: float | None) -> GitFailed:
    where = f"git {next((word for word in arguments if not word.startswith('-')), '')}"
    if remote is not None:
        stderr = stderr.replace(remote.url, remote.shown)
        where = f"{where} {remote.shown}"
    tail = "\n    ".join(stderr.splitlines()[-4:])
    if remote is not None and silent_s is not None:
        return Unreachable(
            f"{remote.shown} did not answer within {silent_s:.0f} s",
            stderr=stderr,
            where=where,
            hint="check the network; `engine.source: package` takes it from the package index instead",
        )
    if remote is not None and not remote.local and _UNREACHABLE.search(stderr):
        return Unreachable(
            f"{remote.shown} cannot be reached:\n    {tail}",
            stderr=stderr,
            where=where,
            hint="check the network and the URL; `engine.source: package` takes it from the package index instead",
        )
    hint = "look at git's message; to start afresh, remove the `llama.cpp.git` folder in vendor"
    if _DISK_FULL.search(stderr):
        hint = "the disk is full: free some space, then run the same command again"
    elif remote is not None and re.search(
        r"repository corruption on the remote side|did not send all necessary", stderr
    ):
        hint = "that repository is damaged or incomplete itself: check it with `git fsck`, or name another remote"
    elif "dubious ownership" in stderr:
        hint = "the repository belongs to another user; tell git that you trust it as it says"
    elif remote is not None and re.search(r"could not read Username|Authentication failed|Permission denied", stderr):
        hint = "the remote wants a login; check the URL, or set up git's credentials for it and try `git ls-remote`"
    elif remote is not None:
        hint = "check that the URL or path is a git repository that you may read (try `git ls-remote`)"
    return GitFailed(f"git failed:\n    {tail}", stderr=stderr, where=where, hint=hint)
