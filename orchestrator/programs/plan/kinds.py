"""How a recipe runs in one llama.cpp: made once from the two, and read by all that follows."""

from __future__ import annotations

from orchestrator.eras.dialect import Dialect
from orchestrator.parse.layout import Layout
from orchestrator.programs import defaults
from orchestrator.programs.context import session_context
from orchestrator.programs.interactive import TALK_NEEDS, sized
from orchestrator.programs.protocol import Demand, Inputs, Program
from orchestrator.programs.spelling import Argument, own
from orchestrator.programs.talk import Talk
from orchestrator.recipe.schema.recipe import ProgramName, RunSpec
from orchestrator.values import Value, replace


class _Plan(Value):
    """One program, and what the recipe wants of it.

    run: the recipe's `run`.
    """

    program: Program
    run: RunSpec
    dialect: Dialect

    @property
    def name(self) -> ProgramName:
        """The program's name."""
        return self.program.NAME

    @property
    def build(self) -> int:
        """The llama.cpp's build number."""
        return self.dialect.build

    @property
    def chat(self) -> bool:
        """The model's chat template comes around a prompt."""
        return defaults.is_chat(self.run)

    @property
    def loses_output(self) -> bool:
        """The program may end before all that it said is printed."""
        return self.program.loses_output(self.build)


class OneShot(_Plan):
    """One call of the program: a prompt and its answer, or a measurement.

    prompt: as the recipe has it; empty for a bench.
    """

    prompt: str = ""

    @property
    def renders(self) -> bool:
        """lcpp itself puts the prompt into the model's chat template."""
        return self.chat and not self.program.template(self.build)

    @property
    def layout(self) -> Layout:
        """Where the answer is."""
        return self.program.layout(self.build)

    def context(self, text: str) -> int | None:
        """Tokens of context to ask for, for a text as it goes to the program; None: it cannot be asked for."""
        return self.program.context(self.run, len(text.encode()), self.build, rendered=True)

    def arguments(self, inputs: Inputs) -> list[Argument]:
        """The command line behind the program's name."""
        return self.program.arguments(self.run, inputs, self.build)

    def demand(self) -> Demand:
        """What memory it asks for."""
        return self.program.demand(self.run, len(self.prompt.encode()), self.build)


class SessionPlan(_Plan):
    """Several prompts, asked of one program that keeps its model loaded."""

    prompts: tuple[str, ...]
    talk: Talk

    @property
    def layout(self) -> Layout:
        """Each answer is told apart while it is printed; what is left is the log."""
        return Layout(shape="stdout")

    @property
    def context(self) -> int:
        """Tokens of context to ask for."""
        sizes = [len(prompt.encode()) for prompt in self.prompts]
        return session_context(self.run, sizes, template=self.chat, budget=self.talk.budget)

    def arguments(self, inputs: Inputs) -> list[Argument]:
        """The command line behind the program's name."""
        more = (self.talk.chat_flags if self.chat else self.talk.raw_flags) or ()
        arguments = sized(self.run, inputs, self.build, ())
        arguments += own((*self.talk.flags, *more), needed=TALK_NEEDS)
        if self.chat and self.run.system is not None and self.talk.system_flag is not None:
            arguments.append(Argument(words=(self.talk.system_flag, self.run.system), key="run.system"))
        return arguments

    def demand(self) -> Demand:
        """What memory it asks for: as for its longest prompt, in the context of all."""
        longest = max(len(prompt.encode()) for prompt in self.prompts)
        return replace(self.program.demand(self.run, longest, self.build), n_ctx=self.context)


RunPlan = OneShot | SessionPlan
