"""Who has which room, and how long it stays."""

from __future__ import annotations

import pytest
from hermes import Terminal, TerminalError, TerminalSpec
from hermes.testing import MakeContext

from hermes_plugin_old_terminal.rooms import Rooms
from hermes_plugin_old_terminal.settings import Settings


@pytest.fixture
def rooms(plugin_context: MakeContext) -> Rooms:
    return Rooms(plugin_context("old-terminal", settings=Settings()))


async def opened(rooms: Rooms, scope: str) -> Terminal:
    terminal = await rooms.terminal(TerminalSpec(scope))
    await terminal.open()
    return terminal


async def test_two_conversations_do_not_see_each_other_s_files(rooms: Rooms) -> None:
    first, second = await opened(rooms, "first"), await opened(rooms, "second")
    await first.write("notes", b"mine")

    result = await second.run("ls; echo at $HOME")

    assert b"notes" not in result.output
    assert result.output.endswith(b"rooms/second\n")
    assert await first.read("notes") == b"mine"


async def test_a_forgotten_room_is_gone(rooms: Rooms) -> None:
    terminal = await opened(rooms, "first")
    await terminal.write("notes", b"mine")
    await terminal.close()

    await rooms.forget("first")

    assert (await (await opened(rooms, "first")).run("ls")).output == b""


async def test_no_shell_is_said_so(plugin_context: MakeContext) -> None:
    context = plugin_context("old-terminal", settings=Settings(shell="nosuchshell"))
    with pytest.raises(TerminalError, match="no nosuchshell on the PATH"):
        await Rooms(context).terminal(TerminalSpec("test"))
