"""The hub source with the real client of the hub, against a server on loopback."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.model.gguf_files import tiny_model
from tests.model.hub_server import COMMIT, OTHER_COMMIT, HubServer, Repo
from tests.model.source import fetch_once

REPO, FILE = "someone/Tiny-GGUF", "tiny-Q4_1.gguf"
# The hub's library writes pieces of 10 MB: two whole ones arrive before a cut at 25 MB.
CONTENT = tiny_model(n_bytes=32_000_000)
CUT = 25_000_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer({REPO: Repo(commits={COMMIT: {FILE: CONTENT, "README.md": b"hello"}})}) as server:
        yield server


@dataclass(frozen=True)
class Client:
    """A machine with its own cache and workspace."""

    home: Path
    endpoint: str

    def start(self, *, env: dict[str, str] | None = None, **spec: object) -> subprocess.Popen[bytes]:
        kept = {name: value for name, value in os.environ.items() if not name.upper().endswith("_PROXY")}
        kept = {name: value for name, value in kept.items() if not name.startswith(("HF_", "HUGGING"))}
        settings = {"HF_ENDPOINT": self.endpoint, "HF_HOME": str(self.home / "hf"), "HF_HUB_DISABLE_TELEMETRY": "1"}
        text = json.dumps({"source": "hub", "repo": REPO, "file": FILE, **spec})
        return subprocess.Popen(
            [sys.executable, fetch_once.__file__, text, str(self.home / "vendor")],
            env={**kept, **settings, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def fetch(self, *, env: dict[str, str] | None = None, **spec: object) -> dict[str, Any]:
        return finish(self.start(env=env, **spec))

    def cache(self) -> list[str]:
        blobs = self.home / "hf" / "hub" / f"models--{REPO.replace('/', '--')}" / "blobs"
        return sorted(path.name for path in blobs.glob("*")) if blobs.is_dir() else []


def finish(child: subprocess.Popen[bytes]) -> dict[str, Any]:
    out, err = child.communicate(timeout=120)
    assert child.returncode == 0, err.decode()
    assert not err, "nothing but lcpp writes on the screen"
    answer: dict[str, Any] = json.loads(out)
    return answer


@pytest.fixture
def client(hub: HubServer, tmp_path: Path) -> Client:
    return Client(tmp_path, hub.endpoint)


def test_downloads_and_tells_all(hub: HubServer, client: Client) -> None:
    got = client.fetch(env={"HF_TOKEN": "hf_secret"}, sha256=SHA256, size_bytes=len(CONTENT))
    assert Path(got["path"]).read_bytes() == CONTENT
    assert Path(got["path"]).name == FILE
    assert (got["sha256"], got["size_bytes"], got["revision"]) == (SHA256, len(CONTENT), COMMIT)
    assert got["origin"] == f"hub:{REPO}/{FILE}@{COMMIT}"
    assert got["most"] == len(CONTENT)
    assert client.cache() == [SHA256]
    asked = [each for each in hub.requests if "/resolve/" in each.path]
    assert all(each.headers.get("authorization", each.headers.get("Authorization")) for each in asked)
    assert not any({"authorization", "Authorization"} & set(each.headers) for each in hub.content_requests())


def test_a_cached_branch_is_asked_for_but_not_downloaded(hub: HubServer, client: Client) -> None:
    client.fetch()
    again = client.fetch()
    assert again["sha256"] == SHA256
    assert len(hub.content_requests()) == 1
    assert again["notes"] == []


def test_a_branch_that_moved_is_followed(hub: HubServer, client: Client) -> None:
    client.fetch()
    new = tiny_model(n_bytes=2_000_000, fill=1)
    hub.repos[REPO].commits[OTHER_COMMIT] = {FILE: new}
    hub.repos[REPO].branches["main"] = OTHER_COMMIT
    got = client.fetch()
    assert got["revision"] == OTHER_COMMIT
    assert Path(got["path"]).read_bytes() == new


def test_a_pinned_file_needs_no_network_and_no_library(hub: HubServer, client: Client) -> None:
    client.fetch(revision=COMMIT)
    hub.requests.clear()
    again = client.fetch(revision=COMMIT)
    assert again["sha256"] == SHA256
    assert hub.requests == []
    assert again["imported"] == []
    assert again["cpu_seconds"] < 0.05


def test_a_pinned_file_that_another_tool_has_fetched_needs_no_network(hub: HubServer, client: Client) -> None:
    client.fetch()
    hub.requests.clear()
    assert client.fetch(revision=COMMIT)["revision"] == COMMIT
    assert hub.requests == []


@pytest.mark.parametrize("trouble", ["unreachable", "offline", "500", "gated"])
def test_a_cached_branch_serves_when_the_hub_does_not(hub: HubServer, tmp_path: Path, trouble: str) -> None:
    Client(tmp_path, hub.endpoint).fetch()
    endpoint, env = hub.endpoint, {}
    if trouble == "unreachable":
        endpoint = f"http://127.0.0.1:{_closed_port()}"
    elif trouble == "offline":
        env = {"HF_HUB_OFFLINE": "1"}
    elif trouble == "500":
        hub.status = 500
    else:
        hub.repos[REPO].gated = True
    got = Client(tmp_path, endpoint).fetch(env=env)
    assert (got["sha256"], got["revision"]) == (SHA256, COMMIT)
    assert "using the copy" in got["notes"][-1]


def test_goes_on_after_a_break(hub: HubServer, client: Client) -> None:
    hub.cuts = [CUT]
    got = client.fetch()
    assert got["sha256"] == SHA256
    assert hub.content_requests()[0].headers.get("Range") is None
    assert len(hub.content_requests()) == 2
    assert any("resume" in note or "going on" in note for note in got["notes"])
    assert not any("secret" in note for note in got["notes"])


def test_the_next_run_goes_on_where_a_failed_one_stopped(hub: HubServer, client: Client) -> None:
    hub.cuts = [CUT]
    hub.file_statuses = [None, 503]
    failed = client.fetch()
    assert "secret" not in json.dumps(failed), "links to the storage are signed"
    assert failed["error"] == "ModelError"
    assert f"of {len(CONTENT)} bytes" in failed["what"]
    assert "goes on" in failed["hint"]
    assert client.cache() == [f"{SHA256}.lcpp.incomplete"]
    got = client.fetch()
    assert got["sha256"] == SHA256
    last = hub.content_requests()[-1].headers
    assert (last.get("Range") or last["range"]).startswith("bytes=")
    assert any("going on with" in note for note in got["notes"])
    assert client.cache() == [SHA256]


def test_the_next_run_works_after_kill_9(hub: HubServer, client: Client) -> None:
    hub.bytes_per_second = 10_000_000
    child = client.start()
    # In the middle of the content.
    deadline = time.monotonic() + 60
    while hub.sent_bytes < len(CONTENT) / 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert client.cache() == [f"{SHA256}.lcpp.incomplete"]
    hub.bytes_per_second = None
    got = client.fetch()
    assert got["sha256"] == SHA256
    assert client.cache() == [SHA256]


def test_a_damaged_part_is_thrown_away(hub: HubServer, client: Client) -> None:
    hub.cuts = [CUT]
    hub.file_statuses = [None, 503]
    assert client.fetch()["error"] == "ModelError"
    blobs = client.home / "hf" / "hub" / f"models--{REPO.replace('/', '--')}" / "blobs"
    partial = blobs / f"{SHA256}.lcpp.incomplete"
    partial.write_bytes(bytes(len(CONTENT) - 10))
    got = client.fetch()
    assert got["sha256"] == SHA256
    assert any("damaged" in note for note in got["notes"])


def test_two_at_once_download_once(hub: HubServer, client: Client) -> None:
    hub.bytes_per_second = 20_000_000
    answers = [finish(child) for child in [client.start(), client.start()]]
    assert [each["sha256"] for each in answers] == [SHA256, SHA256]
    assert len(hub.content_requests()) == 1


def test_content_that_is_not_what_the_hub_promised(hub: HubServer, client: Client) -> None:
    hub.damage = True
    failed = client.fetch()
    assert failed["error"] == "ModelError"
    assert SHA256 in failed["what"]
    assert client.cache() == []
    hub.damage = False
    assert client.fetch()["sha256"] == SHA256


def test_a_damaged_cache_is_told(client: Client) -> None:
    path = Path(client.fetch()["path"])
    raw = bytearray(CONTENT)
    raw[-1] ^= 1
    path.resolve().write_bytes(raw)
    failed = client.fetch()
    assert SHA256 in failed["what"]
    assert str(path.resolve()) in failed["hint"]


@pytest.mark.parametrize(("key", "value"), [("sha256", "0" * 64), ("size_bytes", 1234)])
def test_another_file_than_the_recipes_is_refused_before_the_download(
    hub: HubServer, client: Client, key: str, value: object
) -> None:
    failed = client.fetch(env={}, **{key: value})
    assert failed["error"] == "ModelError"
    assert str(value) in failed["what"]
    assert (SHA256 if key == "sha256" else str(len(CONTENT))) in failed["what"]
    assert hub.content_requests() == []


def test_a_cached_file_other_than_the_recipes_is_refused(hub: HubServer, client: Client) -> None:
    client.fetch(revision=COMMIT)
    failed = client.fetch(revision=COMMIT, sha256="0" * 64)
    assert SHA256 in failed["what"]
    assert "0" * 64 in failed["what"]


def test_a_missing_file_names_near_ones(client: Client) -> None:
    failed = client.fetch(file="tiny-Q4_0.gguf")
    assert failed["what"] == f"the repository {REPO} has no file tiny-Q4_0.gguf at revision main"
    assert FILE in failed["hint"]


@pytest.mark.parametrize(
    ("spec", "env", "what", "hint"),
    [
        ({"repo": "someone/Nothing"}, {}, "no repository someone/Nothing", "hf auth login"),
        ({"revision": "nonsense"}, {}, "no revision nonsense", "branch, tag or commit"),
        ({"repo": "someone/no..name"}, {}, "not a name of a repository", "correct `repo`"),
        ({}, {"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE", "unset"),
    ],
)
def test_what_does_not_exist(
    client: Client, spec: dict[str, object], env: dict[str, str], what: str, hint: str
) -> None:
    failed = client.fetch(env=env, **spec)
    assert failed["error"] == "ModelError"
    assert what in failed["what"]
    assert hint in failed["hint"]


def test_gated(hub: HubServer, client: Client) -> None:
    hub.repos[REPO].gated = True
    failed = client.fetch()
    assert "gated" in failed["what"]
    assert f"{hub.endpoint}/{REPO}" in failed["hint"]
    assert "hf auth login" in failed["hint"]


def test_a_token_that_is_refused(hub: HubServer, client: Client) -> None:
    hub.bearer = "hf_right"
    failed = client.fetch(env={"HF_TOKEN": "hf_wrong"})
    assert "refuses the token" in failed["what"]
    assert "hf_wrong" not in json.dumps(failed)


@pytest.mark.parametrize(
    ("status", "headers", "what", "hint"),
    [
        (429, {"Retry-After": "77"}, "too many requests", "wait 77 s"),
        (500, {}, "in trouble (status 500)", "in a few minutes"),
        (403, {}, "forbids", "token"),
        (418, {}, "status 418", "HF_ENDPOINT"),
        (200, {}, "does not answer as a Hugging Face hub", "login page"),
    ],
)
def test_refusals(hub: HubServer, client: Client, status: int, headers: dict[str, str], what: str, hint: str) -> None:
    hub.status, hub.status_headers = status, headers
    failed = client.fetch()
    assert failed["error"] == "ModelError"
    assert what in failed["what"]
    assert hint in failed["hint"]
    assert failed["seconds"] < 30


def test_an_etag_cannot_lead_out_of_the_cache(hub: HubServer, client: Client) -> None:
    hub.etag = "../../../escaped"
    failed = client.fetch()
    assert "does not answer as a Hugging Face hub" in failed["what"]
    assert not list(client.home.rglob("escaped*"))


def test_unreachable(tmp_path: Path) -> None:
    endpoint = f"http://127.0.0.1:{_closed_port()}"
    failed = Client(tmp_path, endpoint).fetch()
    assert failed["what"].startswith(f"cannot reach {endpoint}")
    assert "source: package" in failed["hint"]
    assert failed["seconds"] < 30


def test_a_host_that_never_answers_is_given_up(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        failed = Client(tmp_path, endpoint).fetch(env={"HF_HUB_ETAG_TIMEOUT": "2"})
    assert failed["what"].startswith(f"cannot reach {endpoint}")
    assert failed["seconds"] < 30


def test_a_split_model(hub: HubServer, client: Client) -> None:
    names = [f"sub/big-0000{number}-of-00003.gguf" for number in (1, 2, 3)]
    parts = {name: tiny_model(n_bytes=4096, split=(each, 3)) for each, name in enumerate(names)}
    hub.repos[REPO].commits[COMMIT].update(parts)
    got = client.fetch(file=names[0])
    assert [Path(part).name for part in got["parts"]] == [Path(name).name for name in names]
    assert len({Path(part).parent for part in got["parts"]}) == 1
    assert got["n_tensors"] == 3
    assert got["size_bytes"] == sum(len(content) for content in parts.values())
    del hub.repos[REPO].commits[COMMIT][names[2]]
    assert names[2] in Client(client.home / "other", hub.endpoint).fetch(file=names[0])["what"]
    assert "first part" in client.fetch(file=names[1])["hint"]


def test_a_file_that_is_no_gguf(hub: HubServer, client: Client) -> None:
    hub.repos[REPO].commits[COMMIT]["page.gguf"] = b"<!DOCTYPE html><html>Sorry</html>"
    failed = client.fetch(file="page.gguf")
    assert "HTML page" in failed["what"]


def test_a_cache_that_cannot_be_written(hub: HubServer, client: Client) -> None:
    (client.home / "hf").mkdir()
    (client.home / "hf" / "hub").write_text("a file where the cache should be")
    failed = client.fetch()
    assert failed["error"] == "ModelError"
    assert "HF_HOME" in failed["hint"]


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
