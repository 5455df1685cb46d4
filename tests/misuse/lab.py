"""A bench for doing things wrong: lcpp as a user calls it, a llama.cpp that compiles in a second, a tiny model."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TypeVar

import pexpect

from tests.engine.fake_upstream import FakeUpstream, git
from tests.model.gguf_files import tiny_model as gguf_file

ROOT = Path(__file__).parents[2]
LLAMA_CLI = Path(__file__).with_name("llama_cli.c").read_text(encoding="utf-8")
# Far beyond what anything here takes, for machines that do other work besides.
PATIENCE_S = 120.0
RECIPE = """\
lcpp: 1
engine:
  ref: b3700
  source: git
  remote: {remote}
model:
  source: path
  path: tiny.gguf
run:
  prompt: What is the capital of France?
  n_predict: 16
expect:
  text_contains: [Paris]
"""
T = TypeVar("T")
_NOT_OURS = ("HF_", "HUGGING", "LCPP_", "GIT_", "CC", "CXX", "COLUMNS", "FORCE_COLOR", "http_proxy", "HTTP_PROXY")
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[=>])")


@dataclass(frozen=True)
class Finished:
    """An lcpp that has ended. In a terminal, `stderr` is all that was on the screen."""

    code: int
    stdout: str
    stderr: str


@dataclass(kw_only=True)
class Lab:
    """One place to do things wrong in: `folder` has recipe.yaml and tiny.gguf, and is where lcpp is called."""

    folder: Path
    vendor: Path
    upstream: FakeUpstream
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / "recipe.yaml").write_text(RECIPE.format(remote=self.upstream.path))
        (self.folder / "tiny.gguf").write_bytes(tiny_model())
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_OURS)}
        self.environment = {
            **inherited,
            "PYTHONPATH": str(ROOT),
            "LCPP_VENDOR": str(self.vendor),
            "LCPP_RUNS": str(self.runs),
            "HF_HOME": str(self.folder / "hf"),
            # Nothing here may leave the machine.
            "HF_ENDPOINT": f"http://127.0.0.1:{closed_port()}",
            "NO_PROXY": "127.0.0.1,localhost",
            "TERM": "xterm",
            **self.environment,
        }

    @property
    def runs(self) -> Path:
        """Where results go."""
        return self.folder / "runs"

    def lcpp(self, *words: str, environment: Mapping[str, str] | None = None) -> Finished:
        """Run lcpp to its end, its output in pipes."""
        child = self.start(*words, environment=environment)
        return finish(child)

    def start(
        self, *words: str, environment: Mapping[str, str] | None = None, stdout: int | IO[bytes] = subprocess.PIPE
    ) -> subprocess.Popen[bytes]:
        """Start lcpp."""
        return subprocess.Popen(
            [sys.executable, "-m", "orchestrator", *words],
            cwd=self.folder,
            env={**self.environment, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
        )

    def in_terminal(self, *words: str) -> Terminal:
        """Start lcpp in a terminal of its own."""
        return Terminal(
            pexpect.spawn(
                sys.executable,
                ["-m", "orchestrator", *words],
                cwd=str(self.folder),
                env=self.environment,
                dimensions=(50, 160),
                timeout=PATIENCE_S,
            )
        )

    def right_run(self, *words: str) -> Finished:
        """The recipe as it should be; it must work."""
        finished = self.lcpp("run", "recipe.yaml", *words)
        assert finished.code == 0, finished.stderr
        assert "The capital of France is Paris." in finished.stdout
        assert "14.04 tokens/s" in finished.stdout
        assert self.leftovers() == []
        return finished

    def builds(self) -> list[str]:
        """The keys of the builds that lcpp takes for finished."""
        listed = self.lcpp("engine", "list", "--json")
        assert listed.code == 0, listed.stderr
        return [build["key"] for build in json.loads(listed.stdout)["builds"] if build["manifest"] is not None]

    def build_log(self) -> Path:
        """The log of the one build that has begun."""
        return until(lambda: next(iter(self.vendor.glob("builds/*/build.log")), None), "a build that compiles")

    def results(self) -> list[dict[str, Any]]:
        """All results, oldest first."""
        return [json.loads(path.read_text()) for path in sorted(self.runs.glob("*.json"))]

    def leftovers(self) -> list[Path]:
        """What was made for the time of making something else, and should be gone when lcpp is."""
        return [
            Path(folder) / name
            for top in (self.vendor, self.runs, self.folder / "hf")
            for folder, folders, names in os.walk(top)
            for name in (*folders, *names)
            if (name.startswith(".") and name not in (".git", ".locks") and not name.endswith(".lock"))
            or name.endswith(".incomplete")
            # Headers of files of the hub are kept, as parts of those files.
            or (name.endswith(".part") and Path(folder).name != "headers")
        ]


class Terminal:
    """An lcpp in a terminal."""

    def __init__(self, child: pexpect.spawn[bytes]) -> None:
        self._child = child

    def ctrl_c(self) -> None:
        """Press it."""
        self._child.sendintr()

    def finish(self) -> Finished:
        """Wait for its end."""
        self._child.expect(pexpect.EOF)
        screen = _ESCAPES.sub("", (self._child.before or b"").decode(errors="replace")).replace("\r", "\n")
        self._child.close()
        code = self._child.exitstatus
        return Finished(-(self._child.signalstatus or 0) if code is None else code, "", screen)


def finish(child: subprocess.Popen[bytes]) -> Finished:
    """Wait for an lcpp's end."""
    try:
        out, err = child.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        # It tells where it hangs, if anything does.
        child.send_signal(signal.SIGABRT)
        out, err = child.communicate()
        raise AssertionError(f"lcpp did not end:\n{err.decode()}") from None
    return Finished(child.returncode, (out or b"").decode(), err.decode())


def until(found: Callable[[], T | None], what: str) -> T:
    """What `found` gives once it gives something."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if got := found():
            return got
        time.sleep(0.02)
    raise AssertionError(f"waited in vain for {what}")


def tiny_model(*, n_bytes: int = 512, fill: int = 0) -> bytes:
    """A whole model that lcpp lets run: of one layer, with a tensor of `n_bytes`."""
    return gguf_file(n_bytes=n_bytes, fill=fill, layer=True)


def make_upstream(folder: Path) -> FakeUpstream:
    """A repository laid out like llama.cpp of b3700, whose llama-cli answers, hangs or dies as its prompt says."""
    folder.mkdir(exist_ok=True)
    upstream = FakeUpstream.make(folder / "upstream")
    upstream.commit(**{"llama-cli.c": LLAMA_CLI})
    git(upstream.path, "tag", "--force", "b3700")
    return upstream


def working_in(folder: Path) -> list[int]:
    """The processes that work in `folder`, such as compilers."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink().is_relative_to(folder):
                found.append(int(process.name))
        except OSError:
            continue
    return found


def closed_port() -> int:
    """A port of loopback where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def path_without(folder: Path, *missing: str) -> str:
    """A PATH on which only these programs are missing."""
    folder.mkdir()
    for name in ("git", "make", "cmake", "cc", "c++", "sh", "as", "ld", "sleep"):
        found = shutil.which(name)
        if found is not None and name not in missing:
            (folder / name).symlink_to(found)
    return str(folder)
