"""An incognito conversation leaves no byte: the home is the same before and after."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from hermes.testing import Say

CANARY = "zanzibar"
MEMORY = Path("/dev/shm")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def left(pid: int | None = None) -> list[Path]:
    """List what incognito processes have in memory now."""
    return list(MEMORY.glob(f"hermes-incognito-{'' if pid is None else pid}*"))


def works(asks: Any) -> tuple[Any, ...]:
    """A turn that would be kept everywhere: memory, list, long output, files, a command."""
    return (
        asks(
            ("memory", {"action": "add", "content": f"Lives in {CANARY}"}),
            ("todo", {"todos": [{"id": "1", "content": f"Go to {CANARY}"}]}),
            ("terminal", {"command": f"yes {CANARY} | head -n 20000; export WHERE={CANARY}"}),
        ),
        Say(f"You live in {CANARY}."),
    )


async def test_it_leaves_nothing(system: Any, asks: Any) -> None:
    (system.home / "memories").mkdir()
    (system.home / "memories" / "USER.md").write_text("Is called Ada")
    warmed = await system.run("-z", "warm up")  # makes what every start makes: index, journal
    assert warmed.status == 1, "the model had no answer"
    before = files(system.home)

    system.model.will(*works(asks))
    done = await system.run("--incognito", "--yolo", "-z", f"I live in {CANARY}")
    assert done.status == 0 and CANARY in done.out, done.errors
    assert files(system.home) == before
    request = system.model.requests[-1].raw.decode()
    assert "Not kept: this conversation is incognito" in request
    assert "Is called Ada" not in request, "and what is remembered takes no part"
    assert "output:" in request or "left out" in request, "a long output was kept meanwhile"
    assert left() == []
    assert (await system.run("sessions", "list")).out.count(CANARY) == 0


async def test_at_a_terminal_neither(system: Any, asks: Any) -> None:
    system.model.will("warm")
    await system.run("-z", "warm up")
    before = files(system.home)
    system.model.will(*works(asks), "Again.")
    terminal = system.terminal("--incognito", "--yolo")
    await asyncio.to_thread(terminal.expect, "Incognito: nothing of this is kept")
    terminal.send(f"I live in {CANARY}\r")
    await asyncio.to_thread(terminal.expect, "You live in")
    terminal.send(f"/memory add Lives in {CANARY}\r")
    await asyncio.to_thread(terminal.expect, "memories are left alone")
    terminal.send("/quit\r")
    assert await asyncio.to_thread(terminal.ends) == 0
    assert files(system.home) == before
    assert left() == []


async def test_killed_it_leaves_nothing_in_the_home_and_memory_is_swept(system: Any) -> None:
    system.model.will("warm")
    await system.run("-z", "warm up")
    before = files(system.home)
    hold = asyncio.Event()
    system.model.will(Say(f"You live in {CANARY}", hold=hold))
    running = asyncio.ensure_future(system.run("--incognito", "-z", f"I live in {CANARY}"))
    while not (there := left()):
        await asyncio.sleep(0.05)
    await system.model.asked(2)
    os.kill(int(there[0].name.split("-")[2]), signal.SIGKILL)
    assert (await running).status == -signal.SIGKILL
    hold.set()
    assert files(system.home) == before
    system.model.will("Hello.")
    assert (await system.run("--incognito", "-z", "hi")).status == 0
    assert there[0] not in left(), "what the killed one left is gone"


@pytest.mark.parametrize("other", [("-c",), ("-r", "x")])
async def test_it_begins_anew(system: Any, other: tuple[str, ...]) -> None:
    done = await system.run("--incognito", *other, "-z", "hi")
    assert done.status == 2 and "begins anew" in done.errors
