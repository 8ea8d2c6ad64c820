"""What comes of a trial is compared by code."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes_plugin_nudges.trial import unmet
from hermes_plugin_skills.editing import CheckFile


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        ({"file": "a.txt", "equals": "one\ntwo"}, ""),
        ({"file": "a.txt", "equals": "one"}, "a.txt is not what was expected: 'one\\ntwo'"),
        ({"file": "a.txt", "contains": "two"}, ""),
        ({"file": "a.txt", "contains": "three"}, "a.txt does not contain 'three': 'one\\ntwo'"),
        ({"file": "a.txt", "lacks": "three"}, ""),
        ({"file": "a.txt", "lacks": "one"}, "a.txt contains 'one'"),
        ({"file": "a.txt", "exists": "yes"}, ""),
        ({"file": "a.txt", "exists": "no"}, "a.txt is there"),
        ({"file": "b.txt", "exists": "yes"}, "b.txt is not there"),
        ({"file": "b.txt", "contains": "x"}, "b.txt cannot be read"),
        ({"reply": "answer", "contains": "Done"}, ""),
        ({"reply": "answer", "contains": "42"}, "the reply does not contain '42': 'Done.'"),
        ({"reply": "answer", "lacks": "Done"}, "the reply contains 'Done'"),
    ],
)
def test_an_expectation_is_met_or_said(tmp_path: Path, expected: dict[str, str], said: str) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    check = CheckFile("Do it", expect=(expected,))
    assert unmet(check, tmp_path, "Done.") == ([said] if said else [])
