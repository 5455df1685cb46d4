"""What a program says of itself, asked of real (tiny) programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.engine.build.capabilities import FILE_NAME, UNKNOWN, Capabilities, of_program, options_in
from orchestrator.engine.build.manifest import ProgramFile

ENVIRONMENT = {"PATH": "/usr/bin:/bin"}
PROGRAM = """#!/bin/sh
echo asked >> {count}
case $1 in
    --help) echo 'usage: x [options]'; echo '  -m FNAME, --model FNAME   the model'{stream} ;;
    --version) echo 'version: 7 (abc)' >&2 ;;
esac
exit {code}
"""


def made(directory: Path, *, code: int = 0, stream: str = "") -> Path:
    """A build with one program, which keeps count of how often it is run."""
    (directory / "bin").mkdir(parents=True, exist_ok=True)
    program, count = directory / "bin" / "x", directory / "count"
    program.write_text(PROGRAM.format(count=count, code=code, stream=stream))
    program.chmod(0o755)
    return count


def ask(directory: Path, sha256: str = "0" * 64, *, has_help: bool = True) -> Capabilities:
    file = ProgramFile(file="bin/x", sha256=sha256, size_bytes=1)
    return of_program(directory, "llama-cli", file, ENVIRONMENT, has_help=has_help)


@pytest.mark.parametrize(("code", "stream"), [(0, ""), (1, " >&2")])
def test_a_program_is_asked_once(tmp_path: Path, code: int, stream: str) -> None:
    count = made(tmp_path, code=code, stream=stream)
    said = ask(tmp_path)
    assert said.options == frozenset({"-m", "--model"})
    assert said.version == "version: 7 (abc)"
    assert said.knows("-m")
    assert not said.knows("-x")
    assert ask(tmp_path) == said
    assert count.read_text().count("asked") == 2  # --help and --version


def test_it_is_asked_again_when_it_has_changed(tmp_path: Path) -> None:
    count = made(tmp_path)
    ask(tmp_path)
    assert ask(tmp_path, "1" * 64).sha256 == "1" * 64
    assert count.read_text().count("asked") == 4


@pytest.mark.parametrize("kept", [b"", b"{", b"\xff\x00", b'{"lcpp_capabilities": 2}', b"[" * 100_000])
def test_a_file_that_cannot_be_read_is_made_again(tmp_path: Path, kept: bytes) -> None:
    made(tmp_path)
    (tmp_path / FILE_NAME).write_bytes(kept)
    assert ask(tmp_path).options == frozenset({"-m", "--model"})
    assert b"--model" in (tmp_path / FILE_NAME).read_bytes()


def test_a_program_that_takes_help_for_a_prompt_is_not_asked_for_it(tmp_path: Path) -> None:
    made(tmp_path)
    said = ask(tmp_path, has_help=False)
    assert said.options is None
    assert said.knows("--anything")


def test_a_program_that_does_not_start_says_nothing_and_nothing_is_kept(tmp_path: Path) -> None:
    assert ask(tmp_path) == UNKNOWN
    assert not (tmp_path / FILE_NAME).exists()


def test_where_nothing_can_be_written_it_still_answers(tmp_path: Path) -> None:
    made(tmp_path)
    # A folder in the way: the file cannot be written, whoever asks.
    (tmp_path / FILE_NAME).mkdir()
    assert ask(tmp_path).options == frozenset({"-m", "--model"})


@pytest.mark.parametrize(
    ("text", "options"),
    [
        # b1012
        (
            "  -r PROMPT, --reverse-prompt PROMPT\n"
            "                        halt generation at PROMPT, see --keep\n"
            "  -s SEED, --seed SEED  RNG seed (default: -1, use random seed for < 0)\n"
            "  -l TOKEN_ID(+/-)BIAS, --logit-bias TOKEN_ID(+/-)BIAS\n"
            "  -e                    process prompt escapes sequences (\\n, \\r)\n",
            {"-r", "--reverse-prompt", "-s", "--seed", "-l", "--logit-bias", "-e"},
        ),
        # b3642
        (
            "general:\n\n  -h,    --help, --usage          print usage and exit\n"
            "         --version                show version and build info\n"
            "  -fa,   --flash-attn             enable Flash Attention (default: disabled)\n"
            "                                  --not-an-option\n",
            {"-h", "--help", "--usage", "--version", "-fa", "--flash-attn"},
        ),
        # b7400
        (
            "-e,    --escape, --no-escape            whether to process escapes, -x too (default: true)\n"
            "--kv-unified, -kvu                      use single unified KV buffer\n"
            "                                        (env: LLAMA_ARG_KV_SPLIT)\n"
            "-fa,   --flash-attn [on|off|auto]       set Flash Attention use\n",
            {"-e", "--escape", "--no-escape", "--kv-unified", "-kvu", "-fa", "--flash-attn"},
        ),
        # llama-bench
        (
            "  -hf, -hfr, --hf-repo <user>/<model>[:quant]       Hugging Face model repository\n"
            "  -pg <pp,tg>                               (default: )\n"
            "  -ot --override-tensor <tensor name pattern>=<buffer type>;...\n",
            {"-hf", "-hfr", "--hf-repo", "-pg", "-ot", "--override-tensor"},
        ),
        ("", set()),
        ("\n    x -m model.gguf [-n n_predict] [prompt]\n", set()),
    ],
)
def test_options_are_read_out_of_the_help_of_all_eras(text: str, options: set[str]) -> None:
    assert options_in(text) == options
