"""An OpenAI-compatible HTTP server on loopback that says what a script says.

    async with OpenAIServer(Say("Hello."), Fail("rate_limit", retry_after=1)) as server:
        ...  # openai.base_url: server.url
    assert server.requests[0].json["model"] == "test"

It checks what it gets as OpenAI does (`openai_rules`) and refuses it with OpenAI's errors, keeps
connections alive, and can cut them. ``python -m hermes.testing.openai_server`` runs it alone, for
tests of whole programs: it prints its address and answers until it is stopped.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import sys
import time
from collections.abc import Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from hermes.testing.answers import Fail, Say, Scripted, read_script
from hermes.testing.openai_rules import Refusal, check, parse
from hermes.testing.openai_wire import CREATED, Exchange, Raw, as_refusal, events, whole

REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found",
           429: "Too Many Requests", 500: "Internal Server Error"}  # fmt: skip


class Gone(Exception):
    """The client has closed the connection."""


Answers: TypeAlias = "Scripted | Raw"


class OpenAIServer:
    """The server, as an async context manager. Answers go in order; then every call is a 500."""

    def __init__(
        self,
        *answers: Answers,
        key: str = "",
        models: Sequence[str] = (),
        window: int | None = None,
        extra_fields: Iterable[str] = (),
        always: Answers | None = None,
        check: bool = True,
        keep: int | None = None,
    ) -> None:
        self.answers: list[Answers] = list(answers)
        self.requests: list[Exchange] = []
        """Chat completions asked for, the refused ones too."""
        self.connections = 0
        """How many were made: a client that keeps them alive makes one."""
        self.key = key
        """Empty: any key, or none, will do."""
        self.models = tuple(models)
        """Empty: every model is there."""
        self.window = window
        """Tokens of context; a token is four bytes here."""
        self.always = always
        """The answer once the script is through."""
        self._extra = frozenset(extra_fields)
        self._check = check
        self._keep = keep
        """Requests that are remembered, the latest; None for all."""
        self._arrived = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def will(self, *answers: Answers) -> None:
        """Answer so next, after what is left."""
        self.answers += answers

    async def asked(self, count: int = 1, seconds: float = 5.0) -> list[Exchange]:
        """Wait until *count* requests have come. Raises TimeoutError."""
        async with asyncio.timeout(seconds), self._arrived:
            await self._arrived.wait_for(lambda: len(self.requests) >= count)
        return self.requests

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._server = await asyncio.start_server(self._accept, host, port, limit=2**20)
        self.port = int(self._server.sockets[0].getsockname()[1])
        self.url = f"http://{host}:{self.port}/v1"

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aenter__(self) -> OpenAIServer:
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    # -- HTTP ---------------------------------------------------------------------------------

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._serve(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, Gone):
            pass
        except asyncio.CancelledError:
            if self._server.is_serving():  # asyncio logs a handler that was cancelled
                raise
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; give whether another may come on this connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip().split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        raw = await reader.readexactly(int(headers.get("content-length", 0)))
        exchange = Exchange(method, path.partition("?")[0], headers, raw)
        try:
            await self._route(exchange, reader, writer)
            await writer.drain()
        except (ConnectionError, Gone):
            exchange.disconnected = True
            raise
        finally:
            exchange.ended.set()
        return headers.get("connection", "").lower() != "close" and not writer.is_closing()

    async def _route(
        self, exchange: Exchange, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            self._authenticate(exchange)
            if (exchange.method, exchange.path) == ("POST", "/v1/chat/completions"):
                await self._chat(exchange, reader, writer)
            elif (exchange.method, exchange.path) == ("GET", "/v1/models"):
                _send(exchange, writer, 200, self._model_list())
            else:
                said = f"Invalid URL ({exchange.method} {exchange.path})"
                raise Refusal(said, status=404)
        except Refusal as refusal:
            _send(exchange, writer, refusal.status, refusal.body, refusal.headers)

    def _authenticate(self, exchange: Exchange) -> None:
        given = exchange.headers.get("authorization", "")
        if self.key and not given.startswith("Bearer "):
            raise Refusal("You didn't provide an API key.", status=401)
        if self.key and given != f"Bearer {self.key}":
            shown = given.removeprefix("Bearer ")[:3] + "***"
            said = f"Incorrect API key provided: {shown}."
            raise Refusal(said, status=401, code="invalid_api_key")

    def _model_list(self) -> dict[str, Any]:
        names = self.models or ("test",)
        data = [{"id": n, "object": "model", "created": CREATED, "owned_by": "test"} for n in names]
        if self.window:
            data = [{**each, "context_length": self.window} for each in data]
        return {"object": "list", "data": data}

    # -- answering ----------------------------------------------------------------------------

    async def _chat(
        self, exchange: Exchange, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.requests.append(exchange)
        if self._keep is not None:
            del self.requests[: -self._keep]
        async with self._arrived:
            self._arrived.notify_all()
        exchange.json = parse(exchange.raw)
        if self._check:
            check(exchange.json, extra_fields=self._extra)
        self._check_model(exchange)
        answer = await self._next(exchange)
        if isinstance(answer, Raw):
            _send_raw(exchange, writer, answer)
        elif isinstance(answer, Fail):
            raise as_refusal(answer)
        elif exchange.json.get("stream"):
            await _stream(exchange, reader, writer, answer)
        else:
            await asyncio.sleep(answer.delay)
            _send(exchange, writer, 200, whole(exchange, answer))

    def _check_model(self, exchange: Exchange) -> None:
        model = exchange.json.get("model", "")
        if self.models and model not in self.models:
            said = f"The model `{model}` does not exist or you do not have access to it."
            raise Refusal(said, status=404, code="model_not_found")
        tokens = -(-len(exchange.raw) // 4)
        if self.window and tokens > self.window:
            raise Refusal(
                f"This model's maximum context length is {self.window} tokens. However, your"
                f" messages resulted in {tokens} tokens. Please reduce the length of the messages.",
                param="messages",
                code="context_length_exceeded",
            )

    async def _next(self, exchange: Exchange) -> Say | Fail | Raw:
        answer: Any = self.answers.pop(0) if self.answers else self.always
        while callable(answer):
            answer = answer(exchange)
            answer = await answer if inspect.isawaitable(answer) else answer
        if answer is None:
            raise Refusal("the script has no answer left", status=500, type="server_error")
        return Say(answer) if isinstance(answer, str) else answer


def _head(exchange: Exchange, status: int, content_type: str, more: dict[str, str]) -> bytes:
    exchange.status = status
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}", f"content-type: {content_type}"]
    lines += [f"{name}: {value}" for name, value in more.items()]
    return "\r\n".join([*lines, "x-request-id: req_test", "", ""]).encode("latin-1")


def _send(
    exchange: Exchange,
    writer: asyncio.StreamWriter,
    status: int,
    body: Any,
    headers: dict[str, str] | None = None,
) -> None:
    data = msgspec.json.encode(body)
    more = {**(headers or {}), "content-length": str(len(data))}
    writer.write(_head(exchange, status, "application/json", more) + data)


def _send_raw(exchange: Exchange, writer: asyncio.StreamWriter, answer: Raw) -> None:
    length = len(answer.body) + (1 if answer.cut else 0)
    head = _head(exchange, answer.status, answer.content_type, {"content-length": str(length)})
    writer.write(head + answer.body)
    if answer.cut:
        writer.close()


async def _stream(
    exchange: Exchange, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, say: Say
) -> None:
    """Send server-sent events, each as a chunk of its own, as they come."""
    if say.delay:
        await _hold(asyncio.sleep(say.delay), reader)
    writer.write(_head(exchange, 200, "text/event-stream", {"transfer-encoding": "chunked"}))
    for event in events(exchange, say):
        if event is not None:
            data = b"data: %b\n\n" % event
            writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        elif say.hold is not None:
            await _hold(say.hold.wait(), reader)
    if say.cut:
        await writer.drain()
        writer.close()
    else:
        writer.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")


async def _hold(until: Coroutine[Any, Any, Any], reader: asyncio.StreamReader) -> None:
    """Wait for *until*; raise `Gone` when the client does not."""
    waiting = asyncio.ensure_future(until)
    going = asyncio.ensure_future(reader.read(1))
    try:
        await asyncio.wait((waiting, going), return_when=asyncio.FIRST_COMPLETED)
        if going.done():
            raise Gone
    finally:
        waiting.cancel()
        going.cancel()
        await asyncio.gather(waiting, going, return_exceptions=True)


# -- alone ------------------------------------------------------------------------------------


def echo(exchange: Exchange) -> Say:
    """Say again what the person said last."""
    said = [m["content"] for m in exchange.json["messages"] if m["role"] == "user"]
    last = said[-1] if said else ""
    if isinstance(last, list):
        last = " ".join(part.get("text", "[picture]") for part in last)
    return Say(f"You said: {last}")


async def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until killed. The first line on standard output is the address."""
    parser = argparse.ArgumentParser(prog="python -m hermes.testing.openai_server")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--script", type=Path, help="JSON lines of answers; else it echoes")
    parser.add_argument("--loop", action="store_true", help="begin the script again at its end")
    parser.add_argument("--key", default="", help="the only key that is taken")
    parser.add_argument("--model", action="append", default=[], help="a model that is there")
    parser.add_argument("--window", type=int, help="tokens of context")
    parser.add_argument("--record", type=Path, help="append each request to this file")
    options = parser.parse_args(arguments)
    script: list[Say | Fail] = read_script(options.script) if options.script else []
    place = 0

    def answer(exchange: Exchange) -> Say | Fail:
        nonlocal place
        if options.record:
            line = {"at": time.time(), "headers": exchange.headers, "body": exchange.json}
            with options.record.open("ab") as file:
                file.write(msgspec.json.encode(line) + b"\n")
        if not script:
            return echo(exchange)
        if place >= len(script) and not options.loop:
            return Fail("bad_request", "the script has no answer left", status=500)
        place += 1
        return script[(place - 1) % len(script)]

    server = OpenAIServer(
        key=options.key, models=options.model, window=options.window, always=answer, keep=100
    )
    await server.start(port=options.port)
    print(server.url, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[1:]))
    except KeyboardInterrupt:
        pass
