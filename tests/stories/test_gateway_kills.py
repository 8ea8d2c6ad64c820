"""Killed anywhere while serving: nothing lost, nothing answered twice, order kept (AT-02, 24)."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import apsw
import pytest

from hermes.delivery import REPEATED
from hermes.testing import kill

PROGRAM = Path(__file__).parent / "serving.py"
POINTS = (
    "inbox.fetched",
    "inbox.kept",
    "inbox.received",
    "inbox.settled",
    "turn.taken",
    "model.answered",
    "turn.ending",
    "turn.ended",
    "delivery.attempting",
    "delivery.sent",
    "delivery.settled",
)
UPDATES, CHATS = 12, 3
ROUNDS = int(os.environ.get("HERMES_GATEWAY_KILLS", "1"))


def write_updates(home: Path, count: int = UPDATES) -> list[tuple[str, str]]:
    home.mkdir(exist_ok=True)
    updates = [
        (f"chat{n % CHATS}", f"stranger {n}" if n % 6 == 5 else f"message {n}")
        for n in range(count)
    ]
    (home / "updates").write_text("".join(json.dumps(each) + "\n" for each in updates))
    return updates


def serve(home: Path, *more: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, PROGRAM, home, str(UPDATES), *more],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def ends(home: Path, queue: str) -> Counter[str]:
    """Count the ends of a queue's items, looked up in the journal itself."""
    db = apsw.Connection(str(home / "journal.db"), flags=apsw.SQLITE_OPEN_READONLY)
    with db:
        return Counter(
            row[0] for row in db.execute("SELECT end FROM queue WHERE queue=?", (queue,))
        )


def test_every_point_is_passed_while_serving(tmp_path: Path) -> None:
    write_updates(tmp_path / "h")
    log = tmp_path / "log"
    done = serve(tmp_path / "h", **kill.logged(log))
    assert done.returncode == 0, done.stderr
    assert set(POINTS) <= set(kill.reached(log))


@pytest.mark.parametrize("keyed", [False, True], ids=["no-key", "keyed"])
@pytest.mark.parametrize("point", POINTS)
def test_a_gateway_killed_anywhere_loses_nothing_and_repeats_only_what_it_says(
    point: str, keyed: bool, tmp_path: Path
) -> None:
    chance = random.Random(f"{point}{keyed}")
    more = ("keyed",) if keyed else ()
    for round in range(ROUNDS):
        home = tmp_path / str(round)
        updates = write_updates(home)
        kill.run([PROGRAM, home, str(UPDATES), *more], at=point, nth=chance.randint(1, 2))
        confirmed = home / "confirmed"
        done = serve(home, *more)
        assert done.returncode == 0, done.stderr

        assert sum(ends(home, "inbox").values()) == UPDATES  # one row each, one end each
        assert set(ends(home, "inbox")) == {"answered", "refused"}
        assert int(confirmed.read_text()) <= UPDATES  # never past what the journal has
        sent = [json.loads(line) for line in (home / "sent").read_text().splitlines()]
        told = [(each["chat"], each["text"].removeprefix(REPEATED)) for each in sent]
        expected = [
            (chat, f"no: {text}" if text.startswith("stranger") else f"re: {text}")
            for chat, text in updates
        ]
        assert set(told) == set(expected)
        repeats = sum(each["text"].startswith(REPEATED) for each in sent)
        assert len(told) <= len(expected) + repeats  # what came twice says so
        assert repeats <= (0 if keyed else CHATS)  # one send under way in each chat, at most
        assert ends(home, "outbox")["delivered:repeated"] == repeats
        for chat, _ in updates:
            answers = [t for c, t in dict.fromkeys(told) if c == chat and t.startswith("re")]
            assert answers == [t for c, t in expected if c == chat and t.startswith("re")]


@pytest.mark.parametrize("point", ["draft.sent", "turn.ending", "turn.ended", "delivery.sent"])
def test_a_draft_that_a_kill_left_is_replaced_by_the_answer(point: str, tmp_path: Path) -> None:
    chance = random.Random(point)
    for round in range(ROUNDS):
        home = tmp_path / str(round)
        updates = write_updates(home)
        kill.run(
            [PROGRAM, home, str(UPDATES), "keyed", "edits"], at=point, nth=chance.randint(1, 3)
        )
        done = serve(home, "keyed", "edits")
        assert done.returncode == 0, done.stderr
        shown: dict[str, tuple[str, str]] = {}
        for number, line in enumerate((home / "sent").read_text().splitlines()):
            part = json.loads(line)
            shown[part["edits"] or str(number)] = (part["chat"], part["text"])
        expected = [
            (chat, f"no: {text}" if text.startswith("stranger") else f"re: {text}")
            for chat, text in updates
        ]
        assert sorted(shown.values()) == sorted(expected)  # each once: no draft is left beside it
