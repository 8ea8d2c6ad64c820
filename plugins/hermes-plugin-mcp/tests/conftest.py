from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hermes import Tool, ToolResult
from hermes.testing import Events, FakeContext, RealChildren, make_call, make_context
from hermes_plugin_mcp.family import Servers, ServerTools
from hermes_plugin_mcp.settings import Mcp, McpServers

PROGRAMS = Path(__file__).parent / "programs"
RAW = str(PROGRAMS / "raw_server.py")
SDK = str(PROGRAMS / "sdk_server.py")


class CountingChildren(RealChildren):
    """Knows how many trees there ever were at one time."""

    def __init__(self) -> None:
        super().__init__()
        self.most = 0
        self.started = 0

    def mark(self, env: dict[str, str], *, what: str, owner: str = "", keep: bool = False) -> str:
        before = sum(bool(self.alive(token)) for token in self.marked)
        self.most = max(self.most, before + 1)
        self.started += 1
        return super().mark(env, what=what, owner=owner, keep=keep)


class World:
    """One home, its child processes, and families of servers in it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.children = CountingChildren()
        self.events = Events()
        self.secrets: dict[str, str] = {}
        self.contexts: list[FakeContext] = []
        self.families: list[Servers] = []

    @property
    def log(self) -> str:
        return "\n".join(context.log.text for context in self.contexts)

    def context(self, servers: dict[str, Any], **mcp: Any) -> FakeContext:
        context = make_context(
            "mcp",
            home=self.home,
            settings=msgspec.convert({"retry_first": 0.05, **mcp}, Mcp),
            sections={"mcp_servers": msgspec.convert(servers, McpServers, strict=False)},
            children=self.children,
        )
        context.secrets.values = self.secrets
        self.contexts.append(context)
        return context

    def family(self, servers: dict[str, Any], **mcp: Any) -> Servers:
        family = Servers(self.context(servers, **mcp))
        self.families.append(family)
        return family

    def raw(self, *arguments: str, **entry: Any) -> ServerTools:
        """One server ``raw`` of the bare program, alone in its family."""
        given = {"command": sys.executable, "args": [RAW, *arguments], **entry}
        return self.family({"raw": given}).toolset("raw")

    def sdk(self, **entry: Any) -> ServerTools:
        """One server ``sdk`` of the SDK's program, over stdio."""
        given = {"command": sys.executable, "args": [SDK, "stdio"], **entry}
        return self.family({"sdk": given}).toolset("sdk")

    async def call(self, tool: Tool, **arguments: Any) -> ToolResult:
        context = self.contexts[-1]
        return await tool.run(make_call(tool, arguments, context=context, emit=self.events.append))

    async def run(self, toolset: ServerTools, name: str, **arguments: Any) -> ToolResult:
        """Call a tool by the server's name for it, as a conversation that knows the list does."""
        seen = toolset.last_seen()
        tools = await toolset.tools() if seen is None else seen
        (tool,) = [tool for tool in tools if tool.name.endswith(f"__{name}")]
        return await self.call(tool, **arguments)

    async def until(self, condition: Callable[[], object], seconds: float = 30.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not happen"
            await asyncio.sleep(0.01)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path / "home")
    yield world
    for family in world.families:
        await family.close()
    left = [what for token, what in world.children.marked.items() if world.children.alive(token)]
    for token in tuple(world.children.marked):
        await world.children.kill(token, grace=0)
    assert not left, "a tree of processes was left behind"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class HttpServer:
    """The SDK's program over HTTP, to be killed and started again at the same address."""

    def __init__(self, *arguments: str, kind: str = "http") -> None:
        self.port = free_port()
        self.kind, self.arguments = kind, arguments
        self.url = f"http://127.0.0.1:{self.port}/{'sse' if kind == 'sse' else 'mcp'}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, SDK, self.kind, str(self.port), *self.arguments],
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("the HTTP server did not start")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def http_server() -> Iterator[Callable[..., HttpServer]]:
    started: list[HttpServer] = []

    def start(*arguments: str, kind: str = "http") -> HttpServer:
        server = HttpServer(*arguments, kind=kind)
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.kill()
