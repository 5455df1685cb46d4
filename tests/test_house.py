"""The house's own rules, read from the source of the whole package: who may import whom, how large things may be.

Each rule has a table of what breaks it today, with the reason. The tables only get shorter: what is in order again is
struck out (a test says so), and nothing is added without a word why.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import orchestrator

PACKAGE = "orchestrator"
# From the ground up: a room imports only what stands before it.
ROOMS = (
    *("", "errors", "values", "piece", "progress", "text", "process", "workspace", "package_index", "toolchain"),
    *("machine", "recipe", "parse", "eras", "programs", "engine", "model", "pinning"),
    *("drive", "noise", "result", "pipeline", "experiment", "report", "cli", "__main__"),
)
MAX_MODULES = 14
MAX_LINES = 60

# By module: the room above that it imports.
UPWARD: Mapping[tuple[str, str], str] = {}
# Folders, and modules beside folders, that import each other in a circle.
CIRCLES: Mapping[frozenset[str], str] = {}
LONG: Mapping[str, str] = {}
# Class names with several meanings.
AMBIGUOUS: Mapping[str, str] = {}
# By module: what it uses of the process, which is the command line's.
OUTSIDE: Mapping[tuple[str, str], str] = {
    ("model.chat.sandbox", "print"): "a program of its own, run by its file name: it prints its answer for lcpp",
    ("toolchain", "os.environ"): "what a tool inherits where the caller gives nothing else, as in `subprocess`",
}


@dataclass(frozen=True)
class Module:
    """A module of the package: its name without the package's, and what its source says."""

    name: str
    file: Path
    tree: ast.Module

    @property
    def room(self) -> str:
        return self.name.partition(".")[0]


@cache
def modules() -> Mapping[str, Module]:
    top = Path(orchestrator.__file__).parent
    found = {}
    for file in sorted(top.rglob("*.py")):
        parts = file.relative_to(top).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = Module(name, file, ast.parse(file.read_text(encoding="utf-8")))
    return found


def imports(module: Module) -> Iterator[str]:
    """The names of the package's modules that `module` imports, at its top or inside a function."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module.name}:{node.lineno}: write the whole name"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, _, inside = name.partition(".")
            if package == PACKAGE:
                yield inside if inside in modules() else inside.rpartition(".")[0]


def upward() -> set[tuple[str, str]]:
    height = {room: at for at, room in enumerate(ROOMS)}
    return {
        (module.name, above)
        for module in modules().values()
        for above in {name.partition(".")[0] for name in imports(module)}
        if above != module.room and height[above] > height[module.room]
    }


def folder(module: Module) -> str:
    """The folder that a module is in; a module beside folders stands for itself."""
    beside_folders = any((path / "__init__.py").exists() for path in module.file.parent.iterdir())
    if beside_folders or module.file.name == "__init__.py":
        return module.name
    return module.name.rpartition(".")[0]


def circles() -> set[frozenset[str]]:
    """The strongly connected parts of the graph of folders."""
    graph: dict[str, set[str]] = defaultdict(set)
    for module in modules().values():
        graph[folder(module)] |= {folder(modules()[name]) for name in imports(module)} - {folder(module)}

    def reachable(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for name in graph[waiting.pop()] - seen:
                seen.add(name)
                waiting.append(name)
        return seen

    reach = {name: reachable(name) for name in list(graph)}
    return {
        frozenset(other for other in there if name in reach[other]) for name, there in reach.items() if name in there
    }


def functions() -> Iterator[tuple[str, int]]:
    """Each function by its module and name, with its number of lines."""
    for module in modules().values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                yield f"{module.name}:{node.name}", node.end_lineno - node.lineno + 1


def ambiguous() -> set[str]:
    homes: dict[str, list[str]] = defaultdict(list)
    for module in modules().values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(module.name)
    return {name for name, where in homes.items() if len(where) > 1}


def outside() -> set[tuple[str, str]]:
    """Where the process itself is used: its standard output, its end, its environment."""
    process_wide = {"print", "sys.exit", "os.environ", "os.getenv", "os.environb"}
    return {
        (module.name, used)
        for module in modules().values()
        if module.room not in ("cli", "__main__")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Name | ast.Attribute) and (used := ast.unparse(node)) in process_wide
    }


def test_each_room_has_its_place() -> None:
    assert {module.room for module in modules().values()} <= set(ROOMS)


def test_a_room_imports_only_rooms_below_it() -> None:
    assert upward() - set(UPWARD) == set()


def test_no_folders_import_each_other_in_a_circle() -> None:
    assert [sorted(circle) for circle in circles() if not any(circle <= known for known in CIRCLES)] == []


def test_no_folder_holds_too_many_modules() -> None:
    counts: dict[Path, int] = defaultdict(int)
    for module in modules().values():
        counts[module.file.parent] += module.file.name != "__init__.py"
    assert {str(path): count for path, count in counts.items() if count > MAX_MODULES} == {}


def test_no_function_is_too_long() -> None:
    assert {name: lines for name, lines in functions() if lines > MAX_LINES and name not in LONG} == {}


def test_a_class_name_has_one_meaning() -> None:
    assert ambiguous() - set(AMBIGUOUS) == set()


def test_only_the_command_line_prints_exits_and_reads_the_environment() -> None:
    assert outside() - set(OUTSIDE) == set()


@pytest.mark.parametrize(
    ("table", "broken"),
    [
        pytest.param(set(UPWARD), upward, id="upward"),
        pytest.param(set(CIRCLES), circles, id="circles"),
        pytest.param(set(LONG), lambda: {name for name, lines in functions() if lines > MAX_LINES}, id="long"),
        pytest.param(set(AMBIGUOUS), ambiguous, id="ambiguous"),
        pytest.param(set(OUTSIDE), outside, id="outside"),
    ],
)
def test_what_is_mended_is_struck_out(table: set[object], broken: object) -> None:
    assert callable(broken)
    assert table <= broken()
