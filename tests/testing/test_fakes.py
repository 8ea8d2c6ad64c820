"""The kit's own fakes keep their contracts, and refuse what the real things refuse."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

import pytest

from hermes import Failed, Failure, Inbound, Part, PlatformLimits, PluginError, Secret, Store
from hermes.splitting import measure
from hermes.testing import (
    Asker,
    FakeMemory,
    FakeModels,
    FakePlatform,
    MemoryContract,
    MemoryInbox,
    MemoryState,
    MemoryStore,
    PlatformContract,
    StoreContract,
    make_inbound,
    make_key,
    make_turn,
)
from hermes.testing.pytest_plugin import MakeContext
from hermes.testing.store import MemoryDisk
from hermes.turn import Question


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def make_store(self) -> Callable[[], Store]:
        disk = MemoryDisk()
        return lambda: MemoryStore(disk)


class TestFakeMemory(MemoryContract):
    @pytest.fixture
    def memory(self) -> FakeMemory:
        return FakeMemory()


class TestFakePlatform(PlatformContract):
    @pytest.fixture(params=[True, False], ids=["edits", "plain"])
    def platform(self, request: pytest.FixtureRequest) -> FakePlatform:
        return FakePlatform(PlatformLimits(100, "utf16", edits=request.param, keyed=request.param))

    def say(self, platform: FakePlatform, text: str, id: str) -> None:  # type: ignore[override]
        platform.say(text, id=id)

    def shown(self, platform: FakePlatform) -> list[str]:  # type: ignore[override]
        return list(platform.shown.values())

    def revoke(self, platform: FakePlatform) -> None:  # type: ignore[override]
        platform.revoke()

    faults = ("refuse", "half-open", "drop", "deaf")

    async def break_line(self, platform: FakePlatform, fault: str) -> None:  # type: ignore[override]
        platform.fault(fault)  # type: ignore[arg-type]

    async def mend_line(self, platform: FakePlatform) -> None:  # type: ignore[override]
        platform.heal()


async def test_updates_come_as_often_and_in_such_order_as_told() -> None:
    platform, inbox = FakePlatform(copies=3, shuffle=Random(1)), Taking()
    for number in range(4):
        platform.say(f"{number}")
    task = asyncio.ensure_future(platform.run(inbox))
    while len(inbox.put_in) < 12:
        await asyncio.sleep(0)
    task.cancel()
    assert sorted(inbox.put_in) == sorted("0123" * 3)
    assert inbox.put_in != sorted(inbox.put_in)


class Taking(MemoryInbox):
    """Counts repeats too."""

    def __init__(self) -> None:
        super().__init__()
        self.put_in: list[str] = []

    async def put(self, messages: tuple[Inbound, ...], *, cursor: str = "") -> None:
        self.put_in += [message.text for message in messages]
        await super().put(messages, cursor=cursor)


async def test_a_platform_fails_as_it_is_told_and_then_goes_on() -> None:
    limited = Failure("rate_limit", "slow down", retry_after=3)
    platform = FakePlatform(failures=[None, limited])

    await platform.send(Part(make_key(), "one"))
    with pytest.raises(Failed) as raised:
        await platform.send(Part(make_key(), "two"))
    await platform.send(Part(make_key(), "three"))

    assert raised.value.failure == limited
    assert [part.text for part in platform.sent] == ["one", "three"]


@pytest.mark.parametrize("text", ["", "lone \ud800"])
async def test_a_platform_refuses_what_no_messenger_takes(text: str) -> None:
    with pytest.raises(Failed, match="Bad Request"):
        await FakePlatform().send(Part(make_key(), text))


def test_lengths_are_counted_as_platforms_do() -> None:
    assert [measure("a😀é", unit) for unit in ("characters", "utf16", "bytes")] == [3, 4, 7]


async def test_an_inbox_takes_no_text_that_a_journal_could_not_hold() -> None:
    with pytest.raises(ValueError, match="no journal can hold"):
        await MemoryInbox().put((make_inbound("\ud800"),))


async def test_state_is_json_and_small_and_expires() -> None:
    now = [1000.0]
    state = MemoryState(lambda: now[0])
    await state.set("list", (1, 2), scope="session", of="s", seconds=10)

    assert await state.get("list", scope="session", of="s") == [1, 2]
    assert await state.get("list", scope="session", of="other") is None
    now[0] += 10
    assert await state.get("list", scope="session", of="s") is None
    with pytest.raises(ValueError, match="65538 bytes"):
        await state.set("big", "x" * 65_536)
    with pytest.raises(ValueError, match="scope"):
        await state.get("list", scope="session")


async def test_models_answer_in_order_and_fail_when_nothing_is_left() -> None:
    models = FakeModels(["A title", Failure("timeout", "slow")])
    turn = make_turn()

    assert (await models.ask("title", "Hello", parent=turn)).text == "A title"
    for _ in range(2):
        with pytest.raises(Failed):
            await models.ask("summary", "Hello")
    assert [(asked.purpose, asked.turn) for asked in models.asked] == [
        ("title", turn.input.id),
        ("summary", ""),
        ("summary", ""),
    ]


async def test_a_person_answers_only_what_was_offered() -> None:
    asker = Asker("maybe")

    with pytest.raises(ValueError, match="'maybe' is none of"):
        await asker(Question("Sure?", ("yes", "no")))
    assert (await asker(Question("Sure?", ("yes", "no")))).denied


def test_a_context_is_a_real_one_in_a_place_of_its_own(plugin_context: MakeContext) -> None:
    context = plugin_context("mine", settings={"a": 1}, secrets={"KEY": "hunter2hunter2"})

    assert context.config.section("mine") == {"a": 1}
    with pytest.raises(PluginError, match="does not own the section 'other'"):
        context.config.section("other")
    assert context.paths.data.is_relative_to(context.paths.home)
    assert context.paths.data.stat().st_mode & 0o777 == 0o700
    assert context.secrets.get(Secret("env:KEY")) == "hunter2hunter2"
    assert context.secrets.redact("it is hunter2hunter2") == "it is [secret]"
    context.log.warning("odd", what="thing")
    assert "warning odd {'what': 'thing'}" in context.log.text


async def test_children_are_killed_with_all_that_they_started(plugin_context: MakeContext) -> None:
    children = plugin_context().children
    env = children.allowlist()
    token = children.mark(env, what="a tree")
    shell = "trap '' TERM; setsid sleep 300 & (setsid sleep 300 &); sleep 300 & echo up; wait"
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", shell, env=env, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()
    async with asyncio.timeout(10):  # bash says "up" before its double fork has come about
        while len(children.alive(token)) < 4:
            await asyncio.sleep(0.01)
    assert len(children.alive(token)) == 4

    await children.kill(token, grace=0.1)

    assert children.alive(token) == ()
    assert children.marked == {}
    await process.wait()
