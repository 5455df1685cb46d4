"""From what a recipe asks for to the command line that makes this llama.cpp do it, or an error before anything runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.engine.build.build import Engine
from orchestrator.engine.dialect import MUST_FLAGS, Dialect, Layout, Value, groups, when
from orchestrator.errors import UsageError
from orchestrator.model.chat.render import render_chat
from orchestrator.model.source.fetch import Model
from orchestrator.recipe.context import batched_context, chunk_context, completion_context
from orchestrator.recipe.document.suggest import close_to
from orchestrator.recipe.schema.recipe import Program, RunSpec, Sampling

# One argument may have 128 KiB on Linux; longer prompts go through a file where the program can read one.
_MAX_ARGUMENT_BYTES = 120_000
# What a child gets of lcpp's environment: enough to run and nothing that changes its settings (llama.cpp reads
# LLAMA_ARG_* as options) or that it has no need to know (tokens, passwords).
_INHERITED = ("PATH", "HOME", "USER", "TMPDIR", "LD_LIBRARY_PATH")
_INHERITED_PREFIXES = ("OMP_", "GOMP_", "KMP_")
# No decimal commas, no colours, no terminal tricks.
_FIXED = {"LC_ALL": "C.UTF-8", "NO_COLOR": "1", "TERM": "dumb"}


_NO_ECHO = "--no-display-prompt"
_LONG_OPTION = re.compile(r"--[A-Za-z][\w-]*")
# At the places of an old batched-bench that no recipe sets: the program's own defaults.
_PLACES: Mapping[str, str] = {
    "is_pp_shared": "0",
    "n_gpu_layers": "0",
    "mul_mat_q": "1",
    "n_batch": "2048",
    "n_ubatch": "512",
}
_SETTINGS = ("n_threads", "n_threads_batch", "n_batch", "n_ubatch", "type_k", "type_v", "flash_attn", "mmap")
_SAMPLING = ("temperature", "seed", "top_k", "top_p", "min_p", "repeat_penalty")
_UNQUANTIZED = (None, "f32", "f16", "bf16")
_ELSEWHERE = "`run.program: complete` can"


@dataclass(frozen=True, kw_only=True)
class Command:
    """One run, ready to start.

    prompt: the text that goes to the model, after the chat template where lcpp renders it.
    n_ctx: the context size that is asked for, in tokens; None: the program's own choice.
    prompt_file: where the prompt must be written before the start; None: it is in `argv`.
    notes: what was left out or is uncertain, for people.
    """

    program: Program
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    layout: Layout
    prompt: str
    n_ctx: int | None
    prompt_file: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def prompt_file_text(self) -> str:
        """What to write to `prompt_file`: every llama.cpp takes one line end off the end of such a file."""
        return f"{self.prompt}\n" if self.prompt.endswith("\n") else self.prompt


@dataclass(frozen=True, kw_only=True)
class Part:
    """Words of a command line that belong together: an option and its values.

    key: the recipe's key that asks for it; None: lcpp's own.
    optional: it may be left out where the program does not know it.
    """

    words: tuple[str, ...]
    key: str | None = None
    optional: bool = False


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
    environment = child_environment(inherited)
    n_ctx: int | None = None
    text, prompt_file = "", None
    notes: list[str] = []
    if program == "llama-bench":
        parts = _bench(run, model, dialect)
    elif program == "llama-batched-bench":
        n_ctx = _batched_context(run, notes)
        parts = _batched(run, model, n_ctx, dialect)
    elif program == "llama-perplexity":
        text, prompt_file = prompt or "", folder / "prompt.txt"
        n_ctx = chunk_context(run)
        parts = _perplexity(run, model, n_ctx, prompt_file, dialect)
    else:
        text, by_program = _render(run, prompt or "", program, dialect, model, cache)
        _check_size(text, program, dialect)
        if program == "llama-simple":
            has_option = dialect.syntax(program) == "options"
            n_ctx = completion_context(run, len(text.encode()), template=False) if has_option else None
            parts = _simple(run, model, text, n_ctx, dialect)
        else:
            n_ctx = completion_context(run, len(text.encode()), template=by_program)
            parts = completion_parts(run, program, model, n_ctx, dialect, dialect.flags(program))
            if by_program and run.system is not None:
                parts.append(Part(words=("-sys", run.system), key="run.system"))
            if _fits(text):
                parts.append(Part(words=("-p", text)))
            else:
                prompt_file = folder / "prompt.txt"
                parts.append(Part(words=("-f", str(prompt_file))))
    argv, unknown = settle(parts, run.extra_args, program, engine, environment)
    layout = dialect.layout(program)
    if layout.shape == "stdout" and _NO_ECHO in dialect.flags(program) and _NO_ECHO not in argv:
        layout = replace(layout, shape="stdout_after_echo")
    return Command(
        program=program,
        argv=argv,
        environment=environment,
        layout=layout,
        prompt=text,
        n_ctx=n_ctx,
        prompt_file=prompt_file,
        notes=(*([dialect.note] if dialect.note else ()), *notes, *unknown),
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
            f"llama-cli of this llama.cpp ({dialect.name}) only chats: since b7348 it is another program",
            where="run.mode: raw",
            hint="`run.program: complete` (llama-completion there) takes raw prompts, or set `run.mode: chat`",
        )
    if program == "llama-perplexity" and chat:
        raise UsageError(
            "perplexity is of a text as it is: no chat template applies", where="run.mode: chat", hint="leave it out"
        )
    if program == "llama-batched-bench" and run.n_prompt == 0:
        raise UsageError(
            "llama-batched-bench needs a prompt", where="run.n_prompt", hint="set it to 1 or more, or use `bench`"
        )
    if chat and (first := dialect.special_tokens_since(program)) is not None:
        raise UsageError(
            f"{_which(program, dialect)} reads special tokens as plain text, so a chat template would say nothing to "
            f"the model (b{first} and later read them)",
            where="run.mode: chat",
            hint=f"take `engine.ref: b{first}` or newer, or use `mode: raw`"
            if dialect.special_tokens_since(dialect.program_for("complete"))
            else _ELSEWHERE,
        )
    _check_sampling(run, program, dialect)
    for setting, value in _asked(run):
        _check_setting(program, setting, value, dialect)
    if dialect.syntax(program) in ("places", "words") and run.extra_args:
        raise UsageError(
            f"{_which(program, dialect)} has no options: extra arguments would become part of "
            f"{'the prompt' if program == 'llama-simple' else 'its figures'}",
            where="run.extra_args",
            hint=_ELSEWHERE if program == "llama-simple" else "leave them out, or take `engine.ref: b3087` or newer",
        )
    _check_quantized(run, program, dialect)
    return program


def _which(program: Program, dialect: Dialect) -> str:
    return f"{program} of this llama.cpp ({dialect.name})"


def _check_sampling(run: RunSpec, program: Program, dialect: Dialect) -> None:
    if run.sampling == Sampling(seed=run.sampling.seed) or dialect.spell(program, "temperature", 0.0) is not None:
        return
    if program == "llama-simple":
        what = f"{_which(program, dialect)} is always greedy: it has no sampling settings"
    else:
        what = f"{program} chooses no tokens: it has no sampling settings"
    raise UsageError(what, where="run.sampling", hint="leave `sampling` out; `run.program: complete` has it")


def _check_setting(program: Program, setting: str, value: Value, dialect: Dialect) -> None:
    if dialect.spell(program, setting, value) is not None:
        return
    # A value that is not taken, of a setting that is: say both.
    said = f"{setting}: {_written(value)}" if setting in ("type_k", "type_v", "flash_attn", "mmap") else setting
    can = when(program, setting, value)
    other = dialect.program_for("complete")
    if other != program and setting != "n_chunks" and dialect.spell(other, setting, value) is not None:
        hint = "`run.program: complete` can in this llama.cpp" if program == "llama-simple" else "leave it out"
    elif can:
        hint = f"leave it out, or take an `engine.ref` that can ({can})"
    else:
        hint = "leave it out"
    raise UsageError(
        f"{said} cannot be set for {_which(program, dialect)}{f': it can {can}' if can else ', nor in any other'}",
        where=_key(setting),
        hint=hint,
    )


def _check_quantized(run: RunSpec, program: Program, dialect: Dialect) -> None:
    """A quantized V cache needs flash attention, which could not read quantized ones when it was new."""
    flash = (run.flash_attn or dialect.flash_attn_default(program)) != "off"
    quantized = [name for name in ("type_k", "type_v") if getattr(run, name) not in _UNQUANTIZED]
    since = dialect.flash_quantized_since()
    if quantized and flash and since is not None:
        raise UsageError(
            f"flash attention of this llama.cpp ({dialect.name}) reads no quantized KV cache: it does since b{since}",
            where=f"run.{quantized[0]}",
            hint=f"leave out {' and '.join(quantized)} or flash_attn, or take `engine.ref: b{since}` or newer",
        )
    if "type_v" in quantized and not flash:
        hint = "set `run.flash_attn: on`, or `type_k` alone"
        if since is not None:
            hint = f"set `type_k` alone, or take `engine.ref: b{since}` or newer with `run.flash_attn: on`"
        raise UsageError(
            f"{_which(program, dialect)} quantizes the V cache only with flash attention", where="run.type_v", hint=hint
        )


def _written(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _key(setting: str) -> str:
    return f"run.sampling.{setting}" if setting in _SAMPLING else f"run.{setting}"


def _asked(run: RunSpec) -> list[tuple[str, Value]]:
    """The settings that the recipe gives a value to."""
    values: list[tuple[str, Value | None]] = [
        ("n_ctx", None if run.n_ctx == "auto" else run.n_ctx),
        *((name, getattr(run, name)) for name in _SETTINGS),
        ("n_chunks", run.n_chunks),
        *((name, getattr(run.sampling, name)) for name in ("top_k", "top_p", "min_p", "repeat_penalty")),
    ]
    return [(name, value) for name, value in values if value is not None]


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
    if program == "llama-simple" and dialect.syntax(program) == "words" and text in ("-m", "-n", "-ngl"):
        raise UsageError(
            f"llama-simple would take the prompt {text!r} for an option", where="run.prompt", hint="use `complete`"
        )


def _fits(text: str) -> bool:
    return len(text.encode()) <= _MAX_ARGUMENT_BYTES


def _batched_context(run: RunSpec, notes: list[str]) -> int:
    """The context in which each test has room; a note where the recipe's own has not."""
    one, needed = batched_context(run)
    if run.n_ctx == "auto":
        return needed
    if run.n_ctx < needed:
        notes.append(
            f"n_ctx {run.n_ctx} has no room for {max(run.n_parallel)} sequences of {one} tokens ({needed}): "
            "llama-batched-bench leaves out tests that do not fit"
        )
    return run.n_ctx


