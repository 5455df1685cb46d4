"""What a recipe may name as a git remote: any URL that runs no command, or a path."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from orchestrator.errors import SourceError
from orchestrator.values import Value

_SCHEMES = ("https", "http", "ssh", "git", "file")
_TRANSPORT = re.compile(r"[A-Za-z0-9+.-]*::")
_SCP_LIKE = re.compile(r"(?:[A-Za-z0-9_.-]+@)?[A-Za-z0-9_\[][A-Za-z0-9_.:\[\]-]*:[^:]")


class Remote(Value):
    """A checked remote: `url` for git, `shown` for people and records (no password in it)."""

    url: str
    shown: str
    local: bool


def checked(text: str, base: Path) -> Remote:
    """The remote that `text` names; a relative path starts at `base`.

    Raises:
        SourceError: git would run a command for it, or it is a path and nothing is there.
    """
    if text.startswith("-") or _TRANSPORT.match(text) or any(ord(char) < 0x20 for char in text):
        raise SourceError(
            f"`{text}` cannot be a remote: git would take it for an option or run a command for it",
            where="engine.remote",
            hint="give an https, ssh, git or file URL, or a path",
        )
    if "://" in text:
        parts = urlsplit(text)
        if parts.scheme not in _SCHEMES:
            raise SourceError(
                f"`{parts.scheme}` is not a kind of git URL that lcpp uses",
                where=f"engine.remote: {text}",
                hint=f"use one of {', '.join(_SCHEMES)}, or a path",
            )
        if parts.scheme != "file":
            host = parts.netloc.rpartition("@")[2]
            if host.startswith("-") or not host:
                raise SourceError(f"`{text}` names no host", where="engine.remote", hint="correct the URL")
            user = parts.username if parts.scheme == "ssh" else None
            shown = urlunsplit(parts._replace(netloc=f"{user}@{host}" if user else host))
            return Remote(url=text, shown=shown, local=False)
        path = Path(parts.path)
    else:
        path = base / Path(text).expanduser()
        if not path.exists() and _SCP_LIKE.match(text) and "/" not in text.partition(":")[0]:
            return Remote(url=text, shown=text, local=False)
    if not path.exists():
        raise SourceError(
            f"there is no git repository at {path}",
            where=f"engine.remote: {text}",
            hint="correct the path (it is relative to the recipe's folder) or give a URL",
        )
    return Remote(url=str(path.resolve()), shown=str(path.resolve()), local=True)
