"""Runs and their checks as JUnit XML, which CI systems show."""

from __future__ import annotations

from xml.etree import ElementTree

from orchestrator.report.content import Report, Run, name_of
from orchestrator.result.registry import WALL
from orchestrator.text.visible import shortened, visible

_MAX_TEXT = 4000


def render(report: Report) -> bytes:
    """A suite a recipe; a case a run, an error where it failed, and one a check, a failure where it does not hold."""
    suites = ElementTree.Element("testsuites", name=_safe(report.title))
    by_name: dict[str, list[Run]] = {}
    for run in reversed(report.runs):
        by_name.setdefault(run.measurement.name, []).append(run)
    for name, runs in by_name.items():
        suite = ElementTree.SubElement(suites, "testsuite", name=_safe(name))
        for run in runs:
            _run(suite, run)
        _count(suite)
        suite.set("timestamp", f"{runs[0].started:%Y-%m-%dT%H:%M:%S}")
    for counted in ("tests", "failures", "errors"):
        suites.set(counted, str(sum(int(suite.get(counted, "0")) for suite in suites)))
    ElementTree.indent(suites, " ")
    document: str = ElementTree.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{document}\n'.encode()


def _run(suite: ElementTree.Element, run: Run) -> None:
    measurement, result = run.measurement, run.result
    classname = _safe(f"{measurement.name}.{name_of(run)}")
    case = _case(suite, classname, measurement.id)
    case.set("time", f"{measurement.figures.get(WALL.name, 0.0):.3f}")
    if measurement.status == "failed":
        failure = None if result is None else result.failure
        what = "the run failed" if failure is None else failure.what
        error = ElementTree.SubElement(case, "error", message=_safe(what), type="failed")
        lines = [] if failure is None else [failure.what, failure.where, failure.hint]
        error.text = _safe("\n".join(part for part in lines if part))
    if measurement.disturbed:
        out = ElementTree.SubElement(case, "system-out")
        out.text = _safe(f"disturbed: {'; '.join(measurement.disturbed)}")
    checks = () if result is None else result.checks
    for check in checks:
        checked = _case(suite, classname, f"{measurement.id}: {check.name}")
        if not check.ok:
            difference = f"expected {check.expected}, found {check.found}"
            failed = ElementTree.SubElement(
                checked, "failure", message=_safe(f"{check.name}: {difference}"), type="unexpected"
            )
            failed.text = _safe(difference)
    if measurement.status == "unexpected" and all(check.ok for check in checks):
        ElementTree.SubElement(case, "failure", message="what its recipe expects does not hold", type="unexpected")


def _case(suite: ElementTree.Element, classname: str, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname=classname, name=_safe(name))


def _count(suite: ElementTree.Element) -> None:
    cases = list(suite)
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(sum(case.find("failure") is not None for case in cases)))
    suite.set("errors", str(sum(case.find("error") is not None for case in cases)))


def _safe(text: str) -> str:
    """What XML 1.0 can hold, not too much of it."""
    return visible(shortened(text, _MAX_TEXT)).translate({0xFFFE: "\ufffd", 0xFFFF: "\ufffd"})
