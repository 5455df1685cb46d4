"""What a module of an upstream program has; `all_programs.PROGRAMS` is the plain dict of them.

A program is one module: how it is called, what it can be asked for, where its answer is, what its figures are, what
memory it takes, each fact with the first build that it holds for. Nothing elsewhere asks which program it is. What most
programs share stands in `defaults`; a module takes it by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from orchestrator.eras.dialect import Dialect
from orchestrator.eras.since import Since
from orchestrator.parse.layout import Layout
from orchestrator.programs.spelling import Argument, SettingValue
from orchestrator.programs.talk import Talk
from orchestrator.recipe.schema.recipe import ProgramName, Purpose, RunSpec
from orchestrator.values import Value, field

if TYPE_CHECKING:
    # Types of what is read later; a program is planned and built without them, and start-up time counts.
    from orchestrator.parse.record import Record

# A setting, what the recipe asks for, and what the program reports; None: nothing.
Pair = tuple[str, object, object]
Number = float | int | None
# How a program takes its text: as an argument, from a file, either (by its length), or none.
TextWay = Literal["argument", "file", "either", "none"]


class Inputs(Value):
    """What a command line is made of, beside the recipe.

    text: the prompt as it goes to the program.
    prompt_file: where the text is, for programs that read it from a file; None: it goes as an argument.
    n_ctx: tokens of context to ask for; None: the program's own choice.
    template: the program itself puts the text into the model's chat template.
    """

    model: Path
    text: str = ""
    prompt_file: Path | None = None
    n_ctx: int | None = None
    template: bool = False


class Demand(Value):
    """What a run asks of its memory, as far as the program decides it.

    n_ctx: tokens of context, before the build's own rounding; None: what the model was trained for.
    n_batch, n_ubatch: tokens of a logical and a physical batch.
    n_seq: sequences side by side.
    n_prompt, n_gen: tokens that are really processed in one sequence, as far as one can know before.
    outputs_limited: logits are reserved for one token a sequence, not for the whole batch.
    full_window: sliding windows do not make the KV cache smaller.
    kept_outputs: rows of logits that the program keeps at once.
    fixed_context: another `n_ctx` cannot be asked for.
    """

    n_ctx: int | None
    n_batch: int
    n_ubatch: int
    n_prompt: int
    n_gen: int
    n_seq: int = 1
    outputs_limited: bool = False
    full_window: bool = False
    kept_outputs: int = 1
    fixed_context: bool = False


class Figures(Value):
    """Figures by their names, and for those that the program cannot have the reason.

    absent: why any other figure is missing, where the record does not say.
    """

    values: Mapping[str, Number]
    missing: Mapping[str, str] = field(default_factory=dict)
    absent: str = "the program did not print it"


class Stage(Value):
    """Prompt processing or generation, as its figure is about it.

    positions: runs of tokens: how many stand before them in the context, and how many they are (None: not known).
    rate: tokens per second.
    reason: why there is nothing to tell.
    """

    positions: tuple[tuple[int, int | None], ...] = ()
    rate: float | None = None
    n_threads: int | None = None
    n_parallel: int = 1
    reason: str | None = None


class Program(Protocol):
    """One upstream program, of all builds.

    NAME: its name today, which is also that in recipes.
    FILE: its file, make goal and CMake target; None: there is no such program.
    PURPOSES: what a recipe can ask for that it does.
    TRIAL: arguments that make it say something and end.
    NEEDED: what must be in its output, for people.
    COMPLETES: `run.program: complete` does the same, so that it is a way out.
    WORDS_BECOME: what further words on its command line become, in builds that know no options.
    """

    NAME: ProgramName
    FILE: Since[str | None]
    PURPOSES: Since[tuple[Purpose, ...]]
    TRIAL: tuple[str, ...]
    NEEDED: str
    COMPLETES: bool
    WORDS_BECOME: str

    def text_way(self, build: int) -> TextWay:
        """How it takes its text."""

    def refuse_text(self, text: str, build: int) -> None:
        """Raise a `UsageError` for a text that it would misread."""

    def spell(self, setting: str, value: SettingValue, build: int) -> tuple[str, ...] | None:
        """The words that give a setting of a recipe (none where it is so anyway); None: it cannot be given."""

    def has_help(self, build: int) -> bool:
        """Whether `--help` lists its options; else it has none."""

    def help_is_complete(self, build: int) -> bool:
        """Whether an option that the help does not name is surely unknown."""

    def flash_attn_default(self, build: int) -> str:
        """on, off or auto: flash attention when nothing is said."""

    def refuse(self, run: RunSpec, dialect: Dialect) -> None:
        """Raise a `UsageError` for what it cannot do at all; settings are looked at elsewhere."""

    def why_no_sampling(self, dialect: Dialect) -> str:
        """Why it takes no sampling settings, where it takes none: what follows its name."""

    def special_tokens_since(self, build: int) -> int | None:
        """The first build that reads special tokens in a prompt; None: this one does."""

    def stands_in(self, run: RunSpec, n_prompts: int, dialect: Dialect) -> Program | None:
        """The program that does better what is asked for; None: this one does it."""

    def talk(self, build: int) -> Talk | None:
        """How a session is held with it; None: it holds none."""

    def template(self, build: int) -> bool:
        """Whether it always puts the prompt into the model's chat template itself."""

    def context(self, run: RunSpec, text_bytes: int, build: int, *, rendered: bool) -> int | None:
        """Tokens of context to ask for; None: it cannot be asked for.

        Args:
            rendered: the text is as it goes to the program; else a chat template may come around it.
        """

    def context_note(self, run: RunSpec) -> str | None:
        """What people should know of the context that the recipe asks for."""

    def arguments(self, run: RunSpec, inputs: Inputs, build: int) -> list[Argument]:
        """The command line behind the program's name."""

    def layout(self, build: int) -> Layout:
        """Where its answer is, when it is called with these arguments."""

    def needs_server(self, build: int) -> bool:
        """Whether upstream builds it only together with its server."""

    def loses_output(self, build: int) -> bool:
        """Whether it may end before all that it said is printed."""

    def demand(self, run: RunSpec, prompt_bytes: int, build: int) -> Demand:
        """What memory a run asks for."""

    def is_whole(self, record: Record, build: int) -> bool:
        """Whether what is needed is in its output."""

    def figures(self, record: Record) -> Figures:
        """Its figures, under the names of `Measured`."""

    def reported(self, run: RunSpec, record: Record) -> list[Pair]:
        """What was asked for and what it reports, setting by setting."""

    def stages(self, record: Record) -> tuple[Stage, Stage] | None:
        """Generation and prompt processing, where its record tells them; None: as the figures of one text do."""
