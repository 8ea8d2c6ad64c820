"""Terminals by scope: who shares one, when it sleeps, when it closes, and what it has to tell."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hermes.events import ToolFinished
from hermes.runtime import Runtime
from hermes.session import SessionInfo, SessionKey
from hermes.terminal import Terminal, TerminalSpec
from hermes.testing import FakeBackend, FakeTerminal
from hermes.testing.answers import Call, Say
from hermes.testing.provider import ScriptedProvider
from hermes.testing.runtime import open_runtime
from hermes.testing.store import MemoryStore
from hermes.tools import ALONE, ToolCall, tool

HERE = SessionKey("test", "here")


@tool(needs={"run"}, lane=ALONE)
async def shell(command: str, *, call: ToolCall) -> str:
    """Run a command."""
    terminal = await call.terminal()
    result = await terminal.run(command)
    terminal.state = result.state
    return f"{call.request.backend}|{call.request.isolated}|{result.output.decode()}"


class Watched(FakeTerminal):
    """Counts what the kernel does with it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.closed = self.slept = 0

    async def hibernate(self) -> None:
        self.slept += 1

    async def close(self) -> None:
        self.closed += 1
        await super().close()


class Backend(FakeBackend):
    """Remembers its terminals, what it was told to reap and to forget."""

    host = "me@box"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, Watched)
        self.made: list[Watched] = []
        self.reaped: list[str] = []
        self.forgotten: list[str] = []

    async def terminal(self, spec: TerminalSpec) -> Terminal:
        made = await super().terminal(spec)
        assert isinstance(made, Watched)
        self.made.append(made)
        return made

    async def reap(self, handles: tuple[str, ...]) -> None:
        self.reaped += handles

    async def forget(self, scope: str) -> None:
        self.forgotten.append(scope)


@pytest.fixture
def backend(tmp_path: Path) -> Backend:
    return Backend(tmp_path / "terminals")


def opened(
    tmp_path: Path, backend: Backend, *answers: Any, store: Any = None, **terminal: Any
) -> Any:
    return open_runtime(
        tmp_path / "home",
        provider=ScriptedProvider(*answers),
        tools=[shell],
        store=store,
        settings={"terminal": terminal},
        offers={"terminals": {"fake": backend}},
    )


async def said(runtime: Runtime, key: SessionKey | None = None, **where: Any) -> list[str]:
    """Send a message; give the results of the tools."""
    conversation = runtime.session(key or HERE, **where)
    events = [event async for event in conversation.send("go")]
    return [event.text for event in events if isinstance(event, ToolFinished)]


def run(command: str) -> list[Any]:
    """One turn's answers: a command, and the end."""
    return [Say(calls=(Call("shell", json.dumps({"command": command})),)), Say("done")]


