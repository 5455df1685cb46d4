"""The table of things done wrong; `tests/test_misuse.py` holds each row against what lcpp really does.

`python -m tests.misuse.table` does them all and writes what came to docs/failures.md.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs/failures.md"
PROPERTY = "misuse"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One thing done wrong, and what must come of it.

    code: lcpp's exit code, or what ends it.
    cause, step: what its message must hold: why, and what to do.
    after: what happens next; the test makes sure that it does.
    """

    wrong: str
    code: int | str
    cause: str
    step: str
    after: str


_REPAIRED = "nothing was started; correct it and run again"
_KEPT = "the result says `failed`, the transcript is kept; the next run works"
_READ = "nothing was changed; the right command works"
_UNPINNED = "the recipe is as it was; once it is right, it is pinned"

SECTIONS: Mapping[str, Mapping[str, Row]] = {
    "The command line": {
        "no-arguments": Row(
            wrong="`lcpp` without arguments",
            code=2,
            cause="Usage: lcpp",
            step="lcpp COMMAND --help",
            after="the help is shown",
        ),
        "unknown-command": Row(
            wrong="an unknown command: `lcpp rum recipe.yaml`",
            code=2,
            cause="No such command 'rum'",
            step="Did you mean 'run'",
            after="nothing was started",
        ),
        "unknown-option": Row(
            wrong="an unknown option: `lcpp run recipe.yaml --jsno`",
            code=2,
            cause="No such option",
            step="Did you mean '--json'?",
            after="nothing was started",
        ),
        "full-output": Row(
            wrong="a full disk under the output: `lcpp recipe schema > FILE`, `lcpp run … > FILE`",
            code=1,
            cause="cannot write the output: no space left on device",
            step="free some space",
            after="a run's result is written all the same, where there is space",
        ),
        "ascii": Row(
            wrong="a terminal or file that takes ASCII only",
            code=0,
            cause="",
            step="",
            after="other characters are written as `\\u2026`",
        ),
        "broken-pipe": Row(
            wrong="a reader that goes away: `lcpp recipe schema | head -1`, `lcpp run … | head -1`",
            code=1,
            cause="",
            step="",
            after="lcpp ends in silence; a run's result is written all the same",
        ),
    },
    "The recipe": {
        "missing-recipe": Row(
            wrong="a recipe that is not there: `lcpp run recipy.yaml`",
            code=2,
            cause="there is no recipe recipy.yaml",
            step="did you mean recipe.yaml?",
            after=_REPAIRED,
        ),
        "unknown-key": Row(
            wrong="an unknown key: `promt`", code=2, cause="unknown key", step="did you mean prompt?", after=_REPAIRED
        ),
        "wrong-type": Row(
            wrong="a wrong type: `n_predict: many`",
            code=2,
            cause="run.n_predict",
            step="expected",
            after=_REPAIRED,
        ),
        "alias-bomb": Row(
            wrong="an alias bomb, a billion words in nine lines of YAML",
            code=2,
            cause="with aliases followed",
            step="lcpp recipe new",
            after=_REPAIRED,
        ),
    },
    "Getting llama.cpp": {
        "unknown-ref": Row(
            wrong="a ref that the remote does not have: `mastre`",
            code=1,
            cause="has no tag, branch or commit mastre",
            step="did you mean master?",
            after="correct it and run again",
        ),
        "unreachable-host": Row(
            wrong="a git host that cannot be reached, and a commit that no package is known to have",
            code=1,
            cause="cannot be had",
            step="restore the network, name a remote or directory that you have",
            after="with the host back, or another remote, the same recipe works",
        ),
    },
    "Building": {
        "missing-compiler": Row(
            wrong="no C and C++ compiler",
            code=1,
            cause="cc and c++ are needed to build llama.cpp, but not on PATH",
            step="next: run: ",
            after="with a compiler the same command builds; what is built already runs without one",
        ),
        "compile-error": Row(
            wrong="a llama.cpp that does not compile",
            code=1,
            cause="error: ",
            step="read the log's first error; another `engine.ref`",
            after="the build never counts as finished; another commit builds",
        ),
        "kill-build": Row(
            wrong="`kill -9` in the middle of a build",
            code="SIGKILL",
            cause="",
            step="",
            after="its compilers end too; the build does not count as finished; the next run builds it",
        ),
        "ctrl-c-build": Row(
            wrong="Ctrl-C in the middle of a build",
            code=130,
            cause="interrupted",
            step="run the same command again",
            after="its compilers end too; the build does not count as finished; the next run builds it",
        ),
        "two-setups": Row(
            wrong="two `lcpp setup` at once",
            code=0,
            cause="another lcpp is busy with the build",
            step="waiting for it to finish",
            after="built once, both use it",
        ),
        "full-disk-build": Row(
            wrong="a disk that gets full while llama.cpp is built",
            code=1,
            cause="No space left on device",
            step="the disk is full: free some space",
            after="the build does not count as finished; with space the same command works",
        ),
    },
    "The model": {
        "missing-model": Row(
            wrong="a model file that is not there",
            code=1,
            cause="the model file does not exist",
            step="perhaps you meant tiny.gguf",
            after="correct the path and run again",
        ),
        "wrong-sha256": Row(
            wrong="another file than the recipe's `sha256` says",
            code=1,
            cause="this is not the model that the recipe wants: its SHA-256 is",
            step="replace the file by the right one",
            after="nothing is run with it; with the right hash it runs",
        ),
        "truncated-gguf": Row(
            wrong="a GGUF that was cut short",
            code=1,
            cause="the file is truncated",
            step="fetch the file again",
            after="nothing is run with it; with the whole file it runs",
        ),
        "not-a-gguf": Row(
            wrong="a login page saved as `model.gguf`",
            code=1,
            cause="not a GGUF: the file is an HTML page",
            step="fetch the model again",
            after="nothing is run with it; with the right file it runs",
        ),
        "gated": Row(
            wrong="a hub repository whose terms were not accepted",
            code=1,
            cause="is gated",
            step="hf auth login",
            after="nothing is left in the cache; once admitted, the same recipe works",
        ),
        "missing-hub-file": Row(
            wrong="a file that the hub repository does not have",
            code=1,
            cause="has no file tinny.gguf",
            step="perhaps you meant tiny.gguf",
            after="nothing is left in the cache; with the right name it works",
        ),
        "kill-download": Row(
            wrong="`kill -9` in the middle of a download",
            code="SIGKILL",
            cause="",
            step="",
            after="the part is not taken for the model; the next run goes on where it stopped",
        ),
    },
    "Models by themselves": {
        "model-typo": Row(
            wrong="an unknown command: `lcpp model inpsect tiny.gguf`",
            code=2,
            cause="No such command 'inpsect'",
            step="Did you mean 'inspect'",
            after=_READ,
        ),
        "inspect-missing": Row(
            wrong="a file that is not there: `lcpp model inspect tinny.gguf`",
            code=1,
            cause="the model file does not exist",
            step="perhaps you meant tiny.gguf",
            after=_READ,
        ),
        "inspect-truncated": Row(
            wrong="a GGUF that was cut short: `lcpp model inspect cut.gguf`",
            code=1,
            cause="the file is truncated",
            step="fetch the file again",
            after=_READ,
        ),
        "inspect-repository": Row(
            wrong="a repository in place of a file: `lcpp model inspect hub:someone/tiny`",
            code=2,
            cause="names no .gguf file",
            step="`lcpp model list hub:someone/tiny` shows the files",
            after=_READ,
        ),
        "inspect-source": Row(
            wrong="a source that there is not: `lcpp model inspect huh:someone/tiny/tiny.gguf`",
            code=2,
            cause="models do not come from huh",
            step="hub:OWNER/NAME/FILE.gguf",
            after=_READ,
        ),
        "inspect-without-hub": Row(
            wrong="a file of the hub without `hub:`: `lcpp model inspect someone/tiny/tiny.gguf`",
            code=1,
            cause="the model's folder does not exist",
            step="hub:OWNER/NAME/FILE.gguf",
            after=_READ,
        ),
        "list-missing": Row(
            wrong="a repository that is not there: `lcpp model list hub:someone/tny`",
            code=1,
            cause="there is no repository someone/tny",
            step="check the spelling",
            after=_READ,
        ),
        "list-file": Row(
            wrong="a file in place of a repository: `lcpp model list hub:someone/tiny/tiny.gguf`",
            code=2,
            cause="names a file, not a repository",
            step="leave the file's name out",
            after=_READ,
        ),
        "list-unreachable": Row(
            wrong="a hub that cannot be reached: `lcpp model list hub:someone/tiny`",
            code=1,
            cause="cannot reach",
            step="check the network",
            after=_READ,
        ),
        "fit-model": Row(
            wrong="a model in place of a recipe: `lcpp model fit tiny.gguf`",
            code=2,
            cause="tiny.gguf is a GGUF model, not a recipe",
            step="`lcpp model inspect` shows it",
            after=_READ,
        ),
        "fit-hub": Row(
            wrong="the same on the hub: `lcpp model fit hub:someone/tiny/tiny.gguf`",
            code=2,
            cause="there is no recipe hub:someone/tiny/tiny.gguf",
            step="a recipe says what to do with it",
            after=_READ,
        ),
        "fit-nothing": Row(
            wrong="nothing: `lcpp model fit`", code=2, cause="name a recipe", step="lcpp model fit RECIPE", after=_READ
        ),
        "dummy-preset": Row(
            wrong="an unknown preset: `lcpp model dummy --preset lama-3.1-8b`",
            code=2,
            cause="there is no preset lama-3.1-8b",
            step="did you mean llama-3.1-8b?",
            after=_READ,
        ),
        "dummy-tokenizer": Row(
            wrong="a preset without any llama.cpp here: `lcpp model dummy --preset llama-3.1-8b`",
            code=1,
            cause="presets take their tokenizer there",
            step="`lcpp setup` gets a llama.cpp",
            after=_READ,
        ),
        "dummy-name": Row(
            wrong="a dummy by the name of a real model: `lcpp model dummy tiny.gguf --output tiny.gguf`",
            code=2,
            cause="tiny.gguf is no name for a dummy",
            step="tiny-dummy.gguf",
            after=_READ,
        ),
        "dummy-limit": Row(
            wrong="a dummy larger than the cache may be: `lcpp model dummy tiny.gguf --limit 0.0000001`",
            code=1,
            cause="the cache for dummies may have",
            step="raise the limit",
            after=_READ,
        ),
        "dummy-full-disk": Row(
            wrong="a disk with too little space for a dummy",
            code=1,
            cause="the disk is too full",
            step="free some space",
            after="nothing is written; with space the same command works",
        ),
        "verify-truncated": Row(
            wrong="a damaged file: `lcpp model verify cut.gguf`",
            code=1,
            cause="1 of 1 files is not in order",
            step="copy it here again",
            after=_READ,
        ),
        "verify-flipped": Row(
            wrong="a byte that changed in the hub's cache: `lcpp model verify`",
            code=1,
            cause="1 of 1 files is not in order",
            step="--repair` fetches this file again",
            after="with `--repair` the file is sound again; nothing else is touched",
        ),
    },
    "Pinning a recipe": {
        "pin-ref": Row(
            wrong="a ref that the remote does not have: `lcpp recipe pin recipe.yaml`",
            code=1,
            cause="has no tag, branch or commit mastre",
            step="did you mean master?",
            after=_UNPINNED,
        ),
        "pin-model": Row(
            wrong="a model file that is not there",
            code=1,
            cause="the model file does not exist",
            step="perhaps you meant tiny.gguf",
            after=_UNPINNED,
        ),
        "pin-other-model": Row(
            wrong="another model than the recipe was pinned to",
            code=1,
            cause="this is not the model that the recipe wants",
            step="--update",
            after=_UNPINNED,
        ),
        "pin-read-only": Row(
            wrong="a recipe on a read-only file system",
            code=2,
            cause="read-only file system",
            step="pin a copy of your own",
            after=_UNPINNED,
        ),
    },
    "Running": {
        "timeout": Row(
            wrong="a program that goes on and on (`run.timeout_s`)",
            code=1,
            cause="llama-cli took more than 3 s and was stopped",
            step="run.timeout_s",
            after=_KEPT,
        ),
        "idle-timeout": Row(
            wrong="a program that hangs (`run.idle_timeout_s`)",
            code=1,
            cause="llama-cli printed nothing for 2 s and was stopped",
            step="run.idle_timeout_s",
            after=_KEPT,
        ),
        "sigsegv": Row(
            wrong="a program that crashes",
            code=1,
            cause="llama-cli died of SIGSEGV",
            step="try a shorter prompt",
            after=_KEPT,
        ),
        "sigill": Row(
            wrong="a program built for another CPU",
            code=1,
            cause="llama-cli died of SIGILL",
            step="lcpp engine remove",
            after=_KEPT,
        ),
        "sigkill": Row(
            wrong="a program that is killed for lack of memory",
            code=1,
            cause="llama-cli died of SIGKILL",
            step="run.n_ctx",
            after=_KEPT,
        ),
        "flood": Row(
            wrong="a program that prints without end (`run.max_output_bytes`)",
            code=1,
            cause="llama-cli printed more than 1,000,000 bytes and was stopped",
            step="run.max_output_bytes",
            after=_KEPT,
        ),
        "ctrl-c-run": Row(
            wrong="Ctrl-C while the program runs",
            code=130,
            cause="stopped by Ctrl-C",
            step="run the same command again",
            after=_KEPT,
        ),
    },
    "The runs folder": {
        "full-disk-runs": Row(
            wrong="a disk that gets full while the program runs",
            code=1,
            cause="no space left on device",
            step="free some space",
            after="the program is stopped, no result is written; with space the same command works",
        ),
        "read-only-runs": Row(
            wrong="LCPP_RUNS on a read-only file system",
            code=1,
            cause="read-only file system",
            step="choose another place with LCPP_VENDOR or LCPP_RUNS",
            after="set-up is kept; with another place the same command works",
        ),
        "runs-is-a-file": Row(
            wrong="LCPP_RUNS names a file",
            code=1,
            cause="cannot make a folder for the run",
            step="LCPP_RUNS",
            after="the file is untouched; with another place the same command works",
        ),
    },
}
ROWS: Mapping[str, Row] = {key: row for rows in SECTIONS.values() for key, row in rows.items()}

