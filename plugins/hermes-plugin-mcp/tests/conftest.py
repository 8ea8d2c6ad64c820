from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hermes import (
    Authority,
    Children,
    ConfigView,
    Event,
    Paths,
    PluginContext,
    Secret,
    Secrets,
    SessionInfo,
    State,
    Tool,
    ToolCall,
    ToolRequest,
    ToolResult,
)
from hermes_plugin_mcp.family import Servers, ServerTools
from hermes_plugin_mcp.settings import Mcp, McpServers

PROGRAMS = Path(__file__).parent / "programs"
RAW = str(PROGRAMS / "raw_server.py")
SDK = str(PROGRAMS / "sdk_server.py")
MARK = "HERMES_CHILD"


def marked(token: str) -> tuple[int, ...]:
    """Find what carries a mark, by looking at every process there is."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if (
                folder.name.isdigit()
                and f"{MARK}={token}".encode() in (folder / "environ").read_bytes()
                and "State:\tZ" not in (folder / "status").read_text()
            ):
                found.append(int(folder.name))
        except OSError:
            continue
    return tuple(found)


class ProcChildren(Children):
    """The contract, in its shortest form."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.most = 0
        """Most trees that were alive at one time, as seen when each was started."""

    def mark(self, env: dict[str, str], *, what: str) -> str:
        token = f"{what}-{uuid.uuid4().hex}"
        env[MARK] = token
        self.tokens.append(token)
        self.most = max(self.most, 1 + sum(bool(marked(t)) for t in self.tokens[:-1]))
        return token

    async def kill(self, token: str, *, grace: float = 2.0) -> None:
        for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
            end = time.monotonic() + seconds
            while time.monotonic() < end and (alive := marked(token)):
                for pid in alive:
                    try:
                        os.kill(pid, number)
                    except ProcessLookupError:
                        pass
                await asyncio.sleep(0.02)
        self.forget(token)

    def alive(self, token: str) -> tuple[int, ...]:
        return marked(token)

    def forget(self, token: str) -> None:
        if token in self.tokens:
            self.tokens.remove(token)

    def allowlist(self, *more: str) -> dict[str, str]:
        return {name: os.environ[name] for name in ("PATH", "HOME", *more) if name in os.environ}


class EnvSecrets(Secrets):
    def __init__(self, values: dict[str, str]) -> None:
        self.values = values
        self.read: set[str] = set()

    def get(self, secret: Secret) -> str | None:
        value = self.values.get(secret.reference.partition(":")[2])
        if value:
            self.read.add(value)
        return value

    def redact(self, text: str) -> str:
        for value in self.read:
            text = text.replace(value, "[secret]")
        return text


class DictState(State):
    def __init__(self) -> None:
        self.values: dict[tuple[str, str, str], Any] = {}

    async def get(self, name: str, *, scope: Any = "process", of: str = "") -> Any:
        return self.values.get((scope, of, name))

    async def set(
        self,
        name: str,
        value: Any,
        *,
        scope: Any = "process",
        of: str = "",
        seconds: float | None = None,
    ) -> None:
        self.values[scope, of, name] = value


class HomePaths(Paths):
    def __init__(self, home: Path) -> None:
        self.home, self.data, self.outputs = home, home / "data/mcp", home / "outputs"
        self.cache = home / "cache/mcp"


class ListLog:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, object]]] = []

    def _add(self, level: str, event: str, **fields: object) -> None:
        self.lines.append((level, event, fields))

    def debug(self, event: str, **fields: object) -> None:
        self._add("debug", event, **fields)

    def info(self, event: str, **fields: object) -> None:
        self._add("info", event, **fields)

    def warning(self, event: str, **fields: object) -> None:
        self._add("warning", event, **fields)

    def error(self, event: str, **fields: object) -> None:
        self._add("error", event, **fields)


class Sections(ConfigView):
    revision = "1"

    def __init__(self, sections: dict[str, Any]) -> None:
        self._sections = sections

    def section(self, name: str) -> Any:
        return self._sections[name]


class World:
    """A host of nothing but what the plugin uses, and the family in it."""

    def __init__(self, home: Path, secrets: dict[str, str], children: Children) -> None:
        self.home = home
        self.children = children
        self.log = ListLog()
        self.secrets = EnvSecrets(secrets)
        self.events: list[Event] = []
        self.families: list[Servers] = []
        self._number = 0

    def context(self, servers: dict[str, Any], **mcp: Any) -> PluginContext:
        read = msgspec.convert(servers, McpServers, strict=False)
        shared = msgspec.convert(mcp, Mcp)
        return PluginContext(
            "mcp",
            settings=shared,
            config=Sections({"mcp": shared, "mcp_servers": read}),
            secrets=self.secrets,
            state=DictState(),
            paths=HomePaths(self.home),
            log=self.log,
            models=None,  # type: ignore[arg-type]
            children=self.children,
        )

    def family(self, servers: dict[str, Any], **mcp: Any) -> Servers:
        family = Servers(self.context(servers, **{"retry_first": 0.05, **mcp}))
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

    def call(self, tool: Tool, **arguments: Any) -> ToolCall:
        self._number += 1
        return ToolCall(
            ToolRequest(f"c{self._number}", tool.name, arguments, SessionInfo("s")),
            tool,
            context=None,  # type: ignore[arg-type]
            authority=Authority("test"),
            emit=self.events.append,
            ask=None,  # type: ignore[arg-type]
            models=None,  # type: ignore[arg-type]
            terminal=None,  # type: ignore[arg-type]
        )

    async def run(self, toolset: ServerTools, name: str, **arguments: Any) -> ToolResult:
        """Call a tool by the server's name for it, as a conversation that knows the list does."""
        seen = toolset.last_seen()
        tools = await toolset.tools() if seen is None else seen
        (tool,) = [tool for tool in tools if tool.name.endswith(f"__{name}")]
        return await tool.run(self.call(tool, **arguments))

    async def until(self, condition: Callable[[], object], seconds: float = 10.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not happen"
            await asyncio.sleep(0.01)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    children = ProcChildren()
    world = World(tmp_path / "home", {}, children)
    yield world
    for family in world.families:
        await family.close()
    left = [token for token in children.tokens if marked(token)]
    for token in left:
        await children.kill(token, grace=0)
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
        end = time.monotonic() + 20
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