async def until(fact: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not fact():
            await asyncio.sleep(0.01)


def key(chat: str, person: str = "", thread: str = "") -> SessionKey:
    return SessionKey("telegram", chat, thread=thread, person=person)


SHARING = {
    "conversation": [1, 2, 3, 4],
    "session": [1, 2, 3, 4],
    "chat": [1, 1, 2, 3],
    "person": [1, 2, 1, 2],
    "user": [1, 2, 1, 2],
    "global": [1, 1, 1, 1],
}
"""Scope, and which terminal Anna and Ben have in a group, Anna alone and Ben alone."""


@pytest.mark.parametrize("scope", SHARING)
async def test_a_terminal_is_shared_by_its_scope(
    tmp_path: Path, backend: Backend, scope: str
) -> None:
    answers = [answer for _ in range(4) for answer in run("pwd")]
    async with opened(tmp_path, backend, *answers, scope=scope) as runtime:
        folders = []
        for chat, person in (("group", "anna"), ("group", "ben"), ("a", "anna"), ("b", "ben")):
            folders += await said(runtime, key(chat, person), person=person)
    seen: dict[str, int] = {}
    assert [seen.setdefault(folder, len(seen) + 1) for folder in folders] == SHARING[scope]


async def test_a_new_conversation_of_a_chat_has_the_chat_s_terminal_and_goes_on_there(
    tmp_path: Path, backend: Backend
) -> None:
    answers = [*run("mkdir sub; cd sub; export A=1"), *run("echo $PWD $A")]
    async with opened(tmp_path, backend, *answers, scope="chat") as runtime:
        await said(runtime, key("c"))
        await runtime.session(key("c")).new()
        (told,) = await said(runtime, key("c"))
        assert told.endswith("/sub 1\n")
        assert [terminal.closed for terminal in backend.made] == [0]


async def test_a_sub_agent_works_in_the_terminal_of_its_parent_s_chat(
    tmp_path: Path, backend: Backend
) -> None:
    async with opened(tmp_path, backend, *run("true"), scope="chat") as runtime:
        await said(runtime, key("c"))
        parent = await runtime.session(key("c")).load()
        child = SessionInfo("child", parent=parent.id)
        assert await runtime.terminal(child) is backend.made[0]
        assert await runtime.terminal(SessionInfo("stranger")) is not backend.made[0]


async def test_a_terminal_closes_with_its_conversation_and_not_only_with_the_process(
    tmp_path: Path, backend: Backend
) -> None:
    async with opened(tmp_path, backend, *run("true"), *run("true")) as runtime:
        await said(runtime)
        conversation = runtime.session(HERE)
        await conversation.new()
        await until(lambda: backend.made[0].closed)
        await said(runtime)
        assert len(backend.made) == 2
        assert backend.made[1].closed == 0
    assert backend.made[1].closed == 1


async def test_an_idle_terminal_hibernates_once_and_wakes_with_the_next_command(
    tmp_path: Path, backend: Backend
) -> None:
    async with opened(tmp_path, backend, *run("true"), *run("pwd"), lifetime=0.2) as runtime:
        await said(runtime)
        (terminal,) = backend.made
        await until(lambda: terminal.slept)
        await asyncio.sleep(0.5)
        assert terminal.slept == 1
        assert await said(runtime)
        await until(lambda: terminal.slept == 2)
        assert (len(backend.made), terminal.closed) == (1, 0)


async def test_a_terminal_with_something_running_is_never_hibernated(
    tmp_path: Path, backend: Backend
) -> None:
    answers = [*run("sleep 0.6")]
    async with opened(tmp_path, backend, *answers, lifetime=0.1) as runtime:
        await said(runtime)
        (terminal,) = backend.made
        assert terminal.slept == 0  # a turn ran
        process = await terminal.start("sleep 600")
        before = terminal.slept
        await asyncio.sleep(0.4)
        assert terminal.slept == before
        await process.kill()
        await until(lambda: terminal.slept > before)


async def test_what_happened_to_a_terminal_is_told_once_to_each_conversation(
    tmp_path: Path, backend: Backend
) -> None:
    answers = [each for _ in range(5) for each in run("echo out")]
    async with opened(tmp_path, backend, *answers, scope="global") as runtime:
        await said(runtime, key("a"))
        await said(runtime, key("b"))
        backend.made[0].tell("its files are lost")
        for chat, expected in (("a", True), ("a", False), ("b", True)):
            (told,) = await said(runtime, key(chat))
            assert told.startswith("[its files are lost]\n") is expected
            assert told.endswith("out\n")


async def test_what_opening_has_to_tell_is_told(tmp_path: Path, backend: Backend) -> None:
    class Lost(Watched):
        async def open(self) -> None:
            self.tell("the container was lost")

    backend._make = Lost
    async with opened(tmp_path, backend, *run("echo out")) as runtime:
        (told,) = await said(runtime)
        assert told.startswith("[the container was lost]\n")


async def test_a_call_states_backend_host_and_isolation_before_anything_is_opened(
    tmp_path: Path, backend: Backend
) -> None:
    async with opened(tmp_path, backend, *run("echo out")) as runtime:
        assert runtime.terminals.place() == ("fake me@box", True)
        assert await runtime.terminals.status(SessionInfo("x")) == (
            "fake me@box, not open (isolated)"
        )
        assert backend.opened == []
        assert await said(runtime) == ["fake me@box|True|out\n"]
        assert backend.made[0].host == "me@box"


async def test_a_permission_for_one_host_is_none_for_another(
    tmp_path: Path, backend: Backend
) -> None:
    """The digest of a call, which a grant is bound to, has the host in it."""
    digests = []

    @tool(needs={"run"}, lane=ALONE, name="shell")
    async def asks(command: str, *, call: ToolCall) -> str:
        """Run a command."""
        digests.append(call.replace(id="x").digest)
        return ""

    for host in ("me@box", "me@box", "me@other"):
        backend.host = host
        async with open_runtime(
            tmp_path / "home",
            provider=ScriptedProvider(*run("ls")),
            tools=[asks],
            offers={"terminals": {"fake": backend}},
        ) as runtime:
            await said(runtime)
    assert digests[0] == digests[1] != digests[2]


async def test_what_a_killed_hermes_left_elsewhere_is_handed_to_its_backend(
    tmp_path: Path, backend: Backend
) -> None:
    async with opened(tmp_path, backend) as runtime:
        runtime.children.remote("fake", "box:17", what="a command")
        (file,) = (tmp_path / "home" / "run").glob("children-*.json")
        record = file.read_text()
    dead = json.loads(record) | {"start": "1", "owner": "dead"}
    file.unlink()
    file.with_name("children-dead.json").write_text(json.dumps(dead))
    async with opened(tmp_path, backend) as runtime:
        await until(lambda: backend.reaped)
        await until(lambda: not runtime.children.everything())
    assert backend.reaped == ["box:17"]


async def test_what_a_backend_could_not_end_is_left_to_the_next_hermes_though_the_process_goes_on(
    tmp_path: Path, backend: Backend
) -> None:
    async with opened(tmp_path, backend) as runtime:
        runtime.children.remote("fake", "box:17", what="a command")
    assert backend.reaped == []
    async with opened(tmp_path, backend) as runtime:
        await until(lambda: backend.reaped)
        await until(lambda: not runtime.children.everything())
    assert backend.reaped == ["box:17"]


async def test_a_forgotten_conversation_s_terminal_is_closed_and_forgotten(
    tmp_path: Path, backend: Backend
) -> None:
    async with opened(tmp_path, backend, *run("true"), store=MemoryStore()) as runtime:
        await said(runtime)
        info = await runtime.session(HERE).load()
        await runtime.terminals.forget(info.id)
        assert (backend.forgotten, backend.made[0].closed) == ([info.id], 1)
