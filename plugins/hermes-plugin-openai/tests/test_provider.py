"""The provider against a real server: what others make of the format, and what goes wrong."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from typing import Any

import pytest

from hermes import ConfigError, Failed, Failure, Message, Secret, Text, Thinking, ToolSpec, user
from hermes.testing import make_request
from hermes.testing.answers import Call, Say
from hermes.testing.openai_server import OpenAIServer
from hermes.testing.openai_wire import Raw
from hermes_plugin_openai.provider import OpenAIProvider, host_of
from hermes_plugin_openai.settings import OpenAISettings


@pytest.fixture
async def server():
    async with OpenAIServer() as server:
        yield server


@pytest.fixture
async def connect(plugin_context, server):
    """Make providers that are closed in the end."""
    made = []

    def connect(secrets: dict[str, str] | None = None, **settings: Any) -> OpenAIProvider:
        settings.setdefault("base_url", server.url)
        context = plugin_context("openai", settings=OpenAISettings(**settings), secrets=secrets)
        made.append(OpenAIProvider(context))
        return made[-1]

    yield connect
    for provider in made:
        await provider.close()


def ask(*messages: Message, heard: list[Any] | None = None, **spec: Any):
    emit = [].append if heard is None else heard.append
    spec.setdefault("model", "openai:test")
    return make_request(messages=messages, emit=emit, **spec)


async def failure_of(provider: OpenAIProvider, *messages: Message, **spec: Any) -> Failure:
    with pytest.raises(Failed) as caught:
        await provider.stream(ask(*messages, **spec))
    return caught.value.failure


def events(*chunks: Any, done: bool = True) -> Raw:
    """Server-sent events of exactly these chunks."""
    lines = [c if isinstance(c, str) else json.dumps(c) for c in (*chunks, *["[DONE]"] * done)]
    return Raw("".join(f"data: {line}\n\n" for line in lines).encode())


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def call(index: int | None, id: str | None, name: str | None, arguments: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"function": {"name": name, "arguments": arguments}}
    made |= {} if index is None else {"index": index}
    made |= {} if id is None else {"id": id}
    return delta(tool_calls=[made])


# -- the format, as others understand it -------------------------------------------------------


@pytest.mark.parametrize(
    ("chunks", "calls"),
    [
        pytest.param(
            [call(0, "a", "f", ""), call(0, None, None, '{"x"'), call(0, None, None, ":1}"),
             call(1, "b", "g", ""), call(1, None, None, "{}")],
            [("a", "f", '{"x":1}'), ("b", "g", "{}")], id="as OpenAI"),
        pytest.param([call(0, "", "f", "{}"), call(1, None, "g", "{}")],
            [("call_3_0", "f", "{}"), ("call_3_1", "g", "{}")], id="no ids"),
        pytest.param([call(0, "a", "f", "{}"), call(1, "a", "f", "{}")],
            [("a", "f", "{}"), ("a_2", "f", "{}")], id="one id twice"),
        pytest.param([call(0, "a", "f", "{}"), call(0, "b", "g", '{"y":1}')],
            [("a", "f", "{}"), ("b", "g", '{"y":1}')], id="every index 0"),
        pytest.param([call(0, "a", "f", ""), call(0, "b", "g", "{}")],
            [("a", "f", ""), ("b", "g", "{}")], id="every index 0, no arguments"),
        pytest.param([call(None, "a", "f", "{}"), call(None, "b", "f", "{}")],
            [("a", "f", "{}"), ("b", "f", "{}")], id="no index"),
        pytest.param([call(None, None, "f", "{}"), call(None, None, "g", "{}")],
            [("call_3_0", "f", "{}"), ("call_3_1", "g", "{}")], id="no index, no id"),
        pytest.param([call(0, "a", "f", '{"x"'), call(0, "z", "f", ":1}")],
            [("a", "f", '{"x":1}')], id="a new id for every piece"),
        pytest.param([call(0, "a", "f", '{"x"'), call(0, "a", "f", ":1}")],
            [("a", "f", '{"x":1}')], id="the name in every piece"),
        pytest.param([call(0, "a", "f", {"x": 1})], [("a", "f", '{"x": 1}')], id="an object"),
        pytest.param(
            [call(0, "a", "f", '{"x"'), call(1, "b", "g", '{"y"'),
             call(0, None, None, ":1}"), call(1, None, None, ":2}")],
            [("a", "f", '{"x":1}'), ("b", "g", '{"y":2}')], id="in turns"),
        pytest.param([call(0, "a", "f", '{"x": "\ud83d'), call(0, None, None, '\ude42"}')],
            [("a", "f", '{"x": "\U0001f642"}')], id="half a character in each piece"),
        pytest.param([call(0, "a", "f", '{"x": "\ud83d"}')],
            [("a", "f", '{"x": "\ufffd"}')], id="a lone surrogate"),
    ],
)  # fmt: skip
async def test_tool_calls_are_put_together(connect, server, chunks, calls) -> None:
    server.will(events(*chunks, delta("stop")))
    response = await connect().stream(ask(user("x"), step=3))
    assert [(use.id, use.name, use.arguments) for use in response.tool_uses] == calls
    assert response.stop == "tools", "whatever the endpoint calls it"


async def test_a_character_cut_in_two_is_shown_whole(connect, server) -> None:
    server.will(events(delta(content="a\ud83d"), delta(content="\ude42\ud800"), delta("stop")))
    heard: list[Any] = []
    response = await connect().stream(ask(user("x"), heard=heard))
    assert response.text == "a\U0001f642\ufffd"
    assert "".join(event.text for event in heard) == response.text
    assert all(event.text for event in heard), "no empty pieces"


@pytest.mark.parametrize(
    "chunk",
    [
        {"reasoning_content": "Hm."},
        {"reasoning": "Hm."},
        {"reasoning": "Hm.", "reasoning_content": "Hm."},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]},
        {"reasoning_details": [{"type": "reasoning.text", "text": "Hm.", "index": 0}]},
    ],
)
async def test_reasoning_is_read_in_each_of_its_forms(connect, server, chunk) -> None:
    server.will(events(delta(**chunk), delta(content="4"), delta("stop")))
    response = await connect().stream(ask(user("x")))
    thought, text = response.parts
    assert (thought.text, text) == ("Hm.", Text("4"))


async def test_structured_reasoning_comes_back_joined(connect, server) -> None:
    piece = {"type": "reasoning.text", "index": 0, "signature": None}
    details = [{**piece, "text": "Two "}, {**piece, "text": "words.", "signature": "sig"}]
    server.will(
        *(events(*(delta(reasoning_details=[d]) for d in details), delta("stop", content="4")),),
        Say("Yes."),
    )
    provider = connect()
    server._extra = frozenset({"reasoning_details"})
    response = await provider.stream(ask(user("x")))
    assert isinstance(response.parts[0], Thinking)
    assert response.parts[0].text == "Two words."
    await provider.stream(ask(user("x"), Message("assistant", response.parts), user("y")))
    sent = server.requests[-1].json["messages"][2]["reasoning_details"]
    assert sent == [{**piece, "text": "Two words.", "signature": "sig"}]


async def test_usage_is_read_in_each_of_its_forms(connect, server) -> None:
    base = {"prompt_tokens": 100, "completion_tokens": 20}
    openai = {**base, "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 5},
              "completion_tokens_details": {"reasoning_tokens": 7}, "cost": 0.25}  # fmt: skip
    provider = connect()
    server.will(
        events(delta("stop", content="x"), {"choices": [], "usage": openai}),
        events(delta("stop"), {"choices": [], "usage": {**base, "prompt_cache_hit_tokens": 60}}),
        events({"choices": [{**delta("stop")["choices"][0], "usage": base}]}),
        events(delta("stop"), {"choices": None, "usage": {"prompt_tokens": None}}),
    )
    usage = (await provider.stream(ask(user("x")))).usage
    assert (usage.input, usage.output, usage.cache_read, usage.cache_write) == (100, 20, 60, 5)
    assert (usage.reasoning, usage.cost, usage.calls) == (7, 0.25, 1)
    assert (await provider.stream(ask(user("x")))).usage.cache_read == 60
    assert (await provider.stream(ask(user("x")))).usage.input == 100
    assert (await provider.stream(ask(user("x")))).usage.input == 0


@pytest.mark.parametrize(
    ("said", "stop"),
    [("stop", "end"), ("length", "length"), ("content_filter", "filter"), ("eos", "end"),
     ("tool_calls", "end")],
)  # fmt: skip
async def test_the_reason_to_stop_is_read(connect, server, said, stop) -> None:
    server.will(events(delta(content="x"), delta(said)))
    assert (await connect().stream(ask(user("x")))).stop == stop


async def test_a_server_that_does_not_stream_is_understood(connect, server) -> None:
    message = {"role": "assistant", "content": "All at once.", "tool_calls": None}
    body = {"choices": [{"message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 4}}  # fmt: skip
    server.will(Raw(json.dumps(body).encode(), content_type="application/json"))
    heard: list[Any] = []
    response = await connect().stream(ask(user("x"), heard=heard))
    assert response.text == heard[0].text == "All at once."
    assert response.usage.output == 4


async def test_names_that_the_vendor_refuses_come_back_as_they_were(connect, server) -> None:
    tool = ToolSpec("files.read", "Read.", '{"type":"object"}')

    def answer(exchange) -> Say:
        name = exchange.json["tools"][0]["function"]["name"]
        return Say(calls=(Call(name),))

    server.will(answer)
    response = await connect().stream(ask(user("x"), tools=(tool,)))
    assert response.tool_uses[0].name == "files.read"


# -- what goes wrong ---------------------------------------------------------------------------


ERROR = {"error": {"message": "The server had an error", "type": "server_error", "code": None}}


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (events(delta(content="x"), done=False), "transient", "cut the answer short"),
        (events(delta(content="x")), "transient", "cut the answer short"),
        (Raw(b""), "transient", "cut the answer short"),
        (Raw(b"data: {\n\n", cut=True), "transient", "cannot be read"),
        (Raw(b'data: {"choices": []}\n\n', cut=True), "transient", "cut the answer short"),
        (events(delta(content="x"), '{"choices": [{"del'), "transient", "cannot be read"),
        (events('"text"'), "transient", "cannot be read"),
        (Raw(b"data: \xff\xfe\n\n"), "transient", "cannot be read"),
        (events(delta(content="x"), ERROR), "transient", "The server had an error"),
        (events({"error": {"message": "slow", "code": 429}}), "rate_limit", "slow"),
        (Raw(json.dumps(ERROR).encode(), content_type="application/json"), "transient",
         "The server had an error"),
        (Raw(b'{"error": "no", "code": 1}', content_type="application/json"), "transient", "no"),
        (Raw(b"[1]", content_type="application/json"), "transient", "1"),
        (Raw(b"{", content_type="application/json"), "bad_request", "base_url"),
        (Raw(b"<html>Welcome", content_type="text/html"), "bad_request", "base_url"),
        (Raw(b"<html><title>Bad Gateway</title>", 502, "text/html"), "transient", "Bad Gateway"),
        (Raw(b"", 500, "text/plain"), "transient", "500"),
        (Raw(b'{"error":', 503, "application/json", cut=True), "transient", ""),
    ],
)  # fmt: skip
async def test_a_broken_answer_is_a_failure_in_one_line(
    connect, server, answer, kind, words
) -> None:
    server.will(answer, "Fine.")
    provider = connect()
    failure = await failure_of(provider, user("x"))
    assert failure.kind == kind
    assert words in failure.message
    assert "\n" not in failure.message
    assert server.requests[-1] is server.requests[0], "asked once"
    assert (await provider.stream(ask(user("x")))).text == "Fine."


async def test_an_endpoint_that_is_down_is_named(connect) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    failure = await failure_of(connect(base_url=f"http://127.0.0.1:{port}/v1"), user("x"))
    assert failure.kind == "transient"
    assert f"127.0.0.1:{port} is down or out of reach: " in failure.message
    assert "refused" in failure.message


async def test_a_name_that_does_not_exist_is_told(connect) -> None:
    provider = connect({"OPENAI_API_KEY": "sk-x"}, base_url="https://api.nowhere.invalid/v1")
    failure = await failure_of(provider, user("x"))
    assert failure.kind == "transient"
    assert "api.nowhere.invalid is down or out of reach: its name cannot" in failure.message


async def test_silence_is_a_timeout(connect, server) -> None:
    hold = asyncio.Event()
    server.will(Say("One two", hold=hold, hold_after=1))
    failure = await failure_of(connect(timeout=0.2), user("x"))
    assert failure.kind == "timeout"
    assert "said nothing for 0.2 s" in failure.message


async def test_the_models_own_refusal_of_a_name_is_shown(connect, server) -> None:
    server.models = ("good",)
    failure = await failure_of(connect(), user("x"), model="openai:bad")
    assert (failure.kind, failure.status) == ("bad_request", 404)
    assert "The model `bad` does not exist" in failure.message


async def test_too_much_context_is_told_by_its_kind(connect, server) -> None:
    server.window = 1000
    failure = await failure_of(connect(), user("x" * 8000))
    assert failure.kind == "context_overflow"


async def test_no_model_at_all_is_one_clear_line(connect) -> None:
    assert "openai:NAME" in (await failure_of(connect(), user("x"), model="openai:")).message


# -- keys --------------------------------------------------------------------------------------


async def test_a_missing_key_says_where_it_belongs(connect, home, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-through-the-back-door")
    provider = connect(base_url="https://api.openai.com/v1")
    await provider.open()
    failure = await failure_of(provider, user("x"))
    assert failure.kind == "auth"
    assert failure.message == (
        f"No API key for api.openai.com: put OPENAI_API_KEY=… into {home / '.env'} or the"
        " environment."
    )
    with pytest.raises(Failed, match="OPENAI_API_KEY"):
        await provider.models()


async def test_another_place_for_the_key_is_named(connect) -> None:
    settings = {"base_url": "https://api.openai.com/v1", "api_key": Secret("env:MY_KEY")}
    assert "put MY_KEY=… into" in (await failure_of(connect(**settings), user("x"))).message
    settings["api_key"] = Secret("command:pass show openai")
    assert "openai.api_key" in (await failure_of(connect(**settings), user("x"))).message


async def test_a_key_that_is_none_is_told_before_it_is_sent(connect, server) -> None:
    failure = await failure_of(connect({"OPENAI_API_KEY": "sk-“quoted”"}), user("x"))
    assert failure.kind == "auth"
    assert "OPENAI_API_KEY" in failure.message
    assert "quoted" not in failure.message
    assert server.requests == []


async def test_the_key_is_sent_and_never_shown(connect, server) -> None:
    server.key = "sk-good"
    server.will("Yes.")
    assert (await connect({"OPENAI_API_KEY": " sk-good\n"}).stream(ask(user("x")))).text == "Yes."
    server.key = "sk-other"
    server.will(Raw(b'{"error": {"message": "bad key sk-good"}}', 401, "application/json"))
    failure = await failure_of(connect({"OPENAI_API_KEY": "sk-good"}), user("x"))
    assert failure.kind == "auth"
    assert "sk-good" not in failure.message
    server.key = ""
    failure = await failure_of(connect({"OPENAI_API_KEY": "sk-good"}), user("x"))
    assert failure.message.endswith("bad key [secret]")


async def test_this_machine_needs_no_key(connect, server) -> None:
    server.will("Yes.")
    assert (await connect().stream(ask(user("x")))).text == "Yes."


async def test_the_address_comes_from_the_variable_unless_it_is_set(connect, server) -> None:
    server.will("Yes.")
    provider = connect({"OPENAI_BASE_URL": server.url}, base_url="")
    assert (await provider.stream(ask(user("x")))).text == "Yes."
    assert connect({}, base_url="").base_url == "https://api.openai.com/v1"
    assert connect({"OPENAI_BASE_URL": "http://a.b"}, base_url="http://c.d/v1").host == "c.d"


@pytest.mark.parametrize("address", ["localhost:8080", "ftp://x/v1", "http://", "http://a:b/", "x"])
def test_an_address_that_is_none_is_refused_at_once(address) -> None:
    with pytest.raises(ConfigError, match=r"openai\.base_url"):
        host_of(address)


def test_a_password_in_the_address_is_not_shown() -> None:
    assert host_of("https://me:secret@example.com:8443/v1") == "example.com:8443"


# -- what it sends, and how --------------------------------------------------------------------


async def test_one_connection_serves_a_conversation(connect, server) -> None:
    provider = connect()
    for _ in range(5):
        server.will("Yes.")
        await provider.stream(ask(user("x")))
    assert server.connections == 1


async def test_two_first_calls_make_one_client(connect, server) -> None:
    provider = connect()
    server.will("a", "b")
    await asyncio.gather(*(provider.stream(ask(user("x"))) for _ in range(2)))
    client = provider._client
    await provider.open()
    assert provider._client is client


async def test_a_cancelled_call_closes_its_stream(connect, server) -> None:
    server.will(Say("One two", hold=asyncio.Event(), hold_after=1))
    call = asyncio.ensure_future(connect().stream(ask(user("x"))))
    (exchange,) = await server.asked()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.wait_for(exchange.ended.wait(), 1)
    assert exchange.disconnected


async def test_headers_fields_and_limits_are_sent(connect, server) -> None:
    server.will("Yes.")
    provider = connect(
        extra_headers={"x-title": "Hermes"},
        extra_body={"top_p": 0.5},
        organization="org-1",
        project="proj-1",
        max_output_field="max_completion_tokens",
    )
    await provider.stream(ask(user("x"), max_output=50, temperature=0.0))
    (exchange,) = server.requests
    assert exchange.headers["x-title"] == "Hermes"
    assert exchange.headers["openai-organization"] == "org-1"
    assert exchange.headers["openai-project"] == "proj-1"
    assert exchange.headers["content-type"] == "application/json"
    body = exchange.json
    assert (body["max_completion_tokens"], body["temperature"], body["top_p"]) == (50, 0.0, 0.5)


async def test_models_are_listed_with_what_is_known_of_them(connect, server) -> None:
    server.models, server.window = ("zeta", "alpha"), 4096
    provider = connect()
    assert (await provider.info("alpha")).window is None
    assert [model.name for model in await provider.models()] == ["alpha", "zeta"]
    assert (await provider.info("alpha")).window == 4096
    assert (await connect(window=100).info("alpha")).window == 100
    assert connect(default_model="alpha").default() == "alpha"


async def test_an_endpoint_without_a_list_has_no_models(connect, server) -> None:
    assert await connect(base_url=server.url + "/deployments").models() == ()


def test_the_sdk_is_imported_only_when_a_model_is_used(tmp_path) -> None:
    script = """
import sys
from pathlib import Path
from hermes.testing import make_context
import hermes_plugin_openai
from hermes_plugin_openai.provider import OpenAIProvider
from hermes_plugin_openai.settings import OpenAISettings
context = make_context("openai", home=Path(sys.argv[1]), settings=OpenAISettings())
OpenAIProvider(context)
assert not {"openai", "httpx2", "pydantic"} & set(sys.modules), "too early"
"""
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, timeout=60)