def _must(*words: str) -> Part:
    return Part(words=words)


def _simple(run: RunSpec, model: Model, text: str, n_ctx: int | None, dialect: Dialect) -> list[Part]:
    syntax = dialect.syntax("llama-simple")
    if syntax == "places":
        return [_must(str(model.path), text)]
    if syntax == "words":
        return [_must("-m", str(model.path)), _must("-n", str(run.n_predict)), _must(text)]
    return [
        *(_must("-m", str(model.path)), _must("-n", str(run.n_predict)), _must("-c", str(n_ctx))),
        *_own(dialect.flags("llama-simple")),
        *_settings(run, "llama-simple", dialect),
        _must("-p", text),
    ]


def completion_parts(
    run: RunSpec, program: Program, model: Model, n_ctx: int, dialect: Dialect, flags: Iterable[str]
) -> list[Part]:
    """What llama-cli and llama-completion are given beside the prompt: model, sizes, `flags`, settings, sampling."""
    return [
        *(_must("-m", str(model.path)), _must("-n", str(run.n_predict)), _must("-c", str(n_ctx))),
        *_own(flags),
        *_settings(run, program, dialect),
        *_sampling(run.sampling, program, dialect),
    ]


def _bench(run: RunSpec, model: Model, dialect: Dialect) -> list[Part]:
    return [
        *(_must("-m", str(model.path)), _must("-p", str(run.n_prompt)), _must("-n", str(run.n_gen))),
        _must("-r", str(run.n_repetitions)),
        *_settings(run, "llama-bench", dialect),
        *_own(dialect.flags("llama-bench")),
    ]