_HEAD = """\
# What goes wrong, and what comes of it

Every row is done for real by [`tests/test_misuse.py`](../tests/test_misuse.py), which also sees to it that no message
is a traceback, that nothing half-made looks finished, and that the next, right, run works. This page is written from
what lcpp said there, by `python -m tests.misuse.table`. Paths are shortened to `…`; a repository on disk stands in for
llama.cpp's.

Exit codes: 0 done; 1 a stage failed for a known reason; 2 usage or recipe; 3 a bug in lcpp; 4 an expectation does not
hold; 130 interrupted.
"""


_MOST_LINES = 12
_COLUMNS = "| done wrong | exit code | what lcpp says | what happens next |\n|---|---|---|---|\n"


def shorten(text: str, *folders: Path) -> str:
    """A message without what differs from one machine or one call to the next."""
    for folder in sorted({str(folder) for folder in folders}, key=len, reverse=True):
        text = text.replace(folder, "…")
    for pattern, short in (
        (r"\b\d{8}T\d{6}Z-([\w.-]+?)-[0-9a-f]{6}\b", r"\1"),
        (r"127\.0\.0\.1:\d+|127\.0\.0\.1 port \d+", "127.0.0.1"),
        (r"\b([0-9a-f]{7})[0-9a-f]{5}-(make|cmake)-[0-9a-f]{12}\b", r"KEY"),
        (r"\b[0-9a-f]{64}\b", "HASH"),
        (r"\b[0-9a-f]{40}\b", "COMMIT"),
        (r"\bafter \d+(?:\.\d+)? (s|ms)\b", r"after N \1"),
        (r"\(\d[\d,]* bytes\)", "(N bytes)"),
        (r"…/misuse\d+\b", "…"),
        (r"(?<=\s)/\S*/(cc\w{6}\.\w+)\b", "…/cc.s"),
    ):
        text = re.sub(pattern, short, text)
    return text


