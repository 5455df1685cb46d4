"""Groups whose commands are imported when they are called: the help needs none of them, each is where it is said to be."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from orchestrator.cli.lazy import LazyGroup
from orchestrator.cli.main import cli
from orchestrator.cli.model.group import model


@pytest.mark.parametrize("group", [cli, model])
def test_each_command_is_there_by_its_name(group: click.Group) -> None:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.help


def test_a_slip_of_the_finger_is_understood() -> None:
    refused = CliRunner().invoke(cli, ["reslts"])
    assert refused.exit_code == 2
    assert "Did you mean 'results'?" in refused.stderr
    assert "Did you mean" not in CliRunner().invoke(cli, ["xyzzy"]).stderr


def test_what_is_no_command_is_a_mistake_of_ours() -> None:
    group = LazyGroup("x", lazy={"bad": ("orchestrator.errors:LcppError", "")})
    with pytest.raises(TypeError, match="is no command"):
        group.get_command(click.Context(group), "bad")


def test_the_help_imports_nothing_slow() -> None:
    code = (
        "import sys\nfrom orchestrator.cli.main import cli\n"
        "cli.main(['--help'], standalone_mode=False)\n"
        "print(*({'pydantic', 'rich', 'numpy', 'yaml', 'git', 'filelock', 'json.tool'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "Commands:" in done.stdout
    assert done.stderr.strip() == ""
