"""The command line for each program and era, and what is refused before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from orchestrator.drive.command import Command, compose
from orchestrator.engine.build.build import Engine
from orchestrator.engine.build.manifest import CompilerFacts, CompilersUsed, Manifest, ProgramFile
from orchestrator.engine.source.checkout import Checkout
from orchestrator.eras.dialect import dialect_for
from orchestrator.errors import UsageError
from orchestrator.model.gguf.summary import HeaderSummary
from orchestrator.model.source.fetch import Model
from orchestrator.parse.layout import Layout
from orchestrator.programs.plan.make import plan
from orchestrator.recipe.schema.recipe import ProgramName, RunSpec
from orchestrator.values import replace

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
            programs=dict.fromkeys(get_args(ProgramName), file),
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
    planned = plan(spec, dialect_for(build, None), prompt=spec.prompt)
    return compose(planned, engine(build), MODEL, folder=folder, inherited={"PATH": "/bin", "HF_TOKEN": "secret"})


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


SETTINGS = {
    "n_threads": 3,
    "n_threads_batch": 5,
    "n_batch": 64,
    "n_ubatch": 32,
    "type_k": "q8_0",
    "type_v": "q4_0",
    "flash_attn": "on",
    "mmap": False,
}


@pytest.mark.parametrize(
    ("build", "run", "expected"),
    [
        (3642, {"program": "complete"}, "-t 3 -tb 5 -b 64 -ub 32 -ctk q8_0 -ctv q4_0 -fa --no-mmap --temp"),
        (6325, {"program": "complete"}, "-ctv q4_0 -fa on --no-mmap --temp"),
        (10105, {"program": "complete"}, "-ctv q4_0 -fa on -lm none --temp"),
        (3642, {"program": "llama-simple"}, "--no-escape -t 3 -tb 5 -b 64 -ub 32 -ctk q8_0 -ctv q4_0 -fa --no-mmap -p"),
        (6170, {"program": "perplexity"}, "-t 3 -tb 5 -b 64 -ub 32 -ctk q8_0 -ctv q4_0 -fa --no-mmap -f"),
        (10105, {"program": "chat", "mode": "chat"}, "-ctk q8_0 -ctv q4_0 -fa on -lm none --temp"),
    ],
)
def test_settings_are_spelled_as_the_build_wants_them(build: int, run: dict[str, Any], expected: str) -> None:
    assert f" {expected} " in f"{words(build, prompt='Hi', **run, **SETTINGS)} "


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (3642, "-ctk q8_0 -ctv q4_0 -fa 1 -mmp 0 -o json"),
        (9437, "-ctk q8_0 -ctv q4_0 -fa on -mmp 0 -o json"),
        (10105, "-ctk q8_0 -ctv q4_0 -fa on -lm none -o json"),
    ],
)
def test_llama_bench_spells_settings_its_own_way(build: int, expected: str) -> None:
    settings = {name: value for name, value in SETTINGS.items() if name != "n_threads_batch"}
    assert words(build, program="bench", **settings).endswith(expected)


@pytest.mark.parametrize(
    ("build", "run", "expected"),
    [
        (1366, {}, "/m.gguf 160 0 0 1 16 4 1,8"),
        (2303, {}, "/m.gguf 160 0 0 16 4 1,8"),
        (2613, {"n_batch": 64}, "/m.gguf 160 64 512 0 0 16 4 1,8"),
        (2771, {"n_ubatch": 32, "flash_attn": "on"}, "/m.gguf 160 2048 32 1 0 0 16 4 1,8"),
        (3087, {}, "-m /m.gguf -c 160 -npp 16 -ntg 4 -npl 1,8"),
        (3676, {}, "-m /m.gguf -c 160 --output-format jsonl -npp 16 -ntg 4 -npl 1,8"),
        (
            9151,
            {"n_threads": 2, "n_ctx": 4096},
            "-m /m.gguf -c 4096 --output-format jsonl -fit off -lv 4 --no-log-prefix --no-log-timestamps -t 2 "
            "-npp 16 -ntg 4 -npl 1,8",
        ),
    ],
)
def test_batched_bench(build: int, run: dict[str, Any], expected: str) -> None:
    made = command(build, program="batched-bench", n_prompt=16, n_gen=4, n_parallel=[1, 8], **run)
    assert " ".join(made.argv[1:]) == expected
    assert made.layout == Layout(shape="log")
    assert made.notes == ()


def test_a_batched_bench_with_too_little_context_is_noted() -> None:
    made = command(3642, program="batched-bench", n_prompt=16, n_gen=4, n_parallel=[1, 8], n_ctx=80)
    assert made.n_ctx == 80
    assert "no room for 8 sequences of 20 tokens (160)" in made.notes[0]


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (1012, "-m /m.gguf -c 512 --chunks 2 -f /nowhere/prompt.txt"),
        (3087, "-m /m.gguf -c 512 --no-escape --chunks 2 -f /nowhere/prompt.txt"),
        (
            9151,
            "-m /m.gguf -c 512 --no-escape -fit off -lv 4 --no-log-prefix --no-log-timestamps --chunks 2 "
            "-f /nowhere/prompt.txt",
        ),
    ],
)
def test_perplexity(build: int, expected: str) -> None:
    made = command(build, program="perplexity", prompt="It was a dark night.\n", n_chunks=2)
    assert " ".join(made.argv[1:]) == expected
    assert made.prompt == "It was a dark night.\n"
    # The program takes one line end off.
    assert made.prompt_file_text == "It was a dark night.\n\n"


def talking(tmp_path: Path, build: int, *options: str) -> Engine:
    """An engine whose programs are one script that names these options in its help."""
    program = tmp_path / "bin" / "x"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n" + "".join(f"echo '{option}     what it does'\n" for option in options))
    program.chmod(0o755)
    return replace(engine(build), directory=tmp_path)


def compose_with(made: Engine, **run: Any) -> Command:
    spec = RunSpec.model_validate({"prompt": "Hi", "n_predict": 48, **run})
    planned = plan(spec, made.dialect, prompt=spec.prompt)
    return compose(planned, made, MODEL, folder=Path("/nowhere"), inherited={"PATH": "/usr/bin:/bin"})


KNOWN = ("-m", "-n", "-c", "-p", "-t", "--temp", "--seed")


def test_an_option_that_a_build_does_not_know_is_left_out_and_noted(tmp_path: Path) -> None:
    made = compose_with(talking(tmp_path, 20_000, *KNOWN, "-no-cnv", "-lv", "--no-display-prompt"))
    assert (
        " ".join(made.argv[1:])
        == "-m /m.gguf -n 48 -c 256 --no-display-prompt -no-cnv -lv 4 --temp 0.0 --seed 42 -p Hi"
    )
    assert made.layout.shape == "stdout"
    newer, *left_out = made.notes
    assert "b20000" in newer
    assert [note.partition(":")[0] for note in left_out] == [
        f"this llama.cpp does not know {option}"
        for option in ("--no-escape", "-fit", "--no-log-prefix", "--no-log-timestamps")
    ]


def test_an_answer_behind_its_prompt_is_looked_for_there(tmp_path: Path) -> None:
    assert compose_with(talking(tmp_path, 20_000, *KNOWN)).layout.shape == "stdout_after_echo"


def test_an_option_that_the_recipe_asks_for_must_be_known(tmp_path: Path) -> None:
    made = talking(tmp_path, 10_000, *KNOWN, "-lora")
    assert " -t 2 " in " ".join(compose_with(made, n_threads=2).argv)
    with pytest.raises(UsageError, match=r"llama-completion of this llama.cpp \(b10000\) does not know -fa") as caught:
        compose_with(made, flash_attn="on")
    assert caught.value.where == "run.flash_attn"
    assert caught.value.hint
    assert "lcpp engine show key llama-completion" in caught.value.hint


def test_an_extra_argument_that_no_program_knows_is_found_before_the_run(tmp_path: Path) -> None:
    made = talking(tmp_path, 10_000, *KNOWN, "--keep")
    assert compose_with(made, extra_args=["--keep", "4", "-x", "--value"]).argv[-4:] == ("--keep", "4", "-x", "--value")
    with pytest.raises(UsageError, match="does not know --kep") as caught:
        compose_with(made, extra_args=["--kep", "4"])
    assert caught.value.hint
    assert "did you mean --keep?" in caught.value.hint


def test_an_old_help_that_leaves_options_out_is_no_proof(tmp_path: Path) -> None:
    assert compose_with(talking(tmp_path, 3000, *KNOWN), extra_args=["--hidden", "4"]).argv[-2:] == ("--hidden", "4")


def test_what_a_program_cannot_do_without_is_given_anyway(tmp_path: Path) -> None:
    made = compose_with(talking(tmp_path, 10_000, "--temp", "--seed", "-p"), program="chat", mode="chat")
    assert "--single-turn" in made.argv
    assert any("does not name --single-turn, which it needs" in note for note in made.notes)


def test_bench() -> None:
    settings = {"program": "bench", "n_prompt": 64, "n_gen": 16, "n_repetitions": 3, "n_threads": 2}
    assert words(3642, **settings) == "-m /m.gguf -p 64 -n 16 -r 3 -t 2 -o json"


@pytest.mark.parametrize(
    ("build", "run", "what"),
    [
        (3903, {"program": "llama-simple", "n_threads": 2}, "n_threads cannot be set"),
        (3903, {"program": "llama-simple", "n_ctx": 512}, "n_ctx cannot be set"),
        (3903, {"program": "llama-simple", "extra_args": ("-x",)}, "part of the prompt"),
        (
            1100,
            {"program": "llama-simple", "n_batch": 2},
            "n_batch cannot be set for llama-simple of this llama.cpp .b1100.: it can from b3087 to b3902",
        ),
        (3642, {"program": "llama-simple", "sampling": {"temperature": 0.5}}, "always greedy"),
        (3642, {"program": "llama-simple", "mode": "chat"}, "b3903 and later read them"),
        (7348, {"program": "llama-cli"}, "since b7348 it is another program"),
        (3642, {"program": "llama-completion"}, "it came with b7348"),
        (1365, {"program": "llama-batched-bench", "prompt": None}, "it came with b1366"),
        (1384, {"mode": "chat"}, "b1385 and later read them"),
        (1288, {"n_threads_batch": 2}, "it can since b1289"),
        (1447, {"sampling": {"min_p": 0.1}}, "min_p cannot be set .*: it can since b1448"),
        (6324, {"flash_attn": "auto"}, "flash_attn: auto cannot be set .*: it can since b6325"),
        (2000, {"type_k": "iq4_nl"}, "type_k: iq4_nl cannot be set .*: it can since b2481"),
        (3642, {"type_v": "q8_0"}, "quantizes the V cache only with flash attention"),
        (6325, {"type_v": "q8_0", "flash_attn": "off"}, "quantizes the V cache only with flash attention"),
        (2900, {"type_k": "q8_0", "flash_attn": "on"}, "it does since b2936"),
        (3642, {"n_chunks": 2}, "n_chunks cannot be set"),
        (3642, {"program": "perplexity", "mode": "chat"}, "no chat template applies"),
        (3642, {"program": "perplexity", "sampling": {"top_k": 1}}, "chooses no tokens"),
        (3642, {"program": "bench", "prompt": None, "n_ctx": 512}, "n_ctx cannot be set .*, nor in any other"),
        (3642, {"program": "bench", "prompt": None, "n_threads_batch": 2}, "n_threads_batch cannot be set"),
        (2041, {"program": "bench", "prompt": None, "mmap": False}, "mmap: false cannot be set .*: it can since b2042"),
        (3642, {"program": "batched-bench", "prompt": None, "n_prompt": 0}, "needs a prompt"),
        (2612, {"program": "batched-bench", "prompt": None, "n_batch": 64}, "it can since b2613"),
        (3000, {"program": "batched-bench", "prompt": None, "n_threads": 2}, "it can since b3087"),
        (3000, {"program": "batched-bench", "prompt": None, "extra_args": ("-x",)}, "part of its figures"),
        (2000, {"n_ubatch": 2}, "n_ubatch cannot be set .*: it can since b2413"),
    ],
)
def test_what_a_build_cannot_do_is_refused_with_what_to_use(build: int, run: dict[str, Any], what: str) -> None:
    with pytest.raises(UsageError, match=what) as caught:
        command(build, **{"prompt": "Hi", **run})
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
    planned = plan(RunSpec(prompt="Hi"), dialect_for(3642, None), prompt="Hi")
    inherited = {"PATH": "/bin", "HF_TOKEN": "x", "LLAMA_ARG_THREADS": "9", "OMP_NUM_THREADS": "2", "LC_ALL": "de_DE"}
    made = compose(planned, engine(3642), MODEL, folder=Path("/nowhere"), inherited=inherited)
    assert made.environment == {
        "PATH": "/bin",
        "OMP_NUM_THREADS": "2",
        "LC_ALL": "C.UTF-8",
        "NO_COLOR": "1",
        "TERM": "dumb",
    }
