"""The git repositories under vendor: one that holds the fetched commits, and one of the bare history a remote."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from orchestrator.engine.source.checkout import Facts, write_facts
from orchestrator.engine.source.git import Git, GitFailed
from orchestrator.engine.source.remote import Remote
from orchestrator.errors import SourceError
from orchestrator.progress import Progress
from orchestrator.workspace import Workspace, disk_errors, staged

_CONFIG = "[core]\n\trepositoryformatversion = {version}\n\tfilemode = true\n\tbare = {bare}\n"
_NOWHERE = "ref: refs/heads/none\n"


def _lay_out(git_dir: Path, *, bare: bool, head: str = _NOWHERE, config: str = "", version: int = 0) -> None:
    """What `git init` makes, without templates and hooks."""
    for folder in ("objects/info", "objects/pack", "refs/heads", "refs/tags"):
        (git_dir / folder).mkdir(parents=True, exist_ok=True)
    (git_dir / "config").write_text(_CONFIG.format(version=version, bare=str(bare).lower()) + config)
    (git_dir / "HEAD").write_text(head)


def make_bare(git_dir: Path) -> None:
    """An empty bare repository at `git_dir`."""
    _lay_out(git_dir, bare=True)


def _sweep(git_dir: Path) -> None:
    """Remove what a git that was killed left behind. Call it with the lock held: nobody else writes here then."""
    for left in (*git_dir.glob("*.lock"), *git_dir.glob("refs/**/*.lock"), *git_dir.glob("objects/pack/tmp_*")):
        left.unlink(missing_ok=True)
    # A ref that a power failure left empty would make every later fetch fail.
    for ref in git_dir.glob("refs/**/*"):
        if ref.is_file() and ref.stat().st_size == 0:
            ref.unlink()


def _fetch_options(remote: Remote) -> tuple[str, ...]:
    # On our own machine upload-pack may be told to serve any commit, and the commits without their files.
    allow = "uploadpack.allowFilter=true", "uploadpack.allowAnySHA1InWant=true"
    served = f"git -c {allow[0]} -c {allow[1]} upload-pack"
    return (f"--upload-pack={served}",) if remote.local else ()


class Repository:
    """The bare repository that all fetched commits share: each commit shallow, under `refs/lcpp/<commit>`."""

    def __init__(self, workspace: Workspace) -> None:
        """Use it with the lock of `workspace.repository` held."""
        self.path = workspace.repository
        if not (self.path / "HEAD").exists():
            with staged(self.path) as stage:
                make_bare(stage)
        with disk_errors("clean up", self.path):
            _sweep(self.path)
        self._git = Git(self.path)

    def has(self, commit: str) -> bool:
        """Whether the commit and all its files are here: its ref is written last."""
        ref = f"refs/lcpp/{commit}"
        return bool(self._git.run("for-each-ref", "--format=%(objectname)", ref).strip())

    def matching(self, prefix: str) -> list[str]:
        """The commits here whose hash starts with `prefix`."""
        listed = self._git.run("for-each-ref", "--format=%(objectname)", "refs/lcpp/")
        return sorted({commit for commit in listed.split() if commit.startswith(prefix)})

    def fetch(self, remote: Remote, commit: str, progress: Progress) -> None:
        """Fetch one commit without its history; git checks every object's hash and form.

        Raises:
            Unreachable: the host cannot be reached.
            SourceError: the remote does not have or does not give this commit, or what it gave is not sound.
        """
        arguments = ("fetch", "--depth", "1", "--no-tags", "--progress", *_fetch_options(remote))
        try:
            self._git.run(
                *arguments, "--", remote.url, f"+{commit}:refs/lcpp/{commit}", remote=remote, progress=progress
            )
        except GitFailed as error:
            missing = "not our ref", "couldn't find remote ref", "remote error: upload-pack", "unadvertised object"
            if any(sign in error.stderr for sign in missing):
                raise SourceError(
                    f"{remote.shown} has no commit {commit}",
                    where=f"engine.ref at {remote.shown}",
                    hint="check the commit, or name the remote that has it with `engine.remote`",
                ) from error
            raise

    def refs(self, remote: Remote, *patterns: str) -> dict[str, str]:
        """What the remote's refs that match name (ref → commit; annotated tags peeled)."""
        listed = self._git.run("ls-remote", *_fetch_options(remote), "--", remote.url, *patterns, remote=remote)
        named: dict[str, str] = {}
        for line in listed.splitlines():
            commit, _, name = line.partition("\t")
            if name.endswith("^{}"):
                named[name.removesuffix("^{}")] = commit
            else:
                named.setdefault(name, commit)
        return named

    def commit_date(self, commit: str) -> str:
        """The commit's date, ISO 8601."""
        return self._git.run("show", "--no-patch", "--no-show-signature", "--format=%cI", commit, "--").strip()

    def check_out(self, workspace: Workspace, facts: Facts, progress: Progress) -> None:
        """Make `checkouts/<commit>`: a work tree whose objects stay here. Call it with the checkout's lock held."""
        goal = workspace.checkouts / facts.commit
        # Whatever is there without its facts is not finished.
        shutil.rmtree(goal, ignore_errors=True)
        progress.stage(f"check out {facts.commit[:12]}")
        with staged(goal) as stage:
            link_git(stage / ".git", self.path, facts.commit)
            git = Git(stage / ".git", work_tree=stage)
            # The objects are the shared repository's, by way of the alternates.
            git.run("checkout", "--quiet", "--force", "--detach", facts.commit, "--")
            write_facts(stage, facts)


