"""Where a call works: what the environment says, else the checkout that one stands in, else the user's own places."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli.call import Call


def folders(environment: dict[str, str]) -> tuple[Path, Path]:
    workspace = Call(environment).workspace
    return workspace.vendor, workspace.runs


def test_the_environment_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert folders({"LCPP_VENDOR": "v", "LCPP_RUNS": "/r"}) == (tmp_path / "v", Path("/r"))


def test_else_the_checkout_that_one_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / ".gitignore").touch()
    inside = tmp_path / "orchestrator" / "recipe"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    assert folders({}) == (tmp_path / "vendor", tmp_path / "runs")


def test_else_the_users_own_cache_and_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert folders({"XDG_CACHE_HOME": "/c"}) == (Path("/c/lcpp/vendor"), tmp_path / "runs")
    monkeypatch.setenv("HOME", "/home/someone")
    assert folders({})[0] == Path("/home/someone/.cache/lcpp/vendor")


def test_the_environment_is_a_copy() -> None:
    environment = {"A": "1"}
    call = Call(environment)
    environment["A"] = "2"
    assert call.environment == {"A": "1"}
