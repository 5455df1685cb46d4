"""Each exit code of the table in docs/design.md, by a real lcpp that drives a real, if small, program."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.cli.calls import lcpp, start
from tests.experiment.lab import Lab

DIES = "run.n_threads=3"
UNMET = "expect={text_contains: [Rome]}"
A_BUG = """
from orchestrator.cli.main import main
from orchestrator.recipe import matrix

def load_cases(path, overrides):
    raise ZeroDivisionError("of ours")

matrix.load_cases = load_cases
main()
"""


def test_0_it_ran_and_all_that_is_expected_holds(lab: Lab) -> None:
    out, _ = lcpp(lab, "run", str(lab.recipe("expect: {text_contains: [Paris]}")))
    assert "✓ text_contains: Paris" in out


def test_1_a_stage_failed(lab: Lab) -> None:
    _, err = lcpp(lab, "run", str(lab.recipe()), "-s", DIES, code=1)
    assert err.splitlines()[-3].startswith("error: llama-cli died of SIGSEGV")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("run", "trial.yaml", "--jsno"), "No such option"),
        (("run", "nowhere.yaml"), "there is no recipe nowhere.yaml"),
        (("run", "trial.yaml", "-s", "run.n_threds=1"), "did you mean n_threads?"),
    ],
)
def test_2_usage_and_recipes(lab: Lab, words: tuple[str, ...], told: str) -> None:
    lab.recipe()
    _, err = lcpp(lab, *words, code=2)
    assert told in err
    assert not lab.workspace.runs.exists()


def test_3_a_bug_of_ours_leaves_a_log_to_report(lab: Lab) -> None:
    with start(lab, "run", "trial.yaml", "--json", python=("-c", A_BUG)) as child:
        out, err = child.communicate(timeout=60)
    assert (child.returncode, out) == (3, "")
    assert "bug: lcpp itself failed: ZeroDivisionError: of ours" in err
    (log,) = lab.folder.glob("lcpp-bug-*.log")
    assert str(log) in err
    assert "Traceback" in log.read_text()
    assert "trial.yaml --json" in log.read_text()


def test_4_it_ran_and_what_is_expected_does_not_hold(lab: Lab) -> None:
    out, err = lcpp(lab, "run", str(lab.recipe()), "-s", UNMET, code=4)
    assert "✗ text_contains: expected 'Rome', found 'The capital of France is Paris.'" in out
    assert "error: it ran, but what the recipe expects does not hold: text_contains" in err


def test_4_as_one_document(lab: Lab) -> None:
    out, err = lcpp(lab, "run", str(lab.recipe()), "-s", UNMET, "--json", code=4)
    result = json.loads(out)
    assert result["status"] == "unexpected"
    assert [check["ok"] for check in result["checks"]] == [False]
    assert "does not hold: text_contains" in err


def test_130_ctrl_c(lab: Lab) -> None:
    pipe = lab.folder / "log"
    os.mkfifo(pipe)
    with start(lab, "parse", str(pipe)) as child, Path(pipe).open("wb"):
        # It has opened its end, and waits there for what does not come.
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "error: interrupted" in err
    assert "next: what was finished is kept; run the same command again to go on" in err
    # What `parse` prints is a document, also when it is interrupted; before it is so far, there is none.
    assert not out or json.loads(out)["error"]["exit_code"] == 130


@pytest.mark.parametrize(
    ("words", "code"),
    [(("-s", DIES), 1), (("-s", "run.prompt=3"), 0), (("-s", "run.n_threads=many"), 2)],
)
def test_an_error_is_one_document_too(lab: Lab, words: tuple[str, ...], code: int) -> None:
    out, err = lcpp(lab, "run", str(lab.recipe()), *words, "--json", code=code)
    document = json.loads(out)
    if code == 2:
        # Nothing ran, so the error is all that there is to print.
        assert document["error"]["exit_code"] == 2
        assert f"error: {document['error']['what']}" in err
    else:
        assert document["lcpp_result"] == 1
        assert (document["failure"] is None) == (code == 0)
