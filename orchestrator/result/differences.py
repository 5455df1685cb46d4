"""What a recipe asked for and what the program says it did, where the two are not the same."""

from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import Field

from orchestrator.drive.command import Command
from orchestrator.parse.record import BatchedTest, BenchTest, Record
from orchestrator.piece import Piece
from orchestrator.recipe.schema.recipe import RunSpec

# The words of all eras for on and off; `auto` says nothing of what came of it.
_SWITCH = {
    **dict.fromkeys(("1", "true", "on", "enabled"), "on"),
    **dict.fromkeys(("0", "false", "off", "disabled"), "off"),
}
_Pair = tuple[str, object, object]


class Difference(Piece):
    """One setting that the program reports otherwise than it was asked for."""

    name: Annotated[str, Field(description="The recipe's key under `run`, or `tests` for those of a bench.")]
    asked: str
    reported: str


def differences(run: RunSpec, command: Command, record: Record) -> tuple[Difference, ...]:
    """Compare the settings that the recipe gives with what the program reports of them.

    What the recipe leaves to the program, and what the program does not report, is no difference.
    """
    if command.program == "llama-bench":
        pairs = _bench(run, record.bench)
    elif command.program == "llama-batched-bench":
        pairs = [*_context(run, command, record), *_batched(run, record.batched)]
    else:
        pairs = [*_context(run, command, record), *_threads(run, record)]
        # In a session, -n is not what one answer may have.
        session = run.prompts is not None or run.prompts_file is not None
        if command.program != "llama-perplexity" and not session:
            pairs.append(("n_predict", run.n_predict, record.generation.n_predict))
    found = dict.fromkeys(
        Difference(name=name, asked=str(asked), reported=str(reported))
        for name, asked, reported in pairs
        if asked is not None and reported is not None and asked != reported
    )
    return tuple(found)


def _context(run: RunSpec, command: Command, record: Record) -> list[_Pair]:
    context, kv_cache = record.context, None if record.context is None else record.context.kv_cache
    n_ctx = record.generation.n_ctx or (None if context is None else context.n_ctx)
    if command.program == "llama-perplexity":
        # Its context holds several chunks side by side; a chunk is what was asked for.
        n_ctx = None if record.perplexity is None else record.perplexity.n_ctx
    pairs: list[_Pair] = [("n_ctx", None if run.n_ctx == "auto" else run.n_ctx, n_ctx)]
    if context is not None and kv_cache is not None:
        pairs += [
            ("n_batch", run.n_batch, context.n_batch),
            ("n_ubatch", run.n_ubatch, context.n_ubatch),
            ("type_k", run.type_k, kv_cache.k_type),
            ("type_v", run.type_v, kv_cache.v_type),
            ("flash_attn", run.flash_attn, _switch(run.flash_attn, context.flash_attn)),
        ]
    return pairs


def _threads(run: RunSpec, record: Record) -> list[_Pair]:
    info = record.system_info
    if info is None:
        return []
    return [
        ("n_threads", run.n_threads, info.n_threads),
        ("n_threads_batch", run.n_threads_batch, info.n_threads_batch),
    ]


def _bench(run: RunSpec, tests: tuple[BenchTest, ...]) -> list[_Pair]:
    pairs: list[_Pair] = []
    for test in tests:
        pairs += [
            ("n_threads", run.n_threads, test.n_threads),
            ("n_batch", run.n_batch, test.n_batch),
            ("n_ubatch", run.n_ubatch, test.n_ubatch),
            ("type_k", run.type_k, test.fields.get("type_k")),
            ("type_v", run.type_v, test.fields.get("type_v")),
            ("flash_attn", run.flash_attn, _switch(run.flash_attn, test.fields.get("flash_attn"))),
            ("mmap", _word(run.mmap), _word(_mapped(test))),
            ("n_repetitions", run.n_repetitions, len(test.samples_ns) or None),
        ]
    asked = {(run.n_prompt, 0), (0, run.n_gen)} - {(0, 0)}
    return [*pairs, *_tests(map(_bench_name, asked), (_bench_name((test.n_prompt, test.n_gen)) for test in tests))]


def _batched(run: RunSpec, tests: tuple[BatchedTest, ...]) -> Iterator[_Pair]:
    asked = (f"{n}x(pp{run.n_prompt}+tg{run.n_gen})" for n in run.n_parallel)
    return _tests(asked, (f"{test.n_parallel}x(pp{test.n_prompt}+tg{test.n_gen})" for test in tests))


def _bench_name(test: tuple[int, int]) -> str:
    """As llama-bench itself names a test: pp512, tg128, pp512+tg128."""
    n_prompt, n_gen = test
    return "+".join(word for word, n in ((f"pp{n_prompt}", n_prompt), (f"tg{n_gen}", n_gen)) if n)


def _tests(asked: Iterable[str], ran: Iterable[str]) -> Iterator[_Pair]:
    wanted, done = sorted(set(asked)), sorted(set(ran))
    # None at all is a failure, which is told elsewhere.
    if done:
        yield ("tests", ", ".join(wanted), ", ".join(done))


def _switch(asked: str | None, reported: object) -> str | None:
    """What was reported, as on or off; None where it says nothing against what was asked."""
    if asked not in ("on", "off") or reported is None:
        return None
    return _SWITCH.get(str(reported).lower())


def _mapped(test: BenchTest) -> bool | None:
    mode = test.fields.get("load_mode")
    if isinstance(mode, str):
        return None if mode == "auto" else mode.startswith("mmap")
    mapped = test.fields.get("use_mmap")
    return None if mapped is None else str(mapped).lower() in ("1", "true")


def _word(value: bool | None) -> str | None:
    return None if value is None else str(value).lower()
