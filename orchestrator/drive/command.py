"""From the plan of a run to the command line that makes this llama.cpp do it, or an error before anything runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from orchestrator.engine.build.build import Engine
from orchestrator.errors import UsageError
from orchestrator.model.chat.render import render_chat
from orchestrator.model.source.fetch import Model
from orchestrator.parse.layout import Layout
from orchestrator.programs import interactive
from orchestrator.programs.defaults import which
from orchestrator.programs.plan.kinds import OneShot, RunPlan, SessionPlan
from orchestrator.programs.plan.session_rules import check_beginning
from orchestrator.programs.protocol import Inputs
from orchestrator.programs.spelling import Argument
from orchestrator.recipe.document.suggest import close_to
from orchestrator.values import Value, replace

# One argument may have 128 KiB on Linux; longer prompts go through a file where the program can read one.
_MAX_ARGUMENT_BYTES = 120_000
# What a child gets of lcpp's environment: enough to run and nothing that changes its settings (llama.cpp reads
# LLAMA_ARG_* as options) or that it has no need to know (tokens, passwords).
_INHERITED = ("PATH", "HOME", "USER", "TMPDIR", "LD_LIBRARY_PATH")
_INHERITED_PREFIXES = ("OMP_", "GOMP_", "KMP_")
# No decimal commas, no colours, no terminal tricks.
_FIXED = {"LC_ALL": "C.UTF-8", "NO_COLOR": "1", "TERM": "dumb"}
_LONG_OPTION = re.compile(r"--[A-Za-z][\w-]*")


class Command(Value):
    """One run, ready to start.

    layout: where the answer will be; the plan's, but for options that the program turned out not to know.
    prompt: the text that goes to the model, after the chat template where lcpp renders it; empty for a session.
    n_ctx: the context size that is asked for, in tokens; None: the program's own choice.
    prompt_file: where the prompt must be written before the start; None: it is in `argv`.
    notes: what was left out or is uncertain, for people.
    """

    plan: RunPlan
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


def compose(
    plan: RunPlan,
    engine: Engine,
    model: Model,
    *,
    folder: Path,
    inherited: Mapping[str, str],
    cache: Path | None = None,
) -> Command:
    """The command line for a plan.

    Args:
        folder: where the run will be, for the file of a long prompt.
        inherited: lcpp's own environment; the child gets what it needs of it.
        cache: where rendered prompts are kept.

    Raises:
        UsageError: this llama.cpp cannot do what is asked with this model; the message says what to use.
    """
    if isinstance(plan, SessionPlan):
        return _compose_session(plan, engine, model, inherited)
    return _compose_one_shot(plan, engine, model, folder, inherited, cache)


def _compose_one_shot(
    plan: OneShot, engine: Engine, model: Model, folder: Path, inherited: Mapping[str, str], cache: Path | None
) -> Command:
    text = _rendered(plan, model, cache) if plan.renders else plan.prompt
    by_file = _goes_by_file(plan, text)
    inputs = Inputs(
        model=model.path, text=text, prompt_file=folder / "prompt.txt" if by_file else None, n_ctx=plan.context(text)
    )
    argv, environment, unknown = _settled(plan, inputs, engine, inherited)
    layout = plan.layout
    if layout.shape == "stdout" and interactive.NO_ECHO in _words(plan, inputs) and interactive.NO_ECHO not in argv:
        layout = replace(layout, shape="stdout_after_echo")
    context_note = plan.program.context_note(plan.run)
    return Command(
        plan=plan,
        argv=argv,
        environment=environment,
        layout=layout,
        prompt=text,
        n_ctx=inputs.n_ctx,
        prompt_file=inputs.prompt_file,
        notes=_notes(plan.dialect.note, context_note, *unknown),
    )


def _compose_session(plan: SessionPlan, engine: Engine, model: Model, inherited: Mapping[str, str]) -> Command:
    check_beginning(plan.run, plan.talk, plan.dialect, adds_bos=model.header.add_bos)
    inputs = Inputs(model=model.path, n_ctx=plan.context)
    argv, environment, unknown = _settled(plan, inputs, engine, inherited)
    begins = None
    if plan.chat and plan.talk.own_system and (plan.run.system is None or plan.talk.system_flag is None):
        begins = f'{which(plan.name, plan.dialect)} begins with "You are a helpful assistant"'
    return Command(
        plan=plan,
        argv=argv,
        environment=environment,
        layout=plan.layout,
        prompt="",
        n_ctx=inputs.n_ctx,
        notes=_notes(plan.dialect.note, begins, *unknown),
    )


def _notes(*notes: str | None) -> tuple[str, ...]:
    return tuple(note for note in notes if note is not None)


def _words(plan: RunPlan, inputs: Inputs) -> Iterable[str]:
    return (word for argument in plan.arguments(inputs) for word in argument.words[:1])


def _rendered(plan: OneShot, model: Model, cache: Path | None) -> str:
    """The prompt as a message in the model's chat template."""
    messages = [{"role": "user", "content": plan.prompt}]
    if plan.run.system is not None:
        messages.insert(0, {"role": "system", "content": plan.run.system})
    return render_chat(model.header, messages, cache=cache)


