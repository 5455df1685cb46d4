"""`lcpp recipe check`: how much a recipe asks for."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from orchestrator.cli.call import Call
from orchestrator.cli.recipe.group import recipe
from orchestrator.recipe.load import load

ROOT = Path(__file__).parents[3]
PLAIN = "lcpp: 1\nmodel: {source: path, path: a.gguf}\nrun: {prompt: Hello}\n"


def _check(*arguments: str) -> Result:
    return CliRunner().invoke(recipe, ["check", *arguments], obj=Call({}), catch_exceptions=False)


def test_it_says_how_many_runs_there_are(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(PLAIN + "matrix: {run.n_threads: [1, 2], run.n_predict: [3]}\nrepeat: 5\nwarmup: 1\n")
    done = _check(str(path))
    assert done.exit_code == 0
    assert done.output.startswith(f"{path}: good (r, 2 cases by run.n_threads, 5 runs each, 1 to warm up, digest ")
    assert f"{path}: good (r, 5 runs, digest " in _check(str(path), "-s", "matrix=null", "-s", "warmup=0").output
    path.write_text(PLAIN)
    assert _check(str(path)).output == f"{path}: good (r, digest {load(path).digest[:12]})\n"


def test_one_json_document(tmp_path: Path) -> None:
    plain, several = tmp_path / "plain.yaml", tmp_path / "several.yaml"
    plain.write_text(PLAIN)
    several.write_text(PLAIN + "matrix: {run.n_threads: [1, 2]}\n")
    first, second = json.loads(_check("--json", str(plain), str(several)).output)
    assert (first["name"], first["run"]["prompt"], first["repeat"]) == ("plain", "Hello", 1)
    assert first["digest"] == load(plain).digest
    assert (second["name"], second["repeat"], second["warmup"]) == ("several", 1, 0)
    assert [case["settings"] for case in second["cases"]] == [{"run.n_threads": "1"}, {"run.n_threads": "2"}]
    assert [case["recipe"]["run"]["n_threads"] for case in second["cases"]] == [1, 2]
    assert second["cases"][1]["digest"] == load(several, ["run.n_threads=2"]).digest


def test_the_example_that_ships() -> None:
    assert (
        "good (threads, 2 cases by run.n_threads, 5 runs each, 1 to warm up,"
        in _check(str(ROOT / "recipes" / "threads.yaml")).output
    )