def link_git(git_dir: Path, repository: Path, commit: str) -> None:
    """A small git directory at `commit` that borrows the objects of `repository`.

    Upstream's build scripts ask git for the commit: this is what they find, and not the repository around vendor.
    """
    git_dir.mkdir()
    _lay_out(git_dir, bare=False, head=f"{commit}\n")
    up = "/".join([".."] * len((git_dir / "objects").relative_to(repository.parent).parts))
    (git_dir / "objects/info/alternates").write_text(f"{up}/{repository.name}/objects\n")
    shallow = repository / "shallow"
    if shallow.exists() and commit in shallow.read_text().split():
        (git_dir / "shallow").write_text(f"{commit}\n")


class CommitHistory:
    """The commits of one remote without their files: to count builds and to complete short hashes."""

    def __init__(self, workspace: Workspace, remote: Remote) -> None:
        """Use it with the lock of `workspace.repository` held."""
        name = hashlib.sha256(remote.url.encode()).hexdigest()[:12]
        self.path = workspace.vendor / "history" / f"{name}.git"
        self._remote = remote
        if not (self.path / "HEAD").exists():
            with staged(self.path) as stage:
                # `origin` is only a name: the URL is given each time, and nothing is ever fetched on its own.
                partial = '[extensions]\n\tpartialClone = origin\n[remote "origin"]\n\tpromisor = true\n'
                _lay_out(stage, bare=True, version=1, config=partial)
        with disk_errors("clean up", self.path):
            _sweep(self.path)
        self._git = Git(self.path)

    def update(self, progress: Progress) -> None:
        """Fetch the commits that are not here yet; a remote that cannot leave the files out sends more."""
        progress.stage(f"ask {self._remote.shown} for its history (commits only)")
        url = f"remote.origin.url={self._remote.url}"
        arguments = ("-c", url, "fetch", "--filter=tree:0", "--no-tags", "--progress", *_fetch_options(self._remote))
        refspecs = "+HEAD:refs/lcpp/HEAD", "+refs/heads/*:refs/lcpp/heads/*"
        self._git.run(*arguments, "--", "origin", *refspecs, remote=self._remote, progress=progress)

    def count(self, commit: str) -> int | None:
        """The build number of a commit: how many commits lead to it, with itself. None: it is not here."""
        try:
            return int(self._git.run("rev-list", "--count", commit, "--"))
        except GitFailed:
            return None

    def newest(self) -> int | None:
        """The build number of the default branch."""
        head = self._head()
        return None if head is None else self.count(head)

    def build(self, number: int) -> str | None:
        """The commit of the default branch that has this build number."""
        head = self._head()
        if head is None:
            return None
        chain = self._git.run("rev-list", "--first-parent", head, "--").split()
        # Newest first; along first parents the count only falls, by more than one at a merge.
        low, high = 0, len(chain)
        while low < high:
            middle = (low + high) // 2
            count = int(self._git.run("rev-list", "--count", chain[middle], "--"))
            if count == number:
                return chain[middle]
            low, high = (middle + 1, high) if count > number else (low, middle)
        return None

    def matching(self, prefix: str) -> list[str]:
        """The commits of all branches whose hash starts with `prefix`."""
        names = self._git.run("rev-parse", f"--disambiguate={prefix}").split()
        return sorted(name for name in names if self._git.run("cat-file", "-t", name).strip() == "commit")

    def _head(self) -> str | None:
        listed = self._git.run("for-each-ref", "--format=%(objectname)", "refs/lcpp/HEAD").split()
        return listed[0] if listed else None
