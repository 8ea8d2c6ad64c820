"""Each sketch does what it says, in the way an author would test it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))  # a sketch is a file, not a package

from budget import Budget, Settings as BudgetSettings
from papers import Papers
from passing_store import PassingStore
from tcp_chat import Settings as ChatSettings, TcpChat
from weather import Settings as WeatherSettings, forecast

from hermes import Store, TerminalError, TerminalSpec, ToolFinished, TurnFinished, Usage
from hermes.gateway import Gateway
from hermes.testing import (
    AllowAll,
    Call,
    MakeContext,
    MiddlewareContract,
    Say,
    ScriptedProvider,
    StoreContract,
    make_call,
    make_context,
    make_key,
    open_runtime,
)

# a weather tool ---------------------------------------------------------------------------------


class Weather(BaseHTTPRequestHandler):
    """Open-Meteo's answer for one place, and a refusal for any other."""

    def do_GET(self) -> None:
        found = "latitude=52.5" in self.path and "temperature_2m_max" in self.path
        daily = {
            "time": ["2026-01-01", "2026-01-02"],
            "temperature_2m_max": [3.5, 4.0],
            "temperature_2m_min": [-1.0, 0.5],
        }
        self.send_response(200 if found else 400)
        self.end_headers()
        self.wfile.write(json.dumps({"daily": daily} if found else {"error": True}).encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def service() -> Any:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Weather)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/forecast"
    server.shutdown()
    server.server_close()


async def test_the_weather_is_told_and_labelled(plugin_context: MakeContext, service: str) -> None:
    context = plugin_context("weather", settings=WeatherSettings(url=service))

    async def asks(**place: float) -> Any:
        return await forecast.run(make_call(forecast, place, context=context))

    told = await asks(latitude=52.5, longitude=13.4)
    assert told.text == "2026-01-01: -1.0 to 3.5 °C\n2026-01-02: 0.5 to 4.0 °C"
    assert told.source == service
    refused = await asks(latitude=0, longitude=0)
    assert refused.is_error
    assert "400" in refused.text


# a budget ---------------------------------------------------------------------------------------


class TestBudget(MiddlewareContract):
    @pytest.fixture
    def middleware(self, plugin_context: MakeContext) -> Budget:
        return Budget(plugin_context("budget", settings=BudgetSettings()))


async def test_a_conversation_ends_when_its_tokens_are_used(
    tmp_path: Path, plugin_context: MakeContext
) -> None:
    budget = Budget(plugin_context("budget", settings=BudgetSettings(tokens=100)))
    answer = Say("Well.", usage=Usage(input=50, output=10, calls=1))
    provider = ScriptedProvider(*[answer] * 3)
    async with open_runtime(tmp_path, provider=provider, middleware=[budget]) as runtime:

        async def says(key: Any) -> TurnFinished:
            return [event async for event in runtime.session(key).send("Hello")][-1]

        here, there = make_key(), make_key()
        assert [(await says(here)).status for _ in range(3)] == ["ok", "ok", "blocked"]
        assert "used 120 tokens" in (await says(here)).reply
        assert (await says(there)).status == "ok"


# a store in memory ------------------------------------------------------------------------------


class TestStore(StoreContract):
    @pytest.fixture
    def make_store(self, plugin_context: MakeContext) -> Callable[[], Store]:
        store = PassingStore(plugin_context("store"))
        return lambda: store


async def test_the_one_idle_longest_goes(tmp_path: Path, plugin_context: MakeContext) -> None:
    store = PassingStore(plugin_context("store"), most=2)
    provider = ScriptedProvider(*["Hello."] * 3)
    async with open_runtime(tmp_path, provider=provider, store=store) as runtime:
        for name in ("one", "two", "three"):
            _ = [event async for event in runtime.session(make_key(name)).send(f"I am {name}")]
        left = [await store.bound(make_key(name)) for name in ("one", "two", "three")]
    assert left[0] is None
    assert None not in left[1:]


# a terminal without commands --------------------------------------------------------------------


