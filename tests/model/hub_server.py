"""A hub on loopback that speaks the Hugging Face hub's protocol well enough for its real client."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import unquote, urlsplit

COMMIT = "a" * 40
OTHER_COMMIT = "b" * 40


@dataclass(kw_only=True)
class Repo:
    """A repository: its files at each commit, and who may read it."""

    commits: dict[str, dict[str, bytes]]
    branches: dict[str, str] = field(default_factory=lambda: {"main": COMMIT})
    gated: bool = False


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request that the server got."""

    method: str
    path: str
    headers: Mapping[str, str]


class HubServer:
    """The server; a context manager. Its public attributes may be changed while it runs.

    `cuts`: after how many bytes the next answers with a file break off (None: not), one entry an answer.
    `file_statuses`: statuses that the next requests for a file's content get instead of it (None: the content).
    `status`: the status that every request gets. `bytes_per_second` slows contents down. `damage` alters contents.
    `ranges`: whether parts of files are given. `cdn_status`: what the storage's addresses get, as when they are too old.
    `sent_bytes` counts what was sent of contents.
    """

    def __init__(self, repos: dict[str, Repo]) -> None:
        self.repos = repos
        self.requests: list[Request] = []
        self.cuts: list[int | None] = []
        self.file_statuses: list[int | None] = []
        self.status: int | None = None
        self.status_headers: dict[str, str] = {}
        self.bytes_per_second: float | None = None
        self.damage = False
        self.etag: str | None = None
        self.bearer: str | None = None
        self.ranges = True
        self.cdn_status: int | None = None
        self.sent_bytes = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]

    @property
    def endpoint(self) -> str:
        """What HF_ENDPOINT is set to."""
        return f"http://127.0.0.1:{self.port}"

    def content_requests(self) -> list[Request]:
        """The requests for the content of files."""
        return [each for each in self.requests if each.method == "GET" and each.path.startswith("/cdn/")]

    def __enter__(self) -> HubServer:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _sibling(name: str, content: bytes) -> dict[str, object]:
    """What the hub says of a file when it is asked for a repository's files with their sizes."""
    lfs = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 135}
    return {"rfilename": name, "size": len(content), "blobId": "0" * 40, "lfs": lfs}


def _handler(hub: HubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None: ...

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def _answer(self) -> None:
            hub.requests.append(Request(method=self.command, path=self.path, headers=dict(self.headers)))
            path = unquote(urlsplit(self.path).path)
            if hub.status is not None:
                self._send(hub.status, b"trouble", hub.status_headers)
            elif hub.bearer is not None and self.headers.get("Authorization") != f"Bearer {hub.bearer}":
                self._refuse(401, None, "Invalid credentials in Authorization header")
            elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
                self._resolve(found[1], found[2], found[3])
            elif path.startswith("/cdn/") and hub.cdn_status is not None:
                self._send(hub.cdn_status, b"trouble", {})
            elif found := re.fullmatch(r"/cdn/([^/]+/[^/]+)/([^/]+)/(.+)", path):
                self._content(hub.repos[found[1]].commits[found[2]][found[3]])
            elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/(?:revision|tree)/([^/]+)/?", path):
                self._list(found[1], found[2], tree="/tree/" in path)
            else:
                self._refuse(404, None, "no such page")

        def _commit(self, repo: str, revision: str) -> str | None:
            """The commit, or None when a refusal was sent."""
            if repo not in hub.repos:
                # What the hub says of a missing repository to one who is not logged in.
                self._refuse(401, "RepoNotFound", "Invalid username or password.")
                return None
            if hub.repos[repo].gated:
                self._refuse(403, "GatedRepo", f"Access to model {repo} is restricted")
                return None
            commit = hub.repos[repo].branches.get(revision, revision)
            if commit not in hub.repos[repo].commits:
                self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
                return None
            return commit

        def _resolve(self, repo: str, revision: str, name: str) -> None:
            commit = self._commit(repo, revision)
            if commit is None:
                return
            files = hub.repos[repo].commits[commit]
            if name not in files:
                self._refuse(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": commit})
                return
            etag = hub.etag or hashlib.sha256(files[name]).hexdigest()
            headers = {
                "X-Repo-Commit": commit,
                "X-Linked-Size": str(len(files[name])),
                "X-Linked-ETag": f'"{etag}"',
                "ETag": f'"{etag}"',
                # Another host, as the hub's storage is: the client must not show it the token.
                "Location": f"http://localhost:{hub.port}/cdn/{repo}/{commit}/{name}?signature=secret",
            }
            self._send(302, b"", headers)

        def _content(self, content: bytes) -> None:
            status = hub.file_statuses.pop(0) if hub.file_statuses else None
            if status is not None:
                self._send(status, b"trouble", {})
                return
            start, stop = 0, len(content)
            found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            if found and hub.ranges:
                start, stop = int(found[1]), min(int(found[2] or stop) + 1, stop)
                if start >= stop:
                    self._send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
                    return
            body = content[start:stop]
            if hub.damage:
                body = body[:-1] + bytes([body[-1] ^ 1])
            self.send_response(206 if found and hub.ranges else 200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Accept-Ranges", "bytes")
            if found and hub.ranges:
                self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
            self.end_headers()
            if self.command == "HEAD":
                return
            cut = hub.cuts.pop(0) if hub.cuts else None
            self._trickle(body if cut is None else body[:cut])
            if cut is not None:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)

        def _trickle(self, body: bytes) -> None:
            for begin in range(0, len(body), 65536):
                piece = body[begin : begin + 65536]
                try:
                    self.wfile.write(piece)
                    self.wfile.flush()
                    hub.sent_bytes += len(piece)
                except OSError:
                    self.close_connection = True
                    return
                if hub.bytes_per_second is not None:
                    time.sleep(len(piece) / hub.bytes_per_second)

        def _list(self, repo: str, revision: str, *, tree: bool) -> None:
            commit = self._commit(repo, revision)
            if commit is None:
                return
            files = hub.repos[repo].commits[commit]
            listing: object = [
                {"type": "file", "path": name, "size": len(content), "oid": "0" * 40} for name, content in files.items()
            ]
            if not tree:
                siblings = [_sibling(name, content) for name, content in files.items()]
                listing = {"id": repo, "modelId": repo, "sha": commit, "siblings": siblings}
            self._send(200, json.dumps(listing).encode(), {"Content-Type": "application/json"})

        def _refuse(self, status: int, code: str | None, message: str, more: Mapping[str, str] | None = None) -> None:
            headers = {"X-Error-Message": message, **(more or {})}
            if code is not None:
                headers["X-Error-Code"] = code
            self._send(status, json.dumps({"error": message}).encode(), headers)

        def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    return Handler
