"""The walk from a recipe to a result, with a program that loses its last lines now and then."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.eras.dialect import dialect_for
from orchestrator.errors import OutputLostError
from orchestrator.model.dummy.mark import KEY
from orchestrator.model.memory.check import check_memory
from orchestrator.model.memory.shape import shape_of
from orchestrator.pipeline import Outcome, Prepared, execute
from orchestrator.programs.plan.make import plan
from orchestrator.recipe.load import load
from orchestrator.values import replace
from orchestrator.workspace import Workspace
from tests.drive.test_command import MODEL, engine
from tests.model.model_shapes import SHAPES, header_of

# Prints what llama-completion prints: whole at the call whose number it is told, else without the last lines.
PROGRAM = """#!/bin/sh
case "$1" in --help|--version) echo x; exit;; esac
n=$(($(cat "$0.calls" 2>/dev/null || echo 0) + 1))
echo $n > "$0.calls"
echo "llama_context: n_ctx = 256" >&2
printf " Paris."
if [ $n -ge WHOLE ]; then
    printf "\\n\\n"
    echo "common_perf_print:        load time =      10.00 ms" >&2
    echo "common_perf_print: prompt eval time =      20.00 ms /     5 tokens (    4.00 ms per token,   250.00 tokens per second)" >&2
    echo "common_perf_print:        eval time =      30.00 ms /     2 runs   (   15.00 ms per token,    66.67 tokens per second)" >&2
    [ $n -eq NOTOTAL ] || echo "common_perf_print:       total time =      60.00 ms /     7 tokens" >&2
fi
"""
RECIPE = """lcpp: 1
model: {source: path, path: m.gguf}
run: {prompt: The capital of France is, n_predict: 3}
"""


def run(
    folder: Path, *, build: int, whole_at: int, without_total: int = 0, dummy: bool = False, expect: str = ""
) -> Outcome:
    (folder / "bin").mkdir()
    program = folder / "bin/x"
    program.write_text(PROGRAM.replace("WHOLE", str(whole_at)).replace("NOTOTAL", str(without_total)))
    program.chmod(0o755)
    recipe = folder / "r.yaml"
    recipe.write_text(RECIPE + expect)
    loaded = load(recipe)
    planned = plan(loaded.recipe.run, dialect_for(build, None), prompt=loaded.prompt)
    header = replace(MODEL.header, metadata={**MODEL.header.metadata, **({KEY: True} if dummy else {})})
    prepared = Prepared(
        loaded=loaded,
        engine=replace(engine(build), directory=folder),
        model=replace(MODEL, header=header),
        plan=planned,
        memory=check_memory(planned, shape_of([header_of(SHAPES["smollm2-135m"])])),
    )
    workspace = Workspace(vendor=folder / "vendor", runs=folder / "runs")
    return execute(
        prepared,
        workspace,
        environment={"PATH": "/usr/bin:/bin"},
        watch=lambda command: lambda stream, data, at_s: None,
    )


def test_a_run_that_lost_its_last_lines_is_made_again_and_says_so(tmp_path: Path) -> None:
    made = run(tmp_path, build=9445, whole_at=3)
    assert made.error is None
    assert made.result.text == " Paris."
    assert made.result.measured.generation_per_second == 66.67
    lost = [note for note in made.result.notes if "lost its last lines" in note]
    assert len(lost) == 2
    # Nothing is thrown away: the runs that were lost are there as failed ones.
    kept = sorted((tmp_path / "runs").glob("*.json"))
    assert len(kept) == 3
    assert [path.stem in " ".join(lost) for path in kept].count(True) == 2


def test_a_run_that_lost_only_the_very_last_line_is_made_again_too(tmp_path: Path) -> None:
    made = run(tmp_path, build=9445, whole_at=1, without_total=1)
    assert made.error is None
    assert made.result.measured.total_ms == 60.0
    assert sum("lost its last lines" in note for note in made.result.notes) == 1


def test_it_is_given_up_after_some_tries(tmp_path: Path) -> None:
    made = run(tmp_path, build=9445, whole_at=99)
    assert isinstance(made.error, OutputLostError)
    assert made.result.status == "failed"
    assert (tmp_path / "bin/x.calls").read_text().strip() == "4"


@pytest.mark.parametrize("build", [7400, 8969])
def test_a_build_that_does_not_lose_lines_is_not_run_again(tmp_path: Path, build: int) -> None:
    made = run(tmp_path, build=build, whole_at=99)
    assert made.error is not None
    assert not isinstance(made.error, OutputLostError)
    assert len(list((tmp_path / "runs").glob("*.json"))) == 1


def test_the_estimate_of_memory_stands_beside_what_was_measured(tmp_path: Path) -> None:
    result = run(tmp_path, build=9445, whole_at=1).result
    memory = result.memory
    assert memory is not None
    assert (memory.verdict, memory.n_ctx) == ("fits", 256)
    assert memory.part("peak").measured_bytes == result.measured.peak_memory_bytes
    assert memory.part("kv_cache").estimated_bytes == 30 * 256 * 2 * 192 * 2
    # This program prints no sizes.
    assert (memory.part("weights").measured_bytes, memory.part("weights").error_percent) == (None, None)


def test_what_random_weights_write_is_no_answer(tmp_path: Path) -> None:
    made = run(
        tmp_path,
        build=9445,
        whole_at=1,
        dummy=True,
        expect="expect: {text_contains: [Rome], min_generated_tokens: 2}\n",
    )
    result = made.result
    assert (result.dummy, result.text, result.record.generation.text) == (True, None, None)
    assert "Paris" not in result.model_dump_json()
    assert result.measured.generation_per_second == 66.67
    # Only what does not depend on the text is checked.
    assert [check.name for check in result.checks] == ["min_generated_tokens"]
    assert result.status == "ok"
