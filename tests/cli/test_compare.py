"""`lcpp compare` and `lcpp selftest` as a user calls them."""

from __future__ import annotations

import json
import signal
import time

import jsonschema
import pytest

from orchestrator.result.compare.comparison import json_schema
from tests.cli.calls import QUICK, lcpp, start
from tests.experiment.lab import Lab

A_B = ("-a", "run.n_threads=1", "-b", "run.n_threads=2")
B_A = ("-a", "run.n_threads=2", "-b", "run.n_threads=1")


def test_now_and_again_from_the_store(lab: Lab) -> None:
    recipe = str(lab.recipe())
    out, err = lcpp(lab, "compare", recipe, *A_B, *QUICK, "--json")
    now = json.loads(out)
    jsonschema.validate(now, json_schema(), cls=jsonschema.Draft202012Validator)
    assert (now["verdict"], now["decides"]) == ("faster", "generation_per_second")
    assert "round 5" in err
    # Its two cases are the two newest groups.
    out, _ = lcpp(lab, "compare", "@trial~1", "@trial", "--json")
    stored = json.loads(out)
    assert stored["figures"] == now["figures"]
    out, err = lcpp(lab, "compare", "@trial", "@trial~1", code=4)
    assert "slower" in out
    assert "token generation" in out
    assert "B is slower than A" in err
    out, _ = lcpp(lab, "compare", "@trial", "@trial~1", "--markdown", code=4)
    assert out.startswith("### B is slower than A")
    # A wide margin lets it pass.
    lcpp(lab, "compare", "@trial", "@trial~1", "--margin", "1.5", code=2)
    lcpp(lab, "compare", "@trial", "@trial~1", "--figure", "peak_memory_bytes", "--margin", "90%")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("compare", "trial.yaml"), "alone cannot be compared"),
        (("compare", "@trial", "@trial~1", "-a", "run.n_threads=1"), "two selections are compared as they are"),
        (("compare", "trial.yaml", *A_B, "--budget", "soon"), "expected a time such as"),
        (("compare", "trial.yaml", *A_B, "--margin", "0"), "more than 0"),
        (("compare", "trial.yaml", *A_B, "--json", "--markdown"), "cannot be combined"),
        (("compare", "trial.yaml", "-a", "run.n_threds=1", "-b", "run.n_threads=2"), "did you mean"),
        (("compare", "@trial", "@other"), "there is no result of a recipe"),
    ],
)
def test_what_cannot_be_compared(lab: Lab, words: tuple[str, ...], told: str) -> None:
    lab.recipe()
    _, err = lcpp(lab, *words, code=2)
    assert told in err


def test_a_comparison_that_was_killed_goes_on(lab: Lab) -> None:
    # So small a margin that it is never decided.
    words = ("compare", str(lab.recipe()), *A_B, *QUICK, "--margin", "0.01%", "-a", "run.n_threads=2")
    child = start(lab, *words, "--rounds", "1000")
    end = time.monotonic() + 60
    while len(list(lab.workspace.runs.glob("*.json"))) < 5 and time.monotonic() < end:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    left = len(list(lab.workspace.runs.glob("*.json")))
    assert left >= 5
    out, err = lcpp(lab, *words, "--rounds", str(left), "--json")
    assert f"{left} runs are done" in err
    # With both warm-ups; nothing was run twice, but for the one that was running then, of which there is no result.
    assert len(list(lab.workspace.runs.glob("*.json"))) == 2 + 2 * left
    assert json.loads(out)["a"]["n_counted"] == left


def test_a_selftest_of_a_recipe(lab: Lab) -> None:
    out, _ = lcpp(lab, "selftest", str(lab.recipe()), *QUICK, "--rounds", "6")
    assert "9 of 10 comparisons" in out
    assert "text: the same" in out