def _batched(run: RunSpec, model: Model, n_ctx: int, dialect: Dialect) -> list[Part]:
    program: Program = "llama-batched-bench"
    parallel = ",".join(map(str, run.n_parallel))
    if dialect.syntax(program) == "places":
        asked = {name: str(getattr(run, name)) for name in ("n_batch", "n_ubatch") if getattr(run, name) is not None}
        values = {
            **_PLACES,
            **asked,
            "flash_attn": "1" if run.flash_attn == "on" else "0",
            "n_ctx": str(n_ctx),
            "n_prompt": str(run.n_prompt),
            "n_gen": str(run.n_gen),
            "n_parallel": parallel,
        }
        return [_must(str(model.path), *(values[name] for name in dialect.batched_places()))]
    return [
        *(_must("-m", str(model.path)), _must("-c", str(n_ctx))),
        *_own(dialect.flags(program)),
        *_settings(run, program, dialect),
        *(_must("-npp", str(run.n_prompt)), _must("-ntg", str(run.n_gen)), _must("-npl", parallel)),
    ]


def _perplexity(run: RunSpec, model: Model, n_ctx: int, text: Path, dialect: Dialect) -> list[Part]:
    program: Program = "llama-perplexity"
    return [
        *(_must("-m", str(model.path)), _must("-c", str(n_ctx))),
        *_own(dialect.flags(program)),
        *_settings(run, program, dialect),
        *(() if run.n_chunks is None else (_spelled(program, "n_chunks", run.n_chunks, dialect),)),
        _must("-f", str(text)),
    ]


