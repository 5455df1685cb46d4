"""The tools that getting and building llama.cpp needs: where they are, and how one gets them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from orchestrator import process
from orchestrator.errors import ToolchainError
from orchestrator.values import Value

# What would change a build behind the recipe's back. make takes any variable of the environment for its own.
_SURPRISES = frozenset(
    [
        "MAKEFLAGS",
        "MFLAGS",
        "GNUMAKEFLAGS",
        "MAKEFILES",
        "MAKELEVEL",
        "MAKE_TERMOUT",
        "MAKE_TERMERR",
        "CC",
        "CXX",
        "CPP",
        "LD",
        "AR",
        "RANLIB",
        "NVCC",
        "CFLAGS",
        "CXXFLAGS",
        "CPPFLAGS",
        "LDFLAGS",
        "LDLIBS",
        "ASFLAGS",
        "ARFLAGS",
        "NVCCFLAGS",
        "CPATH",
        "C_INCLUDE_PATH",
        "CPLUS_INCLUDE_PATH",
        "LIBRARY_PATH",
        "DESTDIR",
        "VERBOSE",
        "V",
        "ARCH",
        "TARGET_ARCH",
        "RISCV",
        "RISCV_CROSS_COMPILE",
        "UNAME_S",
        "UNAME_P",
        "UNAME_M",
        "NINJA_STATUS",
        "NINJAFLAGS",
        "CLICOLOR_FORCE",
        "GCC_COLORS",
        "LANG",
        "LANGUAGE",
        "LS_COLORS",
    ]
)
_SURPRISING_PREFIXES = ("GGML_", "LLAMA_", "CMAKE_", "GIT_", "LC_", "MK_", "BUILD_")

# Tool → package, by family of Linux distribution; a family's install command comes first.
_PACKAGES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "debian": (
        "apt-get install -y",
        {"cc": "build-essential", "c++": "build-essential", "make": "build-essential", "ninja": "ninja-build"},
    ),
    "fedora": ("dnf install -y", {"cc": "gcc", "c++": "gcc-c++", "ninja": "ninja-build"}),
    "arch": ("pacman -S --needed", {"cc": "base-devel", "c++": "base-devel", "make": "base-devel"}),
    "alpine": ("apk add", {"cc": "build-base", "c++": "build-base", "make": "build-base", "ninja": "samurai"}),
    "suse": ("zypper install", {"cc": "gcc", "c++": "gcc-c++"}),
}
_FAMILY_OF = {"ubuntu": "debian", "rhel": "fedora", "centos": "fedora", "opensuse": "suse", "sles": "suse"}
# pip has these, too; their programs lie beside the Python that they were installed for.
_FROM_PIP = ("cmake", "ninja")

_NEEDED_FOR = {
    "git": "getting llama.cpp",
    "cc": "building llama.cpp (C compiler)",
    "c++": "building llama.cpp (C++ compiler)",
    "make": "building llama.cpp up to b4240",
    "cmake": "building llama.cpp from b4241 on",
    "ninja": "quicker CMake builds; optional",
    "ccache": "quicker rebuilds; optional",
}
_OPTIONAL = ("ninja", "ccache")


class Tool(Value):
    """One tool as `lcpp doctor` shows it. `path` and `version` are None when it is missing."""

    name: str
    needed_for: str
    optional: bool
    path: Path | None
    version: str | None
    remedy: str


class Compiler(Value):
    """A compiler as it is called, where that is, and the first line of its --version."""

    command: str
    path: Path
    version: str


class Compilers(Value):
    """The C and the C++ compiler of a build, and ccache when it is there."""

    c: Compiler
    cxx: Compiler
    ccache: Path | None


def clean_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """What build tools inherit: `environment` (the process's own when None) without what would change the build."""
    inherited = os.environ if environment is None else environment
    clean = {
        name: value
        for name, value in inherited.items()
        if name not in _SURPRISES and not name.startswith(_SURPRISING_PREFIXES)
    }
    # Messages in the one language that the diagnosis reads.
    return {**clean, "LC_ALL": "C.UTF-8", "LANGUAGE": "C"}


def locate(name: str, environment: Mapping[str, str] | None = None) -> Path | None:
    """A tool on PATH, or (what pip can install) beside the running Python."""
    inherited = os.environ if environment is None else environment
    path = shutil.which(name, path=inherited.get("PATH", os.defpath))
    if path is None and name in _FROM_PIP:
        path = shutil.which(name, path=str(Path(sys.executable).parent))
    return None if path is None else Path(path)


def need(names: Iterable[str], why: str, environment: Mapping[str, str] | None = None) -> dict[str, Path]:
    """Where these tools are.

    Raises:
        ToolchainError: naming all that are missing, and the command that installs them.
    """
    paths = {name: locate(name, environment) for name in names}
    missing = [name for name, path in paths.items() if path is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise ToolchainError(
            f"{_listed(missing)} {verb} needed {why}, but not on PATH", where="PATH", hint=f"run: {remedy(missing)}"
        )
    return {name: path for name, path in paths.items() if path is not None}


def compilers(environment: Mapping[str, str] | None = None) -> Compilers:
    """The compilers: cc and c++, or the CC and CXX of an `environment` that was given.

    Raises:
        ToolchainError: one is missing or does not start.
    """
    variables = environment or {}
    commands = {"cc": variables.get("CC", "cc"), "c++": variables.get("CXX", "c++")}
    paths = {name: locate(command, environment) for name, command in commands.items()}
    missing = [name for name, path in paths.items() if path is None]
    if missing:
        called = _listed([commands[name] for name in missing])
        verb = "is" if len(missing) == 1 else "are"
        hint = f"run: {remedy(missing)}"
        if any(commands[name] != name for name in missing):
            hint = "CC and CXX must each name one program, without arguments; correct or unset them"
        raise ToolchainError(f"{called} {verb} needed to build llama.cpp, but not on PATH", where="PATH", hint=hint)
    by_name = {
        name: Compiler(command=commands[name], path=path, version=_version(path, environment))
        for name, path in paths.items()
        if path is not None
    }
    return Compilers(c=by_name["cc"], cxx=by_name["c++"], ccache=locate("ccache", environment))


def c_compiler(environment: Mapping[str, str] | None = None) -> Compiler:
    """The C compiler alone: cc, or the CC of an `environment` that was given.

    Raises:
        ToolchainError: it is missing or does not start.
    """
    command = (environment or {}).get("CC", "cc")
    path = locate(command, environment)
    if path is None:
        raise ToolchainError(
            f"{command} (a C compiler) is needed, but not on PATH", where="PATH", hint=f"run: {remedy(['cc'])}"
        )
    return Compiler(command=command, path=path, version=_version(path, environment))


def probe(environment: Mapping[str, str] | None = None) -> list[Tool]:
    """All tools that lcpp can use, there or not."""
    tools = []
    for name, needed_for in _NEEDED_FOR.items():
        path = locate(name, environment)
        version: str | None = None
        if path is not None:
            try:
                version = _version(path, environment)
            except ToolchainError as error:
                version = error.what
        tools.append(
            Tool(
                name=name,
                needed_for=needed_for,
                optional=name in _OPTIONAL,
                path=path,
                version=version,
                remedy=remedy([name]),
            )
        )
    return tools


def remedy(names: Iterable[str], os_release: Path = Path("/etc/os-release")) -> str:
    """The command that installs these tools on this machine."""
    tools = list(names)
    command, packages = _PACKAGES.get(_family(os_release), ("your package manager, to install", {}))
    listed = " ".join(dict.fromkeys(packages.get(name, name) for name in tools))
    sudo = "" if os.geteuid() == 0 or command.startswith("your") else "sudo "
    line = f"{sudo}{command} {listed}"
    if tools and all(name in _FROM_PIP for name in tools):
        line += ' (or: pip install "lcpp[cmake]")'
    return line


def _family(os_release: Path) -> str:
    try:
        lines = os_release.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    facts = {key: value.strip().strip("\"'") for key, _, value in (line.partition("=") for line in lines)}
    for name in (facts.get("ID", ""), *facts.get("ID_LIKE", "").split()):
        plain = name.partition("-")[0]
        family = _FAMILY_OF.get(plain, plain)
        if family in _PACKAGES:
            return family
    return ""


def _version(path: Path, environment: Mapping[str, str] | None) -> str:
    try:
        finished = process.run([str(path), "--version"], env=clean_environment(environment), timeout_s=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolchainError(
            f"{path} does not start: {error}",
            where=str(path),
            hint="install it again, or put another one first on PATH",
        ) from error
    lines = [line for line in (finished.stdout + "\n" + finished.stderr).splitlines() if line.strip()]
    return lines[0].strip() if lines else f"(says nothing; exit code {finished.returncode})"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
