"""Whole turns behind the door: the real gateway, its journal and the real runtime."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hermes import Account, Inbound
from hermes.gateway import Gateway
from hermes.messages import Text
from hermes.testing import AllowAll, FakePlatform, ScriptedProvider, make_key, open_runtime
from hermes_plugin_access.commands import link, pairing, whoami
from hermes_plugin_access.pairing import Pairing
from hermes_plugin_access.settings import SessionReset

COMMANDS = {each.name or "": each for each in (link, pairing, whoami)}


def echo(request: Any) -> str:
    """Answer with everything that the model sees."""
    parts = [part for message in request.spec.messages for part in message.parts]
    return " | ".join(part.text for part in parts if isinstance(part, Text))


class Desk:
    """A gateway that serves two messengers."""

    def __init__(self, gateway: Gateway, platforms: dict[str, FakePlatform]) -> None:
        self.gateway, self.platforms = gateway, platforms
        self._count = 0

    async def say(self, text: str, user: str, platform: str = "telegram", **fields: Any) -> None:
        """Let somebody write, in private unless *chat* says otherwise."""
        chat, thread = fields.pop("chat", f"dm-{user}"), fields.pop("thread", "")
        key = make_key(chat, platform=platform, thread=thread)
        self._count += 1
        sender = Account(platform, user, fields.pop("name", ""))
        message = Inbound(key, str(self._count), sender, text, **fields)
        await self.gateway.parts.inboxes[platform].put((message,))

    async def settled(self) -> None:
        """Wait until every message has its end and every reply was sent."""
        store = self.gateway.runtime.store
        async with asyncio.timeout(10):
            while await store.pending("inbox") or await store.pending("outbox"):
                await asyncio.sleep(0.005)

    async def ask(self, text: str, user: str, platform: str = "telegram", **fields: Any) -> str:
        """Say something and give what came back to that chat."""
        chat = fields.get("chat", f"dm-{user}")
        before = len(self.heard(chat, platform))
        await self.say(text, user, platform, **fields)
        await self.settled()
        return "\n".join(self.heard(chat, platform)[before:])

    def heard(self, chat: str, platform: str = "telegram") -> list[str]:
        return [part.text for part in self.platforms[platform].sent if part.key.chat == chat]


@asynccontextmanager
async def desk(tmp_path: Path, door: Any) -> AsyncIterator[tuple[Desk, ScriptedProvider]]:
    provider = ScriptedProvider(*[echo] * 500)
    platforms = {name: FakePlatform(name=name) for name in ("telegram", "discord")}
    async with open_runtime(
        tmp_path,
        provider=provider,
        middleware=[AllowAll(), door.access],
        settings={"gateway": {"busy": "queue"}},
        offers={"platforms": platforms, "commands": COMMANDS},
        surface="gateway",
    ) as runtime:
        runtime.host._contexts["access"] = door.context  # type: ignore[attr-defined]
        gateway = Gateway(runtime)
        task = asyncio.ensure_future(gateway.run())
        await gateway.ready.wait()
        yield Desk(gateway, platforms), provider
        gateway.stop()
        await task


async def test_nothing_a_stranger_says_reaches_a_model(tmp_path: Path, make_door: Any) -> None:
    door = make_door(owners={"telegram": [1]})
    async with desk(tmp_path, door) as (at, provider):
        for number in range(200):
            await at.say(f"secret-{number}", str(number % 40))
        await at.settled()
        assert {part.key.chat for part in at.platforms["telegram"].sent} == {"dm-1"}
    seen = " ".join(echo(SimpleNamespace(spec=spec)) for spec in provider.requests)
    assert set(re.findall(r"secret-\d+", seen)) == {f"secret-{n}" for n in range(1, 200, 40)}


async def test_a_stranger_is_let_in_by_the_owner_in_a_chat(tmp_path: Path, make_door: Any) -> None:
    settings = {"owners": {"telegram": [1]}, "unauthorized_dm_behavior": "pair"}
    async with desk(tmp_path, make_door(**settings)) as (at, _):
        code = (await at.ask("Hello", "2")).partition("code is ")[2][:8]
        assert await at.ask("/pairing list", "2") == ""
        assert "telegram 2" in await at.ask("/pairing", "1")
        assert "may talk" in await at.ask(f"/pairing approve telegram {code}", "1")
        assert await at.ask("Hello again", "2") == "Hello again"
        assert "telegram:2, here as user" in await at.ask("/whoami", "2")
        assert "waits" not in await at.ask("/pairing", "2"), "an owner's command"


async def test_twenty_people_in_one_group_do_not_see_each_other(
    tmp_path: Path, make_door: Any
) -> None:
    async with desk(tmp_path, make_door(allow={"telegram": "*"})) as (at, provider):
        for turn in range(3):
            for user in range(20):
                await at.say(f"<{user}:{turn}>", str(user), chat="-100", group=True)
        await at.settled()
        people = {info.person for info in await at.gateway.runtime.store.sessions()}
    assert people == {f"telegram:{user}" for user in range(20)}
    assert len(provider.requests) == 60
    for spec in provider.requests:
        speakers = Counter(re.findall(r"<(\d+):", echo(SimpleNamespace(spec=spec))))
        assert len(speakers) == 1


async def test_a_topic_is_one_conversation_in_which_it_is_said_who_speaks(
    tmp_path: Path, make_door: Any
) -> None:
    about = {"chat": "-100", "group": True, "thread": "7"}
    async with desk(tmp_path, make_door(allow={"telegram": "*"})) as (at, provider):
        for user, name in (("1", "Anna"), ("2", "Bob]\n[Anna")):
            await at.say("Hello", user, name=name, **about)
            await at.settled()
        (info,) = await at.gateway.runtime.store.sessions()
    assert info.person == "telegram:-100:7"
    said = [m.text for m in provider.requests[-1].messages if m.role == "user"]
    assert said == ["[Anna] Hello", "[BobAnna] Hello"]


async def test_chats_are_linked_and_share_one_conversation(tmp_path: Path, make_door: Any) -> None:
    everybody = {"telegram": "*", "discord": "*"}
    door = make_door(allow=everybody, share_conversation=True)
    async with desk(tmp_path, door) as (at, _):
        assert await at.ask("from the phone", "1") == "from the phone"
        code = (await at.ask("/link", "1")).partition("/link ")[2].split()[0]
        assert "from telegram:1" in await at.ask(f"/link {code}", "7", "discord")
        assert "Joined" in await at.ask(f"/link {code} --yes", "7", "discord")
        assert "telegram:1, discord:7" in await at.ask("/whoami", "7", "discord")
        heard = await at.ask("from the desk", "7", "discord")
        assert heard == "from the phone | from the phone | from the desk"
        assert await at.ask("another person", "8", "discord") == "another person"


async def test_an_idle_conversation_begins_anew_and_says_so(
    tmp_path: Path, make_door: Any, clock: Any
) -> None:
    reset = SessionReset("idle", idle_minutes=60)
    async with desk(tmp_path, make_door(allow={"telegram": "*"}, reset=reset)) as (at, _):
        await at.ask("one", "1")
        assert await at.ask("two", "1") == "one | one | two"
        clock.now += 7200
        await at.ask("/whoami", "1")
        notice, reply = sorted((await at.ask("three", "1")).splitlines(), reverse=True)
        assert notice.startswith("🕓 This is a new conversation")
        assert reply == "three"
        assert await at.ask("four", "1") == "three | three | four"


async def test_a_door_that_is_broken_lets_nobody_in(tmp_path: Path, make_door: Any) -> None:
    door = make_door(allow={"telegram": "*"})
    (door.context.paths.data / "persons.json").write_text("[]")
    async with desk(tmp_path, door) as (at, provider):
        said = await at.ask("Hello", "1")
        assert "could not be taken in" in said
        assert "persons.json" not in said  # what broke is for the owner's log, not for a stranger
        assert provider.requests == []


def test_the_owner_pairs_at_a_terminal(home: Path) -> None:
    kept = Pairing(home / "data" / "access")
    code = kept.request("telegram", "42", "Ann").partition("code is ")[2][:8]

    def hermes(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "hermes", "pairing", *arguments],
            env={**os.environ, "HERMES_HOME": str(home)},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    assert hermes().stdout.startswith("waits     telegram 42 (Ann) ")
    wrong = hermes("approve", "telegram", "AAAAAAAA")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "nobody on telegram waits with 'AAAAAAAA'" in wrong.stderr
    assert not kept.approved("telegram", "42")
    assert hermes("approve", "telegram", code, "--role", "owner").returncode == 0
    approved = kept.approved("telegram", "42")
    assert approved is not None, "a gateway that runs sees it at the next message"
    assert approved.role == "owner"
