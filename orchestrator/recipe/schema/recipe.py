"""What a recipe can say, as frozen pydantic models; the published JSON Schema is generated from them.

Names are llama.cpp's own where it has one (`n_predict`, `n_ctx`, `n_batch`, `n_threads`, …).
"""

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from orchestrator.recipe.schema.arguments import refusal
from orchestrator.recipe.schema.axis_schema import axis_properties
from orchestrator.recipe.schema.pattern import compilable
from orchestrator.values import Value

FORMAT_VERSION = 1
DEFAULT_REMOTE = "https://github.com/ggml-org/llama.cpp"
# The last summer in which upstream's `make` just worked: b3642, 2024-08-28.
DEFAULT_REF = "1d1ccce67613674c75c9c7e3fa4c1e24e428ba48"

Purpose = Literal["complete", "chat", "bench", "batched-bench", "perplexity"]
ProgramName = Literal[
    "llama-simple", "llama-cli", "llama-completion", "llama-bench", "llama-batched-bench", "llama-perplexity"
]

CacheType = Literal["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1"]

# Of these there is one for all cases of a matrix.
SAME_FOR_ALL = ("lcpp", "name", "description")

_BENCHES = ("bench", "llama-bench", "batched-bench", "llama-batched-bench")
_PERPLEXITY = ("perplexity", "llama-perplexity")


class Means(Value, kw_only=False):
    """What a type is to a person, for error messages: `expected <words>`. Stands in the type's `Annotated`."""

    words: str


# What execve and the tty can carry: no NUL.
_Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=4_000_000)]
_Argument = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=100_000)]
_Path = Annotated[
    str, StringConstraints(pattern=r"^[^\x00]+$", max_length=4000), Means("a path of at most 4000 characters")
]
_Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$"), Means("64 hex digits in lower case")]
_OptionName = Annotated[
    str,
    StringConstraints(pattern=r"^(GGML|LLAMA)_[A-Z0-9_]{1,100}$|^CMAKE_BUILD_TYPE$|^BUILD_SHARED_LIBS$"),
    Means("GGML_… or LLAMA_… in capitals, CMAKE_BUILD_TYPE or BUILD_SHARED_LIBS"),
]
# Neither make nor CMake nor a shell gives these characters a meaning of their own.
_OptionText = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_.,:;+=/@-]*$", max_length=200),
    Means("text of letters, digits and _.,:;+=/@-"),
]
_SWITCHES = {"on": True, "yes": True, "true": True, "off": False, "no": False, "false": False}


def _switch(value: object) -> object:
    """`ON` and `OFF` are how CMake writes true and false; make would take both for "set"."""
    return _SWITCHES.get(value.lower(), value) if isinstance(value, str) else value


OptionValue = Annotated[bool | int | _OptionText, BeforeValidator(_switch)]


def _stays_inside(path: str) -> str:
    if ".." in path.split("/"):
        raise ValueError("the path must not contain `..`")
    return path


def _not_a_remote_helper(remote: str) -> str:
    # `ext::COMMAND` and other NAME::ADDRESS remotes make git start a program of that name.
    if re.match(r"[^/:]*::", remote):
        raise ValueError("`NAME::ADDRESS` remotes start programs: give a URL, or the path of a repository")
    return remote


def _cpu_set(cpus: tuple[int, ...]) -> tuple[int, ...]:
    twice = next((cpu for cpu in cpus if cpus.count(cpu) > 1), None)
    if twice is not None:
        raise ValueError(f"CPU {twice} is here twice")
    return tuple(sorted(cpus))


_CpuSet = Annotated[
    tuple[Annotated[int, Field(ge=0, le=4095)], ...],
    Field(min_length=1, max_length=1024, strict=False, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_cpu_set),
]


def _own_name(name: str, _info: object) -> str:
    return name


