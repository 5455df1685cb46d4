"""The smoke job: both ends of the range of llama.cpp, built and run for real on SmolLM2, held against the schema."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from orchestrator.result.schema import json_schema
from tests.real.lab import CMAKE_COMMIT, MAKE_COMMIT, SMOKE, Finished, Lcpp, vendor

ALL_PROGRAMS = {
    MAKE_COMMIT: ("llama-simple", "llama-cli", "llama-bench"),
    CMAKE_COMMIT: ("llama-simple", "llama-completion", "llama-cli", "llama-bench"),
}
PROMPT = "The capital of France is"


def run(lcpp: Lcpp, commit: str, program: str, *overrides: str) -> Finished:
    """The smoke recipe at `commit` with `program`; the first call builds all programs at once."""
    programs = f"engine.programs=[{', '.join(ALL_PROGRAMS[commit])}]"
    settings = [f"engine.ref={commit}", programs, f"run.program={program}", *overrides]
    return lcpp("run", str(SMOKE), "--json", *(word for one in settings for word in ("-s", one)))


def checked(finished: Finished) -> dict[str, Any]:
    """The result, after it was held against the published schema."""
    assert finished.code == 0, finished.stderr
    document = finished.document
    jsonschema.validate(document, json_schema(), cls=jsonschema.Draft202012Validator)
    assert document["status"] == "ok"
    return document


def by_hand(result: dict[str, Any], folder: Path) -> tuple[str, str]:
    """Standard output and error of the same command, run without lcpp."""
    done = subprocess.run(
        result["ran"]["process"]["argv"],
        cwd=folder,
        env={"PATH": os.environ["PATH"]},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=600,
        check=True,
    )
    return done.stdout.decode(), done.stderr.decode()


def filled(value: Any, path: str = "") -> set[str]:
    """The paths of all fields that hold something; lists and free-form tables count as one."""
    free = ("entries", "features", "tokens", "missing", "tensor_types", "fields", "options", "environment", "programs")
    if isinstance(value, dict) and path.rpartition(".")[2] not in free:
        return {name for key, part in value.items() for name in filled(part, f"{path}.{key}")}
    return set() if value is None or value in ("", [], {}) else {path}


@pytest.mark.parametrize("commit", [MAKE_COMMIT, CMAKE_COMMIT])
def test_complete_gives_a_real_answer(lcpp: Lcpp, commit: str, tmp_path: Path) -> None:
    result = checked(run(lcpp, commit, "complete"))
    assert "Paris" in result["text"]
    assert all(check["ok"] for check in result["checks"])
    assert result["record"]["coverage"]["n_unrecognised"] == 0
    stdout, _ = by_hand(result, tmp_path)
    expected = result["text"] if commit == MAKE_COMMIT else f"{result['text']} [end of text]\n\n\n"
    assert stdout == expected
    assert result["record"]["generation"]["end_of_text"] is True
    assert result["measured"]["n_gen"] >= 4


def test_simple_gives_the_same_schema_and_fields_at_both_commits(lcpp: Lcpp, tmp_path: Path) -> None:
    raw = ("run.mode=raw", f"run.prompt={PROMPT}", "run.n_predict=40")
    results = {commit: checked(run(lcpp, commit, "llama-simple", *raw)) for commit in (MAKE_COMMIT, CMAKE_COMMIT)}
    old, new = results[MAKE_COMMIT], results[CMAKE_COMMIT]
    # The text is exactly what the program printed between the prompt's echo and its own ending.
    _, stderr = by_hand(old, tmp_path)
    assert stderr.count(f"\n\n{PROMPT}{old['text']}\n\nmain: decoded ") == 1
    stdout, _ = by_hand(new, tmp_path)
    assert stdout == f"{PROMPT}{new['text']}\n"
    for result in results.values():
        assert result["record"]["generation"]["echo"] == PROMPT
        assert result["record"]["loader"]["n_tensors"] == 272
        assert result["record"]["loader"]["tensor_types"] == {"f32": 61, "q4_1": 210, "q8_0": 1}
        assert result["record"]["coverage"]["n_unrecognised"] == 0
        assert result["record"]["decoded"]["n_tokens"] == result["measured"]["n_gen"]
        # -n counts the prompt's tokens in the older one.
    assert old["measured"]["n_gen"] + old["measured"]["n_prompt"] == 40
    assert new["measured"]["n_gen"] == 40
    # What only one of the two programs prints, by name.
    only_old = {
        ".record.weights.context_mib",
        ".record.timings.sample.ms",
        ".record.timings.sample.n",
        ".record.timings.sample.ms_per_token",
        ".record.timings.sample.tokens_per_second",
        ".record.generation.n_predict",
        ".record.generation.n_ctx",
        ".ran.engine.build_number",
    }
    only_new = {
        ".record.context.n_seq_max",
        ".record.context.kv_cache.n_cells",
        ".record.timings.samplers.ms",
        ".record.timings.samplers.n",
        ".record.timings.graphs_reused",
        ".record.warnings",
    }
    # What the machine did meanwhile is its own matter.
    fields_old, fields_new = ({path for path in filled(one) if not path.startswith(".noise")} for one in (old, new))
    assert fields_old - fields_new <= only_old
    assert fields_new - fields_old <= only_new


@pytest.mark.parametrize("commit", [MAKE_COMMIT, CMAKE_COMMIT])
def test_bench(lcpp: Lcpp, commit: str) -> None:
    bench = ("run.prompt=null", "run.mode=raw", "run.n_prompt=32", "run.n_gen=8", "run.n_repetitions=2", "expect={}")
    result = checked(run(lcpp, commit, "bench", *bench))
    assert [(test["n_prompt"], test["n_gen"]) for test in result["record"]["bench"]] == [(32, 0), (0, 8)]
    assert all(len(test["samples_ts"]) == 2 for test in result["record"]["bench"])
    assert result["measured"]["prompt_per_second"] > 0
    assert result["measured"]["generation_per_second"] > 0
    assert result["record"]["bench"][0]["build_commit"] == commit[:7]


def test_the_chat_program_of_the_newest(lcpp: Lcpp) -> None:
    result = checked(run(lcpp, CMAKE_COMMIT, "chat", "expect.text_contains=[]"))
    assert result["ran"]["process"]["program"] == "llama-cli"
    assert result["text"].strip()
    assert "Exiting" not in result["text"]
    assert "t/s" not in result["text"]
    assert result["measured"]["n_gen"] > 0
    assert result["record"]["coverage"]["n_unrecognised"] == 0


def test_a_repository_on_disk_is_as_good_a_remote_as_any(lcpp: Lcpp, tmp_path: Path) -> None:
    # Built anew from it: what is there already would hide where the sources came from.
    remote, fresh = tmp_path / "llama.cpp.git", tmp_path / "vendor"
    checked(run(lcpp, MAKE_COMMIT, "complete"))
    clone = ["git", "clone", "--quiet", "--mirror", str(vendor() / "llama.cpp.git"), str(remote)]
    subprocess.run(clone, check=True, timeout=120)
    settings = (f"engine.remote={remote}", "engine.source=git", "engine.ref=" + MAKE_COMMIT)
    finished = lcpp(
        "run",
        str(SMOKE),
        "--json",
        *(word for one in settings for word in ("-s", one)),
        environment={"LCPP_VENDOR": str(fresh)},
    )
    result = checked(finished)
    assert "Paris" in result["text"]
    assert result["ran"]["engine"]["source"] == "git"
    assert result["ran"]["engine"]["remote"] == str(remote)
    assert result["ran"]["engine"]["commit"] == MAKE_COMMIT
    assert result["notes"] == []


def test_what_a_build_cannot_do_is_said_before_anything_runs(lcpp: Lcpp) -> None:
    finished = run(lcpp, CMAKE_COMMIT, "llama-simple", "run.mode=raw", "run.n_threads=2")
    assert finished.code == 2
    assert "from b3087 to b3902" in finished.document["error"]["what"]
    assert "complete" in finished.document["error"]["hint"]


def test_an_expectation_that_does_not_hold_exits_4(lcpp: Lcpp) -> None:
    finished = run(lcpp, MAKE_COMMIT, "complete", "expect.text_contains=[Rome]")
    assert finished.code == 4
    assert finished.document["status"] == "unexpected"
    assert [check["ok"] for check in finished.document["checks"] if check["name"] == "text_contains"] == [False]
    assert "text_contains" in finished.stderr


def test_the_result_is_also_a_file(lcpp: Lcpp, tmp_path: Path) -> None:
    document = checked(run(lcpp, MAKE_COMMIT, "complete"))
    written = tmp_path / "runs" / f"{document['id']}.json"
    assert json.loads(written.read_text()) == document
    folder = tmp_path / "runs" / document["id"]
    assert (folder / "stdout.log").read_text() == document["text"]
    assert (folder / "stderr.log").stat().st_size > 1000