def _own(flags: Iterable[str]) -> list[Part]:
    return [Part(words=words, optional=words[0] not in MUST_FLAGS) for words in groups(flags)]


def _settings(run: RunSpec, program: Program, dialect: Dialect) -> list[Part]:
    asked = ((name, getattr(run, name)) for name in _SETTINGS)
    return [_spelled(program, name, value, dialect) for name, value in asked if value is not None]


def _sampling(sampling: Sampling, program: Program, dialect: Dialect) -> list[Part]:
    asked = ((name, getattr(sampling, name)) for name in _SAMPLING)
    return [_spelled(program, name, value, dialect) for name, value in asked if value is not None]


def _spelled(program: Program, setting: str, value: Value, dialect: Dialect) -> Part:
    return Part(words=dialect.spell(program, setting, value) or (), key=_key(setting))


def settle(
    parts: Iterable[Part], extra: Sequence[str], program: Program, engine: Engine, environment: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The whole command line and what to note, after a look at what the program itself says that it knows.

    Args:
        extra: the recipe's own arguments, which come last.
        environment: the child's.

    Raises:
        UsageError: the program does not know an option that the recipe asks for.
    """
    dialect, can = engine.dialect, engine.capabilities(program, environment)
    argv, notes = [str(engine.program(program))], []
    for part in parts:
        option = next((word for word in part.words[:1] if word.startswith("-") and dialect.has_help(program)), None)
        if option is None or can.knows(option):
            argv += part.words
        elif part.key is not None:
            raise _unknown(option, part.key, program, engine)
        elif part.optional:
            notes.append(f"this llama.cpp does not know {option}: {program} runs without it")
        else:
            argv += part.words
            notes.append(f"the help of this llama.cpp's {program} does not name {option}, which it needs: given anyway")
    if dialect.help_is_complete(program) and can.options is not None:
        for before, word in zip(("", *extra), extra, strict=False):
            # Any word may be the value of the option before it.
            if _LONG_OPTION.fullmatch(word) and not before.startswith("-") and not can.knows(_dashed(word)):
                raise _unknown(word, "run.extra_args", program, engine, near=close_to(word, sorted(can.options)))
    return (*argv, *extra), tuple(notes)


def _dashed(option: str) -> str:
    """Upstream reads `--a_b` as `--a-b`."""
    return option.replace("_", "-")


def _unknown(option: str, key: str, program: Program, engine: Engine, near: Sequence[str] = ()) -> UsageError:
    listed = f"`lcpp engine show {engine.key[:12]} {program}` lists what it knows"
    do = f"did you mean {' or '.join(near)}?" if near else "leave it out, or take another `engine.ref`;"
    return UsageError(f"{_which(program, engine.dialect)} does not know {option}", where=key, hint=f"{do} {listed}")


def child_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """What a program inherits of lcpp's own environment, and the settings that keep its output plain."""
    kept = {
        name: value for name, value in inherited.items() if name in _INHERITED or name.startswith(_INHERITED_PREFIXES)
    }
    return kept | _FIXED
