"""`lcpp run` of a recipe with many runs, as a user calls it."""

from __future__ import annotations

import json
import signal
import time

from tests.cli.calls import QUICK, lcpp, start
from tests.experiment.lab import Lab

MATRIX = "matrix: {run.n_threads: [1, 3, 2]}\nrepeat: 2"


def test_a_sweep_with_a_failing_case(lab: Lab) -> None:
    recipe = str(lab.recipe(MATRIX))
    out, err = lcpp(lab, "run", recipe, *QUICK, code=1)
    assert "1 of 3 cases failed; the first: llama-cli died of SIGSEGV" in err
    assert "3 cases, 2 runs each" in out
    assert "failed: llama-cli died of SIGSEGV" in out
    out, _ = lcpp(lab, "run", recipe, *QUICK, "--json", code=1)
    told = json.loads(out)
    one, failed, two = told["cases"]
    assert (one["settings"], failed["state"]) == ({"run.n_threads": "1"}, "failed")
    assert failed["failure"]["where"].endswith("stderr.log")
    assert [(case["state"], len(case["runs"])) for case in (one, two)] == [("ok", 2)] * 2
    assert one["figures"]["generation_per_second"]["n"] == 2


def test_what_is_not_as_expected_is_told_by_the_exit_code(lab: Lab) -> None:
    recipe = str(lab.recipe("repeat: 2\nexpect: {text_contains: [Rome]}"))
    out, err = lcpp(lab, "run", recipe, *QUICK, code=4)
    assert "in 1 of 1 cases" in err
    assert "1 case, 2 runs each" in out


def test_ctrl_c_in_a_sweep_says_how_to_go_on(lab: Lab) -> None:
    words = ("run", str(lab.recipe("matrix: {run.n_threads: [1, 2]}\nrepeat: 500")), *QUICK)
    child = start(lab, *words)
    end = time.monotonic() + 60
    while len(list(lab.workspace.runs.glob("*.json"))) < 3 and time.monotonic() < end:
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "the same command goes on where it was" in err
    assert "Traceback" not in err
