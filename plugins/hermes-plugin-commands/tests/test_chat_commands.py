"""Commands of a chat, given in one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hermes import Authority, NotFound, SessionKey, TurnFinished, UsageError
from hermes.conversation import Conversation
from hermes.runtime import Runtime
from hermes.testing.commands import FakeCommandContext, give
from hermes.testing.provider import ScriptedProvider
from hermes.testing.runtime import open_runtime
from hermes_plugin_commands.help import help
from hermes_plugin_commands.messenger import queue, steer
from hermes_plugin_commands.model import model
from hermes_plugin_commands.places import leave, new, reset, resume, title
from hermes_plugin_commands.status import status, usage
from hermes_plugin_commands.turns import retry, stop, undo

KEY = SessionKey("cli", "/somewhere")


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider("One.", "Two.", "Three.")


@pytest.fixture
async def runtime(home: Path, provider: ScriptedProvider) -> AsyncIterator[Runtime]:
    offers = {"commands": {"undo": undo, "title": title, "model": model}}
    async with open_runtime(home, provider=provider, offers=offers) as runtime:
        yield runtime


@pytest.fixture
async def here(runtime: Runtime) -> Conversation:
    conversation = await runtime.conversation(KEY, directory="/somewhere")
    for text in ("first", "second"):
        async for _ in conversation.send(text):
            pass
    return conversation


def context(runtime: Runtime, here: Conversation | None, **more: Any) -> FakeCommandContext:
    return FakeCommandContext(
        "chat",
        host=runtime.host,
        runtime=runtime,
        conversation=here,
        session=here.info if here else None,
        **more,
    )


async def seen(conversation: Conversation) -> list[str]:
    return [message.text for message in await conversation.messages()]


async def test_undo_takes_back_turns(runtime: Runtime, here: Conversation) -> None:
    given = await give(undo, context=context(runtime, here))
    assert given.text == "Took back 1 turn, from: second"
    assert await seen(here) == ["first", "One."]
    await give(undo, "5", context=context(runtime, here))
    assert await seen(here) == []
    with pytest.raises(NotFound):
        await give(undo, context=context(runtime, here))
    with pytest.raises(UsageError):
        await give(undo, "0", context=context(runtime, here))


async def test_retry_sends_the_last_message_again_with_the_same_authority(
    runtime: Runtime, here: Conversation, provider: ScriptedProvider
) -> None:
    class Asked(FakeCommandContext):
        @property
        def authority(self) -> Authority:
            return Authority("cli", "owner", "owner", can_ask=True, yolo=True)

    given = Asked("chat", host=runtime.host, runtime=runtime, conversation=here)
    await give(retry, context=given)
    finished = given.streamed.of(TurnFinished)
    assert [each.reply for each in finished] == ["Three."]
    assert await seen(here) == ["first", "One.", "second", "Three."]


@pytest.mark.parametrize("command", [queue, steer])
async def test_where_nothing_runs_queue_and_steer_are_a_message(
    runtime: Runtime, here: Conversation, command: Any
) -> None:
    given = context(runtime, here)
    await give(command, "and now", context=given)
    assert [each.reply for each in given.streamed.of(TurnFinished)] == ["Three."]
    assert await seen(here) == ["first", "One.", "second", "Two.", "and now", "Three."]
    with pytest.raises(UsageError, match="say what"):
        await give(command, context=given)


@pytest.mark.parametrize("command", [new, reset])
async def test_new_leaves_the_old_conversation_and_keeps_its_folder(
    runtime: Runtime, here: Conversation, command: Any
) -> None:
    given = await give(command, "--", "fresh start", context=context(runtime, here))
    (id,) = given.switched
    assert id != here.info.id
    fresh = await runtime.conversation(KEY, id=id)
    assert fresh.info.title == "fresh start"
    assert fresh.info.directory == "/somewhere"
    assert (await runtime.conversation(KEY)).info.id == id
    async for _ in fresh.send("hello"):
        pass
    assert fresh.info.directory == "/somewhere"
    assert await seen(here) == ["first", "One.", "second", "Two."]


async def test_a_new_conversation_without_a_title_can_be_gone_to(
    runtime: Runtime, here: Conversation
) -> None:
    given = await give(new, context=context(runtime, here))
    fresh = await runtime.conversation(KEY, id=given.switched[0])
    assert fresh.info.records == 0
    assert len(await runtime.store.sessions()) == 1, "the journal has it with its first message"


async def test_resume_lists_and_goes_back(runtime: Runtime, here: Conversation) -> None:
    assert "first" in (await give(resume, context=context(runtime, here))).text
    given = await give(resume, "--", here.info.id[:13], context=context(runtime, here))
    assert given.switched == [here.info.id]
    stranger = context(runtime, here, person="telegram:7", role="user")
    assert "no conversations" in (await give(resume, context=stranger)).text
    with pytest.raises(NotFound):
        await give(resume, "--", here.info.id, context=stranger)


async def test_a_title_takes_the_rest_of_the_line(runtime: Runtime, here: Conversation) -> None:
    assert "no title" in (await give(title, context=context(runtime, here))).text
    words = title.words('it\'s  --mine "or" not')
    given = await give(title, *words, context=context(runtime, here))
    assert given.text == 'Title: it\'s --mine "or" not'
    assert here.info.title == 'it\'s --mine "or" not'


async def test_status_and_usage(runtime: Runtime, here: Conversation) -> None:
    said = (await give(status, context=context(runtime, here))).text
    assert here.info.id in said
    assert "scripted:model" in said
    assert "/somewhere" in said
    used = (await give(usage, context=context(runtime, here))).text
    assert used.startswith("2 turns\n")
    assert used.splitlines()[2].split()[:2] == ["scripted:model", "2"]


async def test_stop_says_whether_something_ran(runtime: Runtime, here: Conversation) -> None:
    assert (await give(stop, context=context(runtime, here))).text == "Nothing runs here."


async def test_quit_leaves(runtime: Runtime, here: Conversation) -> None:
    assert (await give(leave, context=context(runtime, here))).left


async def test_model_chooses_for_this_conversation(runtime: Runtime, here: Conversation) -> None:
    await give(model, "scripted:other", context=context(runtime, here))
    assert await here.model() == "scripted:other"
    said = (await give(model, context=context(runtime, here))).text
    assert "* scripted:other" in said
    with pytest.raises(NotFound):
        await give(model, "nobody:x", context=context(runtime, here))


async def test_help_lists_what_this_person_may_give(runtime: Runtime, here: Conversation) -> None:
    assert "/model" in (await give(help, context=context(runtime, here))).text
    guest = await give(help, context=context(runtime, here, role="user"))
    assert "/undo" in guest.text
    assert "/model" not in guest.text
    one = await give(help, "/undo", context=context(runtime, here))
    assert "Usage: /undo" in one.text
    with pytest.raises(NotFound):
        await give(help, "model", context=context(runtime, here, role="user"))


async def test_commands_of_a_chat_say_so_elsewhere(runtime: Runtime) -> None:
    with pytest.raises(UsageError, match="command of a chat"):
        await give(undo, context=context(runtime, None))
