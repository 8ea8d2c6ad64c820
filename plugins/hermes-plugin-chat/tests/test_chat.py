"""A chat over a real runtime, read from a list and written into a string."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import click
import pytest

from hermes import Authority, CommandContext, ModelInfo, Rest, command
from hermes.runtime import Runtime
from hermes.testing import ScriptedProvider, open_runtime
from hermes_plugin_chat.banner import banner
from hermes_plugin_chat.chat import Chat
from hermes_plugin_chat.request import Request, conversation
from hermes_plugin_chat.screen import Screen


@command(surfaces={"chat"})
async def new(context: CommandContext) -> None:
    """Begin anew."""
    assert context.conversation is not None
    context.switch((await context.conversation.new()).info.id)
    context.reply("A new conversation.")


@command(surfaces={"chat"})
async def broken(context: CommandContext) -> None:
    """Fail."""
    raise RuntimeError("a bug of its author")


@command(surfaces={"chat"})
@click.argument("text", type=Rest(), default="")
async def say(context: CommandContext, text: str) -> None:
    """Say it."""
    context.reply(f"<{text}> {context.authority.yolo}")


@command(surfaces={"cli"})
async def doctor(context: CommandContext) -> None:
    """Look for faults."""


COMMANDS = {"new": new, "broken": broken, "say": say, "doctor": doctor}


class Lines:
    """Messages from a list, then the end."""

    def __init__(self, *lines: str) -> None:
        self._lines = list(lines)

    async def message(self, prompt: str, more: str) -> str:
        if not self._lines:
            raise EOFError
        return self._lines.pop(0)


@pytest.fixture
def provider() -> ScriptedProvider:
    return ScriptedProvider("One.", "Two.", "Three.")


@pytest.fixture
async def runtime(home: Path, provider: ScriptedProvider) -> AsyncIterator[Runtime]:
    async with open_runtime(
        home, provider=provider, offers={"commands": COMMANDS}, surface="cli"
    ) as runtime:
        yield runtime


async def talk(runtime: Runtime, *lines: str, **request: Any) -> tuple[Chat, str]:
    asked = Request("/here", **request)
    out = io.StringIO()
    here = await conversation(runtime, asked)
    chat = Chat(runtime, here, asked, Screen(out, live=False), None)
    await chat.run(Lines(*lines))
    return chat, out.getvalue()


async def test_messages_are_answered_and_blank_lines_are_nothing(runtime: Runtime) -> None:
    _, said = await talk(runtime, "a", "", "  ", "b")
    assert said == "One.\nTwo.\n"


@pytest.mark.parametrize("word", ["exit", "QUIT"])
async def test_a_word_leaves(runtime: Runtime, word: str, provider: ScriptedProvider) -> None:
    _, said = await talk(runtime, word, "never")
    assert said == ""
    assert not provider.requests


async def test_a_new_conversation_knows_nothing_of_the_old(
    runtime: Runtime, provider: ScriptedProvider
) -> None:
    chat, said = await talk(runtime, "a", "/new", "b")
    assert said == "One.\nA new conversation.\nTwo.\n"
    assert [message.text for message in provider.requests[-1].messages] == ["b"]
    assert chat.here.info.directory == "/here"
    assert len(await runtime.store.sessions()) == 2


async def test_a_command_that_raises_is_a_line_and_the_chat_goes_on(runtime: Runtime) -> None:
    _, said = await talk(runtime, "/broken", "a")
    assert said == "RuntimeError: a bug of its author\nOne.\n"


async def test_commands_are_found_by_their_beginning(
    runtime: Runtime, provider: ScriptedProvider
) -> None:
    _, said = await talk(runtime, "/SA  don't --help me ", "/doctor", "/x", yolo=True)
    assert said.splitlines() == [
        "<don't --help me> True",
        "/doctor is for the shell: hermes doctor",
        "there is no command /x; /help lists them",
    ]
    assert not provider.requests


async def test_the_last_conversation_of_the_folder_is_gone_on_with(
    runtime: Runtime, provider: ScriptedProvider
) -> None:
    first, _ = await talk(runtime, "a")
    await talk(runtime, "b")
    async for _ in first.here.send("c"):  # used last, though made first
        pass
    chat, _ = await talk(runtime, again=True)
    assert chat.here.info.id == first.here.info.id


async def test_a_small_model_says_so_and_how_to_get_a_better_one(home: Path) -> None:
    info = ModelInfo("tiny", tools=False, summary="A small model: it makes things up.")
    provider = ScriptedProvider("Hm.", info=info)
    async with open_runtime(home, provider=provider) as runtime:
        asked = Request("/here")
        out = io.StringIO()
        await banner(Screen(out, live=False), runtime, await conversation(runtime, asked), asked)
    assert "A small model: it makes things up." in out.getvalue()
    assert "hermes model PROVIDER:MODEL" in out.getvalue()
    assert "no tools" in out.getvalue()


async def test_authority_says_who_and_whether_they_can_be_asked() -> None:
    given = Request("/here", yolo=True).authority(can_ask=False)
    assert given == Authority("cli", "owner", "owner", can_ask=False, yolo=True)
