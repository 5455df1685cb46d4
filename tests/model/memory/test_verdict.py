"""Whether a run fits: what is available, the verdict, what would fit, and the refusal."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.machine import cpu
from orchestrator.machine.memory import Available, available
from orchestrator.model.memory.estimate import estimate
from orchestrator.model.memory.settings import MemorySettings, memory_settings
from orchestrator.model.memory.shape import shape_of
from orchestrator.model.memory.verdict import Fit, FitError, fit, judge, refuse
from orchestrator.values import replace
from tests.model.model_shapes import SHAPES, header_of
from tests.plans import planned

GIB = 2**30
SEED = shape_of([header_of(SHAPES["llama-3.1-8b"])])


def _there(free_bytes: int) -> Available:
    return Available(total_bytes=24 * GIB, free_bytes=free_bytes, swap_free_bytes=0, cgroup=None)


def _seed(**changed: object) -> MemorySettings:
    run = {"program": "llama-simple", "prompt": "Can you write me a poem about santa cruz?", "n_predict": 300}
    return memory_settings(planned(3642, **{**run, **changed}))


def _fit(free_bytes: int, **changed: object) -> Fit:
    return fit(SEED, _seed(**changed), _there(free_bytes))


def test_the_seeds_context_is_refused_and_auto_runs() -> None:
    verdict = _fit(23 * GIB, n_ctx=131072)
    assert verdict.state == "does not fit"
    with pytest.raises(FitError) as told:
        refuse(verdict)
    assert "KV cache for 131072 tokens 16,384 MiB" in told.value.what
    assert "run.n_ctx: " in str(told.value.hint)
    assert "--force" in str(told.value.hint)
    auto = _fit(23 * GIB, n_ctx="auto")
    assert (auto.state, auto.options, auto.estimate.n_ctx) == ("fits", (), 512)
    refuse(auto)


def test_what_is_proposed_fits_and_a_little_more_context_does_not() -> None:
    verdict = _fit(20 * GIB, n_ctx=131072)
    by_setting = {option.setting: option for option in verdict.options}
    n_ctx = int(by_setting["run.n_ctx"].value or 0)
    assert n_ctx % 256 == 0
    assert _fit(20 * GIB, n_ctx=n_ctx).state == "fits"
    assert _fit(20 * GIB, n_ctx=n_ctx + 512).state != "fits"
    assert by_setting["run.type_k"].needed_bytes < 20 * GIB


def test_a_smaller_quantization_is_proposed_when_the_weights_are_too_large() -> None:
    verdict = _fit(int(3.6 * GIB))
    assert verdict.state == "does not fit"
    assert [option.value for option in verdict.options] == [None]
    assert "file of this model" in verdict.options[0].text
    with pytest.raises(FitError, match="weights 3,6"):
        refuse(verdict)


def test_nothing_fits_a_toy() -> None:
    with pytest.raises(FitError) as told:
        refuse(_fit(GIB // 8))
    assert "a smaller model would fit" in str(told.value.hint)


def test_tight_is_between() -> None:
    assert judge(10 * GIB, 20 * GIB) == "fits"
    assert judge(int(19.5 * GIB), 20 * GIB) == "tight"
    assert judge(GIB - 1, GIB) == "tight"
    assert judge(20 * GIB + 1, 20 * GIB) == "does not fit"


def test_estimates_grow_with_what_is_asked() -> None:
    sizes = [estimate(SEED, replace(_seed(), n_ctx=n_ctx)).needed_bytes for n_ctx in (512, 4096, 32768, 131072)]
    assert sizes == sorted(set(sizes))


MEMINFO = "MemTotal:       25000000 kB\nMemFree:  100 kB\nMemAvailable:   20000000 kB\nSwapFree:  7 kB\n"


def _machine(root: Path, files: dict[str, str]) -> Available:
    for name, text in {"proc/meminfo": MEMINFO, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return available(root)


def test_a_machine_without_limits(tmp_path: Path) -> None:
    there = _machine(tmp_path, {"proc/self/cgroup": "0::/user.slice\n", "sys/fs/cgroup/user.slice/memory.max": "max\n"})
    assert there.cgroup is None
    assert there.usable_bytes == 20000000 * 1024
    assert there.swap_free_bytes == 7 * 1024
    assert "swap is not counted" in there.why


def test_a_limit_of_a_group_above_counts(tmp_path: Path) -> None:
    """Version 2; files in the page cache can be dropped, so they do not count as used."""
    there = _machine(
        tmp_path,
        {
            "proc/self/cgroup": "0::/box/job\n",
            "sys/fs/cgroup/box/job/memory.max": "max\n",
            "sys/fs/cgroup/box/memory.max": str(8 * GIB),
            "sys/fs/cgroup/box/memory.current": str(5 * GIB),
            "sys/fs/cgroup/box/memory.stat": f"anon 1\ninactive_file {2 * GIB}\nactive_file {GIB}\n",
        },
    )
    assert there.usable_bytes == 6 * GIB
    assert "/box allows 8,192 MiB, of which 2,048 MiB are in use" in there.why


def test_a_limit_of_version_1(tmp_path: Path) -> None:
    folder = "sys/fs/cgroup/memory/docker/abc"
    there = _machine(
        tmp_path,
        {
            "proc/self/cgroup": "12:cpu,cpuacct:/docker/abc\n5:memory:/docker/abc\n",
            f"{folder}/memory.limit_in_bytes": str(4 * GIB),
            f"{folder}/memory.usage_in_bytes": str(GIB),
            f"{folder}/memory.stat": "total_inactive_file 0\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
    )
    assert there.usable_bytes == 3 * GIB


def test_a_machine_that_says_nothing(tmp_path: Path) -> None:
    assert available(tmp_path).usable_bytes == 0
    assert cpu.read(tmp_path).features == frozenset()


def test_this_machine() -> None:
    there = available()
    assert 0 < there.usable_bytes <= there.total_bytes
    assert cpu.read().features
