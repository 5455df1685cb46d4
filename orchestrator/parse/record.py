"""What is read out of a transcript: one typed record, the same for every llama.cpp.

Sizes are in the unit that the name ends with (MiB as llama.cpp prints them), times in ms, rates in tokens per
second. What was not printed, or printed as `inf` or `nan`, is None, and `Record.missing` says why.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from orchestrator.piece import Piece


class KeyValue(Piece):
    """One key-value pair of the GGUF, as the loader prints it."""

    key: str
    type: Annotated[str, Field(description="u32, f32, str, arr[str,128256], …")]
    value: Annotated[
        int | float | bool | str | None,
        Field(description="Typed by `type`; text as printed for strings and arrays; None where none is printed."),
    ]
    truncated: Annotated[bool, Field(description="The loader cut the value short.")] = False


class Loader(Piece):
    """The loader's lines about the file."""

    file: str
    format: Annotated[str, Field(description="e.g. GGUF V3 (latest)")]
    n_kv: int
    n_tensors: int
    kv: tuple[KeyValue, ...] = ()
    tensor_types: Annotated[dict[str, int], Field(description="Number of tensors of each type.")] = {}


class Token(Piece):
    """A special token of the vocabulary."""

    id: int
    text: str


class Metadata(Piece):
    """The model's metadata block. `entries` keeps every line of it as printed, label to value."""

    arch: str | None = None
    vocab_type: str | None = None
    n_vocab: int | None = None
    n_ctx_train: int | None = None
    n_embd: int | None = None
    n_layer: int | None = None
    n_head: Annotated[str | None, Field(description="A number, or a list where it differs by layer.")] = None
    n_head_kv: str | None = None
    n_ff: str | None = None
    model_type: str | None = None
    ftype: Annotated[str | None, Field(description="The quantization, e.g. Q3_K - Large.")] = None
    n_params: Annotated[float | None, Field(description="Parameters, to the digits printed.")] = None
    size_mib: Annotated[float | None, Field(description="Size of the tensors, to the digits printed.")] = None
    bits_per_weight: float | None = None
    name: str | None = None
    tokens: Annotated[dict[str, tuple[Token, ...]], Field(description="BOS, EOS, EOG (more than one), …")] = {}
    entries: dict[str, str] = {}


class Buffer(Piece):
    """Memory of one kind on one device."""

    device: str
    size_mib: float


class Weights(Piece):
    """Where the weights lie."""

    buffers: tuple[Buffer, ...] = ()
    context_mib: Annotated[float | None, Field(description="`ggml ctx size`.")] = None


class KvCache(Piece):
    """The KV cache. Models with sliding windows have more than one; sizes are their sums."""

    size_mib: float | None = None
    k_type: str | None = None
    k_mib: float | None = None
    v_type: str | None = None
    v_mib: float | None = None
    n_cells: int | None = None
    buffers: tuple[Buffer, ...] = ()


class Context(Piece):
    """The context block. `entries` keeps every line of it as printed, label to value."""

    n_ctx: int | None = None
    n_batch: int | None = None
    n_ubatch: int | None = None
    n_seq_max: int | None = None
    flash_attn: Annotated[str | None, Field(description="enabled, disabled or auto, whatever the build prints.")] = None
    freq_base: float | None = None
    freq_scale: float | None = None
    kv_cache: KvCache = KvCache()
    output_buffers: tuple[Buffer, ...] = ()
    compute_buffers: tuple[Buffer, ...] = ()
    graph_nodes: int | None = None
    graph_splits: int | None = None
    entries: dict[str, str] = {}


class SystemInfo(Piece):
    """The `system_info` line."""

    n_threads: int
    n_threads_batch: int | None = None
    n_cpu: int
    features: Annotated[dict[str, int], Field(description="AVX2 = 1, …; under CPU only those present, from b4163.")]


class Generation(Piece):
    """What llama.cpp was asked for and what text came."""

    text: Annotated[str | None, Field(description="The generated text alone, exactly.")] = None
    echo: Annotated[str | None, Field(description="The prompt as the program printed it before the text.")] = None
    end_of_text: Annotated[
        bool | None, Field(description="The model ended the text itself (not the token limit); None: not said.")
    ] = None
    n_predict: int | None = None
    n_ctx: int | None = None
    n_invalid_bytes: Annotated[int, Field(description="Bytes of the text that are not UTF-8, shown as U+FFFD.")] = 0


class Decoded(Piece):
    """The `decoded N tokens in S s` line of llama-simple."""

    n_tokens: int
    seconds: float
    tokens_per_second: float | None


