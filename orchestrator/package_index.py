"""The one user of pip: brings a distribution from the package index that the user's own pip is configured for."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from pathlib import Path

from orchestrator import process
from orchestrator.errors import PackageIndexError
from orchestrator.progress import Progress
from orchestrator.workspace import disk_errors

_UNREACHABLE = re.compile(
    r"Failed to establish a new connection|Temporary failure in name resolution|Name or service not known|"
    r"Network is unreachable|Connection refused|Connection reset|Connection aborted|ConnectTimeout|Read timed out|"
    r"ReadTimeoutError|NewConnectionError|ProxyError|SSLError|Max retries exceeded",
)
_NO_VERSION = re.compile(r"No matching distribution found|Could not find a version that satisfies")


def download(requirement: str, *, wheel: bool, into: Path, progress: Progress) -> Path:
    """Download the wheel or the source distribution of `requirement` (NAME==VERSION), without what it depends on.

    Nothing of the user's pip configuration (index, proxy, certificates, cache) is overridden.

    Args:
        into: the folder to put the file in; made when missing. A file there of the same name is replaced.

    Raises:
        PackageIndexError: there is no such version, the index cannot be reached, or pip does not work.
        WorkspaceError: the disk refuses.
    """
    name = re.split(r"[=<>!~ ;@\[]", requirement, maxsplit=1)[0]
    kind = "wheel" if wheel else "source distribution"
    choice = ["--only-binary", ":all:"] if wheel else ["--no-binary", name]
    with disk_errors("download a package", into):
        into.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".pip-", dir=into) as folder:
            stage = Path(folder)
            lines: list[str] = []

            def on_line(line: str) -> None:
                lines.append(line)
                progress.advance(0, None, line.strip())

            argv = [
                *(sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download"),
                *("--progress-bar", "off", "--no-deps", *choice, "--dest", str(stage / "got"), "--", requirement),
            ]
            returncode = process.stream(argv, log=stage / "pip.log", on_line=on_line)
            if returncode != 0:
                raise _explain(requirement, kind, returncode, lines)
            files = sorted(path for path in (stage / "got").glob("*") if path.is_file())
            if len(files) != 1:
                raise PackageIndexError(
                    f"pip ended well but left {len(files)} files instead of the one {kind} of {requirement}",
                    where=f"pip download {requirement}",
                    hint="run the same `pip download` by hand and look at what it says",
                )
            goal = into / files[0].name
            shutil.move(files[0], goal)
    return goal


def _explain(requirement: str, kind: str, returncode: int, lines: list[str]) -> PackageIndexError:
    text = "\n".join(lines)
    where = f"pip download {requirement}"
    if "No module named pip" in text:
        return PackageIndexError(
            f"this Python has no pip, which is needed to get {requirement}",
            where=sys.executable,
            hint=f"run `{sys.executable} -m ensurepip`, or install pip with your system's package manager",
        )
    errors = [line.strip() for line in lines if line.startswith(("ERROR:", "error:")) or "error:" in line.lower()]
    tail = "\n    ".join((errors or [line for line in lines if line.strip()])[-4:]) or f"exit code {returncode}"
    if "No space left on device" in text:
        return PackageIndexError(
            f"the disk is full; pip could not store {requirement}:\n    {tail}",
            where=where,
            hint="free some space (also under TMPDIR), then run the same command again",
        )
    # An index that cannot be reached also ends in "no matching distribution": the cause goes first.
    if _UNREACHABLE.search(text):
        return PackageIndexError(
            f"the package index cannot be reached, so {requirement} was not downloaded:\n    {tail}",
            where=where,
            hint="check the network and pip's own configuration (`pip config list`), then run the same command again",
        )
    if "(from versions: none)" in text:
        # pip does not always say that it reached nobody.
        name = re.split(r"[=<>!~ ]", requirement, maxsplit=1)[0]
        return PackageIndexError(
            f"the package index knows no version of {name} at all, or could not be reached:\n    {tail}",
            where=where,
            hint="check the name, the network and pip's own configuration (`pip config list`)",
        )
    if _NO_VERSION.search(text):
        return PackageIndexError(
            f"the package index has no {kind} of {requirement}:\n    {tail}",
            where=where,
            hint="check name and version; an index that mirrors only a part of the packages may leave it out",
        )
    return PackageIndexError(
        f"pip could not download the {kind} of {requirement}:\n    {tail}",
        where=where,
        hint="run the same `pip download` by hand to see all that it says",
    )
