"""The run that it all began with: its timing and decoded lines are in Chinese, and every figure of it is read."""

from pathlib import Path

import pytest

from orchestrator.parse.parser import parse_log
from orchestrator.parse.record import Buffer, Record, Timing, Token

SEED = Path(__file__).parents[1] / "data/transcripts/santa_cruz.zh.log"


@pytest.fixture(scope="module")
def record() -> Record:
    return parse_log(SEED.read_bytes())


def test_the_command_and_what_it_asked_for(record: Record) -> None:
    assert record.command is not None
    assert record.command.startswith("./llama.cpp/llama-simple -m Downloads/Meta-Llama-3.1-8B-Instruct-Q3_K_L.gguf")
    assert record.generation.n_predict == 300
    assert record.generation.n_ctx == 131072


def test_loader(record: Record) -> None:
    loader = record.loader
    assert loader is not None
    assert (loader.n_kv, len(loader.kv), loader.n_tensors) == (33, 33, 292)
    assert loader.tensor_types == {"f32": 66, "q3_K": 129, "q5_K": 96, "q6_K": 1}
    assert loader.format == "GGUF V3 (latest)"
    pairs = {pair.key: pair for pair in loader.kv}
    assert pairs["llama.block_count"].value == 32
    assert pairs["llama.rope.freq_base"].value == 500000.0
    assert pairs["general.architecture"].value == "llama"
    assert not pairs["general.architecture"].truncated
    assert pairs["quantize.imatrix.chunks_count"].value == 125
    assert pairs["tokenizer.ggml.tokens"].type == "arr[str,128256]"
    assert pairs["tokenizer.chat_template"].truncated


def test_metadata(record: Record) -> None:
    metadata = record.metadata
    assert metadata is not None
    assert metadata.n_params == 8.03e9
    assert metadata.size_mib == 4.02 * 1024
    assert metadata.entries["model size"] == "4.02 GiB (4.30 BPW)"
    assert metadata.bits_per_weight == 4.30
    assert metadata.ftype == "Q3_K - Large"
    assert metadata.arch == "llama"
    assert metadata.tokens["EOT"] == (Token(id=128009, text="<|eot_id|>"),)


def test_memory_and_context(record: Record) -> None:
    context = record.context
    assert context is not None
    assert record.weights.buffers == (Buffer(device="CPU", size_mib=4114.27),)
    assert context.n_ctx == 131072
    cache = context.kv_cache
    assert (cache.size_mib, cache.k_type, cache.k_mib, cache.v_type, cache.v_mib) == (16384, "f16", 8192, "f16", 8192)
    assert context.compute_buffers == (Buffer(device="CPU", size_mib=8480.01),)
    assert (context.graph_nodes, context.graph_splits) == (1030, 1)


def test_decoded_and_timings(record: Record) -> None:
    assert record.decoded is not None
    assert (record.decoded.n_tokens, record.decoded.seconds, record.decoded.tokens_per_second) == (289, 34.22, 8.44)
    timings = record.timings
    assert timings.load == Timing(ms=5114.71)
    assert timings.sample == Timing(ms=48.04, n=290, ms_per_token=0.17, tokens_per_second=6036.76)
    assert timings.prompt_eval == Timing(ms=536.32, n=11, ms_per_token=48.76, tokens_per_second=20.51)
    assert timings.eval == Timing(ms=33864.35, n=289, ms_per_token=117.18, tokens_per_second=8.53)
    assert timings.total == Timing(ms=39337.08, n=300)


def test_the_text_is_kept_apart_and_every_line_is_understood(record: Record) -> None:
    assert record.generation.text is not None
    assert record.generation.text.endswith("（此处为生成的文本）")
    assert record.coverage.n_unrecognised == 0
    assert record.coverage.n_lines == 113
    assert not record.errors
