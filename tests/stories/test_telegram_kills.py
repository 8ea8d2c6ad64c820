"""The gateway on Telegram killed at every point: 100 messages, each answered once (AT-02, AT-24).

The real program, the real client, a Bot API and a model on loopback. Half of the messages wait
before the first start; the rest come while the gateway boots, runs, drains and is down. In each
life SIGKILL comes at another point; one life in between ends by SIGTERM. Telegram has no key for
a send, so a reply may come twice where the kill fell between a send and its record, and there only:
then it says so in the chat and in the journal.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest
import yaml

from hermes.delivery import REPEATED
from hermes.testing import OpenAIServer, Say, TelegramServer, kill

POINTS = (
    "inbox.fetched",
    "inbox.kept",
    "turn.taken",
    "draft.sent",
    "turn.ended",
    "delivery.sent",
)
"""Fetched, journaled, before the agent, mid-turn, before a send, after a send and before its
record."""
MORE = (
    "inbox.received",
    "draft.sending",
    "draft.kept",
    "model.answered",
    "turn.ending",
    "delivery.attempting",
    "delivery.settled",
)
UPDATES, PEOPLE = 100, 10
GIVEN_UP = "⚠️ The last turn was interrupted too often and was not resumed."
"""What a message gets that three lives in a row did not finish."""
ROUNDS = int(os.environ.get("HERMES_TELEGRAM_KILLS", "1"))


class World:
    """Telegram with ten people, the model, and the home of a gateway that dies and comes back."""

    def __init__(self, home: Path, telegram: TelegramServer, model: OpenAIServer) -> None:
        self.home, self.telegram, self.model = home, telegram, model
        home.mkdir()
        self.people = [telegram.private(f"P{n}", id=500 + n) for n in range(PEOPLE)]
        self.said: list[tuple[int, int, int]] = []
        """Update, chat and message of everything that was said."""
        self.kills = self.repeats = self.given_up = 0
        config = {
            "model": "openai:test",
            "openai": {"base_url": model.url},
            "telegram": {"enabled": True, "base_url": telegram.url, "poll_seconds": 1},
            "gateway": {"busy": "queue", "drain": 10},
            "access": {
                "owners": {"telegram": [p.id for p in self.people[:-1]]},  # one is a stranger
                "unauthorized_dm_behavior": "pair",
            },
        }
        (home / "config.yaml").write_text(yaml.safe_dump(config))
        (home / ".env").write_text(f"TELEGRAM_BOT_TOKEN={telegram.token}\n")

    def say(self, count: int) -> None:
        for _ in range(min(count, UPDATES - len(self.said))):
            number = len(self.said)
            person = self.people[number % PEOPLE]
            message = person.say(f"message {number}")
            self.said.append((self.telegram.updates.last, person.id, message["message_id"]))

    async def keep_saying(self, count: int) -> None:
        """Say something twenty times a second."""
        for _ in range(count):
            self.say(1)
            await asyncio.sleep(0.05)

    @asynccontextmanager
    async def life(self, **variables: str) -> AsyncIterator[asyncio.subprocess.Process]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hermes", "gateway", "run",
            env={**os.environ, "HERMES_HOME": str(self.home), **variables},
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.communicate(), 60)

    async def killed(self, point: str, nth: int, said: int) -> None:
        """One life that ends at *point*, with people writing before, during and after its boot."""
        self.say(said // 2)
        polled = len(self.telegram.of("getUpdates"))
        async with self.life(**kill.armed(point, nth)) as process:
            talking = asyncio.ensure_future(self._when_polled(polled, said - said // 2))
            async with asyncio.timeout(60):
                await process.wait()
            await talking
        assert process.returncode == -signal.SIGKILL, f"{point}:{nth} was not reached"
        self.kills += 1
        self.check_offset()

    async def _when_polled(self, before: int, count: int) -> None:
        with contextlib.suppress(TimeoutError):  # killed before it could ask again
            await self.telegram.called("getUpdates", before + 1, 5)
        await self.keep_saying(count)

    async def drained(self) -> None:
        """One life that is told to stop while people write and turns run."""
        polled = len(self.telegram.of("getUpdates"))
        async with self.life() as process:
            await self._when_polled(polled, 4)
            process.send_signal(signal.SIGTERM)
            await self.keep_saying(4)
            await asyncio.wait_for(process.wait(), 60)
        assert process.returncode == 0
        self.check_offset()

    async def settled(self) -> None:
        """One life that deals with all that is left."""
        self.say(UPDATES)
        async with self.life(), asyncio.timeout(90):
            await self.telegram.drained(90)
            while len(self.rows("inbox")) < UPDATES or not all(
                [*self.rows("inbox").values(), *self.rows("outbox").values()]
            ):
                await asyncio.sleep(0.1)

    def rows(self, queue: str) -> dict[str, str]:
        """Give key and end of what the journal has in *queue*."""
        path = self.home / "journal.db"
        if not path.exists():
            return {}
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        db.set_busy_timeout(5000)
        return dict(db.execute("SELECT key, end FROM queue WHERE queue=?", (queue,)))

    def check_offset(self) -> None:
        """What was confirmed to Telegram is in the journal."""
        kept = self.rows("inbox")
        for update, chat, message in self.said:
            if update <= self.telegram.updates.confirmed:
                assert f"telegram::{chat}:{chat}:{message}" in kept

    def check(self) -> None:
        """Every message has one row and one end; every chat shows each answer once, in order."""
        rows = self.rows("inbox")
        assert set(rows) == {f"telegram::{c}:{c}:{m}" for _, c, m in self.said}
        ends = Counter(rows.values())
        share = UPDATES // PEOPLE
        assert ends == {"answered": UPDATES - share, "refused": share}
        *friends, stranger = self.people
        for person in friends:
            self.check_chat(person)
        assert any("pairing approve" in text for text in stranger.shown)
        self.repeats += any(text.startswith(REPEATED) for text in stranger.shown)
        recorded = Counter(self.rows("outbox").values())
        assert set(recorded) <= {"delivered", "delivered:repeated"}
        assert recorded["delivered:repeated"] == self.repeats, (recorded, self.repeats)

    def check_chat(self, chat: Any) -> None:
        """Each answer once and in order, or again with the mark: at most once for each kill."""
        shown: dict[int, list[str]] = {}
        for message in chat.of_bot:
            shown.setdefault(message["reply_to_message"]["message_id"], []).append(message["text"])
        asked = [m["message_id"] for m in chat.messages.values() if m["from"]["id"] == chat.id]
        assert list(shown) == asked, (shown, asked)  # none without an answer, and in order
        for texts, answer in zip(shown.values(), self.answers(chat.id), strict=True):
            end = texts[-1].removeprefix(REPEATED)
            assert end in (answer, GIVEN_UP), texts
            first, *more = texts
            # Before a marked one: the same, or the beginning of an answer that a draft showed.
            assert first.removeprefix(REPEATED) == end or (more and answer.startswith(first)), texts
            assert set(more) <= {REPEATED + end}, texts
            assert len(more) <= self.kills, texts
            self.repeats += texts[-1].startswith(REPEATED)
            self.given_up += end == GIVEN_UP

    def answers(self, chat: int) -> list[str]:
        return [f"re: message {n}" for n, (_, where, _) in enumerate(self.said) if where == chat]


def echo(exchange: Any) -> Say:
    said = exchange.json["messages"][-1]["content"]
    text = said if isinstance(said, str) else said[-1]["text"]
    shown = asyncio.Event()
    asyncio.get_running_loop().call_later(0.2, shown.set)  # long enough for a draft
    return Say(chunks=("re: ", text[text.index("message") :]), hold=shown, hold_after=1)


@asynccontextmanager
async def world(home: Path) -> AsyncIterator[World]:
    async with TelegramServer() as telegram, OpenAIServer(always=echo) as model:
        yield World(home, telegram, model)


async def played(world: World, chance: random.Random, points: list[str]) -> None:
    world.say(UPDATES // 2)
    chance.shuffle(points)
    each = (UPDATES // 2 - 8) // len(points)  # eight come while it drains
    for place, point in enumerate(points):
        first = point.startswith(("inbox.fetched", "inbox.kept", "draft"))  # not once a message
        await world.killed(point, 1 if first else chance.randint(1, min(3, each - 1)), each)
        if place == len(points) // 2:
            await world.drained()
    await world.settled()
    world.check()


@pytest.mark.timeout(300)
async def test_killed_at_each_point_every_message_is_answered_once_and_in_order(
    tmp_path: Path,
) -> None:
    async with world(tmp_path / "home") as made:
        await played(made, random.Random(7), list(POINTS))


@pytest.mark.soak
async def test_many_rounds_of_kills(tmp_path: Path) -> None:
    kills = repeats = given_up = 0
    for number in range(ROUNDS):
        async with world(tmp_path / str(number)) as made:
            await played(made, random.Random(number), [*POINTS, *MORE])
        kills, repeats = kills + made.kills, repeats + made.repeats
        given_up += made.given_up
        print(f"{number + 1} rounds: {(number + 1) * UPDATES} updates, {kills} kills,"
              f" {repeats} repeats, each recorded, {given_up} told that their turn was given up",
              flush=True)  # fmt: skip
