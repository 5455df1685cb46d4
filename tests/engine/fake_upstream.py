"""A tiny project laid out like llama.cpp: real git history, real Makefile and CMakeLists.txt, one-file programs."""

from __future__ import annotations

import io
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path

from orchestrator import process
from orchestrator.progress import Progress
from orchestrator.workspace import Workspace

PROGRAMS = {
    "llama-simple": '#include <stdio.h>\nint main(void) { puts("usage: llama-simple -m model.gguf"); return 1; }\n',
    "llama-cli": (
        "#include <stdio.h>\n"
        'int main(void) { fputs("version: 3642 (1d1ccce)\\nbuilt with cc for here\\n", stderr); return 0; }\n'
    ),
    "llama-bench": '#include <stdio.h>\nint main(void) { puts("usage: llama-bench [options]"); return 0; }\n',
}
# GATE is a file: while it is there, every compile command waits.
MAKEFILE = """\
ifdef GGML_NO_OPENMP
EXTRA += -DNO_OPENMP
endif
ifdef GGML_FANCY
EXTRA += -DFANCY=$(GGML_FANCY)
endif

default: llama-simple llama-cli llama-bench

llama-%: llama-%.c ggml.h
\t@while [ -e GATE ]; do sleep 0.1; done
\t$(CC) $(EXTRA) -c $< -o $@.o
\t$(CC) $@.o -o $@
"""
CMAKE = """\
cmake_minimum_required(VERSION 3.14)
project(fake C CXX)
add_library(ggml ggml.c)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
foreach(name simple cli bench)
    add_executable(llama-${name} llama-${name}.c)
    target_link_libraries(llama-${name} ggml)
endforeach()
if (LLAMA_FANCY)
    message(STATUS "fancy")
endif()
"""


def git(folder: Path, *arguments: str, date: str = "2024-08-28T12:00:00+00:00") -> str:
    """Run git as a user would, by a fixed identity and clock."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
        **{f"GIT_{who}_{what}": "nobody" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        "GIT_AUTHOR_DATE": date,
        "GIT_COMMITTER_DATE": date,
        "GIT_CONFIG_GLOBAL": os.devnull,
    }
    done = process.run(["git", *arguments], cwd=folder, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@dataclass(frozen=True, kw_only=True)
class FakeUpstream:
    """The repository at `path`; `gate` holds its compile commands up while it exists."""

    path: Path
    gate: Path

    @staticmethod
    def make(path: Path) -> FakeUpstream:
        """Two commits on master, the second tagged b3700."""
        made = FakeUpstream(path=path, gate=path.parent / "gate")
        path.mkdir()
        git(path, "init", "--quiet", "--initial-branch=master")
        made.commit(**{"README.md": "fake\n", "ggml.h": "/* ggml */\n"})
        files = {f"{name}.c": text for name, text in PROGRAMS.items()}
        ggml = "int ggml_answer(void) { return 42; }\n"
        makefile = MAKEFILE.replace("GATE", str(made.gate))
        made.commit(**{"Makefile": makefile, "CMakeLists.txt": CMAKE, "ggml.c": ggml, **files})
        git(path, "tag", "b3700")
        return made

    def commit(self, /, **files: str) -> str:
        """Write these files, commit them, and return the commit."""
        for name, text in files.items():
            (self.path / name).write_text(text)
        git(self.path, "add", "--all")
        git(self.path, "commit", "--quiet", "--message", f"change {', '.join(files)}")
        return self.head

    @property
    def head(self) -> str:
        """The commit that is checked out."""
        return git(self.path, "rev-parse", "HEAD")


class Notes(Progress):
    """A `Progress` that remembers."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.notes: list[str] = []
        self.steps: list[tuple[float, float | None]] = []

    def stage(self, title: str) -> None:
        self.stages.append(title)

    def advance(self, done: float, total: float | None, detail: str = "") -> None:
        self.steps.append((done, total))

    def note(self, text: str) -> None:
        self.notes.append(text)


def workspace_at(path: Path) -> Workspace:
    """A workspace of its own."""
    return Workspace(vendor=path / "vendor", runs=path / "runs")


BACKEND = """\
import pathlib
def prepare_metadata_for_build_wheel(folder, settings=None):
    info = pathlib.Path(folder) / "NAME.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\\nName: REAL\\nVersion: VERSION\\n")
    return info.name
def build_wheel(folder, settings=None, metadata=None):
    raise SystemExit("never built")
"""


def sdist(folder: Path, name: str, version: str, extra: dict[str, bytes]) -> Path:
    """A source distribution that pip accepts without any network, with these files besides."""
    plain = name.replace("-", "_")
    top = f"{plain}-{version}"
    backend = BACKEND.replace("NAME", top).replace("REAL", name).replace("VERSION", version)
    project = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    files = {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        "pyproject.toml": project.encode(),
        "backend.py": backend.encode(),
        **extra,
    }
    folder.mkdir(exist_ok=True)
    goal = folder / f"{top}.tar.gz"
    with tarfile.open(goal, "w:gz") as tar:
        for path, content in files.items():
            member = tarfile.TarInfo(f"{top}/{path}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return goal
