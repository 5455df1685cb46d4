"""What a failed build says, and the likely remedy."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from orchestrator.engine.build import diagnosis


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("/tmp/x.s: No space left on device", "disk is full"),
        ("c++: fatal error: Killed signal terminated program cc1plus", "out of memory"),
        ("x.cpp:1:10: fatal error: curl/curl.h: No such file or directory", "libcurl"),
        ("Makefile:2: *** The Makefile build is deprecated. Use the CMake build instead.  Stop.", "build: cmake"),
        ("cc1plus: error: bad value ('znver9') for '-march=' switch", "newer compiler"),
        ("x.cpp:3:5: error: 'string_view' in namespace 'std' does not name a type", "C++17"),
        (
            "CMake Error at CMakeLists.txt:1 (cmake_minimum_required):\n  CMake 3.28 or higher is required.",
            "pip install",
        ),
        ("x.c:1:10: fatal error: stdio.h: No such file or directory", "libc6-dev"),
        ("make: *** No rule to make target 'llama-nope'.  Stop.", "no such program"),
        ("/usr/bin/ld: x.o: in function `main': undefined reference to `y'", "build: cmake"),
    ],
)
def test_a_likely_remedy(line: str, hint: str) -> None:
    lines = ["cc -c x.c -o x.o", *line.split("\n"), "ninja: build stopped"]
    error = diagnosis.explain(["/usr/bin/make", "x"], 2, lines, Path("/log"))
    assert line.split("\n")[0] in error.what
    assert error.hint is not None
    assert hint in error.hint
    assert error.where == "/log"


def test_a_build_that_was_killed() -> None:
    error = diagnosis.explain(["make"], -signal.SIGKILL, ["c++ -c x.cpp -o x.o"], Path("/log"))
    assert "SIGKILL" in error.what
    assert error.hint is not None
    assert "memory" in error.hint
