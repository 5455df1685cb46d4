"""What a recipe can say, as frozen pydantic models; the published JSON Schema is generated from them.

Names are llama.cpp's own where it has one (`n_predict`, `n_ctx`, `n_batch`, `n_threads`, …).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

FORMAT_VERSION = 1
DEFAULT_REMOTE = "https://github.com/ggml-org/llama.cpp"
# The last summer in which upstream's `make` just worked: b3642, 2024-08-28.
DEFAULT_REF = "1d1ccce67613674c75c9c7e3fa4c1e24e428ba48"

Purpose = Literal["complete", "chat", "bench"]
Program = Literal["llama-simple", "llama-cli", "llama-completion", "llama-bench"]

# What execve and the tty can carry: no NUL.
_Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=4_000_000)]
_Argument = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=100_000)]
_Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_OptionName = Annotated[
    str, StringConstraints(pattern=r"^(GGML|LLAMA)_[A-Z0-9_]+$|^CMAKE_BUILD_TYPE$|^BUILD_SHARED_LIBS$")
]
# Neither make nor CMake nor a shell gives these characters a meaning of their own.
_OptionText = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.,:;+=/@-]*$", max_length=200)]
OptionValue = bool | int | _OptionText


def _stays_inside(path: str) -> str:
    if ".." in path.split("/"):
        raise ValueError("the path must not contain `..`")
    return path


class Spec(BaseModel):
    """What all parts of a recipe share: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class EngineSpec(Spec):
    """Which llama.cpp, and how to build it."""

    ref: Annotated[
        str,
        StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._/+-]*$", max_length=200),
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
        Field(description="git URL or local path to clone from. Its code is built and run: name only one you trust."),
    ] = DEFAULT_REMOTE
    path: Annotated[
        str | None,
        Field(description="source: path only. A llama.cpp directory; relative to the recipe's folder."),
    ] = None
    build: Annotated[
        Literal["auto", "make", "cmake"],
        Field(description="The build system. auto: make where the checkout's Makefile still builds, else CMake."),
    ] = "auto"
    options: Annotated[
        dict[_OptionName, OptionValue],
        Field(description="Build options by their upstream names, e.g. {GGML_NATIVE: false}."),
    ] = {}
    programs: Annotated[
        tuple[Program, ...], Field(description="More programs to build than the run needs.", strict=False)
    ] = ()

    @model_validator(mode="after")
    def _path_goes_with_its_source(self) -> EngineSpec:
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

    source: Literal["hub"]
    repo: Annotated[
        str,
        StringConstraints(pattern=r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$", max_length=200),
        Field(description="OWNER/NAME on the hub."),
    ]
    file: Annotated[
        str,
        StringConstraints(pattern=r"^[^\x00-\x1f\\/][^\x00-\x1f\\]*\.gguf$", max_length=500),
        AfterValidator(_stays_inside),
        Field(description="The file's path in the repository. Of a split model, the first part."),
    ]
    revision: Annotated[
        str,
        StringConstraints(pattern=r"^[A-Za-z0-9_][\w./-]*$", max_length=200),
        Field(description="Branch, tag or commit of the repository."),
    ] = "main"


class PackageModel(_AnyModel):
    """A GGUF file inside a Python package, for machines that reach only a package index."""

    source: Literal["package"]
    package: Annotated[
        str,
        StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.+!_-]*$", max_length=200),
        Field(description="NAME==VERSION of a distribution with a wheel."),
    ]
    file: Annotated[
        str,
        StringConstraints(pattern=r"^[^\x00-\x1f\\/]+\.gguf$", max_length=255),
        Field(description="The file's name inside the wheel, without folders."),
    ]


class PathModel(_AnyModel):
    """A GGUF file on this machine."""

    source: Literal["path"]
    path: Annotated[
        str,
        StringConstraints(pattern=r"^[^\x00]+$", max_length=4000),
        Field(
            description="The file; relative to the recipe's folder; ~ is your home. Of a split model, the first part."
        ),
    ]


ModelSpec = Annotated[HubModel | PackageModel | PathModel, Field(discriminator="source")]


class Sampling(Spec):
    """How the next token is chosen. The default is greedy, which gives the same text every time."""

    temperature: Annotated[float, Field(ge=0, le=10, strict=False, description="0 is greedy.")] = 0.0
    seed: Annotated[int, Field(ge=0, le=2**32 - 2, description="Seed of the random sampler.")] = 42
    top_k: Annotated[int | None, Field(ge=0, le=1_000_000)] = None
    top_p: Annotated[float | None, Field(ge=0, le=1, strict=False)] = None
    min_p: Annotated[float | None, Field(ge=0, le=1, strict=False)] = None
    repeat_penalty: Annotated[float | None, Field(gt=0, le=10, strict=False)] = None


