"""The command line for each program and era, and what is refused before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.drive.command import Command, compose
from orchestrator.engine.build import Engine
from orchestrator.engine.checkout import Checkout
from orchestrator.engine.dialect import dialect_for
from orchestrator.engine.manifest import CompilerFacts, CompilersUsed, Manifest, ProgramFile
from orchestrator.errors import UsageError
from orchestrator.model.fetch import Model
from orchestrator.model.summary import HeaderSummary
from orchestrator.recipe.schema import RunSpec

TEMPLATE = (
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{% if add_generation_prompt %}[bot]{% endif %}"
)


def engine(build: int) -> Engine:
    """A finished build of that number, as far as a command line needs it."""
    file = ProgramFile(file="bin/x", sha256="0" * 64, size_bytes=1)
    compiler = CompilerFacts(path="/usr/bin/cc", version="cc 1")
    return Engine(
        directory=Path("/builds/key"),
        manifest=Manifest(
            commit="0" * 40,
            build_number=build,
            commit_date=None,
            source="git",
            remote="/remote",
            fingerprint="0" * 40,
            build_system="cmake",
            options={},
            commands=(),
            compiler=CompilersUsed(c=compiler, cxx=compiler),
            cpu_model="CPU",
            cpu_flags_digest="0",
            built_at="2026-01-01T00:00:00+00:00",
            duration_s=1.0,
            programs=dict.fromkeys(("llama-simple", "llama-cli", "llama-completion", "llama-bench"), file),
            version_output=None,
            lcpp_version="0",
        ),
        dialect=dialect_for(build, None),
        checkout=Checkout(
            path=Path("/checkout"),
            commit="0" * 40,
            build_number=build,
            commit_date=None,
            ref="x",
            source="git",
            remote="/remote",
            fingerprint="0" * 40,
        ),
        key="key",
        reused=True,
    )


MODEL = Model(
    path=Path("/m.gguf"),
    parts=(Path("/m.gguf"),),
    sha256="0" * 64,
    size_bytes=1,
    source="path",
    origin="/m.gguf",
    revision=None,
    header=HeaderSummary(
        version=3,
        architecture="llama",
        name="m",
        file_type=1,
        file_type_name="F16",
        alignment=32,
        context_length=8192,
        n_vocab=10,
        n_tensors=1,
        n_params=1,
        tensor_bytes=1,
        type_counts={"F16": 1},
        n_parts=1,
        chat_template=TEMPLATE,
        bos_id=None,
        eos_id=None,
        bos_token=None,
        eos_token=None,
        add_bos=False,
        metadata={},
    ),
)


def command(build: int, folder: Path = Path("/nowhere"), **run: Any) -> Command:
    spec = RunSpec.model_validate({"n_predict": 48, **run})
    return compose(
        spec, spec.prompt, engine(build), MODEL, folder=folder, inherited={"PATH": "/bin", "HF_TOKEN": "secret"}
    )


def words(build: int, **run: Any) -> str:
    return " ".join(command(build, **run).argv[1:])


@pytest.mark.parametrize(
    ("build", "run", "expected"),
    [
        (1100, {"program": "llama-simple"}, "/m.gguf Hi"),
        (3642, {"program": "llama-simple"}, "-m /m.gguf -n 48 -c 256 --no-escape -p Hi"),
        (
            3642,
            {"program": "llama-simple", "n_ctx": 131072, "n_threads": 4, "n_batch": 64, "n_ubatch": 32},
            "-m /m.gguf -n 48 -c 131072 --no-escape -t 4 -b 64 -ub 32 -p Hi",
        ),
        (3903, {"program": "llama-simple"}, "-m /m.gguf -n 48 Hi"),
        (1100, {}, "-m /m.gguf -n 48 -c 256 --temp 0.0 --seed 42 -p Hi"),
        (
            3642,
            {"extra_args": ("--mlock",)},
            "-m /m.gguf -n 48 -c 256 --no-display-prompt --no-escape --temp 0.0 --seed 42 -p Hi --mlock",
        ),
        (
            9151,
            {
                "sampling": {
                    "temperature": 0.5,
                    "top_k": 9,
                    "top_p": 0.5,
                    "min_p": 0.1,
                    "repeat_penalty": 1.1,
                    "seed": 7,
                }
            },
            "-m /m.gguf -n 48 -c 256 --no-display-prompt --no-escape -no-cnv -fit off -lv 4 --no-log-prefix "
            "--no-log-timestamps --temp 0.5 --seed 7 --top-k 9 --top-p 0.5 --min-p 0.1 --repeat-penalty 1.1 -p Hi",
        ),
        (
            3642,
            {"mode": "chat", "system": "Be brief."},
            "-m /m.gguf -n 48 -c 256 --no-display-prompt --no-escape --temp 0.0 --seed 42 "
            "-p [system]Be brief.[user]Hi[bot]",
        ),
        (
            9151,
            {"program": "chat", "mode": "chat", "system": "Be brief."},
            "-m /m.gguf -n 48 -c 768 --single-turn --simple-io --no-escape -fit off -lv 4 --no-log-prefix "
            "--no-log-timestamps --temp 0.0 --seed 42 -sys Be brief. -p Hi",
        ),
        (9151, {"program": "llama-simple", "mode": "chat"}, "-m /m.gguf -n 48 [user]Hi[bot]"),
    ],
)
def test_command_lines(build: int, run: dict[str, Any], expected: str) -> None:
    assert words(build, prompt="Hi", **run) == expected


def test_bench() -> None:
    settings = {"program": "bench", "n_prompt": 64, "n_gen": 16, "n_repetitions": 3, "n_threads": 2}
    assert words(3642, **settings) == "-m /m.gguf -p 64 -n 16 -r 3 -t 2 -o json"


@pytest.mark.parametrize(
    ("build", "run", "what"),
    [
        (3903, {"program": "llama-simple", "n_threads": 2}, "n_threads cannot be set"),
        (3903, {"program": "llama-simple", "n_ctx": 512}, "n_ctx cannot be set"),
        (3903, {"program": "llama-simple", "extra_args": ("-x",)}, "part of the prompt"),
        (1100, {"program": "llama-simple", "n_batch": 2}, "until b3087"),
        (3642, {"program": "llama-simple", "sampling": {"temperature": 0.5}}, "always greedy"),
        (3642, {"program": "llama-simple", "mode": "chat"}, "b3903 and later read them"),
        (7348, {"program": "llama-cli"}, "since b7348 it is another program"),
        (3642, {"program": "llama-completion"}, "it came with b7348"),
        (2000, {"n_ubatch": 2}, "it came with b2413"),
    ],
)
def test_what_a_build_cannot_do_is_refused_with_what_to_use(build: int, run: dict[str, Any], what: str) -> None:
    with pytest.raises(UsageError, match=what) as caught:
        command(build, prompt="Hi", **run)
    assert caught.value.hint
    assert caught.value.where


def test_the_context_has_room_for_the_worst_tokenizer() -> None:
    # One token a byte, and the tokens to come, and a few that llama-cli keeps free.
    assert command(3642, prompt="é" * 100, n_predict=48).n_ctx == 256
    assert command(3642, prompt="é" * 101, n_predict=48).n_ctx == 512


def test_a_long_prompt_goes_through_a_file(tmp_path: Path) -> None:
    prompt = "long\n" * 50_000
    made = command(3642, tmp_path, prompt=prompt)
    assert made.prompt_file == tmp_path / "prompt.txt"
    assert made.argv[-2:] == ("-f", str(made.prompt_file))
    with pytest.raises(UsageError, match="250,000 bytes"):
        command(3642, prompt=prompt, program="llama-simple")


def test_a_prompt_that_would_be_an_option_is_refused() -> None:
    with pytest.raises(UsageError, match="for an option"):
        command(3903, prompt="-n", program="llama-simple")


def test_the_child_gets_no_secrets_and_no_settings() -> None:
    spec = RunSpec(prompt="Hi")
    inherited = {"PATH": "/bin", "HF_TOKEN": "x", "LLAMA_ARG_THREADS": "9", "OMP_NUM_THREADS": "2", "LC_ALL": "de_DE"}
    made = compose(spec, "Hi", engine(3642), MODEL, folder=Path("/nowhere"), inherited=inherited)
    assert made.environment == {
        "PATH": "/bin",
        "OMP_NUM_THREADS": "2",
        "LC_ALL": "C.UTF-8",
        "NO_COLOR": "1",
        "TERM": "dumb",
    }