class Timing(Piece):
    """One line of the timings."""

    ms: float | None = None
    n: Annotated[int | None, Field(description="Tokens or runs.")] = None
    ms_per_token: float | None = None
    tokens_per_second: float | None = None


class Timings(Piece):
    """llama.cpp's own timings."""

    load: Timing | None = None
    sample: Timing | None = None
    samplers: Timing | None = None
    prompt_eval: Timing | None = None
    eval: Timing | None = None
    total: Timing | None = None
    graphs_reused: int | None = None


class BenchTest(Piece):
    """One test of llama-bench, under llama-bench's own names; `fields` holds all that it printed.

    A test with both `n_prompt` and `n_gen` (`-pg`) does the one behind the other.
    """

    build_commit: str | None
    model_type: str | None
    n_threads: int | None
    n_batch: int | None
    n_ubatch: int | None
    n_prompt: int
    n_gen: int
    n_depth: Annotated[int, Field(description="Tokens in the context before the test.")] = 0
    avg_ns: Annotated[int | None, Field(description="Mean time; a markdown table has none.")]
    stddev_ns: int | None
    avg_ts: Annotated[float | None, Field(description="Tokens per second, mean over the repetitions.")]
    stddev_ts: float | None
    samples_ns: tuple[int, ...] = ()
    samples_ts: tuple[float, ...] = ()
    fields: dict[str, Any] = {}


class BatchedTest(Piece):
    """One row of llama-batched-bench: `n_parallel` sequences of `n_prompt` and `n_gen` tokens each.

    Times in seconds, speeds in tokens per second over all sequences; None where it divided by zero.
    """

    n_prompt: int
    n_gen: int
    n_parallel: int
    n_kv: Annotated[int, Field(description="Cells of the KV cache that the test needs.")]
    t_pp_s: float | None
    speed_pp: float | None
    t_tg_s: float | None
    speed_tg: float | None
    t_s: float | None
    speed: float | None


class Perplexity(Piece):
    """What llama-perplexity found."""

    estimate: Annotated[float | None, Field(description="Over all chunks.")]
    error: Annotated[float | None, Field(description="Its uncertainty; builds before b1068 print none.")] = None
    n_chunks: Annotated[int | None, Field(description="How many there were to be.")] = None
    chunks: Annotated[
        tuple[float | None, ...], Field(description="The running value behind each chunk; None: not a number.")
    ] = ()
    n_ctx: Annotated[int | None, Field(description="Tokens of a chunk.")] = None


class SlotTiming(Piece):
    """The figures of one answer of a llama-cli that holds a server (b7348 and later, with `-lv 3`; b9151: `-lv 4`)."""

    slot: int
    task: int
    prompt_eval: Timing | None = None
    eval: Timing | None = None
    total: Timing | None = None


class Counted(Piece):
    """Lines of one kind."""

    n_lines: int
    n_recognised: int


class Coverage(Piece):
    """How much of the log was understood.

    A line is recognised when a format matches it and what it says is in the record (or known to be of no use to it).
    """

    n_lines: Annotated[int, Field(description="Log lines that are not blank.")]
    n_unrecognised: int
    categories: Annotated[
        dict[Literal["loader", "metadata", "context", "timing", "other"], Counted],
        Field(description="The same by what the lines are about."),
    ] = {}
    unrecognised: Annotated[
        tuple[str, ...], Field(description="The first of them, each once, cut to a readable length.")
    ] = ()


class Record(Piece):
    """All that a transcript says."""

    lcpp_record: Literal[1] = 1
    command: Annotated[str | None, Field(description="The command line, where the log begins with it.")] = None
    build: Annotated[str | None, Field(description="The build line, e.g. `1 (1d1ccce)`.")] = None
    loader: Loader | None = None
    metadata: Metadata | None = None
    weights: Weights = Weights()
    context: Context | None = None
    system_info: SystemInfo | None = None
    generation: Generation = Generation()
    decoded: Decoded | None = None
    timings: Timings = Timings()
    bench: tuple[BenchTest, ...] = ()
    batched: tuple[BatchedTest, ...] = ()
    perplexity: Perplexity | None = None
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    coverage: Coverage
    missing: Annotated[dict[str, str], Field(description="For a figure that is None: why.")] = {}

    @property
    def n_threads(self) -> int | None:
        """The most threads that the program says it computed with at once; None: it does not say."""
        counts = [test.n_threads for test in self.bench]
        if self.system_info is not None:
            counts += [self.system_info.n_threads, self.system_info.n_threads_batch]
        return max((number for number in counts if number is not None), default=None)
