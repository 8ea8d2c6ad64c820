"""Who gets in: AT-06's probes, and a table test that no route escapes."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from starlette.responses import JSONResponse
from starlette.routing import Route

from hermes.errors import HermesError
from hermes.testing import make_context
from hermes.testing.context import CapturedLog
from hermes_plugin_api_server.guard import Guard
from hermes_plugin_api_server.service import APIServer
from hermes_plugin_api_server.settings import APIServerSettings

KEY = "sk-test-0123456789"
OPEN = {("/health", "GET"), ("/v1/health", "GET")}
CHAT = {"messages": [{"role": "user", "content": "Hi"}]}


async def test_no_route_is_served_without_the_key(serve: Any) -> None:
    async with serve() as api:
        routes = [
            (route.path.replace("{id}", "x").replace("{model:path}", "x"), method)
            for route in api.service.api.application().routes
            if isinstance(route, Route)
            for method in route.methods or ()
            if method != "HEAD"
        ]
        assert len(routes) > 10
        async with httpx2.AsyncClient(base_url=api.url) as stranger:
            answers = {(p, m): (await stranger.request(m, p)).status_code for p, m in routes}
            nowhere = await stranger.get("/nothing")
        assert {at for at, status in answers.items() if status != 401} == OPEN
        assert nowhere.status_code == 401


@pytest.mark.parametrize(
    ("headers", "query", "status"),
    [
        ({}, "", 401),
        ({"authorization": "Bearer wrong"}, "", 401),
        ({"authorization": f"Bearer {KEY}x"}, "", 401),
        ({"authorization": "Bearer"}, "", 401),
        ({"authorization": f"Basic {KEY}"}, "", 401),
        ({}, f"?token={KEY}&api_key={KEY}&key={KEY}&access_token={KEY}", 401),
        ({"authorization": f"Bearer {KEY}", "origin": "https://evil.example"}, "", 403),
        ({"authorization": f"Bearer {KEY}", "origin": "null"}, "", 403),
        ({"authorization": f"Bearer {KEY}", "origin": "http://127.0.0.1:8642"}, "", 403),
        ({"authorization": f"Bearer {KEY}", "sec-fetch-site": "cross-site"}, "", 403),
        ({"authorization": f"Bearer {KEY}", "host": "evil.example"}, "", 421),
        ({"authorization": f"Bearer {KEY}", "host": "127.0.0.1.evil.example:8642"}, "", 421),
        ({"authorization": f"Bearer {KEY}", "host": "10.0.0.1"}, "", 421),
        ({"authorization": f"bearer {KEY}", "host": "localhost:99"}, "", 200),
        ({"authorization": f"Bearer {KEY}", "host": "[::1]:99"}, "", 200),
        ({"authorization": f"Bearer {KEY}", "sec-fetch-site": "none"}, "", 200),
    ],
)
async def test_each_probe_gets_what_it_deserves(
    serve: Any, headers: dict[str, str], query: str, status: int
) -> None:
    async with serve("Hello.") as api, httpx2.AsyncClient(base_url=api.url) as probe:
        answer = await probe.post(f"/v1/chat/completions{query}", json=CHAT, headers=headers)
        assert answer.status_code == status
        assert len(api.provider.requests) == (status == 200)
        assert KEY not in str(api.context.log.entries)
        assert KEY not in answer.text + str(answer.headers)


async def test_a_page_of_another_site_can_reach_no_loopback_server_without_a_key(
    serve: Any,
) -> None:
    async with serve("never", key="") as api, httpx2.AsyncClient(base_url=api.url) as page:
        for headers in (
            {"origin": "https://evil.example"},
            {"sec-fetch-site": "cross-site"},
            {"host": "evil.example"},
        ):
            # A body of text/plain is what a form can send without asking first.
            headers |= {"content-type": "text/plain"}
            answer = await page.post("/v1/chat/completions", headers=headers, json=CHAT)
            assert answer.status_code in (403, 421)
        assert api.provider.requests == []


async def test_a_listed_origin_may_call_and_is_told_so(serve: Any) -> None:
    origin = "https://chat.example.com"
    async with serve("Hello.", cors=(origin,)) as api:
        asked = {"access-control-request-method": "POST", "origin": origin}
        async with httpx2.AsyncClient(base_url=api.url) as page:
            preflight = await page.options("/v1/chat/completions", headers=asked)
            foreign = {**asked, "origin": "https://evil.example"}
            refused = await page.options("/v1/chat/completions", headers=foreign)
        answer = await api.http.post("/v1/chat/completions", json=CHAT, headers={"origin": origin})
    assert (preflight.status_code, answer.status_code) == (204, 200)
    assert preflight.headers["access-control-allow-origin"] == origin
    assert answer.headers["access-control-allow-origin"] == origin
    assert refused.status_code == 403
    assert "access-control-allow-origin" not in refused.headers


async def test_a_name_of_a_proxy_is_served_when_it_is_listed(serve: Any) -> None:
    async with serve("Hello.", hosts=("API.example.com",)) as api:
        headers = {"host": "api.example.com"}
        answer = await api.http.post("/v1/chat/completions", json=CHAT, headers=headers)
        assert answer.status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "some-name"])
async def test_off_loopback_it_does_not_start_without_a_key(tmp_path: Path, host: str) -> None:
    settings = APIServerSettings(enabled=True, host=host, port=0)
    service = APIServer(make_context("api-server", home=tmp_path, settings=settings))
    assert "needs a key: put API_SERVER_KEY=" in service.missing()
    assert "\n" not in service.missing()
    with pytest.raises(HermesError, match="needs a key"):
        await service.run(None)  # type: ignore[arg-type]
    assert service.address is None


async def test_every_page_is_no_origin(tmp_path: Path) -> None:
    settings = APIServerSettings(enabled=True, cors=("*",))
    service = APIServer(make_context("api-server", home=tmp_path, settings=settings))
    assert "stands for every page" in service.missing()


async def test_off_loopback_addresses_and_listed_names_are_served() -> None:
    guard = Guard(
        JSONResponse({}),
        key=KEY,
        listens_on="0.0.0.0",
        hosts=("my.example",),
        cors=(),
        body_limit=1,
        log=CapturedLog(),
    )
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(guard), base_url="http://a") as c:
        for host, status in (("10.1.2.3:8642", 200), ("my.example", 200), ("evil.example", 421)):
            headers = {"host": host, "authorization": f"Bearer {KEY}"}
            assert (await c.get("/v1/models", headers=headers)).status_code == status


async def test_a_body_over_the_limit_is_refused(serve: Any) -> None:
    async with serve("never", body_limit=1000) as api:

        async def chunks() -> Any:
            for _ in range(100):
                yield b"x" * 100

        announced = await api.http.post("/v1/chat/completions", content=b"x" * 1001)
        unannounced = await api.http.post("/v1/chat/completions", content=chunks())
        assert (announced.status_code, unannounced.status_code) == (413, 413)
        answer = await api.http.post("/v1/chat/completions", json=CHAT)
        assert answer.status_code == 200


async def test_a_websocket_is_refused(serve: Any) -> None:
    async with serve() as api:
        reader, writer = await asyncio.open_connection("127.0.0.1", api.service.address[1])
        writer.write(
            b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\r\n"
        )
        assert (await reader.readline()).split()[1] == b"401"
        writer.close()


async def test_a_taken_port_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = APIServerSettings(enabled=True, port=port)
        service = APIServer(make_context("api-server", home=tmp_path, settings=settings))
        with pytest.raises(HermesError, match=rf"cannot listen on 127.0.0.1:{port}: .*in use"):
            await service.run(None)  # type: ignore[arg-type]


async def test_the_official_client_says_what_is_wrong(serve: Any) -> None:
    async with serve() as api:
        stranger = openai.AsyncOpenAI(base_url=f"{api.url}/v1", api_key="wrong")
        with pytest.raises(openai.AuthenticationError, match="Incorrect API key"):
            await stranger.models.list()
        with pytest.raises(openai.NotFoundError, match="There is no GET"):
            await api.client.get("/nothing", cast_to=object)
        await stranger.close()


async def test_a_bug_in_a_route_is_an_error_of_one_request(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve("Hello.") as api:
        monkeypatch.setattr(api.service.api.places, "who", lambda headers: 1 / 0)
        broken = await api.http.post("/v1/chat/completions", json=CHAT)
        monkeypatch.undo()
        whole = await api.http.post("/v1/chat/completions", json=CHAT)
    assert (broken.status_code, whole.status_code) == (500, 200)
    assert "ZeroDivisionError" in str(api.context.log.entries)
    assert "ZeroDivisionError" not in broken.text
