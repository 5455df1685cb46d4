"""A run's folder, and the prompt's file in it."""

from pathlib import Path

from orchestrator.result.files import name_run, open_run
from orchestrator.workspace import Workspace


def test_ids_are_apart_and_tell_the_recipe(tmp_path: Path) -> None:
    workspace = Workspace(vendor=tmp_path / "vendor", runs=tmp_path / "runs")
    named = {name_run(workspace, "smoke") for _ in range(20)}
    assert len(named) == 20
    assert all("-smoke-" in run_id and folder == tmp_path / "runs" / run_id for run_id, folder in named)
    assert not (tmp_path / "runs").exists()


def test_the_prompt_file_holds_the_text_byte_for_byte(tmp_path: Path) -> None:
    folder = tmp_path / "runs/one"
    open_run(folder, folder / "prompt.txt", "two\r\nlines\n")
    assert (folder / "prompt.txt").read_bytes() == b"two\r\nlines\n"
