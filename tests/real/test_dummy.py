"""Dummies in real llama.cpps: the loader tells of them what it tells of the real model, and they never stop early."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.real.lab import CMAKE_COMMIT, MAKE_COMMIT, SMOKE, Lcpp, vendor

# Parameters, sizes, types; not the name, and not the marks.
_FACTS = re.compile(
    r"- type +\w+: +\d+ tensors|(?:model params|model size|file size|file type|model ftype|n_vocab|n_layer) .*"
    r"|CPU(?:_Mapped)?(?: model)? buffer size = .*"
)
PROMPT = "Once upon a time"


def simple(commit: str, model: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    (build,) = (path.parent for path in vendor().glob(f"builds/{commit[:12]}*/manifest.json"))
    words = ["-p", PROMPT, "-n", "60"] if commit == MAKE_COMMIT else ["-n", "56", PROMPT]
    return subprocess.run(
        [str(build / "bin/llama-simple"), "-m", str(model), *words],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        check=True,
        timeout=300,
    )


@pytest.mark.parametrize("commit", [MAKE_COMMIT, CMAKE_COMMIT])
def test_the_loader_says_the_same_of_a_dummy(lcpp: Lcpp, commit: str, tmp_path: Path) -> None:
    settings = [f"engine.ref={commit}", "run.program=llama-simple", "run.mode=raw", "expect={}"]
    run = lcpp("run", str(SMOKE), "--json", *(word for one in settings for word in ("-s", one)))
    assert run.code == 0, run.stderr
    real = Path(run.document["ran"]["model"]["path"])
    made = [
        lcpp("model", "dummy", str(real), "--json", "--output", str(tmp_path / "like-dummy.gguf")),
        lcpp("model", "dummy", "--preset", "smollm2-135m", "--json", "--output", str(tmp_path / "preset-dummy.gguf")),
    ]
    expected = _FACTS.findall(simple(commit, real, tmp_path).stderr)
    assert len(expected) >= 6
    for each in made:
        assert each.code == 0, each.stderr
        done = simple(commit, Path(each.document["path"]), tmp_path)
        assert _FACTS.findall(done.stderr) == expected
        # No token that ends the answer: all are generated that were asked for.
        decoded = re.search(r"decoded (\d+) tokens", done.stderr)
        assert decoded is not None
        assert int(decoded[1]) >= 55
        # And not one and the same.
        assert len(set((done.stdout + done.stderr.partition(PROMPT)[2]).split())) > 10


def test_a_dummy_is_known_as_one(lcpp: Lcpp, tmp_path: Path) -> None:
    path = tmp_path / "x-dummy.gguf"
    assert lcpp("model", "dummy", "--preset", "smollm2-135m", "--output", str(path)).code == 0
    shown = lcpp("model", "inspect", str(path), "--json")
    assert shown.code == 0, shown.stderr
    assert json.loads(shown.stdout)["dummy"] is True


@pytest.mark.parametrize("commit", [MAKE_COMMIT, CMAKE_COMMIT])
def test_a_run_on_dummy_weights_has_a_speed_and_no_text(lcpp: Lcpp, commit: str) -> None:
    program = "run.program=complete"
    finished = lcpp("run", str(SMOKE), "-s", f"engine.ref={commit}", "-s", program, "--dummy-weights", "--json")
    assert finished.code == 0, finished.stderr
    result = finished.document
    assert (result["dummy"], result["text"], result["record"]["generation"]["text"]) == (True, None, None)
    assert result["ran"]["model"]["source"] == "dummy"
    assert result["measured"]["generation_per_second"] > 0
    assert (result["measured"]["n_gen"] or 0) >= 4
    # Its memory is the real model's, and was estimated.
    parts = {part["name"]: part for part in result["memory"]["parts"]}
    assert round(parts["weights"]["measured_bytes"] / 2**20, 1) == 92.1
    assert abs(parts["loader"]["error_percent"]) <= 3
    assert abs(parts["peak"]["error_percent"]) <= 5
    assert not [check for check in result["checks"] if check["name"].startswith("text")]
    shown = lcpp("run", str(SMOKE), "-s", f"engine.ref={commit}", "-s", program, "--dummy-weights")
    assert "dummy weights" in shown.stdout
    assert "tokens/s so far" in shown.stderr
