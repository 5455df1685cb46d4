"""The key of a build: every input counts, and a build that was made before is found again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.engine.build.inputs import BuildInputs
from orchestrator.engine.build.manifest import CompilerFacts, CompilersUsed, Manifest
from orchestrator.engine.source.checkout import Checkout
from orchestrator.machine.cpu import Cpu
from orchestrator.toolchain import Compiler, Compilers
from orchestrator.values import replace

CHECKOUT = Checkout(
    path=Path("/x"), commit="1d1c" * 10, build_number=1, commit_date=None, ref="r", source="git", remote="y",
    fingerprint="1d1c" * 10,
)  # fmt: skip
CPU = Cpu(name="Some CPU", kinds=(), board=None, features=frozenset({"avx", "sse"}))
INPUTS = BuildInputs(checkout=CHECKOUT, system="cmake", options={"GGML_NATIVE": True}, cpu=CPU)
CC, CXX = (Compiler(command=name, path=Path("/usr/bin", name), version=f"{name} 12") for name in ("cc", "c++"))
COMPILERS = Compilers(c=CC, cxx=CXX, ccache=None)


def test_a_build_of_an_earlier_lcpp_is_found_again() -> None:
    assert INPUTS.key(COMPILERS) == "1d1c1d1c1d1c-cmake-cf64c830a4e5"


@pytest.mark.parametrize(
    "inputs",
    [
        replace(INPUTS, checkout=replace(CHECKOUT, fingerprint="1d1c" * 9 + "0000")),
        replace(INPUTS, system="make"),
        replace(INPUTS, options={}),
        replace(INPUTS, options={"GGML_NATIVE": False}),
        replace(INPUTS, cpu=replace(CPU, name="Another CPU")),
        replace(INPUTS, cpu=replace(CPU, features=frozenset({"avx", "avx2", "sse"}))),
    ],
)
def test_each_input_counts(inputs: BuildInputs) -> None:
    digest = INPUTS.key(COMPILERS).removeprefix(INPUTS.key_prefix)
    assert inputs.key(COMPILERS).removeprefix(inputs.key_prefix) != digest


@pytest.mark.parametrize("change", [lambda c: replace(c, path=Path("/opt/cc")), lambda c: replace(c, version="cc 13")])
def test_each_compiler_counts(change: Callable[[Compiler], Compiler]) -> None:
    others = [replace(COMPILERS, c=change(CC)), replace(COMPILERS, cxx=change(CXX))]
    assert len({INPUTS.key(compilers) for compilers in (COMPILERS, *others)}) == 3


def test_ccache_and_the_name_of_the_ref_do_not() -> None:
    assert INPUTS.key(replace(COMPILERS, ccache=Path("/usr/bin/ccache"))) == INPUTS.key(COMPILERS)
    assert replace(INPUTS, checkout=replace(CHECKOUT, ref="master")).key(COMPILERS) == INPUTS.key(COMPILERS)


MANIFEST = Manifest(
    commit=CHECKOUT.commit, build_number=1, commit_date=None, source="git", remote="y", fingerprint=CHECKOUT.fingerprint,
    build_system="cmake", options={"GGML_NATIVE": True}, commands=(), cpu_model=CPU.model,
    cpu_flags_digest=CPU.features_digest, built_at="", duration_s=0, programs={}, version_output=None, lcpp_version="0",
    compiler=CompilersUsed(c=CompilerFacts(path="", version=""), cxx=CompilerFacts(path="", version=""), ccache=None),
)  # fmt: skip


def test_a_build_of_the_same_inputs_is_one_whatever_compilers_made_it() -> None:
    assert INPUTS.match(MANIFEST)


@pytest.mark.parametrize(
    "change",
    [
        {"fingerprint": "0" * 40},
        {"build_system": "make"},
        {"options": {}},
        {"cpu_model": "Another CPU"},
        {"cpu_flags_digest": "0" * 16},
    ],
)
def test_a_build_of_other_inputs_is_not(change: dict[str, object]) -> None:
    assert not INPUTS.match(MANIFEST.model_copy(update=change))


def test_a_checkout_that_is_no_commit_goes_by_its_fingerprint() -> None:
    folder = replace(INPUTS, checkout=replace(CHECKOUT, commit=None, fingerprint="f" * 64))
    assert folder.key_prefix == "ffffffffffff-cmake-"
    assert INPUTS.key_prefix == "1d1c1d1c1d1c-cmake-"
