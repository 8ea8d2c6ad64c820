"""The gateway over a ``config.yaml`` that has mistakes: what held before holds on, and is said.

But never where the same edit touched who may do what: then nothing runs (AT-12 b).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import yaml

from hermes.testing import OpenAIServer, TelegramServer

GOOD: dict[str, Any] = {
    "gateway": {"busy": "queue"},
    "approvals": {"deny": ["rm *"]},
    "toolsets": ["todo"],
}


class Home:
    """A home whose file is written as text, and the command over it."""

    def __init__(self, system: Any) -> None:
        self.system = system
        self.file = system.home / "config.yaml"

    def write(self, **sections: Any) -> str:
        self.system.configure(**{**GOOD, **sections})
        return str(self.file.read_text())

    async def __call__(self, *arguments: str, status: int = 0) -> str:
        done = await self.system.run("gateway", *arguments)
        assert done.status == status, done.errors
        return str(done.out + done.errors)

    async def status(self) -> dict[str, Any]:
        done = await self.system.run("gateway", "status", "--json")
        found: dict[str, Any] = json.loads(done.out)
        return found


@pytest.fixture
async def gateway(system: Any) -> AsyncIterator[Home]:
    home = Home(system)
    home.write()
    await home("start")
    await home("stop")  # it has served with this one
    yield home
    await home("stop")


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"gateway": {"busy": "sometimes"}}, "expected interrupt"),
        ({"store": "nowhere"}, "no store named nowhere"),
    ],
)
async def test_a_mistake_leaves_what_held_before_and_every_status_says_so(
    gateway: Home, sections: dict[str, Any], said: str
) -> None:
    wrong = gateway.write(**sections)
    assert "runs (process" in await gateway("start")
    assert gateway.file.read_text() == wrong
    shown = await gateway("status")
    assert said in shown and "is not used until mended" in shown
    assert any(said in line for line in (await gateway.status())["configuration"])
    log = (gateway.system.home / "logs" / "hermes.log").read_text()
    assert "an earlier configuration is in use" in log
    await gateway("stop")
    gateway.write(gateway={"busy": "steer"})
    await gateway("start")
    assert (await gateway.status())["configuration"] == []


@pytest.mark.parametrize(
    "ending", ["model: [\n", "model:\n\tx: 1\n", "gateway: {busy: queue}}\n", "# caf\xe9\n"]
)
async def test_a_file_that_is_no_yaml_too_if_its_policy_reads_as_before(
    gateway: Home, ending: str
) -> None:
    gateway.file.write_bytes(gateway.file.read_bytes() + ending.encode("latin-1"))
    assert "runs (process" in await gateway("start")
    assert "is not used until mended" in await gateway("status")


@pytest.mark.parametrize(
    ("sections", "ending", "said"),
    [
        ({"approvals": {"deny": ["rm *", "curl *"]}, "store": "nowhere"}, "", "approvals changed"),
        ({"toolsets": [], "gateway": {"busy": "sometimes"}}, "", "toolsets changed"),
        ({"access": {"owners": {}}, "store": "nowhere"}, "", "access changed"),
        ({"approvals": {"mode": "sometimes"}}, "", "approvals changed"),
        ({"approvals": {"denny": ["rm *"]}}, "", "denny: unknown key (did you mean deny?)"),
        ({"approvals": {"deny": ["rm *", "dd *"]}}, "model: [\n", "approvals changed"),
        ({"sandbox": {"network": False}}, "model: [\n", "sandbox changed"),
    ],
)
async def test_where_who_may_do_what_was_changed_as_well_nothing_runs_and_it_is_not_tried_again(
    gateway: Home, sections: dict[str, Any], ending: str, said: str
) -> None:
    gateway.file.write_text(gateway.write(**sections) + ending)
    shown = await gateway("run", status=78)
    assert said in shown and len(shown.splitlines()) == 1
    assert "mend config.yaml" in shown or "nowhere" in shown or "unknown key" in shown
    assert said in await gateway("start", status=2)
    assert not (await gateway.status())["running"]


async def test_a_restart_does_not_stop_what_could_not_start_again(gateway: Home) -> None:
    await gateway("start")
    before = (await gateway.status())["pid"]
    gateway.write(approvals={"mode": "sometimes"})
    assert "expected manual" in await gateway("restart", status=2)
    assert (await gateway.status())["pid"] == before


async def test_the_owner_is_told_once_in_the_home_chat(system: Any, model: OpenAIServer) -> None:
    async with TelegramServer() as telegram:
        anna = telegram.private("Anna")
        sections: dict[str, Any] = {
            "telegram": {"enabled": True, "base_url": telegram.url, "poll_seconds": 1},
            "access": {"owners": {"telegram": "*"}},
        }
        (system.home / ".env").write_text(f"TELEGRAM_BOT_TOKEN={telegram.token}\n")
        system.configure(**sections)
        await system.run("gateway", "start")
        anna.say("/sethome")
        await shows(anna, "is the home of telegram", 1)
        await system.run("gateway", "stop")
        system.configure(**sections, store="nowhere")
        model.always = "Still here."
        for life in (1, 2):
            await system.run("gateway", "start")
            anna.say("Are you there?")
            await shows(anna, "Still here.", life)
            await system.run("gateway", "stop")
        told = [text for text in anna.shown if "is not used until it is mended" in text]
        assert len(told) == 1 and "no store named nowhere" in told[0]
        assert yaml.safe_load((system.home / "config.yaml").read_text())["store"] == "nowhere"


async def shows(chat: Any, text: str, count: int) -> None:
    async with asyncio.timeout(30):
        while sum(text in shown for shown in chat.shown) < count:
            await asyncio.sleep(0.05)
