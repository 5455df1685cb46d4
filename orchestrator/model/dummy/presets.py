"""Shapes of known models, for a dummy without any file of the model: metadata, tensors and tokenizer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from orchestrator.errors import UsageError
from orchestrator.model.dummy.metadata import Coding, Pair, integer, real, truth, uint
from orchestrator.model.dummy.mix import MIXES, MixFacts, check_mix, tensor_type
from orchestrator.model.dummy.plan import DummyPlan, make_plan
from orchestrator.model.dummy.vocabulary import VocabularySpec, find_vocabulary, read_vocabulary
from orchestrator.recipe.document.suggest import did_you_mean
from orchestrator.values import Value
from orchestrator.workspace import Workspace

_CODING = Coding(3)
_Tensor = tuple[str, tuple[int, ...]]

_LLAMA_TEMPLATE = (
    "{{- bos_token }}{%- for message in messages %}{{- '<|start_header_id|>' + message['role'] + "
    "'<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}"
)
_CHATML_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
_ZEPHYR_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\\n' + message['content'] + eos_token + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
)
_MIXTRAL_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
    "{{ '[INST] ' + message['content'] + ' [/INST]' }}{% else %}{{ message['content'] + eos_token }}{% endif %}"
    "{% endfor %}"
)
_GEMMA_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ '<start_of_turn>' + (message['role'] if message['role'] == 'user' "
    "else 'model') + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"
)


class Preset(Value):
    """A model's shape.

    mix: the quantization that it is made in unless another one is asked for.
    files: matches the names of the files that are of this very model; its group `mix` is the quantization.
    head_dim: the width of a head where it is not n_embd / n_head.
    n_expert, n_expert_used, n_ff_expert: of a mixture of experts.
    tied: the embeddings are the output matrix too.
    before, after: metadata before and behind the shape's own; `tokenizer` what stands around the tokens.
    """

    name: str
    title: str
    architecture: str
    mix: str
    files: str
    n_layer: int
    n_ctx: int
    n_embd: int
    n_ff: int
    n_head: int
    n_head_kv: int
    rope_base: float
    epsilon: float
    vocabulary: VocabularySpec
    tokenizer: tuple[Pair, ...]
    template: str
    head_dim: int | None = None
    tied: bool = False
    n_expert: int = 0
    n_expert_used: int = 0
    n_ff_expert: int | None = None
    sliding_window: int | None = None
    before: tuple[Pair, ...] = ()
    shape_keys: tuple[Pair, ...] = ()
    after: tuple[Pair, ...] = ()
    rope_factors: bool = False
    head_norms: bool = False
    post_norms: bool = False

    @property
    def width(self) -> int:
        """The width of a head."""
        return self.head_dim or self.n_embd // self.n_head


def preset_plan(
    preset: Preset, workspace: Workspace, *, mix: str | None = None, checkout: Path | None = None
) -> DummyPlan:
    """A dummy of a preset.

    Args:
        mix: the quantization, when it is not the preset's own.
        checkout: the llama.cpp whose tokenizer is taken first.

    Raises:
        UsageError: the quantization is not known.
        ModelError: no llama.cpp with the tokenizer is here.
    """
    chosen = check_mix(mix or preset.mix)
    spec = preset.vocabulary
    vocabulary = read_vocabulary(spec, find_vocabulary(spec, workspace, checkout))
    facts = MixFacts(
        n_layer=preset.n_layer,
        n_gqa=preset.n_head // preset.n_head_kv,
        n_expert=preset.n_expert,
        tied=preset.tied,
    )
    tensors = [(name, shape, tensor_type(chosen, name, shape, facts)) for name, shape in _tensors(preset)]
    pairs = [*_shape_pairs(preset, chosen), *_tokenizer_pairs(preset, vocabulary.values()), *preset.after]
    return make_plan(f"{preset.title}-{chosen}".replace(" ", "-"), f"preset:{preset.name}/{chosen}", pairs, tensors)


def preset_named(name: str) -> Preset:
    """The preset of that name.

    Raises:
        UsageError: there is none.
    """
    known = {preset.name: preset for preset in PRESETS}
    known_preset = known.get(name.lower())
    if known_preset is None:
        hint = f"one of {', '.join(known)}"
        raise UsageError(f"there is no preset {name}{did_you_mean(name, known)}", hint=hint)
    return known_preset


def preset_of_file(file_name: str) -> tuple[Preset, str] | None:
    """The preset and the quantization of the model whose file has this name; None when no preset is of that model."""
    for preset in PRESETS:
        match = re.fullmatch(preset.files + r"[-.](?P<mix>[A-Z0-9_]+)\.gguf", file_name, re.IGNORECASE)
        if match is not None and match["mix"].upper() in MIXES:
            return preset, match["mix"].upper()
    return None


def _shape_pairs(preset: Preset, mix: str) -> Iterator[Pair]:
    arch = preset.architecture
    yield _CODING.text("general.architecture", arch)
    yield _CODING.text("general.type", "model")
    yield _CODING.text("general.name", preset.title)
    yield from preset.before
    yield uint(f"{arch}.block_count", preset.n_layer)
    yield uint(f"{arch}.context_length", preset.n_ctx)
    yield uint(f"{arch}.embedding_length", preset.n_embd)
    yield uint(f"{arch}.feed_forward_length", preset.n_ff)
    yield uint(f"{arch}.attention.head_count", preset.n_head)
    yield uint(f"{arch}.attention.head_count_kv", preset.n_head_kv)
    yield real(f"{arch}.rope.freq_base", preset.rope_base)
    yield real(f"{arch}.attention.layer_norm_rms_epsilon", preset.epsilon)
    if preset.head_dim is not None:
        yield uint(f"{arch}.attention.key_length", preset.head_dim)
        yield uint(f"{arch}.attention.value_length", preset.head_dim)
    if preset.sliding_window is not None:
        yield uint(f"{arch}.attention.sliding_window", preset.sliding_window)
    if preset.n_expert:
        yield uint(f"{arch}.expert_count", preset.n_expert)
        yield uint(f"{arch}.expert_used_count", preset.n_expert_used)
    if preset.n_ff_expert is not None:
        yield uint(f"{arch}.expert_feed_forward_length", preset.n_ff_expert)
    yield uint("general.file_type", MIXES[mix][1])
    yield uint(f"{arch}.vocab_size", preset.vocabulary.n_vocab)
    yield uint(f"{arch}.rope.dimension_count", preset.width)
    yield from preset.shape_keys


def _tokenizer_pairs(preset: Preset, vocabulary: Iterable[Pair]) -> Iterator[Pair]:
    before = ("tokenizer.ggml.model", "tokenizer.ggml.pre", "tokenizer.ggml.add_space_prefix")
    yield from (pair for pair in preset.tokenizer if pair.key in before)
    yield from vocabulary
    yield from (pair for pair in preset.tokenizer if pair.key not in before)
    yield _CODING.text("tokenizer.chat_template", preset.template)
    yield uint("general.quantization_version", 2)


def _tensors(preset: Preset) -> Iterator[_Tensor]:
    """Names and shapes, in the order in which llama.cpp's converter writes them."""
    if preset.rope_factors:
        yield "rope_freqs.weight", (preset.width // 2,)
    yield "token_embd.weight", (preset.n_embd, preset.vocabulary.n_vocab)
    for layer in range(preset.n_layer):
        for name, shape in _layer_tensors(preset):
            yield f"blk.{layer}.{name}.weight", shape
    yield "output_norm.weight", (preset.n_embd,)
    if not preset.tied:
        yield "output.weight", (preset.n_embd, preset.vocabulary.n_vocab)


def _layer_tensors(preset: Preset) -> Iterator[_Tensor]:
    n_embd, n_ff = preset.n_embd, preset.n_ff
    yield "attn_norm", (n_embd,)
    if preset.n_expert:
        n_ff = preset.n_ff_expert or n_ff
        yield "ffn_gate_inp", (n_embd, preset.n_expert)
        yield "ffn_down_exps", (n_ff, n_embd, preset.n_expert)
        yield "ffn_gate_exps", (n_embd, n_ff, preset.n_expert)
        yield "ffn_up_exps", (n_embd, n_ff, preset.n_expert)
    else:
        yield "ffn_down", (n_ff, n_embd)
        yield "ffn_gate", (n_embd, n_ff)
        yield "ffn_up", (n_embd, n_ff)
    if preset.post_norms:
        yield "post_attention_norm", (n_embd,)
        yield "post_ffw_norm", (n_embd,)
    yield "ffn_norm", (n_embd,)
    n_q, n_kv = preset.width * preset.n_head, preset.width * preset.n_head_kv
    if preset.head_norms:
        yield "attn_k_norm", (preset.width,)
        yield "attn_q_norm", (preset.width,)
    yield "attn_k", (n_embd, n_kv)
    yield "attn_output", (n_q, n_embd)
    yield "attn_q", (n_embd, n_q)
    yield "attn_v", (n_embd, n_kv)


def _tokenizer(kind: str, pre: str, bos: int | None, eos: int, *others: Pair) -> tuple[Pair, ...]:
    pairs = [_CODING.text("tokenizer.ggml.model", kind), _CODING.text("tokenizer.ggml.pre", pre)]
    pairs += [] if bos is None else [uint("tokenizer.ggml.bos_token_id", bos)]
    return (*pairs, uint("tokenizer.ggml.eos_token_id", eos), *others)


_SPM_FILES = ("ggml-vocab-llama-spm.gguf", "ggml-vocab-llama.gguf")
_UNKNOWN_0 = uint("tokenizer.ggml.unknown_token_id", 0)
_GEMMA_TOKENIZER = _tokenizer(
    "llama",
    "default",
    2,
    1,
    uint("tokenizer.ggml.unknown_token_id", 3),
    uint("tokenizer.ggml.padding_token_id", 0),
    truth("tokenizer.ggml.add_bos_token", True),
    truth("tokenizer.ggml.add_eos_token", False),
)
_GEMMA_CONTROL = ("<pad>", "<eos>", "<bos>", "<unk>")
_SMOLLM_CONTROL = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>", "<reponame>", "<file_sep>", "<filename>"),
    *("<gh_stars>", "<issue_start>", "<issue_comment>", "<issue_closed>", "<jupyter_start>", "<jupyter_text>"),
    *("<jupyter_code>", "<jupyter_output>", "<jupyter_script>", "<empty_output>"),
)

