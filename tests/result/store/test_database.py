"""The store of results: never in the way of a run, never out of step with the files."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import apsw
import pytest

from orchestrator.errors import UsageError, WorkspaceError
from orchestrator.progress import Silent
from orchestrator.result import files
from orchestrator.result.measurement import measurement_of
from orchestrator.result.schema import Result
from orchestrator.result.store.connection import FILE_NAME
from orchestrator.result.store.database import opened
from orchestrator.result.store.migrations import MIGRATIONS
from orchestrator.values import replace
from orchestrator.workspace import Workspace
from tests.result.varied import REAL, document, result, write

SAVER = """
import sys
from pathlib import Path
from orchestrator.result import files
from orchestrator.workspace import Workspace
from tests.result.varied import result

runs, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
for number in range(first, first + count):
    made = result(number)
    files.save(made, Workspace(vendor=runs, runs=runs))
    print(made.id, flush=True)
"""


class Told(Silent):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def _ids(runs: Path, progress: Silent | None = None) -> list[str]:
    with opened(runs, progress or Silent()) as database:
        return [one.id for one in database.find()]


def _workspace(folder: Path) -> Workspace:
    return Workspace(vendor=folder / "vendor", runs=folder / "runs")


def _old(runs: Path) -> None:
    """Have the folder look as if nothing changed in it for a while, so that its time is remembered."""
    past = time.time_ns() - 60_000_000_000
    os.utime(runs, ns=(past, past))


def test_a_measurement_comes_out_as_it_went_in(tmp_path: Path) -> None:
    noise = {"disturbed": ["another process kept 0.9 CPUs busy"]}
    part = {"experiment": "20261101-x", "kind": "sweep", "case": 2, "settings": {"run.n_threads": "4"}, "round": 3}
    made = [result(1), result(2, n_threads=4, part=part, noise=noise), result(3, dummy=True, status="failed")]
    for one in made:
        files.save(one, _workspace(tmp_path))
    with opened(tmp_path / "runs", Silent()) as database:
        found = database.find()
        each = tuple(database.stream())
    wanted = tuple(measurement_of(one, path=str(tmp_path / "runs" / f"{one.id}.json")) for one in made)
    assert found == tuple(reversed(wanted))
    assert each == wanted
    assert wanted[1].disturbed == ("another process kept 0.9 CPUs busy",)
    assert wanted[2].text_sha256 is None
    text = made[0].text
    assert text is not None
    assert wanted[0].text_sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_a_machine_is_the_same_when_only_its_state_or_kernel_differs() -> None:
    one = result(1)
    machine = one.ran.machine
    busy = machine.model_copy(update={"load_average_1min": 7.0, "memory_available_bytes": 1, "kernel": "other"})
    other = machine.model_copy(update={"n_cpu": machine.n_cpu + 1})
    found = [
        measurement_of(one.model_copy(update={"ran": one.ran.model_copy(update={"machine": it})}))
        for it in (busy, other)
    ]
    assert [it.machine == measurement_of(one).machine for it in found] == [True, False]
    assert found[0].environment["kernel"] == "other"


def test_results_of_before_the_store_are_found(tmp_path: Path) -> None:
    old = json.loads(REAL.read_bytes())
    assert not {"memory", "noise", "part", "limits"} & set(old)
    (tmp_path / f"{old['id']}.json").write_bytes(REAL.read_bytes())
    with opened(tmp_path, Silent()) as database:
        (one,) = database.find()
    assert (one.name, one.build_number, one.settings["run.n_threads"], one.experiment) == ("france", 3642, "1", None)
    assert "run.prompt" not in one.settings
    assert len(one.environment["prompt_sha256"]) == 16


def test_files_that_come_and_go_without_the_store_knowing(tmp_path: Path) -> None:
    ids = write(tmp_path, document(1), document(2))
    assert _ids(tmp_path) == ids[::-1]
    _old(tmp_path)
    assert _ids(tmp_path) == ids[::-1]
    ids += write(tmp_path, document(3))
    (tmp_path / f"{ids[0]}.json").unlink()
    assert _ids(tmp_path) == [ids[2], ids[1]]


def test_an_unchanged_folder_is_not_read_again(tmp_path: Path) -> None:
    (one,) = write(tmp_path, document(1))
    _old(tmp_path)
    _ids(tmp_path)
    changed_ns = tmp_path.stat().st_mtime_ns
    _ids(tmp_path)
    # Opening and closing make no file, or each reader would send the next one through all names.
    assert tmp_path.stat().st_mtime_ns == changed_ns
    (tmp_path / f"{one}.json").unlink()
    os.utime(tmp_path, ns=(changed_ns, changed_ns))
    _old(tmp_path)
    assert _ids(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "Invalid JSON"),
        (b'{"lcpp_result": 1}', "Field required"),
        (b"\xff\xfe", "JSON"),
        (b"[" * 100_000, "JSON"),
        (json.dumps(document(1) | {"id": "../../../etc/passwd"}).encode(), "id"),
        (json.dumps(document(1) | {"id": "another"}).encode(), "name"),
        (json.dumps(document(1) | {"lcpp_result": 2}).encode(), "lcpp_result"),
        (json.dumps(document(1) | {"unknown": 2}).encode(), "unknown"),
        (
            json.dumps(document(1)).replace('"build_number": 3642', '"build_number": ' + "9" * 400).encode(),
            "out of range",
        ),
        (b'{"lcpp_measurement": 1, "id": "x"}', "measurement"),
        (b'{"lcpp_measurement": 1, "hostile": ' + b"[" * 10_000, "nested"),
    ],
)
def test_a_file_that_is_none_of_ours_is_named_and_left_alone(tmp_path: Path, content: bytes, problem: str) -> None:
    (good,) = write(tmp_path, document(2))
    bad = tmp_path / "bad.json"
    bad.write_bytes(content)
    with opened(tmp_path, Silent()) as database:
        count, named = database.unreadable()
        assert [one.id for one in database.find()] == [good]
    assert (count, named[0].name) == (1, "bad.json")
    assert problem in named[0].problem
    assert len(named[0].problem) <= 1000
    assert bad.read_bytes() == content


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    tmp_path.joinpath("huge.json").touch()
    os.truncate(tmp_path / "huge.json", 2**40)
    with opened(tmp_path, Silent()) as database:
        assert "256 MiB" in database.unreadable()[1][0].problem


@pytest.mark.parametrize("how", ["garbage", "foreign", "cut", "holes"])
def test_a_database_that_cannot_be_used_is_set_aside_and_made_again(tmp_path: Path, how: str) -> None:
    ids = write(tmp_path, *(document(number) for number in range(40)))
    path = tmp_path / FILE_NAME
    if how in ("cut", "holes"):
        assert len(_ids(tmp_path)) == 40
        connection = apsw.Connection(str(path))
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        connection.close()
    if how == "garbage":
        path.write_bytes(b"no database " * 1000)
    elif how == "foreign":
        connection = apsw.Connection(str(path))
        connection.execute("CREATE TABLE results (mine TEXT); INSERT INTO results VALUES ('keep')")
        connection.close()
    elif how == "cut":
        os.truncate(path, path.stat().st_size // 2)
    else:
        data = bytearray(path.read_bytes())
        # All pages behind those of the first tables.
        data[5 * 4096 :] = random.Random(1).randbytes(len(data) - 5 * 4096)
        path.write_bytes(data)
    told = Told()
    assert sorted(_ids(tmp_path, told)) == sorted(ids)
    assert any("made again" in note for note in told.notes)
    aside = [one for one in tmp_path.glob(f"{FILE_NAME}.aside-*") if not one.name.endswith(("-wal", "-shm"))]
    assert len(aside) == 1
    if how == "foreign":
        assert apsw.Connection(str(aside[0])).execute("SELECT mine FROM results").fetchall() == [("keep",)]
    told.notes.clear()
    assert sorted(_ids(tmp_path, told)) == sorted(ids)
    assert told.notes == []


def test_a_run_is_saved_whatever_the_store_says(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    workspace = _workspace(tmp_path)
    (workspace.runs / FILE_NAME).mkdir(parents=True)
    path = files.save(result(1), workspace)
    assert Result.model_validate_json(path.read_bytes()).id == path.stem
    assert "the result is saved, but not yet in the store" in caplog.text
    told = Told()
    assert _ids(workspace.runs, told) == [path.stem]
    assert "read into memory" in told.notes[0]
    (workspace.runs / FILE_NAME).rmdir()
    assert _ids(workspace.runs) == [path.stem]


def test_a_store_of_a_newer_lcpp_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path, document(1))
    _ids(tmp_path)
    connection = apsw.Connection(str(tmp_path / FILE_NAME))
    connection.pragma("user_version", len(MIGRATIONS) + 1)
    connection.close()
    with pytest.raises(WorkspaceError, match="newer lcpp"), opened(tmp_path, Silent()):
        pass


def test_migrations_are_only_ever_added() -> None:
    """What a released lcpp made must stay as it is: add a step and its digest, change none."""
    digests = [hashlib.sha256(one.encode()).hexdigest()[:16] for one in MIGRATIONS]
    assert digests == ["4cacb036fcec816a"]


def test_no_folder_of_runs_is_made_by_looking(tmp_path: Path) -> None:
    assert _ids(tmp_path / "none") == []
    assert not (tmp_path / "none").exists()


def test_rebuilding_gives_the_same_answers(tmp_path: Path) -> None:
    for number in range(30):
        files.save(result(number, n_threads=1 + number % 3), _workspace(tmp_path))
    runs = tmp_path / "runs"
    runs.joinpath("bad.json").write_text("{}")
    with opened(runs, Silent()) as database:
        before = database.find(), database.unreadable()
        database.rebuild()
        assert (database.find(), database.unreadable()) == before
    with opened(runs, Silent()) as database:
        assert (database.find(), database.unreadable()) == before
        assert database.values("PRAGMA integrity_check") == [("ok",)]
    assert not list(runs.glob(".results-*"))


def test_removing_takes_file_transcript_and_row(tmp_path: Path) -> None:
    ids = write(tmp_path, document(1), document(2))
    (tmp_path / ids[0]).mkdir()
    (tmp_path / ids[0] / "stdout.log").write_text("x")
    with opened(tmp_path, Silent()) as database:
        chosen = [one for one in database.find() if one.id == ids[0]]
        assert database.remove(chosen) == 1
        assert [one.id for one in database.find()] == ids[1:]
        (tmp_path / "imported").mkdir()
        bench = Path(__file__).parents[2] / "data/transcripts/5ed087573e1f/bench/stdout.log"
        (tmp_path / "imported/llama-bench-x.json").write_bytes(bench.read_bytes())
        database.update()
        rounds = [one for one in database.find() if one.name == "llama-bench"]
        # They are one file.
        with pytest.raises(UsageError, match="all go or none"):
            database.remove(rounds[:1])
        assert database.remove(rounds) == 1
    assert not (tmp_path / ids[0]).exists()
    assert _ids(tmp_path) == ids[1:]


def test_a_file_outside_the_folder_is_not_removed(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    write(runs, document(1))
    victim = tmp_path / "victim.json"
    victim.write_text("{}")
    with opened(runs, Silent()) as database:
        found = database.find()
        database.values("UPDATE files SET name = '../victim.json'")
        with pytest.raises(WorkspaceError):
            database.remove(found)
    assert victim.exists()


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    children = [_saver(tmp_path, first, 25) for first in (0, 1000)]
    said = [child.communicate(timeout=60)[0].split() for child in children]
    assert [child.returncode for child in children] == [0, 0]
    # Straight from the tables: nothing is read again from the files.
    connection = apsw.Connection(str(tmp_path / FILE_NAME))
    assert sorted(one for (one,) in connection.execute("SELECT id FROM results")) == sorted(said[0] + said[1])
    connection.close()


def test_kill_9_loses_nothing_that_was_reported(tmp_path: Path) -> None:
    said: list[str] = []
    for attempt, wait_s in enumerate((0.002, 0.011, 0.02)):
        child = _saver(tmp_path, 1000 * attempt, 500)
        assert child.stdout is not None
        said += [child.stdout.readline().strip() for _ in range(3)]
        time.sleep(wait_s)
        child.send_signal(signal.SIGKILL)
        said += child.communicate(timeout=60)[0].split("\n")[:-1]
    assert len(said) >= 9
    with opened(tmp_path, Silent()) as database:
        assert set(said) <= {one.id for one in database.find()}
        assert database.unreadable()[0] == 0
        assert database.values("PRAGMA integrity_check") == [("ok",)]
        # Nor is there a row without its file.
        assert all(Path(one.path or "").is_file() for one in database.find())


def _saver(runs: Path, first: int, count: int) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", SAVER, str(runs), str(first), str(count)]
    root = Path(__file__).parents[3]
    return subprocess.Popen(
        words, cwd=root, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(root)}
    )


def test_figures_that_have_no_column_are_kept(tmp_path: Path) -> None:
    from orchestrator.result.store.documents import as_document

    one = replace(measurement_of(result(1)), id="other-1", figures={"wall_s": 1.5, "new_figure": 2.5}, path=None)
    (tmp_path / "imported").mkdir()
    (tmp_path / "imported/other-1.json").write_text(json.dumps(as_document(one)))
    with opened(tmp_path, Silent()) as database:
        assert database.find() == (one,)
