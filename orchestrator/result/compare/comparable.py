"""Whether two sets of measurements may be compared, and in what they differ."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Annotated

from pydantic import Field

from orchestrator.errors import IncomparableError
from orchestrator.piece import Piece
from orchestrator.result.measurement import PROMPT_HASH, Measurement
from orchestrator.text.visible import visible

# Which llama.cpp ran: what two selections of one recipe differ in, unless somebody says otherwise.
COMMIT = "engine.commit"
MACHINE = "machine"
MODEL = "model"
DUMMY = "dummy_weights"
PROMPT = "run.prompt"
_PROMPTS = frozenset({"run.prompt", "run.prompt_file", "run.prompts", "run.prompts_file", "run.system"})

# Where llama.cpp comes from and which one it is.
WHICH_ENGINE = frozenset({"engine.ref", "engine.source", "engine.remote", "engine.path"})
# Keys of a recipe that change nothing of what runs.
WITHOUT_WEIGHT = frozenset(
    {
        "lcpp",
        "name",
        "description",
        "expect",
        "matrix",
        "exclude",
        "repeat",
        "warmup",
        "engine.programs",
        "run.timeout_s",
        "run.idle_timeout_s",
        "run.max_output_bytes",
    }
)
_UNSET = "not set"
_SHOWN = 20
_LONGEST = 200
_MOST_VALUES = 5


class Differing(Piece):
    """One thing in which A and B differ. Values may be hostile text: escape them before they are printed."""

    key: str
    a: Annotated[tuple[str, ...], Field(description="Its values in A, at most five; mostly one.")]
    b: tuple[str, ...]


def differing(
    a: Sequence[Measurement], b: Sequence[Measurement], allow: frozenset[str] = frozenset()
) -> tuple[Differing, ...]:
    """In what A and B differ by intent: the commit of llama.cpp, what sets the cases of one experiment apart, and what
    `allow` names (a key, or all below it: `run.sampling`; `machine`, `model` and `dummy_weights` as well).

    Raises:
        IncomparableError: they differ in something else, one of them is itself a mixture, or they share a run.
    """
    _refuse_shared(a, b)
    meant = allow | _of_experiment(a, b)
    if any(key.startswith(f"{MODEL}.") for key in meant):
        meant |= {MODEL}
    if any(is_under(key, WHICH_ENGINE) for key in meant):
        meant |= {COMMIT}
    if meant & _PROMPTS:
        meant |= {PROMPT}
    facts_a, facts_b = [_facts(run) for run in a], [_facts(run) for run in b]
    meant_differences: list[Differing] = []
    refused: list[Differing] = []
    for key in _keys([*facts_a, *facts_b]):
        values_a, values_b = _values(facts_a, key), _values(facts_b, key)
        if not values_a or not values_b or (values_a == values_b and len(values_a) == 1):
            continue
        difference = _differing(key, values_a, values_b)
        is_meant = is_under(key, meant) or (key == COMMIT and len(values_a) == len(values_b) == 1)
        (meant_differences if is_meant else refused).append(difference)
    if refused:
        raise _refusal(refused)
    return tuple(meant_differences)


def environment(a: Sequence[Measurement], b: Sequence[Measurement]) -> tuple[Differing, ...]:
    """Further facts that differ (compiler, kernel, …): they are named, not refused."""
    facts_a, facts_b = [run.environment for run in a], [run.environment for run in b]
    pairs = {key: (_values(facts_a, key), _values(facts_b, key)) for key in _keys([*facts_a, *facts_b])}
    return tuple(
        _differing(key, of_a, of_b)
        for key, (of_a, of_b) in pairs.items()
        if key != PROMPT_HASH and of_a and of_b and of_a != of_b
    )


def _facts(run: Measurement) -> dict[str, str]:
    """What must be the same, by key, as text for people that tells different things apart."""
    facts = {
        MACHINE: f"{run.machine_name} ({run.machine[:12]})",
        MODEL: f"{run.model_name} ({run.model_sha256[:12]})" if run.model_sha256 else run.model_name,
        COMMIT: _commit(run),
        DUMMY: "yes" if run.dummy else "no",
    }
    if PROMPT_HASH in run.environment:
        facts[PROMPT] = f"sha256 {run.environment[PROMPT_HASH]}"
    return facts | {key: value for key, value in run.settings.items() if _bears(key)}


@lru_cache(maxsize=1024)
def _bears(key: str) -> bool:
    """Whether a setting must be the same. Where a model file or an engine came from need not: see MODEL and COMMIT."""
    return not is_under(key, (*WITHOUT_WEIGHT, *WHICH_ENGINE, MODEL))


def _commit(run: Measurement) -> str:
    if run.commit is None:
        return run.settings.get("engine.path") or "unknown"
    number = f" (b{run.build_number})" if run.build_number is not None else ""
    return f"{run.commit[:12]}{number}"


def _keys(facts: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(key for of_run in facts for key in of_run))


def _values(facts: Sequence[Mapping[str, str]], key: str) -> tuple[str, ...]:
    return tuple(sorted({of_run.get(key, _UNSET) for of_run in facts}))


def _differing(key: str, a: Sequence[str], b: Sequence[str]) -> Differing:
    of_a, of_b = (tuple(value[:_LONGEST] for value in side[:_MOST_VALUES]) for side in (a, b))
    return Differing(key=key[:_LONGEST], a=of_a, b=of_b)


def is_under(key: str, names: Iterable[str]) -> bool:
    """Whether a key is one of `names`, or lies below one of them."""
    return any(key == name or key.startswith(f"{name}.") for name in names)


def _of_experiment(a: Sequence[Measurement], b: Sequence[Measurement]) -> frozenset[str]:
    """What sets the cases of one experiment apart differs because somebody wanted it to."""
    experiments = {run.experiment for run in (*a, *b)}
    if len(experiments) != 1 or experiments == {None}:
        return frozenset()
    return frozenset(key for run in (*a, *b) for key in run.case_settings)


def _refuse_shared(a: Sequence[Measurement], b: Sequence[Measurement]) -> None:
    shared = {run.id for run in a} & {run.id for run in b}
    if shared:
        raise IncomparableError(
            f"A and B share {len(shared)} run{'s' if len(shared) > 1 else ''}",
            where=visible(min(shared)[:_LONGEST]),
            hint="give two selections that have no run in common; `lcpp results list` shows what there is",
        )


def _refusal(refused: Sequence[Differing]) -> IncomparableError:
    lines = [
        f"  {visible(difference.key)}: {_side('A', difference.a)}; {_side('B', difference.b)}"
        for difference in refused[:_SHOWN]
    ]
    if len(refused) > _SHOWN:
        lines.append(f"  and {len(refused) - _SHOWN} more")
    allowed = " ".join(f"--allow {visible(difference.key)}" for difference in refused[:_SHOWN])
    return IncomparableError(
        "\n".join(["A and B are not comparable, they differ in:", *lines]),
        hint=f"`{allowed}` if that is what you want to compare; else select runs that are alike",
    )


def _side(name: str, values: Sequence[str]) -> str:
    mixture = "a mixture of " if len(values) > 1 else ""
    return f"{name} {mixture}{', '.join(visible(' '.join(value.split())) for value in values)}"
