"""Getting a llama.cpp: real git, real remotes on this disk, real pip."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import sys
import time
import zlib
from pathlib import Path

import pytest

from orchestrator import process
from orchestrator.engine.source import git as engine_git
from orchestrator.engine.source import upstream as table
from orchestrator.engine.source.obtain import obtain
from orchestrator.errors import SourceError
from orchestrator.progress import Silent
from orchestrator.recipe.schema.recipe import EngineSpec
from orchestrator.workspace import Workspace
from tests.engine.fake_upstream import FakeUpstream, Notes, git, sdist

DEAD = "http://127.0.0.1:1/llama.cpp"


def spec(upstream: FakeUpstream, ref: str, **more: str) -> EngineSpec:
    return EngineSpec.model_validate({"ref": ref, "remote": str(upstream.path), "source": "git", **more})


@pytest.mark.parametrize("kind", ["path", "url", "relative"])
def test_a_commit_from_a_remote_on_disk(
    upstream: FakeUpstream, workspace: Workspace, tmp_path: Path, kind: str
) -> None:
    remote = {"path": str(upstream.path), "url": f"file://{upstream.path}", "relative": "upstream"}[kind]
    got = obtain(spec(upstream, upstream.head, remote=remote), workspace, Silent(), base=tmp_path)

    assert (got.path / "llama-simple.c").read_text() == (upstream.path / "llama-simple.c").read_text()
    assert (got.commit, got.fingerprint, got.source) == (upstream.head, upstream.head, "git")
    assert got.commit_date == "2024-08-28T12:00:00+00:00"
    assert got.build_number is None, "a shallow clone must not count"
    # What upstream's build scripts ask: this commit, and not the repository around.
    assert git(got.path, "rev-parse", "HEAD") == upstream.head
    assert git(got.path, "status", "--porcelain", "--untracked-files=no") == ""


def test_a_checkout_is_used_again_without_git_or_network(
    upstream: FakeUpstream, workspace: Workspace, tmp_path: Path
) -> None:
    head = upstream.head
    first = obtain(spec(upstream, "b3700"), workspace, Silent(), base=tmp_path)
    shutil.rmtree(upstream.path / ".git")
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from orchestrator.engine.source.obtain import obtain\nfrom orchestrator.progress import Silent\n"
        "from orchestrator.recipe.schema.recipe import EngineSpec\nfrom orchestrator.workspace import Workspace\n"
        f"w = Workspace(vendor=Path({str(workspace.vendor)!r}), runs=Path('/'))\n"
        f"for ref in ('b3700', {head!r}):\n"
        f"    s = EngineSpec(ref=ref, remote={str(upstream.path)!r})\n"
        "    print(obtain(s, w, Silent(), base=Path('/')).path)\n"
        "print('git' in sys.modules)\n"
    )
    done = process.run([sys.executable, "-c", code])
    assert done.stdout.split() == [str(first.path), str(first.path), "False"], done.stderr


def test_tags_branches_short_commits_and_build_numbers(
    upstream: FakeUpstream, workspace: Workspace, tmp_path: Path
) -> None:
    first = git(upstream.path, "rev-parse", "HEAD~1")
    second = upstream.head
    git(upstream.path, "tag", "--annotate", "--message", "a tag with a message", "gguf-v1", first)
    third = upstream.commit(**{"new.txt": "three\n"})

    def commit_of(ref: str) -> tuple[str | None, int | None]:
        got = obtain(spec(upstream, ref), workspace, Silent(), base=tmp_path)
        assert got.ref == ref
        return got.commit, got.build_number

    assert commit_of("gguf-v1") == (first, None)
    assert commit_of("b3700") == (second, 3700)
    assert commit_of("master") == (third, None)
    assert commit_of("HEAD") == (third, None)
    assert commit_of("b3") == (third, 3), "no such tag: counted in the history"
    assert commit_of("b1") == (first, 1)
    assert commit_of(third[:9])[0] == third


def test_a_short_commit_that_nobody_fetched_yet(upstream: FakeUpstream, workspace: Workspace, tmp_path: Path) -> None:
    first = git(upstream.path, "rev-parse", "HEAD~1")
    got = obtain(spec(upstream, first[:8]), workspace, Silent(), base=tmp_path)
    assert (got.commit, got.build_number) == (first, None)


def test_a_branch_is_asked_again_and_the_last_answer_serves_while_the_host_is_away(
    upstream: FakeUpstream, workspace: Workspace, tmp_path: Path
) -> None:
    before = obtain(spec(upstream, "master"), workspace, Silent(), base=tmp_path)
    upstream.commit(**{"new.txt": "new\n"})
    after = obtain(spec(upstream, "master"), workspace, Silent(), base=tmp_path)
    assert before.commit != after.commit == upstream.head

    # The same answer, kept for a remote that cannot be reached.
    kept = json.loads((workspace.vendor / "references.json").read_text())
    kept[DEAD] = kept[str(upstream.path)]
    (workspace.vendor / "references.json").write_text(json.dumps(kept))
    notes = Notes()
    away = obtain(spec(upstream, "master", remote=DEAD), workspace, notes, base=tmp_path)
    assert away.commit == after.commit
    assert "last known commit of master" in notes.notes[0]
    assert "last known commit of master" in away.notes[0]


@pytest.mark.parametrize(
    ("ref", "what", "hint"),
    [
        ("mastre", "no tag, branch or commit mastre", "did you mean master"),
        ("b4711", "no build b4711", "ends at b2"),
        ("0123456789", "no commit 0123456789", "check the digits"),
        ("0" * 40, "no commit 0000000000", "check the commit"),
    ],
)
def test_an_unknown_ref_says_what_to_do(
    upstream: FakeUpstream, workspace: Workspace, tmp_path: Path, ref: str, what: str, hint: str
) -> None:
    with pytest.raises(SourceError) as error:
        obtain(spec(upstream, ref), workspace, Silent(), base=tmp_path)
    assert what in error.value.what
    assert error.value.hint is not None
    assert hint in error.value.hint
    assert obtain(spec(upstream, "master"), workspace, Silent(), base=tmp_path).commit == upstream.head


def test_an_ambiguous_short_commit_lists_the_commits(
    upstream: FakeUpstream, workspace: Workspace, tmp_path: Path
) -> None:
    a, b = _twins(upstream, tmp_path)
    with pytest.raises(SourceError, match=f"2 commits start with {a[:7]}") as error:
        obtain(spec(upstream, a[:7]), workspace, Silent(), base=tmp_path)
    assert a in error.value.what
    assert b in error.value.what
    assert obtain(spec(upstream, a), workspace, Silent(), base=tmp_path).commit == a


def _twins(upstream: FakeUpstream, tmp_path: Path) -> tuple[str, str]:
    """Two commits on branches whose first seven digits are the same: out of 2^28, some 20,000 tries find them."""
    head = git(upstream.path, "cat-file", "commit", "HEAD")
    seen: dict[str, bytes] = {}
    for number in range(1_000_000):
        raw = f"{head}\n{number}\n".encode()
        name = hashlib.sha1(b"commit %d\0" % len(raw) + raw).hexdigest()
        if (twin := seen.get(name[:7])) is not None:
            break
        seen[name[:7]] = raw
    else:
        raise AssertionError("no twins")
    names = []
    for which, content in (("one", raw), ("two", twin)):
        (tmp_path / which).write_bytes(content)
        names.append(git(upstream.path, "hash-object", "-t", "commit", "-w", str(tmp_path / which)))
        git(upstream.path, "branch", which, names[-1])
    return names[0], names[1]


@pytest.mark.parametrize(
    "remote", ["ext::sh -c id", "fd::3", "--upload-pack=id", "ftp://host/x", "https://-oProxyCommand/x", "no/such/path"]
)
def test_a_hostile_or_wrong_remote_never_reaches_git(workspace: Workspace, tmp_path: Path, remote: str) -> None:
    asked = EngineSpec.model_construct(ref="0" * 40, remote=remote, source="git")
    with pytest.raises(SourceError):
        obtain(asked, workspace, Silent(), base=tmp_path)
    assert not workspace.vendor.exists()


def test_hooks_and_configuration_of_a_remote_do_not_run(
    upstream: FakeUpstream, workspace: Workspace, tmp_path: Path
) -> None:
    trap = tmp_path / "trap"
    for name in ("post-checkout", "reference-transaction", "post-upload-pack"):
        hook = upstream.path / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {trap}\n")
        hook.chmod(0o755)
    git(upstream.path, "config", "uploadpack.packObjectsHook", f"touch {trap};")
    obtain(spec(upstream, "master"), workspace, Silent(), base=tmp_path)
    assert not trap.exists()


def test_a_password_in_the_url_is_not_recorded(workspace: Workspace, tmp_path: Path) -> None:
    asked = EngineSpec(ref="b3643", source="git", remote="http://me:secret@127.0.0.1:1/x")
    with pytest.raises(SourceError) as error:
        obtain(asked, workspace, Silent(), base=tmp_path)
    assert "secret" not in str(error.value)


def test_an_unreachable_host_fails_at_once(workspace: Workspace, tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(engine_git.Unreachable, match="cannot be reached"):
        obtain(EngineSpec(ref="b3643", source="git", remote=DEAD), workspace, Silent(), base=tmp_path)
    assert time.monotonic() - begun < 10


def test_a_host_that_never_answers_is_given_up(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_git, "_FIRST_WORD_S", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        remote = f"http://127.0.0.1:{server.getsockname()[1]}/x"
        begun = time.monotonic()
        with pytest.raises(engine_git.Unreachable, match="did not answer"):
            obtain(EngineSpec(ref="b3643", source="git", remote=remote), workspace, Silent(), base=tmp_path)
        assert time.monotonic() - begun < 10


def test_what_a_killed_fetch_left_behind_does_not_stand_in_the_way(
    upstream: FakeUpstream, workspace: Workspace, tmp_path: Path
) -> None:
    obtain(spec(upstream, "b3700"), workspace, Silent(), base=tmp_path)
    head = upstream.commit(**{"new.txt": "new\n"})
    for left in ("shallow.lock", f"refs/lcpp/{head}.lock", "objects/pack/tmp_pack_x"):
        (workspace.repository / left).write_text("")
    (workspace.repository / "refs/lcpp" / head).write_text("")
    (workspace.checkouts / head).mkdir()
    (workspace.checkouts / head / "half").write_text("half")
    (workspace.checkouts / f".{head}.part-old").mkdir()
    got = obtain(spec(upstream, head), workspace, Silent(), base=tmp_path)
    assert (got.path / "new.txt").exists()
    assert not (got.path / "half").exists()
    assert not list(workspace.checkouts.glob(".*part*"))


# source: path


def test_a_clean_work_tree_is_its_commit(upstream: FakeUpstream, workspace: Workspace, tmp_path: Path) -> None:
    (upstream.path / "llama-simple").write_text("an old build, not tracked")
    asked = EngineSpec(source="path", path="upstream")
    got = obtain(asked, workspace, Silent(), base=tmp_path)
    assert (got.commit, got.fingerprint, got.source, got.remote) == (
        upstream.head,
        upstream.head,
        "path",
        str(upstream.path),
    )
    assert got.build_number is None, "a history of two commits is not upstream's"
    assert not (got.path / "llama-simple").exists()


def test_a_changed_work_tree_is_copied_as_it_is(upstream: FakeUpstream, workspace: Workspace, tmp_path: Path) -> None:
    (upstream.path / "ggml.c").write_text("int changed;\n")
    (upstream.path / "added.c").write_text("int added;\n")
    (upstream.path / ".gitignore").write_text("*.o\n")
    (upstream.path / "x.o").write_text("object")
    before = _state(upstream.path)
    got = obtain(EngineSpec(source="path", path=str(upstream.path)), workspace, Silent(), base=tmp_path)
    assert _state(upstream.path) == before, "the user's directory must not change"
    assert (got.path / "ggml.c").read_text() == "int changed;\n"
    assert (got.path / "added.c").exists()
    assert not (got.path / "x.o").exists()
    assert got.commit == upstream.head
    assert got.fingerprint != upstream.head
    assert "changes on top" in got.notes[0]

    again = obtain(EngineSpec(source="path", path=str(upstream.path)), workspace, Silent(), base=tmp_path)
    assert again.path == got.path
    (upstream.path / "added.c").write_text("int other;\n")
    other = obtain(EngineSpec(source="path", path=str(upstream.path)), workspace, Silent(), base=tmp_path)
    assert other.fingerprint != got.fingerprint


def test_the_git_that_lcpp_was_started_by_does_not_matter(
    upstream: FakeUpstream, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "GIT_OBJECT_DIRECTORY"):
        monkeypatch.setenv(name, str(tmp_path / "hook"))
    got = obtain(EngineSpec(source="path", path=str(upstream.path)), workspace, Silent(), base=tmp_path)
    assert got.commit == upstream.head
    again = obtain(spec(upstream, "master"), workspace, Silent(), base=tmp_path)
    assert again.commit == upstream.head


def test_a_linked_work_tree(upstream: FakeUpstream, workspace: Workspace, tmp_path: Path) -> None:
    git(upstream.path, "worktree", "add", "--quiet", str(tmp_path / "linked"), "b3700")
    got = obtain(EngineSpec(source="path", path="linked"), workspace, Silent(), base=tmp_path)
    assert got.commit == upstream.head


def test_a_directory_without_git(upstream: FakeUpstream, workspace: Workspace, tmp_path: Path) -> None:
    shutil.rmtree(upstream.path / ".git")
    for name in ("build/x", "build-old/x", "models/vocab.gguf", "src/build/keep.c"):
        (upstream.path / name).parent.mkdir(parents=True, exist_ok=True)
        (upstream.path / name).write_text("x")
    for name in ("big.gguf", "x.o"):
        (upstream.path / name).write_text("x")
    (upstream.path / "link").symlink_to("ggml.h")
    got = obtain(EngineSpec(source="path", path=str(upstream.path)), workspace, Silent(), base=tmp_path)
    assert (got.commit, got.build_number, got.commit_date) == (None, None, None)
    there = {str(path.relative_to(got.path)) for path in got.path.rglob("*") if not path.is_dir()}
    assert {"ggml.c", "Makefile", "models/vocab.gguf", "src/build/keep.c", "link"} <= there
    assert not there & {"build/x", "build-old/x", "big.gguf", "x.o"}
    assert (got.path / "link").is_symlink()


def test_something_else_is_not_a_llama_cpp(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    for path, what in (("other", "not a llama.cpp directory"), ("nowhere", "there is no directory")):
        with pytest.raises(SourceError, match=what):
            obtain(EngineSpec(source="path", path=path), workspace, Silent(), base=tmp_path)


def _state(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.lstat().st_mtime_ns, path.lstat().st_size) for path in folder.rglob("*") if not path.is_dir()
    }


# source: package


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def _vendored(monkeypatch: pytest.MonkeyPatch, commit: str) -> None:
    row = table.Vendored(version="9.9.9", commit=commit, build_number=3700, commit_date="2024-08-28")
    monkeypatch.setattr(table, "table", lambda: (row,))


def _git_files(upstream: FakeUpstream, tmp_path: Path) -> dict[str, bytes]:
    """The git directory as the sdist has it: shallow, with a configuration that must not count."""
    clone = tmp_path / "module.git"
    shutil.rmtree(clone, ignore_errors=True)
    git(tmp_path, "clone", "--quiet", "--bare", "--depth", "1", f"file://{upstream.path}", str(clone))
    inside = ".git/modules/vendor/llama.cpp"
    files = {f"{inside}/{path.relative_to(clone)}": path.read_bytes() for path in clone.rglob("*") if path.is_file()}
    trap = f"[core]\n\tsshCommand = touch {tmp_path}/trap\n\tfsmonitor = touch {tmp_path}/trap\n"
    return {
        **files,
        f"{inside}/config": trap.encode(),
        f"{inside}/hooks/post-checkout": f"#!/bin/sh\ntouch {tmp_path}/trap\n".encode(),
        f"{inside}/objects/info/alternates": b"/somewhere/else\n",
    }


def test_the_package_index_instead_of_a_host_that_is_away(
    upstream: FakeUpstream, workspace: Workspace, tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _vendored(monkeypatch, upstream.head)
    sdist(index, "llama-cpp-python", "9.9.9", _git_files(upstream, tmp_path))
    notes = Notes()
    got = obtain(EngineSpec(ref="b3700", remote=DEAD, source="auto"), workspace, notes, base=tmp_path)
    assert (got.commit, got.source, got.build_number) == (upstream.head, "package", 3700)
    assert got.remote == "llama-cpp-python==9.9.9"
    assert "cannot be reached" in notes.notes[0]
    assert got.notes == (notes.notes[0],)
    assert git(got.path, "rev-parse", "HEAD") == upstream.head
    assert not (tmp_path / "trap").exists()
    assert not list(workspace.vendor.glob(".sdist-*"))


def test_an_sdist_with_another_commit_is_refused(
    upstream: FakeUpstream, workspace: Workspace, tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = git(upstream.path, "rev-parse", "HEAD~1")
    _vendored(monkeypatch, wanted)
    sdist(index, "llama-cpp-python", "9.9.9", _git_files(upstream, tmp_path))
    with pytest.raises(SourceError, match=f"has no commit {wanted}"):
        obtain(EngineSpec(ref=wanted, source="package"), workspace, Silent(), base=tmp_path)
    assert not (workspace.checkouts / wanted).exists()


def test_an_sdist_with_a_forged_file_is_refused(
    upstream: FakeUpstream, workspace: Workspace, tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _vendored(monkeypatch, upstream.head)
    inside = ".git/modules/vendor/llama.cpp"
    files: dict[str, bytes] = {f"{inside}/shallow": f"{upstream.head}\n".encode()}
    victim = git(upstream.path, "rev-parse", "HEAD:ggml.c")
    for name in git(upstream.path, "rev-list", "--objects", "--no-object-names", "HEAD").split():
        raw = (upstream.path / ".git/objects" / name[:2] / name[2:]).read_bytes()
        if name == victim:
            forged = b"int ggml_answer(void) { return 43; }\n"
            raw = zlib.compress(b"blob %d\0" % len(forged) + forged)
            assert hashlib.sha1(zlib.decompress(raw)).hexdigest() != victim
        files[f"{inside}/objects/{name[:2]}/{name[2:]}"] = raw
    sdist(index, "llama-cpp-python", "9.9.9", files)
    with pytest.raises(SourceError):
        obtain(EngineSpec(ref=upstream.head, source="package"), workspace, Silent(), base=tmp_path)
    assert not (workspace.checkouts / upstream.head).exists()


def test_both_ways_closed_says_both(workspace: Workspace, tmp_path: Path, index: Path) -> None:
    with pytest.raises(SourceError) as error:
        obtain(EngineSpec(ref="b3643", remote=DEAD, source="auto"), workspace, Silent(), base=tmp_path)
    assert "cannot be reached" in error.value.what
    assert "no source distribution" in error.value.what.lower()
    with pytest.raises(SourceError) as error:
        obtain(EngineSpec(ref="b3642", remote=DEAD, source="auto"), workspace, Silent(), base=tmp_path)
    assert "Nor from the package index" in error.value.what


def test_a_ref_that_no_sdist_has(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no known llama-cpp-python vendors") as error:
        obtain(EngineSpec(ref="b3643", source="package"), workspace, Silent(), base=tmp_path)
    assert error.value.hint is not None
    assert "b3642" in error.value.hint
