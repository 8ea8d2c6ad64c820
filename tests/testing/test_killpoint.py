"""Kill points kill for real, where and when they are told, and are nothing otherwise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hermes.testing import kill

PROGRAM = """
import atexit, sys
from hermes.killpoint import reach
atexit.register(print, "closed")
for number in range(3):
    reach("step")
    print(number, flush=True)
    reach("other")
"""


def test_the_program_dies_at_the_nth_passing_with_nothing_flushed_or_closed() -> None:
    done = kill.run(["-c", PROGRAM], at="step", nth=3)

    assert done.stdout.split() == ["0", "1"]


def test_an_unarmed_point_does_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == ["0", "1", "2", "closed"]


def test_every_passing_is_logged_even_the_deadly_one(tmp_path: Path) -> None:
    log = tmp_path / "reached"

    kill.run(["-c", PROGRAM], at="step", nth=2, env=kill.logged(log))

    assert kill.reached(log) == {"step": 2, "other": 1}


def test_a_point_that_is_never_reached_fails_the_test() -> None:
    with pytest.raises(AssertionError, match=r"'nowhere'.*ended with 0"):
        kill.run(["-c", PROGRAM], at="nowhere")


def test_the_kernel_side_imports_nothing_heavy() -> None:
    code = (
        "import sys; before = set(sys.modules); import hermes.killpoint;"
        " print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    heavy = set(done.stdout.split()) - {"hermes", "hermes.killpoint", "__future__", "signal"}
    assert heavy <= {"enum", "types", "operator", "functools", "collections", "keyword", "reprlib",
                     "itertools", "_collections", "_functools", "_operator"}  # fmt: skip