def _goes_by_file(plan: OneShot, text: str) -> bool:
    """Whether the program reads the text from a file.

    Raises:
        UsageError: it can only go as an argument, and is too long for one; or the program would misread it.
    """
    way = plan.program.text_way(plan.build)
    n_bytes = len(text.encode())
    if way == "argument" and n_bytes > _MAX_ARGUMENT_BYTES:
        raise UsageError(
            f"the prompt has {n_bytes:,} bytes; {plan.name} takes it as an argument, of at most "
            f"{_MAX_ARGUMENT_BYTES:,} bytes",
            where="run.prompt",
            hint="`run.program: complete` takes prompts of any length",
        )
    plan.program.refuse_text(text, plan.build)
    return way == "file" or (way == "either" and n_bytes > _MAX_ARGUMENT_BYTES)


def _settled(
    plan: RunPlan, inputs: Inputs, engine: Engine, inherited: Mapping[str, str]
) -> tuple[tuple[str, ...], Mapping[str, str], tuple[str, ...]]:
    """The whole command line, the child's environment, and what to note, after a look at what the program knows."""
    environment = child_environment(inherited)
    argv, unknown = settle(plan, plan.arguments(inputs), engine, environment)
    return argv, environment, unknown


def settle(
    plan: RunPlan, arguments: Iterable[Argument], engine: Engine, environment: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The whole command line and what to note, after a look at what the program itself says that it knows.

    The recipe's own arguments come last.

    Args:
        environment: the child's.

    Raises:
        UsageError: the program does not know an option that the recipe asks for.
    """
    program, build, extra = plan.program, plan.build, plan.run.extra_args
    can, has_help = engine.capabilities(program.NAME, environment), program.has_help(build)
    argv, notes = [str(engine.program(program.NAME))], []
    for argument in arguments:
        option = next((word for word in argument.words[:1] if word.startswith("-") and has_help), None)
        if option is None or can.knows(option):
            argv += argument.words
        elif argument.key is not None:
            raise _unknown(option, argument.key, plan, engine)
        elif argument.optional:
            notes.append(f"this llama.cpp does not know {option}: {program.NAME} runs without it")
        else:
            argv += argument.words
            notes.append(
                f"the help of this llama.cpp's {program.NAME} does not name {option}, which it needs: given anyway"
            )
    if program.help_is_complete(build) and can.options is not None:
        for before, word in zip(("", *extra), extra, strict=False):
            # Any word may be the value of the option before it.
            if _LONG_OPTION.fullmatch(word) and not before.startswith("-") and not can.knows(_dashed(word)):
                raise _unknown(word, "run.extra_args", plan, engine, near=close_to(word, sorted(can.options)))
    return (*argv, *extra), tuple(notes)


def _dashed(option: str) -> str:
    """Upstream reads `--a_b` as `--a-b`."""
    return option.replace("_", "-")


def _unknown(option: str, key: str, plan: RunPlan, engine: Engine, near: Sequence[str] = ()) -> UsageError:
    listed = f"`lcpp engine show {engine.key[:12]} {plan.name}` lists what it knows"
    do = f"did you mean {' or '.join(near)}?" if near else "leave it out, or take another `engine.ref`;"
    return UsageError(f"{which(plan.name, plan.dialect)} does not know {option}", where=key, hint=f"{do} {listed}")


def child_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """What a program inherits of lcpp's own environment, and the settings that keep its output plain."""
    own = {
        name: value for name, value in inherited.items() if name in _INHERITED or name.startswith(_INHERITED_PREFIXES)
    }
    return own | _FIXED
