"""Run pytest inside a test, in a process of its own, and see what came of each inner test.

For testing fixtures and contract suites themselves: a suite that no broken implementation fails
proves nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path


def run_inner(folder: Path, source: str, *flags: str) -> dict[str, str]:
    """Run *source* as a test file in *folder*.

    Gives test name (``Class.test`` inside a class) to ``passed``, ``failed`` (by itself or in its
    teardown) or ``skipped``. Raises AssertionError with the output when nothing was collected.
    """
    inside = folder / "inner"
    inside.mkdir()
    (inside / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    (inside / "test_inner.py").write_text(source)
    report = inside / "report.xml"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider",
         "-p", "no:xdist", f"--junit-xml={report}", *flags, inside],
        cwd=inside, env=dict(os.environ), capture_output=True, text=True, check=False,
    )  # fmt: skip
    cases = list(ET.parse(report).iter("testcase")) if report.exists() else []
    if not cases:
        raise AssertionError(done.stdout + done.stderr)
    outcomes: dict[str, str] = {}
    for case in cases:
        owner = case.get("classname", "").rpartition("test_inner")[2].strip(".")
        name = f"{owner}.{case.get('name')}".strip(".")
        kinds = {child.tag for child in case}
        outcome = "failed" if kinds & {"failure", "error"} else "passed"
        outcome = "skipped" if "skipped" in kinds and outcome == "passed" else outcome
        if outcomes.get(name) != "failed":  # a teardown's error is a case of its own
            outcomes[name] = outcome
    return outcomes


def run_mutants(folder: Path, source: str, faults: Mapping[str, str]) -> dict[str, str]:
    """Run a contract suite against good and broken implementations, and say what it missed.

    *source* holds a test class per implementation; *faults* maps the class of a broken one to the
    test (without ``test_``) that must fail it, and the class of a good one to an empty string.
    Gives what went wrong, by class: nothing, where the suite is worth its name. Of a broken one
    only that test is run.
    """
    chosen = [f"({suite} and {rule})" if rule else suite for suite, rule in faults.items()]
    outcomes = run_inner(folder, source, "-k", " or ".join(chosen))
    wrong = {}
    for suite, rule in faults.items():
        ran = {name: o for name, o in outcomes.items() if name.startswith(f"{suite}.")}
        failed = [name.partition(".test_")[2] for name, o in ran.items() if o == "failed"]
        if not ran:
            wrong[suite] = "was not run"
        elif rule and not any(name.startswith(rule) for name in failed):
            wrong[suite] = f"passes {rule}"
        elif failed and not rule:
            wrong[suite] = f"fails {', '.join(failed)}"
    return wrong
