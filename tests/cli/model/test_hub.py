"""`lcpp model` against a hub on loopback, through the real command line and the hub's real client."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.model.gguf_files import Entry, Gguf, kv_array, kv_number, kv_text, kv_texts, tiny_model
from tests.model.hub_place import Place
from tests.model.hub_server import COMMIT, OTHER_COMMIT, HubServer, Repo

REPO = "someone/Big-GGUF"


def _like_8b() -> Gguf:
    """A header of the size and kind that Llama 3 8B has: 128,256 tokens, 280,147 merges, 292 tensors."""
    kv = [
        kv_text("general.architecture", "llama"),
        kv_text("general.name", "Like 8B"),
        kv_number("general.file_type", 13),
        kv_number("llama.block_count", 32),
        kv_number("llama.context_length", 131072),
        kv_number("llama.embedding_length", 4096),
        kv_number("llama.feed_forward_length", 14336),
        kv_number("llama.attention.head_count", 32),
        kv_number("llama.attention.head_count_kv", 8),
        kv_text("tokenizer.ggml.model", "gpt2"),
        kv_text("tokenizer.ggml.pre", "llama-bpe"),
        kv_texts("tokenizer.ggml.tokens", [f"token{each}" for each in range(128_256)]),
        kv_array("tokenizer.ggml.token_type", 5, 128_256, bytes(4 * 128_256)),
        kv_texts("tokenizer.ggml.merges", [f"to ken{each}" for each in range(280_147)]),
        kv_number("tokenizer.ggml.bos_token_id", 128_000),
        kv_number("tokenizer.ggml.eos_token_id", 128_009),
        kv_text("tokenizer.chat_template", "{{ bos_token }}\n{% for message in messages %}{% endfor %}"),
    ]
    n_bytes = 256 * 32 // 256 * 110  # Q3_K: 110 bytes for 256 numbers
    step = (n_bytes + 31) // 32 * 32
    tensors = [Entry(name=f"blk.{each}.w", shape=(256, 32), kind=11, offset=step * each) for each in range(292)]
    return Gguf(kv=kv, tensors=tensors, data=bytes(step * 292))


LIKE_8B = _like_8b()
CONTENT = LIKE_8B.build() + bytes(8_000_000)
FILE = "big-Q3_K_L.gguf"
NAMED = f"hub:{REPO}/{FILE}"
PARTS = {
    f"split/m-Q8_0-0000{each + 1}-of-00003.gguf": tiny_model(n_bytes=300_000, split=(each, 3)) for each in range(3)
}


@pytest.fixture
def hub() -> Iterator[HubServer]:
    files = {FILE: CONTENT, "README.md": b"hello", **PARTS}
    with HubServer({REPO: Repo(commits={COMMIT: files})}) as server:
        yield server


@pytest.fixture
def place(hub: HubServer, tmp_path: Path) -> Place:
    return Place(tmp_path / "place", hub.endpoint)


def test_inspect_fetches_the_header_alone_and_keeps_it(hub: HubServer, place: Place) -> None:
    begin = time.monotonic()
    found = place.lcpp("model", "inspect", NAMED, "--json", "--tensors", HF_TOKEN="hf_secret").document
    seconds = time.monotonic() - begin
    header_bytes = len(LIKE_8B.header())
    print(f"{hub.sent_bytes} of {header_bytes} bytes, {len(hub.content_requests())} requests, {seconds:.2f} s")
    assert hub.sent_bytes <= 1.1 * header_bytes
    assert len(hub.content_requests()) <= 25
    assert seconds < 20, "2 s on a machine that does nothing else"
    assert (found["source"], found["revision"], found["size_bytes"]) == ("hub", COMMIT, len(CONTENT))
    assert found["parts"][0]["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert (found["architecture"], found["name"], found["file_type_name"]) == ("llama", "Like 8B", "Q3_K_L")
    assert found["types"][0]["bits_per_weight"] == 3.4375
    assert (found["shape"]["n_head"], found["shape"]["n_head_kv"], found["shape"]["n_embd_head_k"]) == (32, 8, 128)
    vocabulary = found["vocabulary"]
    assert (vocabulary["n_tokens"], vocabulary["n_merges"], vocabulary["add_bos"]) == (128_256, 280_147, True)
    assert vocabulary["special"]["eos"] == {"id": 128_009, "text": "token128009"}
    assert len(found["tensors"]) == 292
    # The token is for the hub alone.
    asked = [each for each in hub.requests if "/resolve/" in each.path]
    assert asked
    assert all({"authorization", "Authorization"} & set(each.headers) for each in asked)
    assert not any({"authorization", "Authorization"} & set(each.headers) for each in hub.content_requests())
    # The branch is asked for again, and nothing else; a commit not even that.
    hub.requests.clear()
    again = place.lcpp("model", "inspect", NAMED)
    assert "128,256 tokens" in again.stdout
    assert [each.method for each in hub.requests] == ["HEAD"]
    hub.requests.clear()
    assert place.lcpp("model", "inspect", f"{NAMED}@{COMMIT}").code == 0
    assert hub.requests == []
    # Without the hub, what it said before is told.
    hub.status = 500
    offline = place.lcpp("model", "inspect", NAMED)
    assert offline.code == 0
    assert "using what it said before" in offline.stderr


def test_a_branch_that_moved_is_read_anew(hub: HubServer, place: Place) -> None:
    assert place.lcpp("model", "inspect", f"hub:{REPO}/{next(iter(PARTS))}", "--json").document["n_tensors"] == 3
    moved = {**hub.repos[REPO].commits[COMMIT], FILE: tiny_model()}
    hub.repos[REPO].commits[OTHER_COMMIT] = moved
    hub.repos[REPO].branches["main"] = OTHER_COMMIT
    found = place.lcpp("model", "inspect", NAMED, "--json").document
    assert (found["revision"], found["name"]) == (OTHER_COMMIT, "Tiny")


def test_all_headers_of_a_split_model(hub: HubServer, place: Place) -> None:
    first = next(iter(PARTS))
    found = place.lcpp("model", "inspect", f"hub:{REPO}/{first}", "--json").document
    assert [part["name"] for part in found["parts"]] == list(PARTS)
    assert (found["n_tensors"], found["tensor_bytes"]) == (3, 900_000)
    assert found["notes"] == []
    assert hub.sent_bytes < 600_000
    del hub.repos[REPO].commits[COMMIT][list(PARTS)[2]]
    failed = Place(place.folder / "other", hub.endpoint).lcpp("model", "inspect", f"hub:{REPO}/{first}")
    assert failed.code == 1
    assert list(PARTS)[2] in failed.stderr


@pytest.mark.parametrize("trouble", ["break", "slow", "too old an address", "no ranges", "gated", "missing"])
def test_trouble(hub: HubServer, place: Place, trouble: str) -> None:
    named = NAMED
    if trouble == "break":
        hub.cuts = [None, 100_000, None, 50_000]
    elif trouble == "slow":
        hub.bytes_per_second = 8_000_000
    elif trouble == "too old an address":
        hub.file_statuses = [403]
    elif trouble == "no ranges":
        hub.ranges = False
    elif trouble == "gated":
        hub.repos[REPO].gated = True
    elif trouble == "missing":
        named = f"hub:{REPO}/bigg-Q3_K_L.gguf"
    done = place.lcpp("model", "inspect", named, "--json", HF_TOKEN="hf_secret")
    if trouble in ("break", "slow", "too old an address"):
        assert done.document["vocabulary"]["n_merges"] == 280_147
        assert "secret" not in done.stderr
        return
    assert done.code == 1
    words = {
        "no ranges": "does not give parts of a file",
        "gated": "is gated",
        "missing": f"perhaps you meant {FILE}",
    }
    assert words[trouble] in done.document["error"]["what"] + done.document["error"]["hint"]
    assert hub.sent_bytes < 30_000_000


def test_a_file_that_was_downloaded_is_read_from_the_cache(hub: HubServer, place: Place) -> None:
    blobs = place.blobs(REPO)
    blobs.mkdir(parents=True)
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    (blobs / sha256).write_bytes(CONTENT)
    link = blobs.parent / "snapshots" / COMMIT / FILE
    link.parent.mkdir(parents=True)
    link.symlink_to(blobs / sha256)
    (blobs.parent / "refs").mkdir()
    (blobs.parent / "refs" / "main").write_text(COMMIT)
    assert place.lcpp("model", "inspect", NAMED, "--json").document["n_tensors"] == 292
    assert hub.content_requests() == []
    hub.status = 503
    assert Place(place.folder, hub.endpoint).lcpp("model", "inspect", NAMED).code == 0


def test_a_recipe_that_wants_other_bytes_is_refused(hub: HubServer, place: Place) -> None:
    place.folder.mkdir()
    (place.folder / "r.yaml").write_text(
        f"lcpp: 1\nmodel: {{source: hub, repo: {REPO}, file: {FILE}, sha256: {'0' * 64}}}\nrun: {{prompt: Hello}}\n"
    )
    done = place.lcpp("model", "inspect", "r.yaml")
    assert done.code == 1
    assert "not the model that the recipe wants" in done.stderr
    assert hub.content_requests() == []


def test_list(hub: HubServer, place: Place) -> None:
    hub.repos[REPO].commits[COMMIT] |= {
        "m-F16-00001-of-00002.gguf": b"x" * 10,
        "mmproj-model-f16.gguf": b"x" * 30,
        "tiny.Q4_K_M.gguf": b"x" * 20,
        "UD-IQ2_XXS/a.gguf": b"x" * 5,
    }
    found = place.lcpp("model", "list", f"hub:{REPO}", "--json").document
    assert (found["lcpp_model_list"], found["repo"], found["revision"]) == (1, REPO, COMMIT)
    assert found["available_bytes"] > 0
    by_file = {model["file"]: model for model in found["models"]}
    first = next(iter(PARTS))
    assert by_file[first]["files"] == list(PARTS)
    assert by_file[first]["size_bytes"] == sum(map(len, PARTS.values()))
    told = {name: (model["quantization"], model["complete"], model["fits"]) for name, model in by_file.items()}
    assert told == {
        FILE: ("Q3_K_L", True, "fits"),
        first: ("Q8_0", True, "fits"),
        "m-F16-00001-of-00002.gguf": ("F16", False, "fits"),
        "mmproj-model-f16.gguf": ("F16", True, None),
        "tiny.Q4_K_M.gguf": ("Q4_K_M", True, "fits"),
        "UD-IQ2_XXS/a.gguf": ("IQ2_XXS", True, "fits"),
    }
    shown = place.lcpp("model", "list", REPO).stdout
    assert "3 files" in shown
    assert "files are missing" in shown
    failed = place.lcpp("model", "list", "hub:someone/Nothing")
    assert failed.code == 1
    assert "no repository someone/Nothing" in failed.stderr