class RunSpec(Spec):
    """What is run. Settings left out keep the program's own default."""

    program: Annotated[
        Purpose | Program,
        Field(
            description="What to do (complete, chat, bench: lcpp picks the program that does it in that llama.cpp) "
            "or a program by name."
        ),
    ] = "complete"
    prompt: Annotated[_Text | None, Field(description="The prompt.")] = None
    prompt_file: Annotated[
        str | None, Field(description="A UTF-8 file that holds the prompt; relative to the recipe's folder.")
    ] = None
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
    sampling: Sampling = Sampling()
    n_prompt: Annotated[int, Field(ge=0, le=1_000_000, description="bench only: prompt tokens, -p.")] = 512
    n_gen: Annotated[int, Field(ge=0, le=1_000_000, description="bench only: generated tokens, -n.")] = 128
    n_repetitions: Annotated[int, Field(ge=1, le=1000, description="bench only: repetitions, -r.")] = 5
    extra_args: Annotated[
        tuple[_Argument, ...],
        Field(
            max_length=200,
            strict=False,
            description="More arguments for the program, each one word as it is.",
        ),
    ] = ()
    timeout_s: Annotated[float, Field(gt=0, le=604_800, strict=False, description="Stop the run after so long.")] = (
        3600.0
    )
    idle_timeout_s: Annotated[
        float,
        Field(gt=0, le=604_800, strict=False, description="Stop the run when it prints nothing for so long."),
    ] = 600.0
    max_output_bytes: Annotated[
        int, Field(ge=4096, le=2**32, description="Stop the run when it has printed more than this.")
    ] = 64 * 1024 * 1024

    @model_validator(mode="after")
    def _prompt_is_said_once(self) -> RunSpec:
        bench = self.program in ("bench", "llama-bench")
        if self.prompt is not None and self.prompt_file is not None:
            raise ValueError("give `prompt` or `prompt_file`, not both")
        if bench and (self.prompt is not None or self.prompt_file is not None):
            raise ValueError("a bench makes its own prompt: leave `prompt` out and set `n_prompt` and `n_gen`")
        if bench and self.n_prompt == 0 and self.n_gen == 0:
            raise ValueError("a bench needs `n_prompt` or `n_gen` above 0")
        if not bench and not self.prompt and self.prompt_file is None:
            raise ValueError("`prompt` or `prompt_file` is needed")
        if self.system is not None and self.mode != "chat" and self.program != "chat":
            raise ValueError("`system` needs `mode: chat`")
        return self


class ExpectSpec(Spec):
    """What must hold of the result; a check that fails makes lcpp exit 4."""

    min_generated_tokens: Annotated[int | None, Field(ge=0)] = None
    text_contains: Annotated[tuple[_Text, ...], Field(strict=False, description="Each must occur in the text.")] = ()
    text_matches: Annotated[
        _Argument | None, Field(description="A regular expression that must be found in the text.")
    ] = None
    min_prompt_per_second: Annotated[
        float | None, Field(ge=0, strict=False, description="Prompt processing, tokens per second.")
    ] = None
    min_generation_per_second: Annotated[
        float | None, Field(ge=0, strict=False, description="Token generation, tokens per second.")
    ] = None
    metadata: Annotated[
        dict[str, str | int | float | bool],
        Field(description="GGUF metadata that must be equal, e.g. {general.architecture: llama}."),
    ] = {}


class Recipe(Spec):
    """One run, wholly described: which llama.cpp, which model, what to run, what must hold."""

    lcpp: Annotated[Literal[1], Field(description="Version of the recipe format.")]
    name: Annotated[
        str | None,
        StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80),
        Field(description="Name of the recipe in results; the file's name when left out."),
    ] = None
    description: Annotated[str | None, Field(max_length=10_000)] = None
    engine: EngineSpec = EngineSpec()
    model: ModelSpec
    run: RunSpec
    expect: ExpectSpec = ExpectSpec()


def json_schema() -> dict[str, Any]:
    """The recipe format as a JSON Schema (draft 2020-12), for editors."""
    schema = Recipe.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "lcpp recipe", **schema}
