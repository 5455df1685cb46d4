"""Whether the tests would notice: change the code behind figures and verdicts, a little at a time, and run its tests.

    python benchmarks/mutation.py [NAME …] [--out FILE]

Each change (mutmut makes them: another operator, number or text, an argument left out, …) is made in a copy of this
checkout, and the tests of that module run against it. A change that no test notices survives; it is printed as a diff.
It needs the extras `test` and `mutation`. docs/mutation.md holds the last scores and judges the survivors.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("orchestrator", "tests", "recipes", "docs", "benchmarks", "README.md", "pyproject.toml")
SURVIVED, NO_TEST = 0, 33
_SHOW = """
import json, sys
from mutmut.mutation.diff_apply import get_diff_for_mutant
print(json.dumps([get_diff_for_mutant(key, path=path) for key, path in json.loads(sys.argv[1])]))
"""


@dataclass(frozen=True)
class Target:
    """Modules, the tests that guard them, and pytest's own arguments.

    at_import: functions that make a table while their module is imported. mutmut chooses a change when a function is
    called, after that, so none of theirs is ever made: they count neither way.
    """

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    at_import: tuple[str, ...] = ()


_COMPARE = "orchestrator/result/compare"
# What repeats something by chance hundreds of times would take hours, a change at a time.
_NO_SIMULATION = ("-k", "not truth_as_often and not nine_of_ten and not never and not rounds and not wants_more")
TARGETS = {
    "statistics": Target((f"{_COMPARE}/statistics.py",), ("tests/result/compare/test_statistics.py",), _NO_SIMULATION),
    "comparison": Target((f"{_COMPARE}/comparison.py",), ("tests/result/compare/test_comparison.py",), _NO_SIMULATION),
    "figures": Target(
        ("orchestrator/result/registry.py", "orchestrator/result/run/measure.py"),
        ("tests/result/test_registry.py", "tests/result/run/test_measure.py"),
        at_import=("_speed", "_duration_ms", "_buffers_mib", "_share"),
    ),
    "shares": Target(("orchestrator/result/run/share.py",), ("tests/result/run/test_share.py",)),
    "build-key": Target(("orchestrator/engine/build/inputs.py",), ("tests/engine/build/test_inputs.py",)),
    "keep": Target(
        ("orchestrator/parse/keep.py",),
        ("tests/parse/test_keep.py", "tests/parse/test_programs.py"),
    ),
    "memory": Target(
        ("orchestrator/model/memory/estimate.py", "orchestrator/model/memory/settings.py"),
        ("tests/model/memory/test_estimate.py",),
        ("-k", "not judged_in_seconds and not odd_headers"),
    ),
    "exit-codes": Target(
        ("orchestrator/errors.py", "orchestrator/cli/main.py"),
        ("tests/test_errors.py", "tests/cli/test_main.py"),
    ),
}


def copy_to(folder: Path, target: Target) -> None:
    """What the tests need, and mutmut's settings."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / name)
    lists = {
        "source_paths": ["orchestrator"],
        "only_mutate": list(target.modules),
        "also_copy": [name for name in COPIED if name not in ("orchestrator", "tests", "pyproject.toml")],
        "pytest_add_cli_args": ["-n0", "-x", "-p", "no:cacheprovider", *target.arguments],
        "pytest_add_cli_args_test_selection": list(target.tests),
    }
    # A JSON list of texts is a TOML one too.
    settings = "".join(f"{key} = {json.dumps(value)}\n" for key, value in lists.items())
    with (folder / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(f"\n[tool.mutmut]\n{settings}")


def run(name: str, folder: Path) -> str:
    """Run one target in `folder`; returns its part of the report."""
    target = TARGETS[name]
    copy_to(folder, target)
    with (folder / "mutmut.log").open("wb") as log:
        subprocess.run(
            [sys.executable, "-m", "mutmut", "run"], cwd=folder, stdout=log, stderr=subprocess.STDOUT, check=True
        )
    codes: dict[str, int | None] = {}
    places: list[tuple[str, str]] = []
    for module in target.modules:
        of_module = json.loads((folder / "mutants" / f"{module}.meta").read_bytes())["exit_code_by_key"]
        of_module = {key: code for key, code in of_module.items() if not _made_at_import(key, module, target)}
        codes |= of_module
        places += [(key, module) for key in of_module]
    survivors = [key for key, code in codes.items() if code in (SURVIVED, NO_TEST, None)]
    n_killed = len(codes) - len(survivors)
    parts = [f"## {name}: {n_killed} of {len(codes)} changes noticed, {n_killed / len(codes):.1%}\n"]
    changes = _changes([(key, module) for key, module in places if key in survivors], folder)
    for key, change in zip(survivors, changes, strict=True):
        untested = " (no test runs it)" if codes[key] != SURVIVED else ""
        parts.append(f"{key}{untested}\n{change}\n")
    return "\n".join(parts)


def _made_at_import(key: str, module: str, target: Target) -> bool:
    function = key.rpartition(".x_")[2].partition("__mutmut_")[0]
    return module.endswith("registry.py") and function in target.at_import


def _changes(places: Sequence[tuple[str, str]], folder: Path) -> list[str]:
    """The lines that each change takes and brings. In one process: `mutmut show` takes a second for one."""
    words = [sys.executable, "-c", _SHOW, json.dumps(places)]
    shown = json.loads(subprocess.run(words, cwd=folder, capture_output=True, check=True).stdout)
    return [
        "\n".join(f"    {line}" for line in diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---"))
        for diff in shown
    ]


def main(words: Sequence[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(TARGETS)}; all when none is named")
    parser.add_argument("--out", type=Path, help="write the report there too")
    options = parser.parse_args(words)
    unknown = [name for name in options.names if name not in TARGETS]
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}: {', '.join(TARGETS)}")
    for name in options.names or TARGETS:
        with tempfile.TemporaryDirectory(prefix=f"lcpp-mutation-{name}-") as folder:
            part = run(name, Path(folder))
        print(part, flush=True)
        if options.out:
            with options.out.open("a", encoding="utf-8") as file:
                file.write(f"{part}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
