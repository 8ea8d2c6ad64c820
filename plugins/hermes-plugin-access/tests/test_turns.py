"""Whole turns behind the door: the real chain and the real runtime."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hermes import Account, Admission, Authority, Inbound, TurnFinished
from hermes.chain import Broken, Link, compose
from hermes.messages import Text
from hermes.testing import ScriptedProvider, make_inbound, make_key, open_runtime
from hermes_plugin_access.pairing import Pairing
from hermes_plugin_access.settings import SessionReset


def echo(request: Any) -> str:
    """Answer with everything that the model sees."""
    parts = [part for message in request.spec.messages for part in message.parts]
    return " | ".join(part.text for part in parts if isinstance(part, Text))


class Gateway:
    """What stands behind the door: a turn for whoever has a role, its answer to their chat."""

    def __init__(self, runtime: Any, access: Any) -> None:
        self.runtime = runtime
        self.replies: dict[str, list[str]] = {}
        self._chain = compose("receive", [Link("access", "access", access)], self._admit)

    async def say(self, text: str, user: str, platform: str = "telegram", **fields: Any) -> str:
        key = make_key(fields.pop("chat", f"dm-{user}"), platform=platform)
        message = make_inbound(text, key=key, sender=Account(platform, user), **fields)
        outcome: Admission = await self._chain(message)
        return outcome.outcome

    async def _admit(self, inbound: Inbound) -> Admission:
        if inbound.role is None:
            return Admission("refused")
        conversation = await self.runtime.conversation(
            inbound.bound or inbound.key, new=inbound.fresh
        )
        authority = Authority(inbound.key.platform, inbound.person, inbound.role)
        async for event in conversation.send(inbound.text, authority=authority):
            if isinstance(event, TurnFinished):
                self.replies.setdefault(inbound.key.chat, []).append(event.reply)
        return Admission("admitted")


@asynccontextmanager
async def gateway(tmp_path: Path, door: Any) -> AsyncIterator[tuple[Gateway, ScriptedProvider]]:
    provider = ScriptedProvider(*[echo] * 500)
    async with open_runtime(tmp_path, provider=provider) as runtime:
        yield Gateway(runtime, door.access), provider


async def test_nothing_a_stranger_says_reaches_a_model(tmp_path: Path, make_door: Any) -> None:
    door = make_door(owners={"telegram": [1]})
    async with gateway(tmp_path, door) as (desk, provider):
        outcomes = [await desk.say(f"secret-{n}", str(n % 40)) for n in range(200)]
        assert outcomes.count("admitted") == 5
        seen = " ".join(echo(SimpleNamespace(spec=spec)) for spec in provider.requests)
    assert set(re.findall(r"secret-\d+", seen)) == {f"secret-{n}" for n in range(1, 200, 40)}


async def test_twenty_people_in_one_group_do_not_see_each_other(
    tmp_path: Path, make_door: Any
) -> None:
    door = make_door(allow={"telegram": "*"})
    async with gateway(tmp_path, door) as (desk, provider):
        for turn in range(3):
            await asyncio.gather(
                *(
                    desk.say(f"<{user}:{turn}>", str(user), chat="-100", group=True)
                    for user in range(20)
                )
            )
        for spec in provider.requests:
            said = " ".join(part.text for m in spec.messages for part in m.parts)  # type: ignore[union-attr]
            assert len({word.split(":")[0] for word in said.split() if "<" in word}) == 1
    assert len(provider.requests) == 60


async def test_linked_chats_share_one_conversation_and_answers_go_where_they_were_asked(
    tmp_path: Path, make_door: Any
) -> None:
    door = make_door(allow={"telegram": "*", "discord": "*"}, share_conversation=True)
    persons = door.access.persons
    persons.join("discord:7", persons.offer("telegram:1"))
    async with gateway(tmp_path, door) as (desk, _):
        await desk.say("from the phone", "1")
        await desk.say("from the desk", "7", "discord")
        await desk.say("from a stranger to both", "8", "discord")
    assert desk.replies["dm-1"] == ["from the phone"]
    assert desk.replies["dm-7"] == ["from the phone | from the phone | from the desk"]
    assert desk.replies["dm-8"] == ["from a stranger to both"]


async def test_an_idle_conversation_begins_anew(tmp_path: Path, make_door: Any, clock: Any) -> None:
    door = make_door(allow={"telegram": "*"}, reset=SessionReset("idle", idle_minutes=60))
    async with gateway(tmp_path, door) as (desk, _):
        await desk.say("one", "1")
        await desk.say("two", "1")
        clock.now += 7200
        await desk.say("three", "1")
        await desk.say("four", "1")
    assert desk.replies["dm-1"][2:] == ["three", "three | three | four"]


async def test_a_door_that_is_broken_lets_nobody_in(tmp_path: Path, make_door: Any) -> None:
    door = make_door(allow={"telegram": "*"})
    (door.context.paths.data / "persons.json").write_text("[]")
    async with gateway(tmp_path, door) as (desk, provider):
        with pytest.raises(Broken, match="access"):
            await desk.say("Hello", "1")
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
