"""What the connections of the pool do when the other side is no polite server."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

import pytest
import trustme

from hermes import Failed, Text, user
from hermes.testing import make_request
from hermes_plugin_openai.provider import OpenAIProvider
from hermes_plugin_openai.settings import OpenAISettings

EVENTS = (
    b'data: {"choices": [{"index": 0, "delta": {"content": "Hello."}, "finish_reason": "stop"}]}'
    b"\n\ndata: [DONE]\n\n"
)
ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    b"%x\r\n%s\r\n0\r\n\r\n" % (len(EVENTS), EVENTS)
)
TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Server:
    """Answers each request; *after* the first, it does what a test wants to that connection."""

    def __init__(self, after: Callable[[asyncio.StreamWriter], None] | None = None) -> None:
        self._after = after
        self.heads: list[str] = []
        self.connections = 0
        self.ended = asyncio.Event()
        """What is done after the first answer is done."""

    async def serve(self, context: ssl.SSLContext | None = None) -> asyncio.Server:
        return await asyncio.start_server(self._talk, "127.0.0.1", 0, ssl=context)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                self.heads.append(head)
                length = int(head.lower().partition("content-length:")[2].split()[0])
                await reader.readexactly(length)
                writer.write(ANSWER)
                await writer.drain()
                if self._after is not None and len(self.heads) == 1:
                    await asyncio.sleep(0.05)  # the answer has been read: the connection is idle
                    self._after(writer)
                    self.ended.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def port_of(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])


@pytest.fixture
async def connect(plugin_context):
    made: list[OpenAIProvider] = []

    def connect(url: str) -> OpenAIProvider:
        settings, secrets = OpenAISettings(base_url=url), {"OPENAI_API_KEY": "sk-of-a-test"}
        context = plugin_context("openai", settings=settings, secrets=secrets)
        made.append(OpenAIProvider(context))
        return made[-1]

    yield connect
    for provider in made:
        await provider.close()


async def asked(provider: OpenAIProvider) -> str:
    request = make_request(messages=(user("Hi"),), model="openai:test", emit=[].append)
    (part,) = (await provider.stream(request)).parts
    assert isinstance(part, Text)
    return part.text


async def test_many_calls_go_over_one_connection(connect) -> None:
    server = Server()
    async with await server.serve() as listening:
        provider = connect(f"http://127.0.0.1:{port_of(listening)}/v1")
        assert [await asked(provider) for _ in range(5)] == ["Hello."] * 5
    assert server.connections == 1


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(lambda writer: writer.close(), id="closed"),
        pytest.param(lambda writer: writer.transport.abort(), id="reset"),
        pytest.param(lambda writer: writer.write(TIMEOUT), id="said by itself"),
        pytest.param(lambda writer: (writer.write(TIMEOUT), writer.close()), id="said and closed"),
    ],
)
async def test_an_idle_connection_that_is_at_its_end_is_not_used_again(connect, after) -> None:
    server = Server(after)
    async with await server.serve() as listening:
        provider = connect(f"http://127.0.0.1:{port_of(listening)}/v1")
        assert await asked(provider) == "Hello."
        await server.ended.wait()
        await asyncio.sleep(0.05)  # until it is here
        assert await asked(provider) == "Hello.", "the second answer is not what was said unasked"
    assert server.connections == 2


async def test_a_certificate_is_checked(connect, tmp_path, monkeypatch) -> None:
    ca, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    server = Server()
    async with await server.serve(context) as listening:
        url = f"https://127.0.0.1:{port_of(listening)}/v1"
        with pytest.raises(Failed, match=r"The certificate of .* is not trusted"):
            await asked(connect(url))
        assert not server.heads, "nothing was said to a stranger"
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        trusting = connect(url)
        assert [await asked(trusting) for _ in range(3)] == ["Hello."] * 3


async def test_a_proxy_of_the_environment_is_used(connect, monkeypatch) -> None:
    server = Server()
    async with await server.serve() as listening:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port_of(listening)}")
        assert await asked(connect("http://api.example.com/v1")) == "Hello."
    assert server.heads[0].startswith("POST http://api.example.com/v1/chat/completions ")