class Spec(BaseModel):
    """What all parts of a recipe share: unknown keys are errors, values do not change."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        field_title_generator=_own_name,
        defer_build=True,
    )


class EngineSpec(Spec):
    """Which llama.cpp, and how to build it."""

    ref: Annotated[
        str,
        StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._/+-]*$", max_length=200),
        Means("a tag, branch or commit of llama.cpp"),
        Field(description="A tag (b3642), branch (master) or commit (7 to 40 hex digits) of llama.cpp."),
    ] = DEFAULT_REF
    source: Annotated[
        Literal["auto", "git", "package", "path"],
        Field(
            description="Where the source comes from. auto: git, and the package index when the git host cannot be "
            "reached. package: the source distribution of llama-cpp-python that vendors the commit. "
            "path: a directory that you have."
        ),
    ] = "auto"
    remote: Annotated[
        str,
        StringConstraints(pattern=r"^[^\x00-\x20-][^\x00-\x1f]*$", max_length=2000),
        Means("a git URL or a path"),
        AfterValidator(_not_a_remote_helper),
        Field(description="git URL or local path to clone from. Its code is built and run: name only one you trust."),
    ] = DEFAULT_REMOTE
    path: Annotated[
        _Path | None,
        Field(description="source: path only. A llama.cpp directory; relative to the recipe's folder."),
    ] = None
    build: Annotated[
        Literal["auto", "make", "cmake"],
        Field(description="The build system. auto: make where the checkout's Makefile still builds, else CMake."),
    ] = "auto"
    options: Annotated[
        dict[_OptionName, OptionValue],
        Field(
            description="Build options by their upstream names, e.g. {GGML_NATIVE: false}.",
            json_schema_extra={"additionalProperties": False},
        ),
    ] = {}
    programs: Annotated[
        tuple[ProgramName, ...], Field(description="More programs to build than the run needs.", strict=False)
    ] = ()

    @model_validator(mode="after")
    def _path_goes_with_its_source(self) -> "EngineSpec":
        if self.source == "path" and self.path is None:
            raise ValueError("`source: path` needs `path`, the llama.cpp directory to build")
        if self.source != "path" and self.path is not None:
            raise ValueError("`path` is only used with `source: path`")
        return self


class _AnyModel(Spec):
    sha256: Annotated[_Sha256 | None, Field(description="SHA-256 of the file, in hex; another file is refused.")] = None
    size_bytes: Annotated[int | None, Field(gt=0, description="Size of the file; another size is refused.")] = None


class HubModel(_AnyModel):
    """A GGUF file in a repository of the Hugging Face hub."""

    source: Annotated[Literal["hub"], Field(description="From the Hugging Face hub.")]
    repo: Annotated[
        str,
        StringConstraints(pattern=r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$", max_length=200),
        Means("OWNER/NAME"),
        Field(description="OWNER/NAME on the hub."),
    ]
    file: Annotated[
        str,
        StringConstraints(pattern=r"^[^\x00-\x1f\\/][^\x00-\x1f\\]*\.gguf$", max_length=500),
        Means("the path of a .gguf file in the repository"),
        AfterValidator(_stays_inside),
        Field(description="The file's path in the repository. Of a split model, the first part."),
    ]
    revision: Annotated[
        str,
        StringConstraints(pattern=r"^[A-Za-z0-9_][\w./-]*$", max_length=200),
        Means("a branch, tag or commit of the repository"),
        Field(description="Branch, tag or commit of the repository."),
    ] = "main"


class PackageModel(_AnyModel):
    """A GGUF file inside a Python package, for machines that reach only a package index."""

    source: Annotated[Literal["package"], Field(description="From a Python package.")]
    package: Annotated[
        str,
        StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.+!_-]*$", max_length=200),
        Means("NAME==VERSION"),
        Field(description="NAME==VERSION of a distribution with a wheel."),
    ]
    file: Annotated[
        str,
        StringConstraints(pattern=r"^[^\x00-\x1f\\/]+\.gguf$", max_length=255),
        Means("the name of a .gguf file, without folders"),
        Field(description="The file's name inside the wheel, without folders."),
    ]


class PathModel(_AnyModel):
    """A GGUF file on this machine."""

    source: Annotated[Literal["path"], Field(description="From this machine.")]
    path: Annotated[
        _Path,
        Field(
            description="The file; relative to the recipe's folder; ~ is your home. Of a split model, the first part."
        ),
    ]


ModelSpec = Annotated[HubModel | PackageModel | PathModel, Field(discriminator="source")]


class Sampling(Spec):
    """How the next token is chosen. The default is greedy, which gives the same text every time."""

    temperature: Annotated[float, Field(ge=0, le=10, description="0 is greedy.")] = 0.0
    seed: Annotated[int, Field(ge=0, le=2**32 - 2, description="Seed of the random sampler.")] = 42
    top_k: Annotated[int | None, Field(ge=0, le=1_000_000, description="Of the k likeliest tokens. 0: of all.")] = None
    top_p: Annotated[
        float | None, Field(ge=0, le=1, description="Of the likeliest tokens that make up this probability. 1: of all.")
    ] = None
    min_p: Annotated[
        float | None, Field(ge=0, le=1, description="Of tokens with this share of the likeliest one's probability.")
    ] = None
    repeat_penalty: Annotated[
        float | None, Field(gt=0, le=10, description="Divides the score of tokens that came lately. 1: off.")
    ] = None


class RunSpec(Spec):
    """What is run. Settings left out keep the program's own default."""

    program: Annotated[
        Purpose | ProgramName,
        Field(
            description="What to do (complete, chat, bench, batched-bench, perplexity: lcpp picks the program that "
            "does it in that llama.cpp) or a program by name."
        ),
    ] = "complete"
    prompt: Annotated[_Text | None, Field(description="The prompt.")] = None
    prompt_file: Annotated[
        _Path | None, Field(description="A UTF-8 file that holds the prompt; relative to the recipe's folder.")
    ] = None
    prompts: Annotated[
        tuple[Annotated[_Text, Field(min_length=1)], ...] | None,
        Field(min_length=1, max_length=10_000, strict=False, description="Several prompts, asked in one session."),
    ] = None
    prompts_file: Annotated[
        _Path | None,
        Field(
            description="A UTF-8 file of prompts, relative to the recipe's folder. .jsonl: a JSON string, or an object "
            "with `prompt`, a line; else one prompt a line."
        ),
    ] = None
    history: Annotated[
        Literal["reset", "keep"],
        Field(description="prompts only. reset: each prompt is asked afresh. keep: all in one conversation."),
    ] = "reset"
    mode: Annotated[
        Literal["raw", "chat"],
        Field(
            description="raw: the prompt goes to the model as it is. chat: as a user's message in the model's own "
            "chat template."
        ),
    ] = "raw"
    system: Annotated[_Text | None, Field(description="mode: chat only. The system message.")] = None
    n_predict: Annotated[
        int,
        Field(
            ge=1,
            le=1_000_000,
            description="Tokens to generate, as -n. llama-simple before b3903 counts the prompt's tokens too.",
        ),
    ] = 128
    n_ctx: Annotated[
        Literal["auto"] | Annotated[int, Field(ge=8, le=100_000_000)],
        Field(description="Context size in tokens. auto: what the prompt and n_predict need."),
    ] = "auto"
    n_batch: Annotated[int | None, Field(ge=1, le=1_000_000, description="Logical batch size, -b.")] = None
    n_ubatch: Annotated[int | None, Field(ge=1, le=1_000_000, description="Physical batch size, -ub.")] = None
    n_threads: Annotated[int | None, Field(ge=1, le=4096, description="Threads of token generation, -t.")] = None
    n_threads_batch: Annotated[
        int | None, Field(ge=1, le=4096, description="Threads of prompt processing, -tb; else as n_threads.")
    ] = None
    cpus: Annotated[
        _CpuSet | None,
        Field(description="The program may run on these CPUs only, numbered from 0 as the system does."),
    ] = None
    type_k: Annotated[CacheType | None, Field(description="Type of the KV cache's keys, -ctk.")] = None
    type_v: Annotated[
        CacheType | None,
        Field(description="Type of the KV cache's values, -ctv. A quantized one needs flash attention."),
    ] = None
    flash_attn: Annotated[
        Literal["on", "off", "auto"] | None, Field(description="Flash attention, -fa. auto: from b6325 on.")
    ] = None
    mmap: Annotated[
        bool | None, Field(description="Whether the model file is mapped into memory, or read into it.")
    ] = None
    sampling: Annotated[Sampling, Field(description="How the next token is chosen; greedy by default.")] = Sampling()
    n_prompt: Annotated[
        int, Field(ge=0, le=1_000_000, description="bench and batched-bench only: prompt tokens, -p or -npp.")
    ] = 512
    n_gen: Annotated[
        int, Field(ge=0, le=1_000_000, description="bench and batched-bench only: generated tokens, -n or -ntg.")
    ] = 128
    n_repetitions: Annotated[int, Field(ge=1, le=1000, description="bench only: repetitions, -r.")] = 5
    n_parallel: Annotated[
        tuple[Annotated[int, Field(ge=1, le=10_000)], ...],
        Field(
            min_length=1,
            max_length=100,
            strict=False,
            description="batched-bench only: numbers of sequences that are generated side by side, -npl.",
        ),
    ] = (1,)
    n_chunks: Annotated[
        int | None,
        Field(ge=1, le=1_000_000, description="perplexity only: chunks of n_ctx tokens of the text; else all."),
    ] = None
    extra_args: Annotated[
        tuple[_Argument, ...],
        Field(
            max_length=200,
            strict=False,
            description="More arguments for the program, each one word as it is. None that lcpp sets itself, writes "
            "a file, uses the network or starts a program.",
        ),
    ] = ()
    timeout_s: Annotated[float, Field(gt=0, le=604_800, description="Stop the run after so long.")] = 3600.0
    idle_timeout_s: Annotated[
        float,
        Field(gt=0, le=604_800, description="Stop the run when it prints nothing for so long."),
    ] = 600.0
    max_output_bytes: Annotated[
        int, Field(ge=4096, le=2**32, description="Stop the run when it has printed more than this.")
    ] = 64 * 1024 * 1024

    @field_validator("extra_args")
    @classmethod
    def _harmless(cls, arguments: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        bench = info.data.get("program") in _BENCHES
        refused = [
            InitErrorDetails(type=PydanticCustomError("argument", "{why}", {"why": why}), loc=(index,), input=argument)
            for index, argument in enumerate(arguments)
            if (why := refusal(argument, bench=bench)) is not None
        ]
        if refused:
            raise ValidationError.from_exception_data(cls.__name__, refused)
        return arguments

    @model_validator(mode="after")
    def _prompt_is_said_once(self) -> "RunSpec":
        bench = self.program in _BENCHES
        ways = {name: getattr(self, name) for name in ("prompt", "prompt_file", "prompts", "prompts_file")}
        given = [name for name, value in ways.items() if value is not None]
        if len(given) > 1:
            raise ValueError(f"give `{given[0]}` or `{given[1]}`, not both")
        if bench and given:
            raise ValueError("a bench makes its own prompt: leave `prompt` out and set `n_prompt` and `n_gen`")
        if bench and self.n_prompt == 0 and self.n_gen == 0:
            raise ValueError("a bench needs `n_prompt` or `n_gen` above 0")
        if not bench and (not given or self.prompt == ""):
            raise ValueError("`prompt` or `prompt_file` is needed")
        if self.prompts is None and self.prompts_file is None:
            if self.history != "reset":
                raise ValueError("`history` needs `prompts`")
        elif self.program in _PERPLEXITY:
            raise ValueError("perplexity is of one text: give `prompt_file` or `prompt`")
        if self.system is not None and self.mode != "chat" and self.program != "chat":
            raise ValueError("`system` needs `mode: chat`")
        return self


class ExpectSpec(Spec):
    """What must hold of the result; a check that fails makes lcpp exit 4."""

    min_generated_tokens: Annotated[int | None, Field(ge=0, description="At least so many tokens.")] = None
    text_contains: Annotated[tuple[_Text, ...], Field(strict=False, description="Each must occur in the text.")] = ()
    text_matches: Annotated[
        Annotated[str, StringConstraints(max_length=10_000), AfterValidator(compilable)] | None,
        Field(description="A regular expression that must be found in the text."),
    ] = None
    min_prompt_per_second: Annotated[float | None, Field(ge=0, description="Prompt processing, tokens per second.")] = (
        None
    )
    min_generation_per_second: Annotated[
        float | None, Field(ge=0, description="Token generation, tokens per second.")
    ] = None
    metadata: Annotated[
        dict[str, str | int | float | bool],
        Field(description="GGUF metadata that must be equal, e.g. {general.architecture: llama}."),
    ] = {}


class Recipe(Spec):
    """One run, wholly described: which llama.cpp, which model, what to run, what must hold."""

    lcpp: Annotated[
        Literal[1], Means("1, the version of the recipe format"), Field(description="Version of the recipe format.")
    ]
    name: Annotated[
        str | None,
        StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80),
        Means("a name of letters, digits and ._-"),
        Field(description="Name of the recipe in results; the file's name when left out."),
    ] = None
    description: Annotated[_Text | None, Field(max_length=10_000, description="What the recipe is for.")] = None
    engine: Annotated[EngineSpec, Field(description="Which llama.cpp, and how to build it.")] = EngineSpec()
    model: Annotated[ModelSpec, Field(description="Which GGUF file.")]
    run: Annotated[RunSpec, Field(description="What is run.")]
    expect: Annotated[ExpectSpec, Field(description="What must hold of the result.")] = ExpectSpec()


class Plan(Spec):
    """What makes several runs of one recipe file."""

    matrix: Annotated[
        dict[str, Annotated[tuple[object, ...], Field(min_length=1, max_length=10_000, strict=False)]],
        Field(
            max_length=64,
            description="Key paths and their values, e.g. {run.n_threads: [1, 2]}: one case for each combination.",
        ),
    ] = {}
    exclude: Annotated[
        tuple[Annotated[dict[str, object], Field(min_length=1)], ...],
        Field(
            max_length=500,
            strict=False,
            description="Combinations that are left out: those with all of an item's values for keys of the matrix.",
        ),
    ] = ()
    repeat: Annotated[int, Field(ge=1, le=1000, description="Runs of each case that are measured.")] = 1
    warmup: Annotated[int, Field(ge=0, le=100, description="Runs of each case before those that are measured.")] = 0


class RecipeFile(Plan, Recipe):
    """A recipe as it is written."""


def json_schema() -> dict[str, Any]:
    """The recipe format as a JSON Schema (draft 2020-12), for editors."""
    schema = RecipeFile.model_json_schema()
    schema["properties"]["matrix"] |= axis_properties(schema, frozenset({*Plan.model_fields, *SAME_FOR_ALL}))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "lcpp recipe"}
