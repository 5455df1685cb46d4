"""A recipe can start no shell and no program of its own, write no file, and use no network."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orchestrator.recipe.schema.arguments import refusal

Load = Callable[..., object]
Problems = Callable[..., list[str]]


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        ("-m", "`model`"),
        ("--prompt", "`run.prompt`"),
        ("-f", "`run.prompt_file`"),
        ("--n-predict", "`run.n_predict`"),
        ("--n_predict", "`run.n_predict`"),
        ("--ctx-size=5", "`run.n_ctx`"),
        ("-ub", "`run.n_ubatch`"),
        ("-t", "`run.n_threads`"),
        ("--seed", "`run.sampling.seed`"),
        ("-ctk", "`run.type_k`"),
        ("--cache-type-v", "`run.type_v`"),
        ("-fa", "`run.flash_attn`"),
        ("-tb", "`run.n_threads_batch`"),
        ("--no-mmap", "`run.mmap`"),
        ("--chunks", "`run.n_chunks`"),
        ("--temp", "`run.sampling.temperature`"),
        ("--log-file", "writes a file"),
        ("--logdir", "writes a file"),
        ("--output-file", "writes a file"),
        ("--prompt-cache", "writes a file"),
        ("--prompt_cache", "writes a file"),
        ("--save-all-logits", "writes a file"),
        ("--slot-save-path", "writes a file"),
        ("-hf", "network"),
        ("--hf-repo", "network"),
        ("-mu", "network"),
        ("--rpc", "network"),
        ("-rpc", "network"),
        ("--gpt-oss-20b-default", "network"),
        ("--tools", "start other programs"),
        ("--mcp-servers-json", "start other programs"),
        ("--video", "start other programs"),
        ("-i", "sets this itself"),
        ("--log-disable", "sets this itself"),
        ("--version", "print something else"),
    ],
)
@pytest.mark.parametrize("bench", [False, True])
def test_refused(argument: str, reason: str, bench: bool) -> None:
    why = refusal(argument, bench=bench)
    assert why is not None
    if not (bench and argument in ("-p", "-n", "--prompt")):
        assert reason in why


@pytest.mark.parametrize(
    "argument",
    [
        *("--lora", "--lora-scaled", "adapter.gguf", "-ngl", "0", "-1", "--keep", "-lm", "on", "--mlock", "-ot"),
        *("--grammar-file", "--override-kv", "a=int:5", "--numa", "-np", "--no-warmup", "--spec-default", "", "-md"),
    ],
)
def test_allowed(argument: str) -> None:
    assert refusal(argument, bench=False) is None


def test_some_names_mean_something_else_in_llama_bench(load_text: Load, problems_of: Problems, good: str) -> None:
    assert refusal("-r", bench=False) is None
    assert refusal("-r", bench=True) == "set `run.n_repetitions` instead"
    assert refusal("-p", bench=True) == "set `run.n_prompt` instead"
    bench = good.replace("  prompt: Hello", "  program: bench")
    load_text(bench, ["run.extra_args=[-pg, '5,6']"])
    (problem,) = problems_of(bench, ["run.extra_args=[-n]"])
    assert "set `run.n_gen` instead" in problem


@pytest.mark.parametrize(
    "remote",
    ["ext::sh -c id", "fd::7", "ext::x@y:z", "--upload-pack=id", "-x"],
)
def test_remotes_that_start_programs(remote: str, problems_of: Problems, good: str) -> None:
    (problem,) = problems_of(good + f"engine: {{remote: '{remote}'}}\n")
    assert problem.startswith("x.yaml:7:18: engine.remote: ")


@pytest.mark.parametrize(
    "remote",
    ["https://host/a.git", "git@host:a/b.git", "ssh://git@[::1]/a", "/srv/my repo", "../llama.cpp", "file:///a"],
)
def test_remotes_that_are_fine(remote: str, load_text: Load, good: str) -> None:
    load_text(good + f"engine: {{remote: '{remote}'}}\n")
