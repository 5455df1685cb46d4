"""`lcpp doctor`: what this machine has and lacks."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple

import click

from orchestrator import process, toolchain
from orchestrator.cli.call import Call
from orchestrator.cli.options import json_option
from orchestrator.cli.output.output import Output, json_text
from orchestrator.recipe.schema.recipe import DEFAULT_REMOTE
from orchestrator.text.numbers import GIB, gib
from orchestrator.workspace import Workspace

_NETWORK_TIMEOUT_S = 10.0
_BUILD_BYTES = 2 * GIB
# The load average of a minute from which other programs compute.
_BUSY_LOAD = 0.5
_SIGNS = {"ok": ("✓", "green"), "missing": ("✗", "red"), "note": ("·", "yellow")}


class Finding(NamedTuple):
    """One line of the doctor's. `missing` means that something does not work without it."""

    state: Literal["ok", "missing", "note"]
    name: str
    found: str
    remedy: str


@click.command()
@click.option("--limits", "measure", is_flag=True, help="First measure how fast memory and arithmetic are (seconds).")
@json_option()
@click.pass_obj
def doctor(call: Call, measure: bool) -> None:
    """Show what this machine has and lacks, and the command that mends it. Exit code 1 when something is missing.

    With `--limits`, results of later runs say how close they came to what this machine can do.
    """
    if measure:
        from orchestrator.cli.view.limits import measure_limits

        measure_limits(call)
    with ThreadPoolExecutor() as pool:
        online = [pool.submit(_git_host, call.environment), pool.submit(_package_index)]
        local = [
            *_tools(call.environment),
            _python(),
            *machine_findings(),
            _limits(call.workspace),
            _disk(call.workspace),
        ]
        findings = [*local, *(job.result() for job in online)]
    # Either way to the source is enough.
    if all(finding.state != "ok" for finding in findings[-2:]):
        findings[-2:] = [finding._replace(state="missing") for finding in findings[-2:]]
    call.output.document(findings, json=_json, people=_show)
    raise click.exceptions.Exit(1 if any(finding.state == "missing" for finding in findings) else 0)


def _json(findings: Sequence[Finding]) -> str:
    return json_text([finding._asdict() for finding in findings])


def _show(findings: Sequence[Finding], output: Output) -> None:
    from orchestrator.cli.output.table import TextTable, visible_text

    table = TextTable(show_header=False, box=None, padding=(0, 1))
    for finding in findings:
        sign, style = _SIGNS[finding.state]
        shown = finding.found if finding.state == "ok" else f"{finding.found}\n→ {finding.remedy}"
        table.add_row(visible_text(sign, style=style), finding.name, shown)
    output.draw(table)


def _tools(environment: Mapping[str, str]) -> list[Finding]:
    findings = []
    for tool in toolchain.probe(environment):
        if tool.path is not None:
            findings.append(Finding("ok", tool.name, f"{tool.version} ({tool.path})", ""))
        else:
            state: Literal["note", "missing"] = "note" if tool.optional or tool.name == "cmake" else "missing"
            findings.append(Finding(state, tool.name, f"not found; for {tool.needed_for}", tool.remedy))
    return findings


def _python() -> Finding:
    return Finding("ok", "Python", f"{sys.version.split()[0]} ({sys.executable})", "")


def machine_findings(root: Path = Path("/")) -> list[Finding]:
    """What a program started now can have of this machine, and who says so where that is less than all of it.

    Args:
        root: where `proc` and `sys` are.
    """
    # Imported here: the tools are looked for meanwhile.
    from orchestrator.machine import counters, cpu
    from orchestrator.machine.cores import cores
    from orchestrator.machine.jobs import compile_jobs
    from orchestrator.machine.memory import available

    processor, can_compute, memory, jobs = cpu.read(root), cores(root), available(root), compile_jobs(root)
    load_average, _ = counters.load(root)
    cores_why = f": {can_compute.why}" if can_compute.n_at_once < can_compute.n_online else ""
    memory_why = f": {memory.why}" if memory.usable_bytes < memory.free_bytes else ""
    name = ", ".join(filter(None, (processor.board, processor.name))) or "unknown"
    return [
        Finding("ok", "CPU", f"{name}, {can_compute.n_at_once} usable{cores_why}", ""),
        Finding(
            "ok",
            "memory",
            f"{gib(memory.total_bytes, 1)} GiB, {gib(memory.usable_bytes, 1)} GiB available{memory_why}",
            "",
        ),
        Finding("ok", "build jobs", f"{jobs.n} at once: {jobs.why}", ""),
        Finding(
            "note" if (load_average or 0.0) > _BUSY_LOAD else "ok",
            "quiet",
            "load average unknown" if load_average is None else f"load average {load_average:.2f}",
            "other programs compute: speeds measured now will be too low",
        ),
    ]


def _limits(workspace: Workspace) -> Finding:
    from orchestrator.cli.view.limits import in_words

    known, remedy = in_words(workspace)
    return Finding("note" if remedy else "ok", "limits", known, remedy)


def _disk(workspace: Workspace) -> Finding:
    vendor = workspace.vendor
    there = next(path for path in (vendor, *vendor.parents) if path.exists())
    free = shutil.disk_usage(there).free
    return Finding(
        "ok" if free > _BUILD_BYTES else "missing",
        "disk",
        f"{gib(free, 1)} GiB free for {vendor}",
        "a build takes up to 2 GiB: free some space, or choose another place with LCPP_VENDOR",
    )


def _git_host(environment: Mapping[str, str]) -> Finding:
    unasked = {**environment, "GIT_TERMINAL_PROMPT": "0"}
    name, remedy = "git host", "lcpp takes known versions from the package index instead (`engine.source: package`)"
    try:
        done = process.run(
            ["git", "ls-remote", "--exit-code", DEFAULT_REMOTE, "HEAD"], env=unasked, timeout_s=_NETWORK_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return Finding("note", name, f"{DEFAULT_REMOTE} does not answer", remedy)
    if done.returncode != 0:
        return Finding("note", name, f"{DEFAULT_REMOTE} cannot be reached", remedy)
    return Finding("ok", name, f"{DEFAULT_REMOTE} answers", "")


def _package_index() -> Finding:
    name, remedy = "package index", "check pip's configuration (`pip config list`); with a git host it is not needed"
    command = [sys.executable, "-m", "pip", "index", "versions", "llama-cpp-python", "--no-input"]
    try:
        done = process.run(command, cwd=Path("/"), timeout_s=_NETWORK_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return Finding("note", name, "pip gets no answer", remedy)
    if done.returncode != 0:
        return Finding("note", name, "pip does not find llama-cpp-python there", remedy)
    return Finding("ok", name, "pip finds llama-cpp-python there", "")