def message(stderr: str) -> str:
    """What lcpp said in the end: the error without the progress before it."""
    found = re.search(r"^(?:error|bug): .*", stderr, re.MULTILINE | re.DOTALL)
    lines = [line.rstrip() for line in (found[0] if found else stderr).splitlines() if line.strip()]
    # Longer is only the help.
    return "\n".join(lines if len(lines) <= _MOST_LINES else [*lines[:3], "…"])


def render(said: Mapping[str, str]) -> str:
    """The document. `said`: what lcpp said, for each row."""
    parts = [_HEAD]
    for title, rows in SECTIONS.items():
        parts.append(f"\n## {title}\n\n{_COLUMNS}")
        for key, row in rows.items():
            parts.append(f"{begins(row)} {_cell(said[key])} | {row.after} |\n")
    return "".join(parts)


def begins(row: Row) -> str:
    """How the row of the document begins: what does not depend on the machine."""
    return f"| {row.wrong.replace('|', chr(92) + '|')} | {row.code} |"


def _cell(text: str) -> str:
    lines = []
    for line in text.splitlines():
        spans = line.replace("|", "\\|").split("`")
        # Within a pair of backticks everything stands for itself.
        spans[::2] = [re.sub(r"([*<\\])", r"\\\1", span) for span in spans[::2]]
        lines.append("`".join(spans).strip())
    return "<br>".join(lines) or "(nothing)"


class _Collector:
    """A pytest plugin that keeps what the tests recorded."""

    def __init__(self) -> None:
        self.said: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the properties of each test that has been run."""
        if report.when == "call":
            self.said |= {str(key): str(text) for name, (key, text) in _pairs(report) if name == PROPERTY}


def _pairs(report: pytest.TestReport) -> list[tuple[str, tuple[object, object]]]:
    return [(name, value) for name, value in report.user_properties if isinstance(value, tuple) and len(value) == 2]


def main() -> int:
    """Do everything wrong, and write the document."""
    collector = _Collector()
    code = pytest.main([str(ROOT / "tests/test_misuse.py"), "--deselect", _SELF, "-n", "0"], plugins=[collector])
    missing = [key for key in ROWS if key not in collector.said]
    if code != 0 or missing:
        print(f"not written: pytest exited with {int(code)}; rows without a message: {missing}", file=sys.stderr)
        return 1
    DOCUMENT.write_text(render(collector.said), encoding="utf-8")
    print(f"wrote {DOCUMENT.relative_to(ROOT)}")
    return 0


_SELF = "tests/test_misuse.py::test_the_document_has_every_row"

if __name__ == "__main__":
    sys.exit(main())
