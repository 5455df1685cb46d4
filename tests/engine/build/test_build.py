"""Building: real make, real CMake, a real compiler, on a project of three one-file programs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from orchestrator import process
from orchestrator.engine.build import manifest
from orchestrator.engine.build.build import LOG, Engine, build
from orchestrator.engine.build.tree import MARKER
from orchestrator.engine.source.obtain import obtain
from orchestrator.errors import BuildError, ToolchainError
from orchestrator.progress import Progress, Silent
from orchestrator.recipe.schema.recipe import EngineSpec, ProgramName
from orchestrator.workspace import Workspace
from tests.engine.build import build_once
from tests.engine.fake_upstream import PROGRAMS, FakeUpstream, Notes, git


def made(
    upstream: FakeUpstream,
    workspace: Workspace,
    *programs: ProgramName,
    progress: Progress | None = None,
    environment: Mapping[str, str] | None = None,
    **more: object,
) -> Engine:
    asked = EngineSpec.model_validate({"ref": "master", "remote": str(upstream.path), "source": "git", **more})
    checkout = obtain(asked, workspace, Silent(), base=Path("/"))
    return build(checkout, asked, programs, workspace, progress or Silent(), environment=environment)


@pytest.mark.parametrize("system", ["make", "cmake"])
def test_only_the_programs_that_were_asked_for(upstream: FakeUpstream, workspace: Workspace, system: str) -> None:
    notes = Notes()
    engine = made(upstream, workspace, "llama-cli", "llama-bench", progress=notes, build=system)
    assert not engine.reused
    assert set(engine.manifest.programs) == {"llama-bench", "llama-cli"}
    assert sorted(path.name for path in (engine.directory / "bin").iterdir()) == ["llama-bench", "llama-cli"]
    assert process.run([str(engine.program("llama-cli"))]).stderr.startswith("version: 3642")
    assert engine.manifest.version_output == "version: 3642 (1d1ccce)\nbuilt with cc for here"
    assert engine.manifest.build_system == system
    assert engine.manifest.commit == upstream.head
    assert engine.manifest.compiler.c.path == shutil.which("cc")
    assert not (engine.directory / MARKER).exists()
    done, total = notes.steps[-1]
    assert done == total, "the bar ends full"
    with pytest.raises(BuildError, match="llama-simple is not among"):
        engine.program("llama-simple")
    assert manifest.read(engine.directory) == engine.manifest


def test_a_finished_build_is_used_again_and_grows(upstream: FakeUpstream, workspace: Workspace) -> None:
    first = made(upstream, workspace, "llama-simple", build="make")
    log = first.directory / LOG
    before = log.read_bytes()
    again = made(upstream, workspace, "llama-simple", build="make")
    assert again.reused
    assert (again.key, again.manifest) == (first.key, first.manifest)
    assert log.read_bytes() == before

    more = made(upstream, workspace, "llama-bench", build="make", programs=["llama-simple"])
    assert more.key == first.key
    assert set(more.manifest.programs) == {"llama-simple", "llama-bench"}
    assert len(more.manifest.commands) == 2
    assert made(upstream, workspace, "llama-simple", build="make").reused


def test_options_change_the_key_and_reach_the_compiler(upstream: FakeUpstream, workspace: Workspace) -> None:
    plain = made(upstream, workspace, "llama-simple")
    fancy = made(upstream, workspace, "llama-simple", options={"GGML_FANCY": 7, "GGML_OPENMP": False})
    assert plain.key != fancy.key
    assert "-DNO_OPENMP -DFANCY=7" in (fancy.directory / LOG).read_text()
    assert fancy.manifest.options == {"GGML_FANCY": 7, "GGML_OPENMP": False}


def test_what_make_cannot_say_is_built_by_cmake(upstream: FakeUpstream, workspace: Workspace) -> None:
    notes = Notes()
    engine = made(upstream, workspace, "llama-simple", progress=notes, options={"GGML_NATIVE": False})
    assert engine.manifest.build_system == "cmake"
    assert "building with CMake: GGML_NATIVE: false" in notes.notes[0]
    with pytest.raises(BuildError, match="GGML_NATIVE: false"):
        made(upstream, workspace, "llama-simple", build="make", options={"GGML_NATIVE": False})
    with pytest.raises(BuildError, match=r"knows no option GGML_FANZY \(did you mean GGML_FANCY"):
        made(upstream, workspace, "llama-simple", build="make", options={"GGML_FANZY": True})


def test_cmake_tells_of_options_that_it_did_not_use(upstream: FakeUpstream, workspace: Workspace) -> None:
    engine = made(upstream, workspace, "llama-simple", build="cmake", options={"GGML_NOPE": True, "LLAMA_FANCY": True})
    assert engine.manifest.notes == ("this llama.cpp does not know the build option GGML_NOPE",)


@pytest.mark.parametrize(
    "makefile",
    [
        None,
        "ifndef LLAMA_MAKEFILE\n$(error The Makefile build is deprecated.)\nendif\n",
        "$(error Build system changed: The Makefile build has been replaced by CMake.)\n",
    ],
)
def test_auto_leaves_a_retired_makefile_alone(
    upstream: FakeUpstream, workspace: Workspace, makefile: str | None
) -> None:
    if makefile is None:
        git(upstream.path, "rm", "--quiet", "Makefile")
        upstream.commit()
    else:
        upstream.commit(Makefile=makefile)
    notes = Notes()
    assert made(upstream, workspace, "llama-simple", progress=notes).manifest.build_system == "cmake"
    assert notes.notes == []


def test_shared_libraries_go_with_the_programs(upstream: FakeUpstream, workspace: Workspace) -> None:
    upstream.commit(
        **{
            "llama-simple.c": "#include <stdio.h>\nint ggml_answer(void);\n"
            'int main(void) { printf("usage %d\\n", ggml_answer()); return 0; }\n'
        }
    )
    engine = made(upstream, workspace, "llama-simple", build="cmake", options={"BUILD_SHARED_LIBS": True})
    assert [item.file for item in engine.manifest.libraries] == ["bin/libggml.so"]
    shutil.rmtree(engine.directory / "tree")
    assert process.run([str(engine.program("llama-simple"))]).stdout == "usage 42\n"


def test_a_compile_error_shows_the_compilers_own_words(upstream: FakeUpstream, workspace: Workspace) -> None:
    good = upstream.head
    upstream.commit(**{"llama-simple.c": "int main(void) { return nonsense; }\n"})
    for system in ("make", "cmake"):
        with pytest.raises(BuildError) as error:
            made(upstream, workspace, "llama-simple", build=system)
        assert "llama-simple.c:1:25: error: " in error.value.what
        assert "nonsense" in error.value.what
        assert error.value.where is not None
        log = Path(error.value.where)
        assert "nonsense" in log.read_text()
        assert (log.parent / MARKER).exists()
        assert manifest.read(log.parent) is None

    upstream.commit(**{"llama-simple.c": PROGRAMS["llama-simple"]})
    assert not made(upstream, workspace, "llama-simple").reused
    assert made(upstream, workspace, "llama-simple", ref=good).manifest.commit == good


def test_a_program_that_fails_to_build_leaves_the_others_usable(upstream: FakeUpstream, workspace: Workspace) -> None:
    upstream.commit(**{"llama-bench.c": "#error not today\n"})
    first = made(upstream, workspace, "llama-simple", build="make")
    with pytest.raises(BuildError, match="not today"):
        made(upstream, workspace, "llama-simple", "llama-bench", build="make")
    again = made(upstream, workspace, "llama-simple", build="make")
    assert again.reused
    assert again.manifest == first.manifest


@pytest.mark.parametrize(
    ("source", "what", "hint"),
    [
        ("#include <signal.h>\nint main(void) { raise(SIGILL); return 0; }\n", "SIGILL", "GGML_NATIVE: false"),
        ("#include <signal.h>\nint main(void) { raise(SIGSEGV); return 0; }\n", "SIGSEGV", "debugger"),
        ("int main(void) { return 0; }\n", "exit code 0", "by hand"),
        ('#include <stdio.h>\nint main(void) { puts("what?"); return 3; }\n', "exit code 3", "by hand"),
    ],
)
def test_a_program_that_does_not_work_is_found_at_once(
    upstream: FakeUpstream, workspace: Workspace, source: str, what: str, hint: str
) -> None:
    upstream.commit(**{"llama-simple.c": source})
    for _ in range(2):
        with pytest.raises(BuildError, match=what) as error:
            made(upstream, workspace, "llama-simple")
        assert error.value.hint is not None
        assert hint in error.value.hint


def test_a_program_that_is_not_there_in_this_era(upstream: FakeUpstream, workspace: Workspace) -> None:
    with pytest.raises(BuildError, match="has no llama-completion"):
        made(upstream, workspace, "llama-completion")


def test_a_missing_compiler_is_named_with_the_command_that_installs_it(
    upstream: FakeUpstream, workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    nothing = {"PATH": str(tmp_path / "bin")}
    with pytest.raises(ToolchainError, match=r"cc and c\+\+ are needed") as error:
        made(upstream, workspace, "llama-simple", environment=nothing)
    assert error.value.hint is not None
    assert error.value.hint.startswith("run: ")

    for name in ("cc", "c++"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name) or "")
    with pytest.raises(ToolchainError, match="make is needed to build"):
        made(upstream, workspace, "llama-simple", environment=nothing)

    # What is built already needs no compiler to be found.
    built = made(upstream, workspace, "llama-simple")
    found = made(upstream, workspace, "llama-simple", environment={"PATH": "/nowhere"})
    assert found.reused
    assert found.directory == built.directory


def test_the_users_own_flags_do_not_leak_in(
    upstream: FakeUpstream, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"CFLAGS": "-bad", "CC": "/bad", "MAKEFLAGS": "--bad", "GGML_FANCY": "1", "EXTRA": ""}.items():
        monkeypatch.setenv(name, value)
    for system in ("make", "cmake"):
        engine = made(upstream, workspace, "llama-simple", build=system)
        log = (engine.directory / LOG).read_text()
        assert "bad" not in log.replace("badge", "")
        assert "-DFANCY" not in log


def test_compilers_that_were_asked_for(upstream: FakeUpstream, workspace: Workspace) -> None:
    environment = {**os.environ, "CC": "gcc", "CXX": "g++"}
    engine = made(upstream, workspace, "llama-simple", environment=environment)
    assert engine.manifest.compiler.c.path == shutil.which("gcc")
    assert "CC=gcc" in engine.manifest.commands[0]
    with pytest.raises(ToolchainError, match="gcc -m64 is needed") as error:
        made(upstream, workspace, "llama-bench", environment={**environment, "CC": "gcc -m64"})
    assert error.value.hint is not None
    assert "without arguments" in error.value.hint


@pytest.mark.parametrize("variable", ["CC", "CXX"])
def test_another_compiler_is_another_build(
    upstream: FakeUpstream, workspace: Workspace, tmp_path: Path, variable: str
) -> None:
    """Compilers are what people compare: neither another one nor a new version of the same may find the old build."""
    keys = []
    for name, version in (("mine", "1.0"), ("mine", "2.0"), ("other", "2.0")):
        compiler = tmp_path / name
        compiler.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "{version}" && exit\nexec cc "$@"\n')
        compiler.chmod(0o755)
        environment = {**os.environ, variable: str(compiler)}
        first, again = (made(upstream, workspace, "llama-simple", environment=environment) for _ in range(2))
        assert (first.reused, again.reused) == (False, True)
        assert again.key == first.key
        used = {"CC": first.manifest.compiler.c, "CXX": first.manifest.compiler.cxx}[variable]
        assert (used.path, used.version) == (str(compiler), version)
        keys.append(first.key)
    assert len(set(keys)) == 3


def test_a_directory_with_changes_is_built_as_it_is(
    upstream: FakeUpstream, workspace: Workspace, tmp_path: Path
) -> None:
    (upstream.path / "llama-simple.c").write_text(
        '#include <stdio.h>\nint main(void) { puts("usage mine"); return 1; }'
    )
    asked = EngineSpec(source="path", path=str(upstream.path))
    checkout = obtain(asked, workspace, Silent(), base=tmp_path)
    engine = build(checkout, asked, ["llama-simple"], workspace, Silent())
    assert process.run([str(engine.program("llama-simple"))]).stdout == "usage mine\n"
    assert engine.manifest.fingerprint == checkout.fingerprint


# several processes, and processes that are killed


def _start(upstream: FakeUpstream, workspace: Workspace) -> subprocess.Popen[str]:
    argv = [sys.executable, str(Path(build_once.__file__)), str(upstream.path), str(workspace.vendor)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _wait_for(workspace: Workspace, what: str) -> Path:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if found := list(workspace.builds.glob(f"*/{what}")):
            return found[0]
        time.sleep(0.02)
    raise AssertionError(f"no {what}")


def test_two_at_once_build_once(upstream: FakeUpstream, workspace: Workspace) -> None:
    upstream.gate.touch()
    both = [_start(upstream, workspace) for _ in range(2)]
    marker = _wait_for(workspace, MARKER)
    time.sleep(0.5)
    upstream.gate.unlink()
    outs = [child.communicate(timeout=120) for child in both]
    assert [child.returncode for child in both] == [0, 0], outs
    assert sorted(out.split()[1] for out, _ in outs) == ["False", "True"]
    assert (marker.parent / LOG).read_text().count("-o llama-simple\n") == 1


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGINT])
def test_a_build_that_was_killed_never_looks_finished(
    upstream: FakeUpstream, workspace: Workspace, sig: signal.Signals
) -> None:
    upstream.gate.touch()
    child = _start(upstream, workspace)
    marker = _wait_for(workspace, MARKER)
    log = marker.parent / LOG
    while not log.exists():
        time.sleep(0.02)
    child.send_signal(sig)
    child.communicate(timeout=30)
    assert child.returncode != 0
    assert marker.exists()
    assert manifest.read(marker.parent) is None
    # Half an object file, as a power failure leaves it, newer than its source.
    (marker.parent / "tree/llama-simple").write_bytes(b"\x7fELF")
    (marker.parent / "tree/llama-simple.o").write_bytes(b"\x7fELF")
    upstream.gate.unlink()

    child = _start(upstream, workspace)
    out, err = child.communicate(timeout=120)
    assert child.returncode == 0, err
    file, reused = out.split()
    assert reused == "False"
    assert process.run([file]).stdout.startswith("usage: llama-simple")


def test_the_compilers_of_a_killed_lcpp_stop(upstream: FakeUpstream, workspace: Workspace) -> None:
    upstream.gate.touch()
    child = _start(upstream, workspace)
    marker = _wait_for(workspace, MARKER)
    tree = marker.parent / "tree"
    end = time.monotonic() + 30
    while not _working_in(tree) and time.monotonic() < end:
        time.sleep(0.02)
    child.kill()
    child.communicate()
    while (left := _working_in(tree)) and time.monotonic() < end:
        time.sleep(0.05)
    assert left == []


def _working_in(tree: Path) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").readlink() == tree:
                found.append(int(entry.name))
        except OSError:
            continue
    return found
