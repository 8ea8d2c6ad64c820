"""Killed anywhere, for real: effects happen at most once, and what is unknown is said (AT-04)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from hermes.records import Ended, Finished, Record, UserSaid
from hermes.testing import kill, make_context
from hermes_plugin_sqlite.store import SQLiteStore

PROGRAM = Path(__file__).parent / "charging.py"
POINTS = (
    "turn.taken",
    "model.answered",
    "question.put",
    "question.answered",
    "tool.granted",
    "tool.started",
    "effect.before",
    "effect.after",
    "tools.finished",
    "step.committed",
    "turn.ending",
    "turn.ended",
)
ROUNDS = int(os.environ.get("HERMES_KILL_ROUNDS", "1"))


def run(home: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, PROGRAM, home],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def journal(home: Path) -> list[Record]:
    store = SQLiteStore(make_context("sqlite", home=home))
    await store.open()
    try:
        (info,) = await store.sessions()
        assert await store.check() == []
        return await store.records(info.id)
    finally:
        await store.close()


def test_every_point_is_passed_in_an_ordinary_turn(tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = run(tmp_path, **kill.logged(log))
    assert done.stdout == "ok Done.\n", done.stderr
    assert set(POINTS) <= set(kill.reached(log))


@pytest.mark.parametrize("point", POINTS)
async def test_a_turn_killed_at_any_point_goes_on_and_charges_at_most_once(
    point: str, tmp_path: Path
) -> None:
    for round in range(ROUNDS):
        home = tmp_path / str(round)
        home.mkdir()
        kill.run([PROGRAM, home], at=point)
        resumed = run(home)
        assert resumed.returncode == 0, resumed.stderr
        traces = Counter((home / "traces").read_text().splitlines())
        charges = {line: n for line, n in traces.items() if line.startswith("charge")}
        assert all(n == 1 for n in charges.values()) and len(charges) <= 1
        stamps = [line for line in traces if line.startswith("stamp")]
        assert len(stamps) == 1  # repeated or not, always under one key

        records = await journal(home)
        said = [record for record in records if isinstance(record.body, UserSaid)]
        assert len(said) == 1
        assert [r.body.status for r in records if isinstance(r.body, Ended)] == ["ok"]
        (result,) = [
            record.body
            for record in records
            if isinstance(record.body, Finished) and record.body.tool == "charge"
        ]
        if point in ("tool.started", "effect.before", "effect.after"):
            assert result.unknown and "Unknown outcome" in result.text  # nobody can know
        else:
            assert not result.unknown and result.text == "charged" and len(charges) == 1


async def test_an_answer_given_before_a_kill_is_used_once_and_not_asked_again(
    tmp_path: Path,
) -> None:
    kill.run([PROGRAM, tmp_path], at="question.answered")
    run(tmp_path)
    records = await journal(tmp_path)
    assert [record.body.kind for record in records].count("asked") == 1
    assert (tmp_path / "traces").read_text().count("charge ") == 1


async def test_a_turn_that_dies_again_and_again_is_ended_with_a_notice(tmp_path: Path) -> None:
    for _ in range(3):
        kill.run([PROGRAM, tmp_path], at="turn.ending")
    last = run(tmp_path)
    assert last.stdout.startswith("failed The last turn was interrupted too often"), last.stderr
    records = await journal(tmp_path)
    assert [r.body.status for r in records if isinstance(r.body, Ended)] == ["failed"]