async def test_files_are_kept_and_nothing_runs(plugin_context: MakeContext) -> None:
    backend = Papers(plugin_context("papers"))
    desk = await backend.terminal(TerminalSpec("somebody"))
    await desk.write("letters/one.txt", b"Dear Ann")
    again = await backend.terminal(TerminalSpec("somebody"))
    assert await again.read("/papers/letters/one.txt", 5, 3) == b"Ann"
    assert [each.path for each in await again.list(".")] == ["/papers/letters"]
    assert (await again.stat("letters")).kind == "directory"
    for asks in (again.run("ls"), again.read("two.txt"), again.stat("../etc/passwd")):
        with pytest.raises(TerminalError):
            await asks
    other = await backend.terminal(TerminalSpec("another"))
    assert await other.list(".") == ()


async def test_the_file_tools_work_on_it(tmp_path: Path, home: Path) -> None:
    """The real tools of the plugin files, in a whole turn."""
    files = pytest.importorskip("hermes_plugin_files.files")
    settings = pytest.importorskip("hermes_plugin_files.settings").FilesSettings()
    writes = Call("write_file", '{"path": "a.txt", "content": "one\\ntwo\\n"}')
    patches = Call("patch", '{"path": "a.txt", "old_string": "two", "new_string": "2"}')
    reads = Call("read_file", '{"path": "a.txt"}')
    says = [Say(calls=(call,)) for call in (writes, patches, reads)]
    tools = await files.Files(make_context("files", home=home, settings=settings)).tools()
    async with open_runtime(
        tmp_path,
        provider=ScriptedProvider(*says, "Done."),
        tools=tools,
        settings={"terminal": {"backend": "papers"}},
        offers={"terminals": {"papers": Papers}},
        context=make_context("files", home=home, settings=settings),
    ) as runtime:
        events = [event async for event in runtime.session(make_key()).send("Write")]
    results = [event for event in events if isinstance(event, ToolFinished)]
    assert not [event.text for event in results if event.is_error]
    assert "2|2" in results[-1].text


# a chat over TCP --------------------------------------------------------------------------------


class Line:
    """Somebody with ``nc``."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def connect(cls, port: int, name: str) -> Line:
        line = cls(*await asyncio.open_connection("127.0.0.1", port))
        await line._reader.readuntil(b"? ")
        await line.says(name)
        return line

    async def says(self, text: str) -> None:
        self._writer.write(f"{text}\n".encode())
        await self._writer.drain()

    async def hears(self) -> str:
        return (await asyncio.wait_for(self._reader.readline(), 20)).decode().strip()

    def leaves(self) -> None:
        self._writer.close()


@pytest.fixture
async def chat(tmp_path: Path, plugin_context: MakeContext) -> AsyncIterator[TcpChat]:
    """The platform, served by a gateway whose model repeats what it is told."""

    class Welcome(AllowAll):
        async def receive(self, inbound: Any, call_next: Any) -> Any:
            return await call_next(msgspec.structs.replace(inbound, role="user"))

    made = TcpChat(plugin_context("tcp-chat", settings=ChatSettings(port=0)))
    answers = [lambda request: f"{request.spec.messages[-1].text} to you"] * 9
    async with open_runtime(
        tmp_path,
        provider=ScriptedProvider(*answers),
        middleware=[Welcome()],
        offers={"platforms": {"tcp-chat": made}},
        surface="gateway",
    ) as runtime:
        gateway = Gateway(runtime)
        serving = asyncio.ensure_future(gateway.run())
        while not made.port:
            await asyncio.sleep(0.01)
        yield made
        gateway.stop()
        await serving


async def test_people_talk_at_the_same_time_each_in_their_own_chat(chat: TcpChat) -> None:
    ann, bob = await Line.connect(chat.port, "Ann"), await Line.connect(chat.port, "Bob")
    await ann.says("Hello")
    await bob.says("Good day")
    assert await ann.hears() == "Hello to you"
    assert await bob.hears() == "Good day to you"
    ann.leaves()
    again = await Line.connect(chat.port, "Ann")
    await again.says("Me again")
    assert await again.hears() == "Me again to you"
