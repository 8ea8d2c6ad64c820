"""The public types tell authors what is wrong, and keep quiet where nothing is.

mypy reads the files in tests/typing as an author's strict checker would. ``# E: text`` stands
beside an error that it must find, ``# R: type`` beside a `reveal_type`; any other error fails.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted((ROOT / "tests" / "typing").glob("*.py"))
SAID = re.compile(r"(.+?):(\d+):\d+: (?:error: |note: (?=Revealed))(.*)")
EXPECTED = re.compile(r"  # ([ER]): (.+)$")

pytestmark = pytest.mark.xdist_group("mypy")  # one process at a time writes its cache


def expected(file: Path) -> dict[int, str]:
    """Give line number to the text that mypy must say there."""
    found = {}
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if mark := EXPECTED.search(line):
            found[number] = f'Revealed type is "{mark[2]}"' if mark[1] == "R" else mark[2]
    return found


@pytest.fixture(scope="module")
def said() -> dict[str, dict[int, list[str]]]:
    """Run mypy once; file name to line number to what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--show-column-numbers", "--no-error-summary", *FILES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr  # it found the errors
    found: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for line in done.stdout.splitlines():
        if message := SAID.match(line):
            found[Path(message[1]).name][int(message[2])].append(message[3])
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_checker_says_what_authors_need_to_hear(
    file: Path, said: dict[str, dict[int, list[str]]]
) -> None:
    wanted, heard = expected(file), said[file.name]
    unheard = {n: text for n, text in wanted.items() if not any(text in t for t in heard[n])}
    surprising = {n: texts for n, texts in heard.items() if texts and n not in wanted}

    assert wanted
    assert unheard == {}
    assert surprising == {}
