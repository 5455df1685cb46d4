"""`lcpp engine` and `lcpp setup`, over a llama.cpp that compiles in a second."""

from __future__ import annotations

import json

from tests.cli.calls import lcpp
from tests.experiment.lab import Lab


def test_set_up_list_and_show(lab: Lab) -> None:
    recipe = str(lab.recipe())
    lcpp(lab, "setup", recipe)
    again, _ = lcpp(lab, "setup", recipe)
    assert again.startswith("llama.cpp  b3700, ")
    assert ", by make: already built\n" in again
    assert f"model      {lab.model}\n" in again
    listed = json.loads(lcpp(lab, "engine", "list", "--json")[0])
    (build,) = (build for build in listed["builds"] if build["manifest"] is not None)
    assert build["manifest"]["build_number"] == 3700
    assert lcpp(lab, "engine", "list")[0].startswith("builds in ")
    shown = json.loads(lcpp(lab, "engine", "show", build["key"][:12], "--json")[0])
    assert list(shown["programs"]) == ["llama-cli"]
    assert "llama-cli" in lcpp(lab, "engine", "show", build["key"], "llama-cli")[0]
    _, err = lcpp(lab, "engine", "show", build["key"], "llama-bench", code=2)
    assert "llama-bench is not among the programs of this build" in err
    assert "it has llama-cli" in err


def test_removing_names_builds_or_all(lab: Lab) -> None:
    for words in ((), ("--all", "b3700")):
        _, err = lcpp(lab, "engine", "remove", *words, code=2)
        assert "name the builds to remove, or --all" in err
