"""What `n_ctx: auto` means: for each kind of run, a context that is surely large enough. All sizes in tokens.

A tokenizer makes at most one token of a byte, so a prompt's length in bytes bounds its length in tokens.
"""

from __future__ import annotations

from collections.abc import Collection

from orchestrator.recipe.schema.recipe import RunSpec

# What llama-cli keeps free in the context, and what a chat template that lcpp does not render may add: at the
# beginning, and to each prompt of a session.
_SPARE = 8
_TEMPLATE = 512
_TURN = 64
_STEP = 256


def completion_context(run: RunSpec, prompt_bytes: int, *, template: bool) -> int:
    """The context of one prompt and its answer: as asked, or what is enough.

    Args:
        template: the program puts a chat template around the prompt.
    """
    if run.n_ctx != "auto":
        return run.n_ctx
    return _enough(prompt_bytes + run.n_predict, template=template)


def session_context(run: RunSpec, prompts_bytes: Collection[int], *, template: bool, budget: bool) -> int:
    """The context of a session with prompts of these lengths: as asked, or what is enough.

    Args:
        budget: `n_predict` is not of each answer: what one leaves goes to the next.
    """
    if run.n_ctx != "auto":
        return run.n_ctx
    answer = run.n_predict * (2 if budget else 1) + _TURN
    sizes = [n_bytes + answer for n_bytes in prompts_bytes]
    needed = sum(sizes) if run.history == "keep" else max(sizes)
    return _enough(needed + len((run.system or "").encode()), template=template)


def _enough(n_tokens: int, *, template: bool) -> int:
    needed = n_tokens + _SPARE + (_TEMPLATE if template else 0)
    return -(-needed // _STEP) * _STEP
