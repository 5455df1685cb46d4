"""llama.cpp's git objects out of a source distribution of llama-cpp-python.

The sdist carries the git directory of its submodule. Only objects are taken out of it, under names that cannot
lead anywhere: no configuration, no hooks, no refs. The result is one more repository to fetch from, and what git
itself verifies is then the commit's own chain of hashes.
"""

from __future__ import annotations

import re
import shutil
import tarfile
import zlib
from pathlib import Path

from orchestrator.engine.source.repository import make_bare
from orchestrator.errors import SourceError
from orchestrator.workspace import disk_errors

_MEMBER = re.compile(
    r"[^/]+/\.git/modules/vendor/llama\.cpp/"
    r"(?P<name>shallow|objects/[0-9a-f]{2}/[0-9a-f]{38}|objects/pack/pack-[0-9a-f]{40}\.(?:pack|idx))"
)
_MAX_BYTES = 4 * 2**30
_MAX_FILES = 200_000


def unpack(archive: Path, into: Path) -> None:
    """Make a bare repository at `into` of the git objects in the sdist `archive`.

    Raises:
        SourceError: it is no readable tar file, or it holds no git objects of llama.cpp.
    """
    with disk_errors("unpack a source distribution", into):
        into.mkdir()
        make_bare(into)
        total = files = 0
        try:
            with tarfile.open(archive, mode="r|*") as tar:
                for member in tar:
                    match = _MEMBER.fullmatch(member.name)
                    if not match or not member.isreg():
                        continue
                    total, files = total + member.size, files + 1
                    if total > _MAX_BYTES or files > _MAX_FILES:
                        raise SourceError(
                            f"{archive.name} holds more git objects than any llama.cpp has",
                            where=str(archive),
                            hint="it is not the distribution that lcpp knows; check your package index",
                        )
                    content = tar.extractfile(member)
                    if content is not None:
                        goal = into / match["name"]
                        goal.parent.mkdir(exist_ok=True)
                        with goal.open("wb") as out:
                            shutil.copyfileobj(content, out, 1024 * 1024)
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise SourceError(
                f"{archive.name} is not a whole source distribution: {error}",
                where=str(archive),
                hint="run the same command again to download it anew (`pip cache purge` if that does not help)",
            ) from error
    if not files:
        raise SourceError(
            f"{archive.name} holds no git objects of llama.cpp, so its commit cannot be verified",
            where=str(archive),
            hint="use `engine.source: git` for this commit",
        )
