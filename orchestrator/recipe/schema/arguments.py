"""Which `run.extra_args` a recipe may not have: a recipe is data, and may come from a stranger.

Names are those of all of upstream's parsers (`gpt_params_parse`, `common/arg.cpp`, `llama-bench`, `log.h`) up to
October 2026. A program that does not know an argument refuses it itself.
"""

from __future__ import annotations

from collections.abc import Mapping

_SET_BY_KEY: Mapping[str, str] = {
    "model": "-m --model",
    "run.prompt": "-p --prompt --random-prompt",
    "run.prompt_file": "-f --file -bf --binary-file",
    "run.mode": "-cnv --conversation -no-cnv --no-conversation -ins --instruct -cml --chatml",
    "run.system": "-sys --system-prompt -sysf --system-prompt-file -spf",
    "run.n_predict": "-n --predict --n-predict",
    "run.n_ctx": "-c --ctx-size",
    "run.n_batch": "-b --batch-size",
    "run.n_ubatch": "-ub --ubatch-size",
    "run.n_threads": "-t --threads",
    "run.n_threads_batch": "-tb --threads-batch",
    "run.type_k": "-ctk --cache-type-k",
    "run.type_v": "-ctv --cache-type-v",
    "run.flash_attn": "-fa --flash-attn",
    # Not -lm: it can also say what `mmap` cannot.
    "run.mmap": "--mmap --no-mmap -mmp",
    "run.n_prompt": "-npp",
    "run.n_gen": "-ntg",
    "run.n_parallel": "-npl",
    "run.n_chunks": "--chunks",
    "run.sampling.temperature": "--temp --temperature",
    "run.sampling.seed": "-s --seed",
    "run.sampling.top_k": "--top-k",
    "run.sampling.top_p": "--top-p",
    "run.sampling.min_p": "--min-p",
    "run.sampling.repeat_penalty": "--repeat-penalty",
}
# llama-bench gives some short names another meaning; -r is --reverse-prompt elsewhere.
_SET_BY_KEY_IN_BENCH: Mapping[str, str] = {
    "run.n_prompt": "-p --n-prompt",
    "run.n_gen": "-n --n-gen",
    "run.n_repetitions": "-r --repetitions",
}
_REFUSED: Mapping[str, str] = {
    "lcpp runs one question at a time and sets this itself": (
        "-i --interactive -if --interactive-first -mli --multiline-input -st --single-turn -e --escape --no-escape"
    ),
    "lcpp reads what the program prints and sets this itself": (
        "-co --color --simple-io --display-prompt --no-display-prompt --no-perf --no-show-timings -oe --output-err "
        "-lv --verbosity --log-verbosity --log-colors --log-disable --log-jsonl --log-prefix --no-log-prefix "
        "--log-timestamps --no-log-timestamps --output-format"
    ),
    "it makes the program print something else and exit": (
        "-h --help --usage --version --list-devices -cl --cache-list --completion-bash --mtest"
    ),
    "it writes a file, and a recipe may not": (
        "-o --output --output-file --log-file -ld --logdir --log-test --log-enable --log-new --log-append "
        "--log-prompts-dir --prompt-cache --prompt-cache-all --prompt-cache-ro -lcd --lookup-cache-dynamic "
        "--save-all-logits --kl-divergence-base --save-logits --logits-output-dir --slot-save-path --export"
    ),
    "it uses the network, and a run may not": (
        "-mu --model-url -hf -hfr --hf-repo -hff --hf-file -hft --hf-token -hfd -hfrd --hf-repo-draft "
        "--spec-draft-hf -hfv -hfrv --hf-repo-v -hffv --hf-file-v -dr --docker-repo -mmu --mmproj-url "
        "-rpc --rpc --server-base --host --port --path --ui-mcp-proxy --webui-mcp-proxy"
    ),
    # Upstream decodes some pictures and all films with ffmpeg.
    "it can start other programs, and a recipe may not": (
        "--tools --tools-runtime --mcp-servers-config --mcp-servers-json -ag --agent --image --audio --video "
        "--video-ffmpeg-dir"
    ),
}
# Presets such as --gpt-oss-20b-default download a model; this one only sets numbers.
_PRESET_SUFFIX, _HARMLESS_PRESET = "-default", "--spec-default"


def _table(keys: Mapping[str, str]) -> dict[str, str]:
    return {name: f"set `{key}` instead" for key, names in keys.items() for name in names.split()}


_REASONS = {
    **{name: reason for reason, names in _REFUSED.items() for name in names.split()},
    **_table(_SET_BY_KEY),
}
_BENCH_REASONS = {**_REASONS, **_table(_SET_BY_KEY_IN_BENCH)}


def refusal(argument: str, *, bench: bool) -> str | None:
    """Why a recipe may not pass `argument` to the program (llama-bench when `bench`); None when it may."""
    # `--opt=value` is no upstream spelling so far, but costs nothing to see; upstream reads `--a_b` as `--a-b`.
    name = argument.partition("=")[0]
    if name.startswith("--"):
        name = name.replace("_", "-")
        if name.endswith(_PRESET_SUFFIX) and name != _HARMLESS_PRESET:
            return "it can download a model, and a run may not use the network"
    return (_BENCH_REASONS if bench else _REASONS).get(name)
