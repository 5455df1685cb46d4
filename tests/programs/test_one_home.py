"""What a program is stands in its module, and what differs between builds in one table: nowhere else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

import orchestrator
from orchestrator.eras import memory as library
from orchestrator.eras.since import FIRST_BUILD, Since
from orchestrator.programs import interactive, options
from orchestrator.programs.all_programs import PROGRAMS, spell, when
from orchestrator.recipe.schema.recipe import ProgramName, Purpose

PACKAGE = Path(orchestrator.__file__).parent
FILES = {str(file.relative_to(PACKAGE)): ast.parse(file.read_text()) for file in sorted(PACKAGE.rglob("*.py"))}
NEWEST = 10_600
# Where a build's number may be compared with another: the tables, and the placing of an unknown build.
TABLES = ("eras/", "programs/")


def _literals(tree: ast.Module) -> Iterator[str]:
    return (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))


@pytest.mark.parametrize("name", get_args(ProgramName))
def test_the_name_of_a_program_stands_in_its_module_and_in_the_schema(name: ProgramName) -> None:
    homes = {file for file, tree in FILES.items() if name in _literals(tree)}
    module = Path(PROGRAMS[name].__file__ or "").relative_to(PACKAGE)  # type: ignore[attr-defined]
    schema = {file for file in homes if file.startswith("recipe/schema/")}
    assert homes - schema == {str(module)}


def _compares_builds(tree: ast.Module) -> Iterator[int]:
    """Lines that hold a build's number against a number that is written there."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare):
            continue
        sides = [node.left, *node.comparators]
        named = any("build" in ast.unparse(side) for side in sides)
        if named and any(
            isinstance(side, ast.Constant) and isinstance(side.value, int) and side.value >= FIRST_BUILD
            for side in sides
        ):
            yield node.lineno


def test_no_build_is_asked_for_outside_the_tables() -> None:
    asks = {f"{file}:{line}" for file, tree in FILES.items() for line in _compares_builds(tree)}
    assert {ask for ask in asks if not ask.startswith(TABLES)} == set()


def test_all_tables_stand_in_two_rooms() -> None:
    makers = ("since", "Since", "gathered")
    homes = {
        file
        for file, tree in FILES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in makers
    }
    assert {home for home in homes if not home.startswith(TABLES)} == set()


def _tables() -> Iterator[tuple[str, Since[object]]]:
    modules: list[object] = [options, interactive, library, *PROGRAMS.values()]
    for module in modules:
        for name, value in vars(module).items():
            if isinstance(value, Since):
                yield f"{getattr(module, '__name__', '')}.{name}", value
            if isinstance(value, dict):
                yield from ((f"{name}[{key}]", table) for key, table in value.items() if isinstance(table, Since))


def test_steps_come_in_order_and_each_changes_something() -> None:
    tables = dict(_tables())
    assert len(tables) > 50
    for name, table in tables.items():
        firsts = [first for first, _ in table.steps]
        assert firsts == sorted(set(firsts)), name
        assert firsts[0] >= FIRST_BUILD, name
        for (_, before), (first, after) in zip(table.steps, table.steps[1:], strict=False):
            assert before != after, f"{name}: b{first} changes nothing"


def test_every_purpose_has_one_program_in_every_build() -> None:
    for build in range(FIRST_BUILD, NEWEST):
        purposes = [purpose for program in PROGRAMS.values() for purpose in program.PURPOSES.at(build)]
        assert sorted(purposes) == sorted(get_args(Purpose)), build
        for program in (program for program in PROGRAMS.values() if program.FILE.at(build) is not None):
            assert program.layout(build)
            assert program.flash_attn_default(build) in ("on", "off", "auto")


def test_the_default_of_flash_attention_is_a_value_that_can_be_asked_for() -> None:
    """Memory, command line and refusals ask the same function."""
    for name, program in PROGRAMS.items():
        for build in range(FIRST_BUILD, NEWEST):
            if program.FILE.at(build) is None or not program.has_help(build):
                continue
            default = program.flash_attn_default(build)
            assert spell(program, "flash_attn", default, build) is not None, f"{name} b{build}: {default}"


def test_in_which_builds_a_setting_can_be_had_is_what_spelling_says() -> None:
    assert when(PROGRAMS["llama-bench"], "flash_attn", "auto") == "since b9437"
    assert when(PROGRAMS["llama-cli"], "flash_attn", "auto") == "since b6325"
