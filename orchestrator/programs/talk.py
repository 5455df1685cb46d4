"""How a program is talked to, prompt by prompt, while it keeps its model loaded."""

from __future__ import annotations

from orchestrator.values import Value


class Talk(Value):
    """How a program is talked to, prompt by prompt.

    flags: what makes it hold a session on a plain terminal.
    raw_flags, chat_flags: more of them, for prompts as they are and for the model's chat template; None: it cannot.
    system_flag: the option that takes the system message; None: there is none.
    own_system: it gives the model a system message of its own where the recipe gives none.
    mark: what it prints when it waits for a prompt.
    lead: what it prints between a prompt and its answer.
    end_mark: what it prints behind an answer that the model ended itself; nothing behind one that it cut.
    rates: it prints its rates behind each answer.
    slash: a prompt is ended with `/` and a line end; else with a line end only, which it takes off.
    commands: what it takes for a command of its own at the beginning of a prompt.
    clear: the command that forgets the conversation; None: it cannot.
    clears_system: that forgets the system message too.
    leave: the command that ends it; None: Ctrl-C does (exit code 130).
    notes_in: where it notes each token and each end mark: a file in its folder, or stderr; None: it tells figures.
    budget: -n is not of each answer: it counts the prompts too, and what one answer leaves goes to the next.
    needs_tokens: it does not begin without any token (a BOS, a system message), needs_system: in chat mode neither.
    """

    flags: tuple[str, ...]
    raw_flags: tuple[str, ...] | None
    chat_flags: tuple[str, ...] | None
    system_flag: str | None
    own_system: bool = False
    mark: str = "\n> "
    lead: str = ""
    end_mark: str = ""
    rates: bool = False
    slash: bool = False
    commands: tuple[str, ...] = ()
    clear: str | None = None
    clears_system: bool = False
    leave: str | None = None
    notes_in: str | None = None
    budget: bool = False
    needs_tokens: bool = False
    needs_system: bool = False
