"""Record transcripts of really built programs, for the everyday tests of the parser.

    LCPP_VENDOR=… LCPP_UPSTREAM=… python tests/data/record.py REF...     these builds of tests/eras/upstream.py (or: all)
    python tests/data/record.py --expected                               only the expected records, anew

lcpp obtains, builds and runs them (`tests/eras/walk.py`), and each run is held against the program run by hand. Each
lands in tests/data/transcripts/<commit>/<case>/: the two streams as they came (paths shortened, long runs of alike debug
lines cut), how the run was asked for (`asked.json`, for sessions `session.json`), with the text that the program gave by
hand, and the record that the parser of today makes of it: read what changed before you commit it.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))

from orchestrator.parse.parser import parse_run  # noqa: E402
from orchestrator.programs.all_programs import PROGRAMS  # noqa: E402
from tests import portable_model  # noqa: E402
from tests.eras import hand  # noqa: E402
from tests.eras.upstream import COMMITS, Commit  # noqa: E402
from tests.eras.walk import Ran, Report, Walk, vendor  # noqa: E402

TRANSCRIPTS = HERE / "transcripts"
# Of these the first few stand for all.
REPEATED = re.compile(
    r"llama_graph_n_input_tensors|create_tensor|load_tensors: layer|llama_kv_cache(?:_unified)?: layer|load: control"
    r"|(?:llama_kv_cache_)?init: layer|llama_model_loader: - tensor|~llama_context|\S+ sched_reserve: "
)
KEPT = 4
SESSIONS = ("session-keep", "session-reset")
# Runs that only check another one.
NOT_KEPT = re.compile(r"alone-\d")


def trimmed(raw: bytes, paths: Mapping[str, str]) -> bytes:
    """`raw` without paths of the machine, and without most of its repeated lines."""
    text = raw.decode(errors="surrogateescape")
    for path, short in paths.items():
        text = text.replace(path, short)
    seen: dict[str, int] = {}
    kept = []
    for line in text.split("\n"):
        if match := REPEATED.match(line):
            seen[match.group()] = seen.get(match.group(), 0) + 1
            if seen[match.group()] > KEPT:
                continue
        kept.append(line)
    return "\n".join(kept).encode(errors="surrogateescape")


@dataclass(kw_only=True)
class Recorder:
    """Keeps the runs of one commit."""

    commit: Commit
    scratch: Path
    kept: list[Path] = field(default_factory=list)
    _complete: Ran | None = None

    def keep(self, case: str, ran: Ran) -> None:
        """Write one run into the corpus."""
        if NOT_KEPT.fullmatch(case):
            return
        if case == "complete":
            self._complete = ran
        process = ran.say("ran", "process")
        streams = {name: (ran.folder / f"{name}.log").read_bytes() for name in ("stdout", "stderr")}
        asked: dict[str, Any] = {"build": self._build(ran), "program": process["program"], "case": case}
        if case in SESSIONS:
            answers = [{"prompt": one["prompt"], "text": one["text"]} for one in ran.say("answers") or ()]
            self._write(case, ran, streams, {**asked, "answers": answers})
        else:
            self._write(case, ran, streams, {**asked, "prompt": ran.prompt, "text": self._text(case, ran)})

    def errors(self) -> None:
        """What a program says of a model that it cannot load: one that was cut, one of an unknown architecture."""
        ran = self._complete
        assert ran is not None
        version = 1 if self.commit.build < 1087 else 3
        whole = portable_model.make(self.scratch / "whole.gguf", version=version).read_bytes()
        cut = self.scratch / "cut.gguf"
        cut.write_bytes(whole[: len(whole) - len(whole) // 4])
        strange = portable_model.make(self.scratch / "strange.gguf", version=version, architecture="strange")
        process = ran.say("ran", "process")
        for case, model in (("error-cut", cut), ("error-architecture", strange)):
            argv = [str(model) if word == ran.say("ran", "model", "path") else word for word in process["argv"]]
            output = hand.run(argv, process["environment"], self.scratch / case)
            asked = {"build": self._build(ran), "program": process["program"], "case": case, "prompt": ran.prompt}
            streams = {"stdout": output.stdout, "stderr": output.stderr}
            self._write(case, ran, streams, {**asked, "text": None, "exit_code": output.exit_code}, model=str(model))

    def _build(self, ran: Ran) -> int:
        return ran.say("ran", "engine", "build_number") or self.commit.build

    def _text(self, case: str, ran: Ran) -> str | None:
        build = self.commit.build
        if case == "chat" and build >= 7348:
            return hand.chatted(ran.by_hand, build, ran.prompt)
        if case in ("complete", "complete-end", "chat"):
            return hand.completed(ran.by_hand, build, ran.prompt)
        return hand.simple(ran.by_hand, build, ran.prompt) if case == "simple" else None

    def _write(
        self, case: str, ran: Ran, streams: Mapping[str, bytes], asked: Mapping[str, Any], model: str | None = None
    ) -> None:
        goal = TRANSCRIPTS / str(ran.say("ran", "engine", "commit"))[:12] / case
        goal.mkdir(parents=True, exist_ok=True)
        argv = ran.say("ran", "process", "argv")
        paths = {
            str(model or ran.say("ran", "model", "path")): f"/models/{Path(ran.say('ran', 'model', 'path')).name}",
            str(Path(argv[0]).parents[1]): "/build",
            str(ran.folder): "/run",
            str(self.scratch): "/scratch",
        }
        for name, raw in streams.items():
            (goal / f"{name}.log").write_bytes(trimmed(raw, paths))
        name = "session.json" if case in SESSIONS else "asked.json"
        (goal / name).write_text(json.dumps(asked, ensure_ascii=False, indent=1) + "\n")
        self.kept.append(goal)


def expect(folder: Path) -> None:
    """Write down what the parser of today makes of a transcript."""
    if not (folder / "asked.json").exists():
        return
    asked = json.loads((folder / "asked.json").read_text())
    made = parse_run(
        (folder / "stdout.log").read_bytes(),
        (folder / "stderr.log").read_bytes(),
        PROGRAMS[asked["program"]].layout(asked["build"]),
        asked.get("prompt") or "",
    )
    (folder / "expected.json").write_text(made.model_dump_json(indent=1, exclude_defaults=True) + "\n")
    lines = made.coverage.n_lines, made.coverage.n_unrecognised
    wrong = "" if asked.get("text") in (None, made.generation.text) else f" TEXT DIFFERS: {made.generation.text!r}"
    print(f"{folder.relative_to(TRANSCRIPTS)}: {lines[0]} lines, {lines[1]} not recognised{wrong}")


def record(commit: Commit) -> Report:
    """Run, copy, parse, write."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        recorder = Recorder(commit=commit, scratch=folder)
        report = Walk(commit=commit, vendor=vendor(), folder=folder, on_run=recorder.keep).report()
        if report.unreachable:
            print(f"{commit.ref}: {report.unreachable}")
            return report
        recorder.errors()
    for outcome in report.outcomes:
        for problem in outcome.problems:
            print(f"{commit.ref} {outcome.case}: {problem}")
    for goal in recorder.kept:
        expect(goal)
    return report


def main(words: list[str]) -> None:
    """Do what the command line says."""
    if words == ["--expected"]:
        for asked in sorted(TRANSCRIPTS.glob("*/*/asked.json")):
            expect(asked.parent)
        return
    for commit in COMMITS:
        if "all" in words or any(commit.ref.startswith(word) for word in words):
            record(commit)


if __name__ == "__main__":
    main(sys.argv[1:])
