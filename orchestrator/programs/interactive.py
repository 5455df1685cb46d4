"""What `main`, llama-cli up to b7347 and llama-completion are: one program, that completes a text, or is talked to."""

from __future__ import annotations

from pathlib import Path

from orchestrator.eras.since import Since, gathered, since
from orchestrator.parse.layout import Layout
from orchestrator.programs import options
from orchestrator.programs.defaults import guessed_tokens
from orchestrator.programs.protocol import Demand, Inputs
from orchestrator.programs.spelling import Argument, SettingValue, Spellings, must, own, spelled
from orchestrator.programs.talk import Talk
from orchestrator.recipe.schema.recipe import RunSpec

SPELLINGS: Spellings = {**options.COMMON, **options.SAMPLERS}
NO_ECHO = "--no-display-prompt"
_NO_ECHO_SINCE = 1855
# From b4475 on it chats by itself, with a model that has a chat template.
_RAW = ("-no-cnv",)
_AUTO_CHAT_SINCE = 4475
FLAGS = gathered(
    (_NO_ECHO_SINCE, (NO_ECHO,)),
    (options.COMMON_PARSER_SINCE, options.NO_ESCAPE),
    (_AUTO_CHAT_SINCE, _RAW),
    *options.LOADER_STEPS,
)
# The prompt can be kept out of the output from b1855 on. Up to b3760 ` [end of text]` goes to standard error, from
# then on behind the text, with two line ends.
_LOG_SINCE = 3761
_LAYOUT: Since[Layout] = since(
    (1012, Layout(shape="stdout_after_echo")),
    (_NO_ECHO_SINCE, Layout(shape="stdout")),
    (_LOG_SINCE, Layout(shape="stdout", end_mark=" [end of text]\n", trailer="\n\n")),
)

TALKS_SINCE = 2817
TALKS_IN_TEMPLATE_SINCE = 3222
# A prefix, even an empty one, turns the chat template off.
TALKS_RAW_AGAIN_SINCE = 3267
# From here on it waits for the first prompt in chat mode, and has no system message of its own.
WAITS_SINCE = 4799
# From here on a line ends a prompt; before, `/` and a line end.
LINE_SINCE = 5155
_CNV = ("-cnv", "--simple-io", NO_ECHO)
_CNV_PLAIN = (*_CNV, *options.NO_ESCAPE)
# -lv: what it tells of each token is for debugging, and its level has had three numbers.
_TALK_FLAGS: Since[tuple[str, ...]] = since(
    (TALKS_SINCE, _CNV),
    (options.COMMON_PARSER_SINCE, _CNV_PLAIN),
    (_LOG_SINCE, (*_CNV_PLAIN, "-lv", "1")),
    (7217, (*_CNV_PLAIN, "-lv", "4")),
    (options.AS_ASKED_SINCE, (*_CNV_PLAIN, *options.AS_ASKED, "-lv", "4")),
    (options.ALL_LINES_SINCE, (*_CNV_PLAIN, *options.AS_ASKED, "-lv", "5", *options.PLAIN_LINES)),
)
# Without these it would not be the session that is meant, so they are given whatever the help says.
TALK_NEEDS = ("-cnv", "--simple-io", "--in-prefix")
_TALK_RAW: Since[tuple[str, ...] | None] = since(
    (TALKS_SINCE, ()), (TALKS_IN_TEMPLATE_SINCE, None), (TALKS_RAW_AGAIN_SINCE, ("--in-prefix", ""))
)
_TALK_CHAT: Since[tuple[str, ...] | None] = since((TALKS_SINCE, None), (TALKS_IN_TEMPLATE_SINCE, ()))
_TALK_SYSTEM: Since[str | None] = since((TALKS_SINCE, None), (TALKS_IN_TEMPLATE_SINCE, "-p"), (4797, "-sys"))
_TALK_OWN_SYSTEM: Since[bool] = since((TALKS_SINCE, False), (_AUTO_CHAT_SINCE, True), (WAITS_SINCE, False))
_TALK_SLASH: Since[bool] = since((TALKS_SINCE, True), (LINE_SINCE, False))
_TALK_NOTES: Since[str] = since((TALKS_SINCE, "main.log"), (_LOG_SINCE, "stderr"))
_EMPTY_IS_REFUSED_SINCE = 3383
_TALK_NEEDS_TOKENS: Since[bool] = since((TALKS_SINCE, False), (_EMPTY_IS_REFUSED_SINCE, True))
_TALK_NEEDS_SYSTEM: Since[bool] = since((TALKS_SINCE, False), (_EMPTY_IS_REFUSED_SINCE, True), (WAITS_SINCE, False))


def spell(setting: str, value: SettingValue, build: int) -> tuple[str, ...] | None:
    """The common options, and those of sampling."""
    return spelled(SPELLINGS, setting, value, build)


def layout(build: int) -> Layout:
    """Where it puts its answer."""
    return _LAYOUT.at(build)


def completion(run: RunSpec, inputs: Inputs, build: int) -> list[Argument]:
    """One prompt and its answer."""
    return [*sized(run, inputs, build, FLAGS.at(build)), prompted(inputs.text, inputs.prompt_file)]


def sized(run: RunSpec, inputs: Inputs, build: int, flags: tuple[str, ...], *needed: str) -> list[Argument]:
    """All but the prompt: model, sizes, `flags` (of which those `needed` are given in any case), settings, sampling."""
    return [
        *(must("-m", str(inputs.model)), must("-n", str(run.n_predict)), must("-c", str(inputs.n_ctx))),
        *own(flags, needed=needed),
        *options.settings(run, SPELLINGS, build),
        *options.sampling(run, SPELLINGS, build),
    ]


def prompted(text: str, prompt_file: Path | None) -> Argument:
    """The prompt, as an argument or in a file."""
    return must("-p", text) if prompt_file is None else must("-f", str(prompt_file))


def demand(run: RunSpec, prompt_bytes: int, build: int, n_ctx: int | None) -> Demand:
    """What a completion asks of its memory.

    Args:
        n_ctx: tokens of context, by the program's own rule.
    """
    n_batch, n_ubatch = options.batch_sizes(run, build)
    return Demand(
        n_ctx=n_ctx,
        n_batch=n_batch,
        n_ubatch=n_ubatch,
        n_prompt=guessed_tokens(prompt_bytes),
        n_gen=run.n_predict,
    )


def talk(build: int) -> Talk | None:
    """How a session is held with it; None: before b2817."""
    if build < TALKS_SINCE:
        return None
    return Talk(
        flags=_TALK_FLAGS.at(build),
        raw_flags=_TALK_RAW.at(build),
        chat_flags=_TALK_CHAT.at(build),
        system_flag=_TALK_SYSTEM.at(build),
        own_system=_TALK_OWN_SYSTEM.at(build),
        end_mark="\n",
        slash=_TALK_SLASH.at(build),
        notes_in=_TALK_NOTES.at(build),
        budget=True,
        needs_tokens=_TALK_NEEDS_TOKENS.at(build),
        needs_system=_TALK_NEEDS_SYSTEM.at(build),
    )
