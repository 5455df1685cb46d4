"""Everything done wrong, through the real command line: the exit code, a cause and a next step, nothing half-made,
and then the next, right, run. The rows are in `tests/misuse/table.py`; they make docs/failures.md."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.misuse.lab import (
    LLAMA_CLI,
    Finished,
    Lab,
    finish,
    make_upstream,
    path_without,
    tiny_model,
    until,
    working_in,
)
from tests.misuse.table import DOCUMENT, PROPERTY, ROWS, begins, message, shorten
from tests.model.hub_server import COMMIT, HubServer, Repo

Told = Callable[[str, Finished], str]
REPO = "someone/tiny"
HUB = ("-s", f"model={{source: hub, repo: {REPO}, file: tiny.gguf}}")
MIB = 1024 * 1024


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """The llama.cpp that all tests of runs share, built once."""
    folder = tmp_path_factory.mktemp("misuse")
    lab = Lab(folder=folder / "once", vendor=folder / "vendor", upstream=make_upstream(folder))
    done = lab.lcpp("setup", "recipe.yaml")
    assert done.code == 0, done.stderr
    return lab


@pytest.fixture
def lab(built: Lab, tmp_path: Path) -> Lab:
    """A place with a finished build."""
    return Lab(folder=tmp_path / "lab", vendor=built.vendor, upstream=built.upstream)


@pytest.fixture
def bare(tmp_path: Path) -> Lab:
    """A place with nothing built, and a llama.cpp of its own."""
    return Lab(folder=tmp_path / "lab", vendor=tmp_path / "vendor", upstream=make_upstream(tmp_path))


@pytest.fixture
def nothing(built: Lab, tmp_path: Path) -> Lab:
    """A place where nothing was ever fetched or built."""
    return Lab(folder=tmp_path / "lab", vendor=tmp_path / "vendor", upstream=built.upstream)


@pytest.fixture
def told(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, record_property: Callable[[str, object], None]
) -> Told:
    """Hold what came against its row, and keep it for the document."""

    def check(key: str, finished: Finished) -> str:
        row = ROWS[key]
        code = -signal.Signals[row.code] if isinstance(row.code, str) else row.code
        said = finished.stderr
        assert finished.code == code, said
        assert "Traceback" not in said + finished.stdout
        assert "bug:" not in said
        assert row.cause in said
        assert row.step in said
        record_property(PROPERTY, (key, shorten(message(said), tmp_path, tmp_path_factory.getbasetemp())))
        return said

    return check


@pytest.fixture
def hub() -> Iterator[HubServer]:
    """A hub with the tiny model."""
    with HubServer({REPO: Repo(commits={COMMIT: {"tiny.gguf": tiny_model()}})}) as server:
        yield server


@contextlib.contextmanager
def small_disk(folder: Path, size: str, *more: str) -> Iterator[None]:
    """A small file system of its own at `folder`."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    folder.mkdir(parents=True, exist_ok=True)
    options = ",".join((f"size={size}", *more))
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"mount does not work here: {mounted.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def files_in(lab: Lab) -> set[Path]:
    """All files that lcpp could have made, but the locks that it waits at."""
    found = {path for top in (lab.folder, lab.vendor) for path in top.rglob("*") if path.is_file()}
    return {path for path in found if path.suffix != ".lock"}