PRESETS: tuple[Preset, ...] = (
    Preset(
        name="llama-3.1-8b",
        title="Meta Llama 3.1 8B Instruct",
        architecture="llama",
        mix="Q3_K_L",
        files=r"(Meta-)?Llama-3\.1-8B(-Instruct)?",
        n_layer=32,
        n_ctx=131072,
        n_embd=4096,
        n_ff=14336,
        n_head=32,
        n_head_kv=8,
        rope_base=500000.0,
        epsilon=1e-5,
        rope_factors=True,
        vocabulary=VocabularySpec(files=("ggml-vocab-llama-bpe.gguf",), n_vocab=128256),
        tokenizer=_tokenizer("gpt2", "llama-bpe", 128000, 128009),
        template=_LLAMA_TEMPLATE,
        before=(
            _CODING.text("general.finetune", "Instruct"),
            _CODING.text("general.basename", "Meta-Llama-3.1"),
            _CODING.text("general.size_label", "8B"),
            _CODING.text("general.license", "llama3.1"),
            _CODING.texts("general.tags", ("facebook", "meta", "pytorch", "llama", "llama-3", "text-generation")),
            _CODING.texts("general.languages", ("en", "de", "fr", "it", "pt", "hi", "es", "th")),
        ),
        after=(
            _CODING.text("quantize.imatrix.file", "Meta-Llama-3.1-8B-Instruct.imatrix"),
            _CODING.text("quantize.imatrix.dataset", "calibration_datav3.txt"),
            integer("quantize.imatrix.entries_count", 224),
            integer("quantize.imatrix.chunks_count", 125),
        ),
    ),
    Preset(
        name="smollm2-135m",
        title="SmolLM2 135M Instruct",
        architecture="llama",
        mix="Q4_1",
        files=r"SmolLM2-135M(-Instruct)?",
        n_layer=30,
        n_ctx=8192,
        n_embd=576,
        n_ff=1536,
        n_head=9,
        n_head_kv=3,
        rope_base=100000.0,
        epsilon=1e-5,
        tied=True,
        vocabulary=VocabularySpec(files=("ggml-vocab-starcoder.gguf",), n_vocab=49152, control=_SMOLLM_CONTROL),
        tokenizer=_tokenizer(
            "gpt2",
            "smollm",
            1,
            2,
            truth("tokenizer.ggml.add_space_prefix", False),
            truth("tokenizer.ggml.add_bos_token", False),
            _UNKNOWN_0,
            uint("tokenizer.ggml.padding_token_id", 2),
        ),
        template=_CHATML_TEMPLATE,
        before=(
            _CODING.text("general.organization", "HuggingFaceTB"),
            _CODING.text("general.finetune", "8k-lc100k-mix1-ep2"),
            _CODING.text("general.basename", "smollm2"),
            _CODING.text("general.size_label", "135M"),
            _CODING.text("general.license", "apache-2.0"),
            _CODING.texts("general.languages", ("en",)),
        ),
    ),
    Preset(
        name="tinyllama-4x1.1b",
        title="TinyLlama 4x1.1B MoE",
        architecture="llama",
        mix="Q4_K_M",
        files=r"TinyLLama-4x1\.1B-MoE",
        n_layer=22,
        n_ctx=2048,
        n_embd=2048,
        n_ff=5632,
        n_head=32,
        n_head_kv=4,
        rope_base=10000.0,
        epsilon=1e-5,
        n_expert=4,
        n_expert_used=2,
        vocabulary=VocabularySpec(files=_SPM_FILES, n_vocab=32000),
        tokenizer=_tokenizer("llama", "default", 1, 2, _UNKNOWN_0, uint("tokenizer.ggml.padding_token_id", 2)),
        template=_ZEPHYR_TEMPLATE,
    ),
    Preset(
        name="mixtral-8x7b",
        title="Mixtral 8x7B Instruct v0.1",
        architecture="llama",
        mix="Q4_K_M",
        files=r"Mixtral-8x7B(-Instruct)?-v0\.1",
        n_layer=32,
        n_ctx=32768,
        n_embd=4096,
        n_ff=14336,
        n_head=32,
        n_head_kv=8,
        rope_base=1000000.0,
        epsilon=1e-5,
        n_expert=8,
        n_expert_used=2,
        vocabulary=VocabularySpec(files=_SPM_FILES, n_vocab=32000),
        tokenizer=_tokenizer("llama", "default", 1, 2, _UNKNOWN_0),
        template=_MIXTRAL_TEMPLATE,
    ),
    Preset(
        name="qwen3-30b-a3b",
        title="Qwen3 30B A3B",
        architecture="qwen3moe",
        mix="Q4_K_M",
        files=r"Qwen3-30B-A3B",
        n_layer=48,
        n_ctx=40960,
        n_embd=2048,
        n_ff=6144,
        n_head=32,
        n_head_kv=4,
        head_dim=128,
        rope_base=1000000.0,
        epsilon=1e-6,
        n_expert=128,
        n_expert_used=8,
        n_ff_expert=768,
        head_norms=True,
        vocabulary=VocabularySpec(files=("ggml-vocab-qwen2.gguf",), n_vocab=151936),
        tokenizer=_tokenizer(
            "gpt2",
            "qwen2",
            151643,
            151645,
            uint("tokenizer.ggml.padding_token_id", 151643),
            truth("tokenizer.ggml.add_bos_token", False),
        ),
        template=_CHATML_TEMPLATE,
    ),
    Preset(
        name="gemma-2-2b",
        title="Gemma 2 2b It",
        architecture="gemma2",
        mix="Q4_K_M",
        files=r"Gemma-2-2b-it",
        n_layer=26,
        n_ctx=8192,
        n_embd=2304,
        n_ff=9216,
        n_head=8,
        n_head_kv=4,
        head_dim=256,
        rope_base=10000.0,
        epsilon=1e-6,
        tied=True,
        sliding_window=4096,
        post_norms=True,
        # llama.cpp has no vocabulary of Gemma 2; of this one the words are others, and the sizes are the same.
        vocabulary=VocabularySpec(files=_SPM_FILES, n_vocab=256000, control=_GEMMA_CONTROL, filler="<unused{}>"),
        tokenizer=(*_GEMMA_TOKENIZER, truth("tokenizer.ggml.add_space_prefix", False)),
        template=_GEMMA_TEMPLATE,
        shape_keys=(
            real("gemma2.attn_logit_softcapping", 50.0),
            real("gemma2.final_logit_softcapping", 30.0),
        ),
    ),
    Preset(
        name="gemma-3-1b",
        title="Gemma 3 1b It",
        architecture="gemma3",
        mix="Q4_K_M",
        files=r"Gemma-3-1b-it",
        n_layer=26,
        n_ctx=32768,
        n_embd=1152,
        n_ff=6912,
        n_head=4,
        n_head_kv=1,
        head_dim=256,
        rope_base=1000000.0,
        epsilon=1e-6,
        tied=True,
        sliding_window=512,
        post_norms=True,
        head_norms=True,
        vocabulary=VocabularySpec(files=_SPM_FILES, n_vocab=262144, control=_GEMMA_CONTROL, filler="<unused{}>"),
        tokenizer=(*_GEMMA_TOKENIZER, truth("tokenizer.ggml.add_space_prefix", False)),
        template=_GEMMA_TEMPLATE,
    ),
)
