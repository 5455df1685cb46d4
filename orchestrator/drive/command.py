"""From what a recipe asks for to the command line that makes this llama.cpp do it, or an error before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.engine.build import Engine
from orchestrator.engine.dialect import Dialect, Layout
from orchestrator.errors import UsageError
from orchestrator.model.chat import render_chat
from orchestrator.model.fetch import Model
from orchestrator.recipe.schema import Program, RunSpec, Sampling

# One argument may have 128 KiB on Linux; longer prompts go through a file where the program can read one.
_MAX_ARGUMENT_BYTES = 120_000
# What llama-cli keeps free in the context, and what a chat template that we do not render may add.
_SPARE_TOKENS = 8
_TEMPLATE_TOKENS = 512
_CONTEXT_STEP = 256
# What a child gets of lcpp's environment: enough to run and nothing that changes its settings (llama.cpp reads
# LLAMA_ARG_* as options) or that it has no need to know (tokens, passwords).
_INHERITED = ("PATH", "HOME", "USER", "TMPDIR", "LD_LIBRARY_PATH")
_INHERITED_PREFIXES = ("OMP_", "GOMP_", "KMP_")
# No decimal commas, no colours, no terminal tricks.
_FIXED = {"LC_ALL": "C.UTF-8", "NO_COLOR": "1", "TERM": "dumb"}


@dataclass(frozen=True, kw_only=True)
class Command:
    """One run, ready to start.

    prompt: the text that goes to the model, after the chat template where lcpp renders it.
    n_ctx: the context size that is asked for, in tokens; None: the program's own choice.
    prompt_file: where the prompt must be written before the start; None: it is in `argv`.
    """

    program: Program
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    layout: Layout
    prompt: str
    n_ctx: int | None
    prompt_file: Path | None = None


def compose(
    run: RunSpec,
    prompt: str | None,
    engine: Engine,
    model: Model,
    *,
    folder: Path,
    inherited: Mapping[str, str],
    cache: Path | None = None,
) -> Command:
    """The command line for `run`.

    Args:
        folder: where the run will be, for the file of a long prompt.
        cache: where rendered prompts are kept.
        inherited: lcpp's own environment; the child gets what it needs of it.

    Raises:
        UsageError: this llama.cpp cannot do what is asked; the message says since when one can, or what to use.
    """
    dialect = engine.dialect
    program = check(run, dialect)
    path = str(engine.program(program))
    n_ctx: int | None = None
    text, prompt_file = "", None
    if program == "llama-bench":
        argv = _bench(run, path, model)
    else:
        text, by_program = _render(run, prompt or "", program, dialect, model, cache)
        _check_size(text, program, dialect)
        if program == "llama-simple":
            n_ctx = None if dialect.simple_syntax != "flags" else _context(run, text, template=False)
            argv = _simple(run, path, model, text, n_ctx, dialect)
        else:
            n_ctx = _context(run, text, template=by_program)
            argv = _complete(run, path, model, n_ctx, dialect, chat=by_program)
            if _fits(text):
                argv += ["-p", text]
            else:
                prompt_file = folder / "prompt.txt"
                argv += ["-f", str(prompt_file)]
    return Command(
        program=program,
        argv=(*argv, *run.extra_args),
        environment=_environment(inherited),
        layout=dialect.layout(program),
        prompt=text,
        n_ctx=n_ctx,
        prompt_file=prompt_file,
    )


def check(run: RunSpec, dialect: Dialect) -> Program:
    """The program for `run` in a llama.cpp of that dialect; everything that it cannot do is an error here.

    Raises:
        UsageError: as `compose`.
    """
    program = dialect.program_for(run.program)
    chat = run.mode == "chat" or run.program == "chat"
    if program == "llama-cli" and dialect.cli_is_chat and not chat:
        raise UsageError(
            f"llama-cli of this llama.cpp (b{dialect.build}) only chats: since b7348 it is another program",
            where="run.mode: raw",
            hint="`run.program: complete` (llama-completion there) takes raw prompts, or set `run.mode: chat`",
        )
    if program == "llama-simple":
        _check_simple(run, dialect, chat=chat)
    if run.n_ubatch is not None and not dialect.has_ubatch:
        raise UsageError(
            f"this llama.cpp (b{dialect.build}) has no physical batch size: it came with b2413",
            where="run.n_ubatch",
            hint="leave n_ubatch out, or take a newer `engine.ref`",
        )
    return program


def _check_simple(run: RunSpec, dialect: Dialect, *, chat: bool) -> None:
    instead = "`run.program: complete` can, in every llama.cpp"
    where_build = f"llama-simple of this llama.cpp (b{dialect.build})"
    greedy = Sampling(seed=run.sampling.seed)
    if run.sampling != greedy:
        raise UsageError(
            f"{where_build} is always greedy: it has no sampling settings", where="run.sampling", hint=instead
        )
    if chat and not dialect.simple_reads_special_tokens:
        raise UsageError(
            f"{where_build} reads special tokens as plain text, so a chat template would say nothing to the model "
            "(b3903 and later read them)",
            where="run.mode: chat",
            hint=instead,
        )
    if dialect.simple_syntax == "positional":
        limits = "takes a model and a prompt and nothing else (until b3087)"
        settings = ("n_threads", "n_batch", "n_ubatch")
    elif dialect.simple_syntax == "words":
        limits = "takes -m, -n and a prompt and nothing else (since b3903)"
        settings = ("n_threads", "n_batch", "n_ubatch")
    else:
        return
    for name in settings:
        if getattr(run, name) is not None:
            raise UsageError(f"{where_build} {limits}: {name} cannot be set", where=f"run.{name}", hint=instead)
    if run.n_ctx != "auto":
        raise UsageError(f"{where_build} {limits}: n_ctx cannot be set", where="run.n_ctx", hint=instead)
    if run.extra_args:
        raise UsageError(
            f"{where_build} {limits}: extra arguments would become part of the prompt",
            where="run.extra_args",
            hint=instead,
        )


def _render(
    run: RunSpec, prompt: str, program: Program, dialect: Dialect, model: Model, cache: Path | None
) -> tuple[str, bool]:
    """The text for the program, and whether the program itself puts it into the chat template."""
    if run.mode != "chat" and run.program != "chat":
        return prompt, False
    if program == "llama-cli" and dialect.cli_is_chat:
        return prompt, True
    messages = [{"role": "user", "content": prompt}]
    if run.system is not None:
        messages.insert(0, {"role": "system", "content": run.system})
    return render_chat(model.header, messages, cache=cache), False


def _check_size(text: str, program: Program, dialect: Dialect) -> None:
    through_file = program == "llama-completion" or (program == "llama-cli" and not dialect.cli_is_chat)
    if not through_file and not _fits(text):
        raise UsageError(
            f"the prompt has {len(text.encode()):,} bytes; {program} takes it as an argument, of at most "
            f"{_MAX_ARGUMENT_BYTES:,} bytes",
            where="run.prompt",
            hint="`run.program: complete` takes prompts of any length",
        )
    if program == "llama-simple" and dialect.simple_syntax == "words" and text in ("-m", "-n", "-ngl"):
        raise UsageError(
            f"llama-simple would take the prompt {text!r} for an option", where="run.prompt", hint="use `complete`"
        )


def _fits(text: str) -> bool:
    return len(text.encode()) <= _MAX_ARGUMENT_BYTES


def _context(run: RunSpec, text: str, *, template: bool) -> int:
    """The context size in tokens: as asked, or what surely is enough.

    A tokenizer makes at most one token of a byte, so the prompt's length in bytes bounds its length in tokens.
    """
    if run.n_ctx != "auto":
        return run.n_ctx
    needed = len(text.encode()) + run.n_predict + _SPARE_TOKENS + (_TEMPLATE_TOKENS if template else 0)
    return -(-needed // _CONTEXT_STEP) * _CONTEXT_STEP


def _simple(run: RunSpec, path: str, model: Model, text: str, n_ctx: int | None, dialect: Dialect) -> list[str]:
    if dialect.simple_syntax == "positional":
        return [path, str(model.path), text]
    if dialect.simple_syntax == "words":
        return [path, "-m", str(model.path), "-n", str(run.n_predict), text]
    argv = [path, "-m", str(model.path), "-n", str(run.n_predict), "-c", str(n_ctx), "--no-escape"]
    return [*argv, *_batches(run), "-p", text]


def _complete(run: RunSpec, path: str, model: Model, n_ctx: int, dialect: Dialect, *, chat: bool) -> list[str]:
    argv = [path, "-m", str(model.path), "-n", str(run.n_predict), "-c", str(n_ctx)]
    argv += dialect.chat_flags if chat else dialect.complete_flags
    argv += _batches(run)
    argv += _sampling(run.sampling)
    return [*argv, "-sys", run.system] if chat and run.system is not None else argv


def _bench(run: RunSpec, path: str, model: Model) -> list[str]:
    argv = [path, "-m", str(model.path), "-p", str(run.n_prompt), "-n", str(run.n_gen), "-r", str(run.n_repetitions)]
    return [*argv, *_batches(run), "-o", "json"]


def _batches(run: RunSpec) -> list[str]:
    settings = (("-t", run.n_threads), ("-b", run.n_batch), ("-ub", run.n_ubatch))
    return [word for flag, value in settings if value is not None for word in (flag, str(value))]


def _sampling(sampling: Sampling) -> list[str]:
    argv = ["--temp", str(sampling.temperature), "--seed", str(sampling.seed)]
    settings = (
        ("--top-k", sampling.top_k),
        ("--top-p", sampling.top_p),
        ("--min-p", sampling.min_p),
        ("--repeat-penalty", sampling.repeat_penalty),
    )
    return argv + [word for flag, value in settings if value is not None for word in (flag, str(value))]


def _environment(inherited: Mapping[str, str]) -> dict[str, str]:
    kept = {
        name: value for name, value in inherited.items() if name in _INHERITED or name.startswith(_INHERITED_PREFIXES)
    }
    return kept | _FIXED