def grow(folder: Path, size: str) -> None:
    """Give a small disk more space."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)


# the command line


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("no-arguments", ()),
        ("unknown-command", ("rum", "recipe.yaml")),
        ("unknown-option", ("run", "recipe.yaml", "--jsno")),
        ("missing-recipe", ("run", "recipy.yaml")),
    ],
)
def test_a_command_line_that_lcpp_does_not_understand(lab: Lab, told: Told, key: str, words: tuple[str, ...]) -> None:
    finished = lab.lcpp(*words)
    told(key, finished)
    assert "python -m" not in finished.stderr
    assert not lab.runs.exists()
    lab.right_run()


@pytest.mark.parametrize("words", [("recipe", "schema"), ("run", "recipe.yaml"), ("run", "recipe.yaml", "--json")])
def test_a_reader_that_goes_away(lab: Lab, told: Told, words: tuple[str, ...]) -> None:
    # `| head -1` at its worst: the reader is gone before the first byte.
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        child = lab.start(*words, stdout=pipe)
    finished = finish(child)
    assert "error" not in finished.stderr
    told("broken-pipe", Finished(finished.code, "", ""))
    assert [result["status"] for result in lab.results()] == (["ok"] if words[0] == "run" else [])
    assert lab.leftovers() == []
    lab.right_run()


@pytest.mark.parametrize("words", [("recipe", "schema"), ("run", "recipe.yaml"), ("run", "recipe.yaml", "--json")])
def test_output_that_goes_to_a_full_disk(lab: Lab, told: Told, words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        told("full-output", finish(lab.start(*words, stdout=full)))
    assert [result["status"] for result in lab.results()] == (["ok"] if words[0] == "run" else [])
    lab.right_run()


@pytest.mark.parametrize("words", [("run", "nope.yaml", "--json"), ("rum",), ()])
def test_an_error_that_nobody_reads(lab: Lab, words: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        finished = finish(lab.start(*words, stdout=pipe))
    assert finished.code in (1, 2)
    assert "Traceback" not in finished.stderr


def test_output_that_takes_ascii_only(lab: Lab, told: Told) -> None:
    ascii_only = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    finished = lab.lcpp("run", "recipe.yaml", environment=ascii_only)
    told("ascii", Finished(finished.code, "", ""))
    assert "\\u2014 llama-cli" in finished.stdout
    assert lab.lcpp("recipe", "check", "n\udcffpe.yaml", environment=ascii_only).code == 2
    named = lab.folder / "n\udcffme.yaml"
    named.write_text((lab.folder / "recipe.yaml").read_text())
    assert "n\\udcffme.yaml: good" in lab.lcpp("recipe", "check", named.name).stdout


# the recipe


BOMB = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}' if n else 'word'] * 9)}]" for n in range(9))


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("unknown-key", ("  prompt:", "  promt:")),
        ("wrong-type", ("n_predict: 16", "n_predict: many")),
        ("alias-bomb", ("lcpp: 1", f"lcpp: 1\n{BOMB}")),
    ],
)
def test_a_recipe_that_is_wrong(lab: Lab, told: Told, key: str, change: tuple[str, str]) -> None:
    recipe = lab.folder / "recipe.yaml"
    right = recipe.read_text()
    recipe.write_text(right.replace(*change))
    assert "recipe.yaml:" in told(key, lab.lcpp("run", "recipe.yaml"))
    assert not lab.runs.exists()
    recipe.write_text(right)
    lab.right_run()


# getting llama.cpp


def test_a_ref_that_is_not_there(lab: Lab, told: Told) -> None:
    told("unknown-ref", lab.lcpp("run", "recipe.yaml", "-s", "engine.ref=mastre"))
    assert lab.results() == []
    lab.right_run("-s", "engine.ref=master")


def test_a_host_that_cannot_be_reached(bare: Lab, told: Told) -> None:
    elsewhere = f"{bare.environment['HF_ENDPOINT']}/llama.cpp"
    commit = bare.upstream.head
    words = ("run", "recipe.yaml", "-s", f"engine.ref={commit}", "-s", "engine.source=auto")
    said = told("unreachable-host", bare.lcpp(*words, "-s", f"engine.remote={elsewhere}"))
    assert commit in said
    assert bare.results() == []
    assert bare.builds() == []
    assert bare.leftovers() == []
    bare.right_run(*words[2:])


# building


def test_no_compiler(bare: Lab, told: Told, tmp_path: Path) -> None:
    poor = {"PATH": path_without(tmp_path / "bin", "cc", "c++")}
    told("missing-compiler", bare.lcpp("run", "recipe.yaml", environment=poor))
    assert bare.builds() == []
    assert bare.leftovers() == []
    bare.right_run()
    assert bare.lcpp("run", "recipe.yaml", environment=poor).code == 0


def test_a_llama_cpp_that_does_not_compile(bare: Lab, told: Told) -> None:
    good = bare.upstream.head
    bare.upstream.commit(**{"llama-cli.c": "int main(void) { return nonsense; }\n"})
    said = told("compile-error", bare.lcpp("setup", "recipe.yaml", "-s", "engine.ref=master"))
    assert "llama-cli.c:1:25: error: " in said
    assert "nonsense" in bare.build_log().read_text()
    assert str(bare.build_log()) in said
    assert bare.builds() == []
    assert bare.leftovers() == []
    bare.right_run("-s", f"engine.ref={good}")


def test_kill_9_in_the_middle_of_a_build(bare: Lab, told: Told) -> None:
    bare.upstream.gate.touch()
    child = bare.start("setup", "recipe.yaml")
    tree = bare.build_log().with_name("tree")
    until(lambda: working_in(tree), "compilers")
    child.kill()
    finished = finish(child)
    told("kill-build", Finished(finished.code, finished.stdout, ""))
    until(lambda: not working_in(tree), "the end of the compilers")
    assert bare.builds() == []
    # A part of an object file, newer than its source.
    (tree / "llama-cli.o").write_bytes(b"\x7fELF")
    bare.upstream.gate.unlink()
    bare.right_run()


def test_ctrl_c_in_the_middle_of_a_build(bare: Lab, told: Told) -> None:
    bare.upstream.gate.touch()
    terminal = bare.in_terminal("setup", "recipe.yaml")
    tree = bare.build_log().with_name("tree")
    until(lambda: working_in(tree), "compilers")
    terminal.ctrl_c()
    told("ctrl-c-build", terminal.finish())
    assert working_in(tree) == []
    assert bare.builds() == []
    assert bare.leftovers() == []
    bare.upstream.gate.unlink()
    bare.right_run()


def test_two_setups_at_once(bare: Lab, told: Told) -> None:
    bare.upstream.gate.touch()
    first = bare.start("setup", "recipe.yaml")
    log = bare.build_log()
    until(lambda: working_in(log.with_name("tree")), "compilers")
    second = bare.start("setup", "recipe.yaml")
    assert second.stderr is not None
    waits = second.stderr.readline()
    bare.upstream.gate.unlink()
    finished = [finish(first), finish(second)]
    assert finished[0].code == 0, finished[0].stderr
    told("two-setups", Finished(finished[1].code, finished[1].stdout, waits.decode()))
    assert "already built" in finished[1].stdout
    assert "already built" not in finished[0].stdout
    assert log.read_text().count("-o llama-cli\n") == 1
    assert len(bare.builds()) == 1
    bare.right_run()


def test_a_disk_that_gets_full_in_a_build(bare: Lab, told: Told) -> None:
    good = bare.upstream.head
    # Its object file is larger than the disk.
    bare.upstream.commit(**{"llama-cli.c": f"{LLAMA_CLI}char weights[{64 * MIB}] = {{1}};\n"})
    with small_disk(bare.vendor, "16m"):
        words = ("setup", "recipe.yaml", "-s", "engine.ref=master")
        told("full-disk-build", bare.lcpp(*words))
        assert bare.builds() == []
        grow(bare.vendor, "512m")
        assert bare.lcpp(*words).code == 0
        assert len(bare.builds()) == 1
        bare.right_run("-s", f"engine.ref={good}")


def test_a_disk_that_is_full_at_any_other_moment(bare: Lab) -> None:
    with small_disk(bare.vendor, "8k"):
        # The sources' repository, the fetch, the checkout, the copy to build in, the programs: each has its turn.
        for more in ("16k", "32k", "64k", "128k", "200k", "32m"):
            finished = bare.lcpp("setup", "recipe.yaml")
            if finished.code == 0:
                break
            assert finished.code == 1, finished.stderr
            assert "free some space" in finished.stderr
            assert bare.leftovers() == []
            grow(bare.vendor, more)
        bare.right_run()


# the model


@pytest.mark.parametrize(
    ("key", "content", "change"),
    [
        ("missing-model", tiny_model(), "model.path=tinny.gguf"),
        ("wrong-sha256", tiny_model(), f"model.sha256={'0' * 64}"),
        ("truncated-gguf", tiny_model(n_bytes=4096)[:-1000], None),
        ("not-a-gguf", b"<!DOCTYPE html><html><body>Please log in.</body></html>", None),
    ],
)
def test_a_model_that_is_not_right(lab: Lab, told: Told, key: str, content: bytes, change: str | None) -> None:
    (lab.folder / "tiny.gguf").write_bytes(content)
    told(key, lab.lcpp("run", "recipe.yaml", *(() if change is None else ("-s", change))))
    assert lab.results() == []
    assert lab.leftovers() == []
    (lab.folder / "tiny.gguf").write_bytes(tiny_model())
    lab.right_run()


def test_a_hub_that_wants_its_terms_accepted(lab: Lab, told: Told, hub: HubServer) -> None:
    lab.environment["HF_ENDPOINT"] = hub.endpoint
    hub.repos[REPO].gated = True
    told("gated", lab.lcpp("run", "recipe.yaml", *HUB))
    assert list((lab.folder / "hf").rglob("*.gguf")) == []
    assert lab.leftovers() == []
    hub.repos[REPO].gated = False
    lab.right_run(*HUB)


def test_a_file_that_the_hub_does_not_have(lab: Lab, told: Told, hub: HubServer) -> None:
    lab.environment["HF_ENDPOINT"] = hub.endpoint
    told("missing-hub-file", lab.lcpp("run", "recipe.yaml", *HUB, "-s", "model.file=tinny.gguf"))
    assert list((lab.folder / "hf").rglob("*.gguf")) == []
    assert lab.leftovers() == []
    lab.right_run(*HUB)


class StallingHub(HubServer):
    """A hub that says nothing more after some 12 MiB, until `stalls` is taken back."""

    stalls = True
    _n_pieces = 0

    @property
    def bytes_per_second(self) -> float | None:
        """Asked for after each piece of 64 KiB."""
        self._n_pieces += 1
        return 1.0 if self.stalls and self._n_pieces > 200 else None

    @bytes_per_second.setter
    def bytes_per_second(self, value: float | None) -> None: ...


def test_kill_9_in_the_middle_of_a_download(lab: Lab, told: Told) -> None:
    # The hub's library hands a download over in pieces of 10 MiB.
    content = tiny_model(n_bytes=24 * MIB)
    hub = StallingHub({REPO: Repo(commits={COMMIT: {"tiny.gguf": content}})})
    with hub:
        lab.environment["HF_ENDPOINT"] = hub.endpoint
        blobs = lab.folder / "hf/hub" / f"models--{REPO.replace('/', '--')}" / "blobs"
        child = lab.start("setup", "recipe.yaml", *HUB)
        part = until(lambda: next(iter(blobs.glob("*.incomplete")), None), "a download")
        until(lambda: part.stat().st_size > 0, "the first bytes of a download")
        child.kill()
        finished = finish(child)
        told("kill-download", Finished(finished.code, finished.stdout, ""))
        assert [path.name for path in blobs.iterdir()] == [part.name]
        assert 0 < part.stat().st_size < len(content)
        hub.stalls = False
        again = lab.right_run(*HUB)
        assert "going on with tiny.gguf" in again.stderr
        headers = {name.lower(): value for name, value in hub.content_requests()[-1].headers.items()}
        assert headers["range"].startswith("bytes=")
        assert len(list(blobs.iterdir())) == 1


# models by themselves


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("model-typo", "inpsect tiny.gguf"),
        ("inspect-missing", "inspect tinny.gguf"),
        ("inspect-truncated", "inspect cut.gguf"),
        ("inspect-repository", f"inspect hub:{REPO}"),
        ("inspect-source", f"inspect huh:{REPO}/tiny.gguf"),
        ("inspect-without-hub", f"inspect {REPO}/tiny.gguf"),
        ("list-file", f"list hub:{REPO}/tiny.gguf"),
        ("list-unreachable", f"list hub:{REPO}"),
        ("fit-model", "fit tiny.gguf"),
        ("fit-hub", f"fit hub:{REPO}/tiny.gguf"),
        ("fit-nothing", "fit"),
        ("dummy-preset", "dummy --preset lama-3.1-8b"),
        ("dummy-tokenizer", "dummy --preset llama-3.1-8b"),
        ("dummy-name", "dummy tiny.gguf --output tiny.gguf"),
        ("dummy-limit", "dummy tiny.gguf --limit 0.0000001"),
        ("verify-truncated", "verify cut.gguf"),
    ],
)
def test_a_model_command_that_is_wrong(nothing: Lab, told: Told, key: str, words: str) -> None:
    (nothing.folder / "cut.gguf").write_bytes(tiny_model(n_bytes=4096)[:-1000])
    before = files_in(nothing)
    told(key, nothing.lcpp("model", *words.split()))
    assert files_in(nothing) == before


def test_the_right_model_commands(nothing: Lab, hub: HubServer) -> None:
    nothing.environment["HF_ENDPOINT"] = hub.endpoint
    for words in (
        "inspect tiny.gguf",
        f"inspect hub:{REPO}/tiny.gguf",
        f"list hub:{REPO}",
        "dummy tiny.gguf",
        "dummy tiny.gguf --output tiny-dummy.gguf",
        "verify tiny.gguf",
    ):
        finished = nothing.lcpp("model", *words.split())
        assert finished.code == 0, (words, finished.stderr)
    assert nothing.leftovers() == []


def test_a_repository_that_is_not_there(nothing: Lab, told: Told, hub: HubServer) -> None:
    nothing.environment["HF_ENDPOINT"] = hub.endpoint
    before = files_in(nothing)
    told("list-missing", nothing.lcpp("model", "list", "hub:someone/tny"))
    assert files_in(nothing) == before


def test_a_disk_without_room_for_a_dummy(nothing: Lab, told: Told) -> None:
    (nothing.folder / "tiny.gguf").write_bytes(tiny_model(n_bytes=MIB))
    with small_disk(nothing.vendor, "128k"):
        told("dummy-full-disk", nothing.lcpp("model", "dummy", "tiny.gguf"))
        assert list(nothing.vendor.rglob("*.gguf")) == []
        assert nothing.leftovers() == []
        grow(nothing.vendor, "512m")
        assert nothing.lcpp("model", "dummy", "tiny.gguf").code == 0


def test_a_byte_that_changed_in_the_cache(lab: Lab, told: Told, hub: HubServer) -> None:
    lab.environment["HF_ENDPOINT"] = hub.endpoint
    lab.right_run(*HUB)
    (blob,) = [path for path in (lab.folder / "hf/hub").rglob("blobs/*") if path.is_file()]
    content = bytearray(blob.read_bytes())
    content[-1] ^= 1
    blob.chmod(0o644)
    blob.write_bytes(content)
    name = f"hub:{REPO}/tiny.gguf"
    told("verify-flipped", lab.lcpp("model", "verify", name))
    assert blob.read_bytes() == content
    assert lab.lcpp("model", "verify", name, "--repair").code == 0
    assert blob.read_bytes() == tiny_model()
    lab.right_run(*HUB)


# pinning


@pytest.mark.parametrize(
    ("key", "change"), [("pin-ref", ("ref: b3700", "ref: mastre")), ("pin-model", ("tiny.gguf", "tinny.gguf"))]
)
def test_a_recipe_that_cannot_be_pinned(lab: Lab, told: Told, key: str, change: tuple[str, str]) -> None:
    recipe = lab.folder / "recipe.yaml"
    right = recipe.read_text()
    wrong = right.replace(*change)
    recipe.write_text(wrong)
    told(key, lab.lcpp("recipe", "pin", "recipe.yaml"))
    assert recipe.read_text() == wrong
    recipe.write_text(right)
    assert lab.lcpp("recipe", "pin", "recipe.yaml").code == 0
    lab.right_run()


def test_a_recipe_that_was_pinned_to_another_model(lab: Lab, told: Told) -> None:
    recipe = lab.folder / "recipe.yaml"
    assert lab.lcpp("recipe", "pin", "recipe.yaml").code == 0
    pinned = recipe.read_text()
    (lab.folder / "tiny.gguf").write_bytes(tiny_model(fill=1))
    told("pin-other-model", lab.lcpp("recipe", "pin", "recipe.yaml"))
    assert recipe.read_text() == pinned
    assert lab.lcpp("recipe", "pin", "recipe.yaml", "--update").code == 0
    lab.right_run()


def test_a_recipe_that_cannot_be_written(lab: Lab, told: Told) -> None:
    place = lab.folder / "place"
    with small_disk(place, "64k"):
        (place / "recipe.yaml").write_text(
            (lab.folder / "recipe.yaml").read_text().replace("tiny.gguf", "../tiny.gguf")
        )
        before = (place / "recipe.yaml").read_text()
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        told("pin-read-only", lab.lcpp("recipe", "pin", "place/recipe.yaml"))
        assert (place / "recipe.yaml").read_text() == before
        subprocess.run(["mount", "-o", "remount,rw", str(place)], check=True)
        assert lab.lcpp("recipe", "pin", "place/recipe.yaml").code == 0


# running


@pytest.mark.parametrize(
    ("key", "prompt", "limit"),
    [
        ("timeout", "drip", "run.timeout_s=3"),
        ("idle-timeout", "hang", "run.idle_timeout_s=2"),
        ("sigsegv", "SIGSEGV", None),
        ("sigill", "SIGILL", None),
        ("sigkill", "SIGKILL", None),
        ("flood", "flood", "run.max_output_bytes=1000000"),
    ],
)
def test_a_program_that_does_not_end_well(lab: Lab, told: Told, key: str, prompt: str, limit: str | None) -> None:
    words = () if limit is None else ("-s", limit)
    finished = lab.lcpp("run", "recipe.yaml", "--json", "-s", f"run.prompt={prompt}", *words)
    said = told(key, finished)
    (result,) = lab.results()
    assert json.loads(finished.stdout) == result
    assert result["status"] == "failed"
    assert result["failure"]["what"] in said
    assert result["text"].startswith("The capital")
    transcript = lab.runs / result["id"]
    assert "llm_load_tensors" in (transcript / "stderr.log").read_text()
    assert (transcript / "stdout.log").read_text().startswith("The capital")
    assert (transcript / "stdout.log").stat().st_size < 2 * MIB
    assert working_in(transcript) == []
    assert lab.leftovers() == []
    lab.right_run()


def test_ctrl_c_while_the_program_runs(lab: Lab, told: Told) -> None:
    terminal = lab.in_terminal("run", "recipe.yaml", "-s", "run.prompt=drip")
    until(lambda: [path for path in lab.runs.glob("*/stdout.log") if path.stat().st_size > 20], "a program that talks")
    terminal.ctrl_c()
    told("ctrl-c-run", terminal.finish())
    (result,) = lab.results()
    assert result["status"] == "failed"
    assert result["ran"]["process"]["stopped_by"] == "interrupt"
    assert result["text"].startswith("The capital and and")
    assert working_in(lab.runs) == []
    lab.right_run()


# the runs folder


def test_a_disk_that_gets_full_in_a_run(lab: Lab, told: Told) -> None:
    with small_disk(lab.runs, "256k"):
        told("full-disk-runs", lab.lcpp("run", "recipe.yaml", "-s", "run.prompt=flood"))
        assert lab.results() == []
        assert working_in(lab.runs) == []
        assert lab.leftovers() == []
        grow(lab.runs, "16m")
        lab.right_run()


def test_a_runs_folder_that_cannot_be_written(lab: Lab, told: Told) -> None:
    with small_disk(lab.runs, "256k", "ro"):
        told("read-only-runs", lab.lcpp("run", "recipe.yaml"))
    lab.right_run()


def test_a_runs_folder_that_is_a_file(lab: Lab, told: Told) -> None:
    (lab.folder / "results").write_text("mine")
    told("runs-is-a-file", lab.lcpp("run", "recipe.yaml", environment={"LCPP_RUNS": str(lab.folder / "results")}))
    assert (lab.folder / "results").read_text() == "mine"
    lab.right_run()


def test_the_document_has_every_row() -> None:
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    for row in ROWS.values():
        found = [line for line in lines if line.startswith(begins(row)) and line.endswith(f"| {row.after} |")]
        assert len(found) == 1, f"run `python -m tests.misuse.table`: not just one row {begins(row)}"
        assert row.cause in found[0].replace("\\", "")
